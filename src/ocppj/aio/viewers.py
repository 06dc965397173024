"""Frames of single stations, as long as somebody looks at them.

A station that nobody watches pays nothing. While somebody does, a `Wire` is between its
connection and its transport, as with a tap: see `ocppj.aio.tap`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast
from weakref import WeakSet

from ocppj.aio.endpoint import Endpoint
from ocppj.aio.events import Stream
from ocppj.aio.tap import TappedFrame, Wire, observed
from ocppj.aio.transport import Receiver, Transport

if TYPE_CHECKING:
    from ocppj.aio.stations import StationLink

__all__ = ["FrameStream", "Viewer", "Viewers"]

MAX_UNREAD: Final = 1_000
"""Maximum number of frames that a stream keeps for its reader."""

MAX_UNREAD_BYTES: Final = 8 * 2**20


class FrameStream(Stream[TappedFrame]):
    """The frames of a station from the moment that it was made, as an asynchronous iterator.

    Frames are dropped while the reader has 1,000 of them, or 8 MiB, unread.

    Attributes:
        lost: number of frames that were dropped.
    """

    __slots__ = ("_size", "lost")

    def __init__(self) -> None:
        super().__init__()
        self._size = 0
        self.lost = 0

    def put(self, frame: TappedFrame) -> None:
        """Add a frame; drop it if the reader does not keep up."""
        size = self._size + len(frame.data)
        if self._closed:
            return
        if len(self._unread) >= MAX_UNREAD or size > MAX_UNREAD_BYTES:
            self.lost += 1
            return
        self._unread.append(frame)
        self._size = size
        self._arrived.set()

    async def __anext__(self) -> TappedFrame:
        frame = await super().__anext__()
        self._size -= len(frame.data)
        return frame


class Viewer(Protocol):
    """Looks at the frames of a station."""

    def put(self, frame: TappedFrame) -> None:
        """Take a frame. Must not block or raise."""


class _Shown(NamedTuple):
    """A link that is looked at, and what it has had before."""

    link: "StationLink"
    endpoint: Endpoint
    transport: Transport


class Viewers:
    """Who looks at which station of a node.

    Viewers are held weakly: who drops a stream has stopped looking.

    Args:
        links: identity -> link, of all stations that are connected.
    """

    def __init__(self, links: Mapping[str, "StationLink"]) -> None:
        self._links = links
        self._viewers: dict[str, WeakSet[Viewer]] = {}
        self._shown: dict[str, _Shown] = {}

    def __bool__(self) -> bool:
        return bool(self._viewers)

    def stream(self, station_id: str) -> FrameStream:
        """Return the frames of a station from now on, whether it is connected or not."""
        stream = FrameStream()
        self.add(station_id, stream)
        return stream

    def add(self, station_id: str, viewer: Viewer) -> None:
        """Show the frames of a station to a viewer, as long as there is one."""
        self._tidy()
        self._viewers.setdefault(station_id, WeakSet()).add(viewer)
        link = self._links.get(station_id)
        if link is not None:
            self.entered(link)

    def discard(self, station_id: str, viewer: Viewer) -> None:
        """Show nothing more to a viewer."""
        self._viewers.get(station_id, set()).discard(viewer)
        self._tidy()

    def _tidy(self) -> None:
        for station_id in [name for name, viewers in self._viewers.items() if not viewers]:
            self._end(station_id)

    def _end(self, station_id: str) -> None:
        self._viewers.pop(station_id, None)
        shown = self._shown.pop(station_id, None)
        if shown is not None:
            link = shown.link
            link.endpoint, link.transport = shown.endpoint, shown.transport
            link.__class__ = cast("Any", type(link)).__base__

    def entered(self, link: "StationLink") -> None:
        """Note that a station has entered: show its frames if somebody looks."""
        shown = self._shown.get(link.id)
        if link.id not in self._viewers or (shown is not None and shown.link is link):
            return
        self._shown[link.id] = _Shown(link, link.endpoint, link.transport)
        metrics = observed(link.endpoint.metrics, self._show)
        link.endpoint = replace(link.endpoint, metrics=metrics, tap=self._show)
        # Its transport keeps the link and calls `received`: another class is the way to get between
        # them for which the links that nobody looks at do not pay.
        wire = Wire(link.id, metrics, self._show, link.transport)
        link.__class__ = _shown_class(type(link))
        link.transport = wire.to(cast("Receiver", super(type(link), link)))

    def left(self, link: "StationLink") -> None:
        """Note that a station has left."""
        shown = self._shown.get(link.id)
        if shown is not None and shown.link is link:
            del self._shown[link.id]

    def _show(self, frame: TappedFrame) -> None:
        viewers = self._viewers.get(frame.station_id)
        if not viewers:
            self._end(frame.station_id)
            return
        for viewer in list(viewers):
            viewer.put(frame)


_SHOWN_CLASSES: Final[dict[type[Any], type[Any]]] = {}


def _shown_class(cls: type[Any]) -> type[Any]:
    """Return the class of links that pass what they receive through their `Wire`."""

    def received(link: Any, data: bytes, *, late: bool = False) -> bytes | None:
        return cast("Wire", link.transport).received(data, late=late)

    if cls not in _SHOWN_CLASSES:
        members = {"__slots__": (), "received": received}
        _SHOWN_CLASSES[cls] = type(f"Shown{cls.__name__}", (cls,), members)
    return _SHOWN_CLASSES[cls]

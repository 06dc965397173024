"""Who connects and who leaves, for anybody who wants to hear of it.

Owns the events and their bounded queues. `CSMS.events` and `ocppj.fleet.Fleet.events` give streams.
"""

from asyncio import Event
from collections import deque
from datetime import datetime
from typing import Final, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar
from weakref import WeakSet

from ocppj.errors import OcppError

__all__ = ["EventHub", "EventStream", "EventType", "EventsLost", "StationEvent", "Stream"]

EventType: TypeAlias = Literal["connected", "disconnected", "moved"]

MAX_UNREAD: Final = 100_000
"""Maximum number of events that a stream keeps for its reader."""

T = TypeVar("T")


class EventsLost(OcppError):
    """A stream had more unread events than it keeps. Read the state again, then open another."""


class StationEvent(NamedTuple):
    """A change of a station's connection.

    Attributes:
        type: `"connected"`, `"disconnected"`, or `"moved"`: from one node of a fleet to another.
        station_id: of the station.
        version: of OCPP.
        node: of the fleet that holds the connection, or held it; empty at a `CSMS`.
        generation: of the connection; a later one is larger.
        time: of the change.
        reason: why it has disconnected, as far as is known.
    """

    type: EventType
    station_id: str
    version: str
    node: str
    generation: int
    time: datetime
    reason: str = ""


class Stream(Generic[T]):
    """What happens from the moment that it was made, as an asynchronous iterator."""

    __slots__ = ("__weakref__", "_arrived", "_closed", "_unread")

    def __init__(self) -> None:
        self._unread: deque[T] = deque()
        self._arrived = Event()
        self._closed = False

    def close(self) -> None:
        """End the iteration once everything is read."""
        self._closed = True
        self._arrived.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._unread:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()

    def _check(self) -> None:
        """Raise what ends the iteration, now that everything is read."""
        if self._closed:
            raise StopAsyncIteration


class EventStream(Stream[StationEvent]):
    """Events from the moment that it was made, as an asynchronous iterator.

    Raises:
        EventsLost: the reader has fallen behind by 100,000 events.
    """

    __slots__ = ("_lost",)

    def __init__(self) -> None:
        super().__init__()
        self._lost = False

    def put(self, event: StationEvent) -> None:
        """Add an event."""
        if len(self._unread) < MAX_UNREAD and not self._lost:
            self._unread.append(event)
        else:
            self._unread.clear()
            self._lost = True
        self._arrived.set()

    def _check(self) -> None:
        if self._lost:
            raise EventsLost(f"more than {MAX_UNREAD} events were not read")
        super()._check()


class EventHub:
    """Gives each event to all streams that are still in use."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: WeakSet[EventStream] = WeakSet()

    def __bool__(self) -> bool:
        return bool(self._streams)

    def stream(self) -> EventStream:
        """Return a new stream."""
        stream = EventStream()
        self._streams.add(stream)
        return stream

    def put(self, event: StationEvent) -> None:
        """Add an event to all streams."""
        for stream in self._streams:
            stream.put(event)

    def close(self) -> None:
        """End all streams."""
        for stream in self._streams:
            stream.close()

"""The charging stations connected to this process.

Owns which of two connections of one identity stays, and the wait for a station. Knows neither
transports nor handlers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Final, Literal, Protocol, TypeAlias, cast, get_args

from ocppj.aio.absent import Arrivals
from ocppj.aio.connection import Connection
from ocppj.aio.endpoint import Endpoint
from ocppj.aio.events import EventHub, EventType, StationEvent
from ocppj.aio.link import Link
from ocppj.aio.security import Handshake
from ocppj.aio.transport import Transport
from ocppj.aio.viewers import Viewers

__all__ = ["GOING_AWAY", "Duplicates", "Listener", "Station", "StationLink", "Stations"]

Duplicates: TypeAlias = Literal["ping", "newest", "oldest"]
"""Which of two connections of one identity stays."""

GOING_AWAY: Final = (1001, "going away")
REPLACED: Final = "replaced by a newer connection"
log: Final = logging.getLogger("ocppj.aio")
_generations: Final = count(1)


class Station(Connection):
    """A connected charging station, as its CSMS sees it.

    Attributes:
        handshake: the request that opened the connection.
        since: when it connected.
        generation: number of the connection; a later one of this process is larger.
    """

    __slots__ = ("generation", "handshake", "since")

    def __init__(self, link: "StationLink", handshake: Handshake) -> None:
        super().__init__(link)
        self.handshake = handshake
        self.since = datetime.now(UTC)
        self.generation = next(_generations)

    @property
    def node(self) -> str:
        """Id of the node of a fleet; empty here."""
        return ""

    @property
    def address(self) -> str:
        """Address of the peer, `host:port`; empty if it is not known."""
        remote = self.handshake.remote
        return ":".join(map(str, remote[:2])) if isinstance(remote, tuple) else str(remote or "")


class Listener(Protocol):
    """Accepts connections.

    Attributes:
        closing: whether it lets no more stations enter.
    """

    closing: bool


class StationLink(Link):
    """The link of a station. Its owner is the `Station`.

    Attributes:
        listener: which accepted the connection.
    """

    __slots__ = ("_stations", "listener")

    def __init__(
        self,
        stations: "Stations",
        listener: Listener,
        handshake: Handshake,
        endpoint: Endpoint,
        transport: Transport,
    ) -> None:
        super().__init__(handshake.station_id, endpoint, transport)
        self.owner = Station(self, handshake)
        self.listener = listener
        self._stations = stations

    def lost(self, reason: str = "") -> None:
        """Note that the connection has ended, and why."""
        self._stations.leave(self, self.end or reason)
        super().lost(reason)


class Stations(Mapping[str, Station]):
    """Identity -> station, of all that are connected.

    Args:
        duplicates: which connection stays when a connected station connects again.
        ping_timeout: seconds that the older one has to answer a ping, with `"ping"`.
        claim: called with each station before it enters, once no older connection to this process
            stays. Returns whether it may enter: `False` closes the connection with code 1008,
            since the station is connected to another process.

    Attributes:
        events: gets each connection and disconnection.
        viewers: look at the frames of single stations.

    Raises:
        ValueError: `duplicates` is not one of `Duplicates`.
    """

    def __init__(
        self,
        duplicates: Duplicates,
        ping_timeout: float,
        claim: Callable[[Station], Awaitable[bool]] | None = None,
    ) -> None:
        if duplicates not in get_args(Duplicates):
            raise ValueError(
                f"duplicates={duplicates!r}: use one of {', '.join(get_args(Duplicates))}"
            )
        self._duplicates = duplicates
        self._ping_timeout = ping_timeout
        self._claim = claim
        self._links: dict[str, StationLink] = {}
        self._arrivals: Arrivals[Station] = Arrivals()
        self._replaced: set[asyncio.Task[None]] = set()
        self.events = EventHub()
        self.viewers = Viewers(self._links)

    def __getitem__(self, station_id: str) -> Station:
        return cast("Station", self._links[station_id].owner)

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    def __repr__(self) -> str:
        return repr(dict(self))

    def links(self) -> Iterable[StationLink]:
        """Return the links of all stations."""
        return self._links.values()

    def accepted_by(self, listener: Listener) -> list[StationLink]:
        """Return the links of a listener's stations."""
        return [link for link in self._links.values() if link.listener is listener]

    async def enter(self, link: StationLink) -> bool:
        """Add a station and return `True`; or close its connection because it may not enter."""
        claim = self._claim
        while await self.yields(link.id):
            if link.listener.closing:
                await link.close(*GOING_AWAY)
                return False
            if claim is None:
                self._add(link)
                return True
            if not await claim(link.owner):
                break
            claim = None  # another connection may have entered meanwhile
        log.info("%s is already connected", link.id)
        await link.close(1008, "already connected")
        return False

    async def yields(self, station_id: str) -> bool:
        """Make room for a newer connection of an identity; `False` if the older one stays."""
        while (old := self._links.get(station_id)) is not None:
            if await self._stays(old):
                return False
            self._replace(old)
        return True

    def replace(self, station_id: str) -> None:
        """Close the connection of an identity, if there is one, in favour of a newer one."""
        if (old := self._links.get(station_id)) is not None:
            self._replace(old)

    def _replace(self, old: StationLink) -> None:
        old.lost(REPLACED)
        task = asyncio.create_task(old.close(1008, REPLACED))
        self._replaced.add(task)
        task.add_done_callback(self._replaced.discard)

    async def _stays(self, old: StationLink) -> bool:
        if self._duplicates == "ping":
            return await old.owner.ping(self._ping_timeout) and not old.closed
        return self._duplicates == "oldest"

    def _add(self, link: StationLink) -> None:
        self._links[link.id] = link
        self._arrivals.put(link.id, link.owner)
        if self.viewers:
            self.viewers.entered(link)
        if self.events:
            self._put("connected", link)
        link.opened()

    def leave(self, link: StationLink, reason: str) -> None:
        """Remove a station whose connection has ended."""
        if self._links.get(link.id) is link:
            del self._links[link.id]
            if self.viewers:
                self.viewers.left(link)
            if self.events:
                self._put("disconnected", link, reason)

    def _put(self, event_type: EventType, link: StationLink, reason: str = "") -> None:
        station: Station = link.owner
        now = datetime.now(UTC)
        version, generation = station.version, station.generation
        event = StationEvent(event_type, station.id, version, "", generation, now, reason)
        self.events.put(event)

    async def wait(self, station_id: str, timeout: float | None) -> Station:
        """Return a station as soon as it is connected.

        Args:
            station_id: its identity.
            timeout: seconds to wait; `None`: without limit.

        Raises:
            NotConnected: it has not connected in time.
        """
        link = self._links.get(station_id)
        if link is not None:
            return cast("Station", link.owner)
        return await self._arrivals.wait(station_id, timeout)

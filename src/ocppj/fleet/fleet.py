"""All stations of all nodes, as any process sees them.

`Fleet` follows both buckets: a station is connected if its entry is there and its node is alive.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self, TypeVar, overload

from ocppj.aio.absent import Arrivals, KeptCalls
from ocppj.aio.events import EventHub, EventStream, EventType, StationEvent
from ocppj.aio.viewers import FrameStream
from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, LocalProtocolError, NotConnected
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.presence import LEASE, NodeRecord, Presence, StationRecord
from ocppj.fleet.station import RemoteStation
from ocppj.fleet.subjects import parse_json, station_of, token
from ocppj.fleet.summaries import RemoteSummaries, SummaryStream
from ocppj.fleet.taps import RemoteTaps
from ocppj.fleet.watch import Change, Watch
from ocppj.schema import Request
from ocppj.session import TIMEOUT

__all__ = ["ConnectedStation", "Fleet"]

R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")

MAX_LEASE: Final = 3600.0
NODE_LOST: Final = "its node is gone"


class ConnectedStation(NamedTuple):
    """What is known of a connected station.

    Attributes:
        id: its identity.
        version: of OCPP.
        node: id of the node that holds the connection.
        since: when it connected.
        generation: number of the connection; a later one is larger.
        address: of the peer; empty if it is not known.
    """

    id: str
    version: str
    node: str
    since: datetime
    generation: int
    address: str


class Fleet:
    """Which stations are connected, how to call one, and what changes.

    An asynchronous context manager: `stations` and `events` are followed as long as it lasts.
    `station` and `call` work without it too; they ask the broker each time then.

    Args:
        broker: see `connect`.
        codecs: OCPP version -> codec, for versions that need another than `Codec(version)`:
            leniency for the stations' responses, vendor features.
        timeout: seconds to wait for the response to a call.

    Attributes:
        stations: identity -> what is known, of all that are connected.
        nodes: id -> what is known, of all nodes that are alive.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        codecs: Mapping[str, Codec] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._broker = broker
        self._timeout = timeout
        self._codecs = {Version.named(name).name: codec for name, codec in (codecs or {}).items()}
        self._presence = Presence(broker)
        self._entries: dict[str, ConnectedStation] = {}  # those of dead nodes too
        self._by_node: dict[str, set[str]] = {}
        self._stations: dict[str, ConnectedStation] = {}
        self._nodes: dict[str, NodeRecord] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._events = EventHub()
        self._arrivals: Arrivals[ConnectedStation] = Arrivals()
        self._kept = KeptCalls()
        self._watches: list[Watch] = []
        self._taps = RemoteTaps(broker)
        self._summaries = RemoteSummaries(broker)
        self.stations: Mapping[str, ConnectedStation] = MappingProxyType(self._stations)
        self.nodes: Mapping[str, NodeRecord] = MappingProxyType(self._nodes)

    async def __aenter__(self) -> Self:
        await self._presence.ensure()
        subjects = self._broker.subjects
        nodes = Watch(self._broker, subjects.nodes, self._node_changed)
        stations = Watch(self._broker, subjects.stations, self._station_changed)
        try:
            for watch in (nodes, stations):
                self._watches.append(watch)
                await watch.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        watches, self._watches = self._watches, []
        for watch in watches:
            await watch.close()
        for timer in self._expiries.values():
            timer.cancel()
        self._expiries.clear()
        self._events.close()
        await self._taps.close()
        await self._summaries.close()
        self._arrivals.close("the fleet is not followed any more")

    async def station(self, station_id: str, *, timeout: float | None = 0.0) -> RemoteStation:
        """Return a station. What is sent to it goes to its present connection, or to none.

        Args:
            station_id: its identity.
            timeout: seconds to wait for it if it is not connected; `None`: without limit. To wait
                takes the context of this object.

        Raises:
            ConnectionLost: the broker cannot be asked.
            NotConnected: it is connected to no node.
        """
        found = self._stations.get(station_id)
        if found is None:
            found = await self._find(station_id)
            found = found or self._stations.get(station_id)  # it may have connected meanwhile
        if found is None and timeout != 0 and self._watches:
            found = await self._arrivals.wait(station_id, timeout)
        if found is None:
            raise NotConnected(f"{station_id} is not connected")
        return self._remote(found)

    def _remote(self, found: ConnectedStation) -> RemoteStation:
        codec = self._codecs.get(found.version)
        if codec is None:
            codec = self._codecs[found.version] = Codec(found.version)
        return RemoteStation(self._broker, codec, found.id, found.generation, self._timeout)

    async def _find(self, station_id: str) -> ConnectedStation | None:
        """Ask the broker: what we follow may be a moment behind."""
        try:
            record, revision = await self._presence.find(token(station_id))
        except (BrokerError, ValueError) as error:
            raise ConnectionLost(f"{station_id} cannot be found: {error}") from error
        if record is None or (self._watches and record.node not in self._nodes):
            return None
        return _connected(station_id, record, revision)

    @overload
    async def call(
        self,
        station_id: str,
        request: Request[R],
        timeout: float | None = None,
        *,
        ttl: float = 0.0,
    ) -> R: ...

    @overload  # a request of one version or another
    async def call(
        self,
        station_id: str,
        request: Request[R] | Request[R2] | Request[R3],
        timeout: float | None = None,
        *,
        ttl: float = 0.0,
    ) -> R | R2 | R3: ...

    async def call(
        self,
        station_id: str,
        request: Request[Any],
        timeout: float | None = None,
        *,
        ttl: float = 0.0,
    ) -> Any:
        """Call a station and return its response: see `RemoteStation.call`.

        Args:
            station_id: its identity.
            request: the payload.
            timeout: seconds to wait for the response.
            ttl: seconds to keep the call in this process while the station is connected to no node.
                It is sent as soon as the station is back, or not at all; cancelling the caller
                withdraws it. Takes the context of this object.

        Raises:
            ConnectionLost: the connection ended after the call was sent. It is not sent again: the
                station may have handled it.
            LocalProtocolError: too many calls are kept or queued, `ttl` has passed while others
                were pending, or this object is not entered. Nothing was sent.
            NotConnected: the station is not connected, or did not connect within `ttl`. Nothing was
                sent.
        """
        if ttl:
            if not self._watches:
                raise LocalProtocolError("ttl= needs the context of the fleet: use async with")

            async def find(seconds: float) -> RemoteStation:
                return await self.station(station_id, timeout=seconds)

            async def send(station: RemoteStation, expires: float) -> Any:
                return await station.call(request, timeout, expires=expires)

            return await self._kept.call(station_id, ttl, find, send)
        return await (await self.station(station_id)).call(request, timeout)

    def events(self) -> EventStream:
        """Return which stations connect, disconnect and move from now on.

        ```python
        async for event in fleet.events():
            print(event.station_id, event.type, event.node)
        ```
        """
        return self._events.stream()

    def frames(self, station_id: str) -> FrameStream:
        """Return the frames of a station from now on, without its secrets.

        The node that holds the station shows them as long as the stream is in use. It may connect,
        disconnect and move meanwhile. A node shows 256 KiB of frames per second, of all stations
        together; what is beyond is counted in `lost`. A frame that is not JSON consists of zeros.
        Takes the context of this object.

        ```python
        async for frame in fleet.frames("CS-1"):
            recorder(frame)
        ```

        Raises:
            LocalProtocolError: this object is not entered.
            ValueError: no station of a fleet has this identity.
        """
        if not self._watches:
            raise LocalProtocolError("frames needs the context of the fleet: use async with")
        return self._taps.open(station_id)

    def summaries(self) -> SummaryStream:
        """Return what the stations of each node do, from now on: a `Summary` every ten seconds.

        Nodes count for it as long as the stream is in use, which takes about 2 us for each call.
        Takes the context of this object.

        Raises:
            LocalProtocolError: this object is not entered.
        """
        if not self._watches:
            raise LocalProtocolError("summaries needs the context of the fleet: use async with")
        return self._summaries.open()

    def _node_changed(self, change: Change) -> None:
        timer = self._expiries.pop(change.key, None)
        if timer is not None:
            timer.cancel()
        try:
            record = None if change.deleted else parse_json(change.value, NodeRecord)
        except ValueError:
            record = None
        # One that was not renewed disappears from the bucket without a word.
        lease = LEASE if record is None else min(max(record.lease, 0.0), MAX_LEASE)
        if record is None or change.age > lease:
            self._lose(change.key)
            return
        loop = asyncio.get_running_loop()
        self._expiries[change.key] = loop.call_later(lease - change.age, self._lose, change.key)
        known = change.key in self._nodes
        self._nodes[change.key] = record
        if not known:
            for station_id in self._by_node.get(change.key, ()):
                self._show(self._entries[station_id])

    def _lose(self, node: str) -> None:
        self._expiries.pop(node, None)
        if self._nodes.pop(node, None) is not None:
            for station_id in list(self._by_node.get(node, ())):
                self._hide(station_id, NODE_LOST)

    def _station_changed(self, change: Change) -> None:
        try:
            station_id = station_of(change.key)
            record = None if change.deleted else parse_json(change.value, StationRecord)
            if record is not None:
                Version.named(record.version)
        except ValueError:
            return
        old = self._entries.pop(station_id, None)
        if old is not None:
            self._by_node[old.node].discard(station_id)
            if not self._by_node[old.node]:
                del self._by_node[old.node]
        if record is None:
            self._hide(station_id, _reason(change.value))
            return
        entry = _connected(station_id, record, change.revision)
        self._entries[station_id] = entry
        self._by_node.setdefault(entry.node, set()).add(station_id)
        if entry.node in self._nodes:
            self._show(entry)
        else:
            self._hide(station_id, NODE_LOST)

    def _show(self, entry: ConnectedStation) -> None:
        known = self._stations.get(entry.id)
        self._stations[entry.id] = entry
        self._arrivals.put(entry.id, entry)
        if known is None:
            self._put("connected", entry)
        elif known.node != entry.node:
            self._put("moved", entry)
        elif known.generation != entry.generation:
            self._put("disconnected", known, "it has connected again")
            self._put("connected", entry)

    def _hide(self, station_id: str, reason: str) -> None:
        known = self._stations.pop(station_id, None)
        if known is not None:
            self._put("disconnected", known, reason)

    def _put(self, event_type: EventType, entry: ConnectedStation, reason: str = "") -> None:
        now = datetime.now(UTC)
        event = StationEvent(
            event_type, entry.id, entry.version, entry.node, entry.generation, now, reason
        )
        self._events.put(event)

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._nodes)} nodes, {len(self._stations)} stations connected>"


def _connected(station_id: str, record: StationRecord, revision: int) -> ConnectedStation:
    return ConnectedStation(
        station_id, record.version, record.node, record.since, revision, record.address
    )


def _reason(value: bytes) -> str:
    """Return why a station has disconnected, if its entry's deletion says so."""
    try:
        return str(parse_json(value, dict).get("reason", ""))
    except ValueError:
        return ""

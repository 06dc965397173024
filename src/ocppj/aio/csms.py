"""The central system's end: accepts charging stations and keeps track of them.

Owns identities, admission and duplicate connections. Knows transports only by name.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args
from weakref import WeakSet

from ocppj.aio.connection import Connection
from ocppj.aio.endpoint import MAX_HANDLING, MAX_WAITING, Endpoint, endpoints
from ocppj.aio.metrics import Metrics
from ocppj.aio.security import Admission, Authenticate, Handshake, IsKnown
from ocppj.aio.transport import Listening, Transport, TransportModule, TransportName, load
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost
from ocppj.session import TIMEOUT

__all__ = ["CSMS", "Duplicates", "Server", "Station"]

Duplicates: TypeAlias = Literal["ping", "newest", "oldest"]
"""Which of two connections of one identity stays."""

GOING_AWAY: Final = (1001, "going away")
REPLACED: Final = "replaced by a newer connection"
log: Final = logging.getLogger("ocppj.aio")


class Station(Connection):
    """A charging station that is connected, as its CSMS sees it.

    Attributes:
        acceptor: the listener that let it in.
        handshake: what it said on connecting.
    """

    __slots__ = ("acceptor", "handshake")

    def __init__(
        self, acceptor: "_Acceptor", handshake: Handshake, endpoint: Endpoint, transport: Transport
    ) -> None:
        super().__init__(handshake.station_id, endpoint, transport)
        self._context = (self,)
        self.acceptor = acceptor
        self.handshake = handshake

    def lost(self, reason: str = "") -> None:
        """Note that the connection has ended, and why."""
        self.acceptor.csms.leave(self)
        super().lost(reason)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "connected"
        return f"<Station {self.id!r}, OCPP {self.version}, {state}>"


class Server:
    """A CSMS that listens.

    Attributes:
        port: the port it listens on; the first, where there are several sockets.
    """

    def __init__(self, acceptor: "_Acceptor", listening: Listening) -> None:
        self._acceptor = acceptor
        self._listening = listening
        self.port = listening.port

    async def close(self, *, grace: float = 5.0) -> None:
        """Stop listening and close its connections with code 1001, going away.

        Peers that have sent nothing, or half a request, are dropped.

        Args:
            grace: seconds to wait for handlers at work, so that their answers still go out, and
                for `on_disconnect`.
        """
        self._listening.stop()
        self._acceptor.stop()
        stations = self._acceptor.csms.stations.values()
        own = [station for station in stations if station.acceptor is self._acceptor]
        closing = (station.close(*GOING_AWAY, grace=grace) for station in own)
        await asyncio.gather(*closing, return_exceptions=True)
        await self._listening.wait_closed()
        for endpoint in self._acceptor.csms.endpoints.values():
            await endpoint.wait_background(grace)


class CSMS:
    """The central system: charging stations connect to it, and each side calls the other.

    Args:
        handlers: OCPP version -> object with a method for each action that is answered; see
            `ocppj.Handlers`. The versions are those that are offered. The methods take
            `(station, request)`. Where they exist, `on_connect(station)` and
            `on_disconnect(station)` are called too; both may be async.
        codecs: OCPP version -> codec, where it is not the plain one: leniency, vendor features.
        timeout: seconds for the answer to a call.
        duplicates: what happens when a station connects that is connected. `"ping"`: the old
            connection stays if it answers a ping within `ping_timeout`; else the newest wins.
            `"newest"` and `"oldest"`: that one stays.
        ping_timeout: seconds.
        max_waiting: so many calls to one station may wait for their turn.
        max_handling: so many calls of one station are handled at a time.
        metrics: is told of frames, latencies, connections.

    Attributes:
        stations: identity -> station, of all that are connected.

    Raises:
        ValueError: no version, or a method that belongs to no action.
    """

    def __init__(
        self,
        handlers: Mapping[str, object],
        *,
        codecs: Mapping[str, Codec] | None = None,
        timeout: float = TIMEOUT,
        duplicates: Duplicates = "ping",
        ping_timeout: float = 5.0,
        max_waiting: int = MAX_WAITING,
        max_handling: int = MAX_HANDLING,
        metrics: Metrics | None = None,
    ) -> None:
        if duplicates not in get_args(Duplicates):
            raise ValueError(f"duplicates={duplicates!r}: use one of {get_args(Duplicates)}")
        limits = {"timeout": timeout, "max_waiting": max_waiting, "max_handling": max_handling}
        self.endpoints = endpoints(handlers, codecs, "csms", metrics=metrics, **limits)
        self._duplicates = duplicates
        self._ping_timeout = ping_timeout
        self._stations: dict[str, Station] = {}
        self.stations: Mapping[str, Station] = MappingProxyType(self._stations)
        self._arrivals: dict[str, set[asyncio.Future[Station]]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listen(
        self,
        host: str | Sequence[str] | None = None,
        port: int = 0,
        *,
        transport: TransportName | TransportModule = "websockets",
        known: IsKnown | None = None,
        authenticate: Authenticate | None = None,
        **options: Any,
    ) -> AsyncIterator[Server]:
        """Listen for charging stations as long as the context lasts.

        Args:
            host: address or addresses; all by default.
            port: 0 lets the system choose: see `Server.port`.
            transport: `"websockets"`, or `"picows"`: faster, without permessage-deflate, which a
                CSMS of OCPP 2.x has to support for stations that ask for it; or a module or object
                with the functions of `ocppj.aio.transport.TransportModule`.
            known: tells of an identity whether there is such a station; if not, it gets HTTP 404.
            authenticate: tells whether it is who it says; if not, it gets HTTP 401. See
                `ocppj.aio.basic` and `certificate`.
            options: `ssl`, `ping_interval` and `ping_timeout` (seconds; `None`: no pings), and what
                the transport's own function takes besides.
        """
        acceptor = _Acceptor(self, known, authenticate)
        listening = await load(transport).serve(acceptor, host, port, **options)
        server = Server(acceptor, listening)
        try:
            yield server
        finally:
            await server.close()

    async def station(self, station_id: str, *, timeout: float | None = None) -> Station:
        """Return a station, as soon as it is connected.

        Args:
            station_id: its identity.
            timeout: seconds to wait for it; `None`: without end.

        Raises:
            ConnectionLost: it has not connected in time.
        """
        found = self._stations.get(station_id)
        if found is not None:
            return found
        future: asyncio.Future[Station] = asyncio.get_running_loop().create_future()
        waiting = self._arrivals.setdefault(station_id, set())
        waiting.add(future)
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            problem = f"{station_id} has not connected within {timeout:g} s"
            raise ConnectionLost(problem) from None
        finally:
            waiting.discard(future)
            if not waiting and self._arrivals.get(station_id) is waiting:
                del self._arrivals[station_id]

    async def enter(self, station: Station) -> bool:
        """Take a station in, or close its connection because another one stays."""
        while (old := self._stations.get(station.id)) is not None:
            if await self._stays(old):
                log.info("%s is connected already", station.id)
                await station.close(1008, "connected already")
                return False
            old.lost(REPLACED)
            self._close_soon(old)
        if station.acceptor.closing:
            await station.close(*GOING_AWAY)
            return False
        self._stations[station.id] = station
        for arrival in self._arrivals.pop(station.id, ()):
            if not arrival.done():
                arrival.set_result(station)
        station.opened()
        return True

    async def _stays(self, old: Station) -> bool:
        if self._duplicates == "ping":
            return await old.ping(self._ping_timeout) and not old.closed
        return self._duplicates == "oldest"

    def _close_soon(self, station: Station) -> None:
        task = asyncio.create_task(station.close(1008, REPLACED))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def leave(self, station: Station) -> None:
        """Forget a station whose connection has ended."""
        if self._stations.get(station.id) is station:
            del self._stations[station.id]


class _Acceptor:
    def __init__(
        self, csms: CSMS, known: IsKnown | None, authenticate: Authenticate | None
    ) -> None:
        self.csms = csms
        self.closing = False
        self._admissions: WeakSet[Admission] = WeakSet()
        self._known = known
        self._authenticate = authenticate
        self.max_size = max(endpoint.codec.max_size for endpoint in csms.endpoints.values())

    def stop(self) -> None:
        self.closing = True
        for admission in self._admissions:
            admission.give_up()

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        return next((name for name in offered if name in self.csms.endpoints), None)

    def admission(
        self, path: str, headers: Mapping[str, str], subprotocol: str | None
    ) -> Admission:
        admission = Admission(path, headers, subprotocol, self._known, self._authenticate)
        self._admissions.add(admission)
        if self.closing:
            admission.give_up()
        return admission

    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Station | None:
        if subprotocol is None:
            await transport.close(1002, "no common subprotocol")
            return None
        endpoint = self.csms.endpoints[subprotocol]
        station = Station(self, handshake, endpoint, transport)
        return station if await self.csms.enter(station) else None

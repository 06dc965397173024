"""The part of a gateway that accepts charging stations and holds their connections.

This is the seam between accepting and answering:

- `Node` accepts, admits and owns connections. It listens on a transport (`Node.listen`), lets
  stations enter (`ocppj.aio.security.Admission`, then `ocppj.aio.stations.Stations`, which decides
  between two connections of one identity), and closes what it has accepted.
- `ocppj.aio.endpoint.Endpoint` says, for each version, which codec and limits a connection has, and
  which `Responder` answers its calls.

`CSMS` is a node whose responder calls the methods of a handler object. A node with another
responder forwards calls instead: subclass `Node`, make the endpoints with
`ocppj.aio.endpoint.by_subprotocol`, and pass `claim` if an identity may also be connected to
another process. `on_connect` and `on_disconnect` of the endpoints are called for each station that
has entered.

A transport that has no socket of its own (an ASGI application) gets its `Acceptor` from
`Node.acceptor`. A `Server` of that acceptor and the transport's `Listening` closes both.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar, overload
from weakref import WeakSet

from ocppj.aio.absent import KeptCalls
from ocppj.aio.asgi import SEND_TIMEOUT, Application
from ocppj.aio.endpoint import Endpoint
from ocppj.aio.events import EventStream
from ocppj.aio.rate import TokenBucket, check_rate
from ocppj.aio.security import Admission, Authenticate, Handshake, IsKnown
from ocppj.aio.stations import GOING_AWAY, Duplicates, Station, StationLink, Stations
from ocppj.aio.tap import Wire
from ocppj.aio.throttle import ThrottledLink
from ocppj.aio.transport import Listening, Receiver, ServerTransport, Transport, TransportName, load
from ocppj.aio.viewers import FrameStream
from ocppj.codec import Codec
from ocppj.errors import NotConnected
from ocppj.schema import Request

__all__ = ["Entrance", "Node", "NodeAcceptor", "Server"]

BURST: Final = 1.0
"""Seconds whose handshakes may come at once."""

R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")


class Entrance(ABC):
    """Which stations may enter: the `Acceptor` of one listener, without what follows.

    Args:
        codecs: subprotocol -> codec, of the versions offered.
        known: see `Node.listen`.
        authenticate: see `Node.listen`.
        handshakes: limits their rate, if given.

    Attributes:
        closing: whether it lets no more stations enter.
        max_size: maximum number of bytes of a message.
    """

    def __init__(
        self,
        codecs: Mapping[str, Codec],
        known: IsKnown | None,
        authenticate: Authenticate | None,
        handshakes: TokenBucket | None = None,
    ) -> None:
        self.closing = False
        self.max_size = max(codec.max_size for codec in codecs.values())
        self._offered = frozenset(codecs)
        self._known = known
        self._authenticate = authenticate
        self._handshakes = handshakes
        self._admissions: WeakSet[Admission] = WeakSet()

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        """Return the first of the subprotocols offered that is supported."""
        return next((name for name in offered if name in self._offered), None)

    def admission(
        self,
        path: str,
        headers: Mapping[str, str],
        subprotocol: str | None,
        segment: str | None = None,
    ) -> Admission:
        """Return what decides whether a station may connect."""
        admission = Admission(
            path, headers, subprotocol, self._known, self._authenticate, segment=segment
        )
        self._admissions.add(admission)
        if self.closing or not (self._handshakes is None or self._handshakes.take()):
            admission.give_up()
        return admission

    @abstractmethod
    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Receiver | None:
        """Let a station enter; `None` if its connection was closed instead."""

    def stop(self) -> None:
        """Let no more stations enter."""
        self.closing = True
        for admission in self._admissions:
            admission.give_up()

    @abstractmethod
    async def close(self, grace: float) -> None:
        """Close the connections of the stations that have entered here."""

    @abstractmethod
    async def wait_background(self, grace: float) -> None:
        """Wait for what is left of connections that have ended, about `grace` seconds."""


class NodeAcceptor(Entrance):
    """Lets stations enter a node: the `Acceptor` of one listener."""

    def __init__(
        self,
        stations: Stations,
        endpoints: Mapping[str, Endpoint],
        known: IsKnown | None,
        authenticate: Authenticate | None,
        handshakes: TokenBucket | None,
    ) -> None:
        codecs = {name: endpoint.codec for name, endpoint in endpoints.items()}
        super().__init__(codecs, known, authenticate, handshakes)
        self._stations = stations
        self._endpoints = endpoints

    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Receiver | None:
        """Let a station enter; `None` if its connection was closed instead."""
        if subprotocol is None:
            await transport.close(1002, "no common subprotocol")
            return None
        endpoint = self._endpoints[subprotocol]
        wire = None
        if endpoint.tap is not None:
            station_id = handshake.station_id
            transport = wire = Wire(station_id, endpoint.metrics, endpoint.tap, transport)
        make = StationLink if endpoint.max_frames is None else ThrottledLink
        link = make(self._stations, self, handshake, endpoint, transport)
        if not await self._stations.enter(link):
            return None
        return link if wire is None else wire.to(link)

    async def close(self, grace: float) -> None:
        """Close the connections of the stations that have entered here."""
        links = self._stations.accepted_by(self)
        closing = (link.close(*GOING_AWAY, grace=grace) for link in links)
        await asyncio.gather(*closing, return_exceptions=True)

    async def wait_background(self, grace: float) -> None:
        """Wait for `on_disconnect` of stations that are gone, `grace` seconds for each version."""
        for endpoint in self._endpoints.values():
            await endpoint.wait_background(grace)


class Server:
    """A listener of a `CSMS` or a `Relay`.

    Attributes:
        port: the port it listens on; the first one if there are several sockets.
    """

    def __init__(self, acceptor: Entrance, listening: Listening) -> None:
        self._acceptor = acceptor
        self._listening = listening
        self.port = listening.port

    def stop(self) -> None:
        """Accept no more stations. Those that are connected stay."""
        self._listening.stop()
        self._acceptor.stop()

    async def close(self, *, grace: float = 5.0) -> None:
        """Stop listening, and close the connections with code 1001 (going away).

        Connections whose handshake is not complete are dropped.

        Args:
            grace: seconds to wait for running handlers, so that their answers still go out, and
                for `on_disconnect`.
        """
        self.stop()
        await self._acceptor.close(grace)
        await self._listening.wait_closed()
        await self._acceptor.wait_background(grace)


class Node:
    """Accepts charging stations and holds their connections.

    Args:
        endpoints: subprotocol -> endpoint, for each version offered.
        duplicates: which connection stays when a connected station connects again. `"ping"`: the
            old one if it answers a ping within `ping_timeout`, else the new one. `"newest"` and
            `"oldest"`: always that one.
        ping_timeout: seconds.
        max_handshakes: maximum number of handshakes per second, of all listeners together; what is
            beyond gets HTTP 503. `None`: no limit.
        claim: see `ocppj.aio.stations.Stations`.

    Attributes:
        stations: identity -> station, of all that are connected.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        duplicates: Duplicates = "ping",
        ping_timeout: float = 5.0,
        max_handshakes: float | None = None,
        claim: Callable[[Station], Awaitable[bool]] | None = None,
    ) -> None:
        check_rate("max_handshakes", max_handshakes)
        self._endpoints = endpoints
        self._handshakes = None if max_handshakes is None else TokenBucket(max_handshakes, BURST)
        self._stations = Stations(duplicates, ping_timeout, claim)
        self._kept = KeptCalls(min(endpoint.max_waiting for endpoint in endpoints.values()))
        self.stations: Mapping[str, Station] = self._stations

    def acceptor(
        self, *, known: IsKnown | None = None, authenticate: Authenticate | None = None
    ) -> NodeAcceptor:
        """Return what lets stations enter, for a transport: see `listen` for the arguments."""
        return NodeAcceptor(self._stations, self._endpoints, known, authenticate, self._handshakes)

    @asynccontextmanager
    async def listen(
        self,
        host: str | Sequence[str] | None = None,
        port: int = 0,
        *,
        transport: TransportName | ServerTransport = "websockets",
        known: IsKnown | None = None,
        authenticate: Authenticate | None = None,
        **options: Any,
    ) -> AsyncIterator[Server]:
        """Listen for charging stations until the context ends.

        Args:
            host: address or addresses; all by default.
            port: 0 lets the system choose: see `Server.port`.
            transport: `"websockets"`, or `"picows"`, which is faster but has no permessage-deflate
                (a CSMS of OCPP 2.x has to support it for stations that ask for it); or an object
                with the `serve` of `ocppj.aio.transport.ServerTransport`.
            known: returns whether an identity is that of a station; others get HTTP 404.
            authenticate: returns whether a station is who it claims to be; others get HTTP 401. See
                `ocppj.aio.basic` and `ocppj.aio.certificate`.
            options: `ssl`, `ping_interval` and `ping_timeout` (seconds; `None`: no pings), and the
                options of the transport's own function.
        """
        acceptor = self.acceptor(known=known, authenticate=authenticate)
        listening = await load(transport).serve(acceptor, host, port, **options)
        server = Server(acceptor, listening)
        try:
            yield server
        finally:
            await server.close()

    def asgi(
        self,
        *,
        known: IsKnown | None = None,
        authenticate: Authenticate | None = None,
        path_parameter: str | None = None,
        send_timeout: float = SEND_TIMEOUT,
    ) -> Application:
        """Return an ASGI application that charging stations connect to.

        It may be served by itself, or share a port with others: `app.mount("/ocpp", csms.asgi())`
        in Starlette and FastAPI. The server's own settings bound the size of a message in memory,
        and tell how often it pings.

        Args:
            known: returns whether an identity is that of a station; others get HTTP 404.
            authenticate: returns whether a station is who it claims to be; others get HTTP 401. See
                `ocppj.aio.basic`. ASGI servers tell nothing of client certificates.
            path_parameter: parameter of the route that is the identity; by default it is the last
                segment of the path.
            send_timeout: seconds that a station may take to read what is sent to it. After that its
                connection counts as lost.
        """

        def make() -> NodeAcceptor:
            return self.acceptor(known=known, authenticate=authenticate)

        return Application(make, path_parameter, send_timeout)

    async def station(self, station_id: str, *, timeout: float | None = None) -> Station:
        """Return a station; wait until it is connected.

        Args:
            station_id: its identity.
            timeout: seconds to wait; `None`: without limit.

        Raises:
            NotConnected: it has not connected in time.
        """
        return await self._stations.wait(station_id, timeout)

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
        """Call a station and return its response: see `ocppj.aio.Connection.call`.

        Args:
            station_id: its identity.
            request: the payload.
            timeout: seconds to wait for the response; the endpoint's by default.
            ttl: seconds to keep the call while the station is not connected. It is sent as soon as
                the station is back, or not at all; cancelling the caller withdraws it. At most
                `max_waiting` calls are kept for one station, and 10,000 for all.

        Raises:
            ConnectionLost: the connection ended after the call was sent. It is not sent again: the
                station may have handled it.
            LocalProtocolError: too many calls are kept or queued, or `ttl` has passed while others
                were pending. Nothing was sent.
            NotConnected: the station is not connected, or did not connect within `ttl`. Nothing was
                sent.
        """
        if ttl:
            find = partial(self._stations.wait, station_id)

            async def send(station: Station, expires: float) -> Any:
                return await station.call(request, timeout, expires=expires)

            return await self._kept.call(station_id, ttl, find, send)
        station = self.stations.get(station_id)
        if station is None:
            raise NotConnected(f"{station_id} is not connected")
        return await station.call(request, timeout)

    def events(self) -> EventStream:
        """Return which stations connect and disconnect from now on.

        ```python
        async for event in csms.events():
            print(event.station_id, event.type, event.reason)
        ```
        """
        return self._stations.events.stream()

    def frames(self, station_id: str) -> FrameStream:
        """Return the frames of a station from now on, unchanged, with identification tokens.

        It need not be connected. Stations that nobody looks at pay nothing.

        ```python
        async for frame in csms.frames("CS-1"):
            print(frame.direction, frame.action, frame.data)
        ```
        """
        return self._stations.viewers.stream(station_id)

    def __repr__(self) -> str:
        versions = ", ".join(endpoint.codec.version for endpoint in self._endpoints.values())
        return f"<{type(self).__name__}, OCPP {versions}, {len(self._stations)} connected>"

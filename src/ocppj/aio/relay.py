"""A station between its CSMS and others that only listen.

Owns who gets which frame. Knows of a frame what `Codec.peek` tells; what a mirror does with its
copies is the business of `ocppj.aio.mirror`.
"""

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

from ocppj.aio.backlog import Backlog
from ocppj.aio.charging_station import Backoff
from ocppj.aio.endpoint import MAX_WAITING
from ocppj.aio.mirror import Mirror, MirrorLink
from ocppj.aio.node import Entrance, Server
from ocppj.aio.security import Authenticate, Handshake, IsKnown, path_segment
from ocppj.aio.stations import GOING_AWAY, REPLACED
from ocppj.aio.transport import (
    CLOSE_TIMEOUT,
    OPEN_TIMEOUT,
    Attach,
    Receiver,
    ServerTransport,
    Transport,
    TransportName,
    dial,
    load,
    shown,
)
from ocppj.catalog import VERSIONS, Version
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, DecodeError
from ocppj.frames import CALL, SEND

__all__ = ["HeadersFor", "Relay"]

HeadersFor: TypeAlias = Callable[[str, Handshake], Mapping[str, str]]
"""Returns the headers to send to a URL for the station of a handshake."""

BOOT: Final = "BootNotification"
NO_PRIMARY: Final = (1013, "the CSMS cannot be reached")
NO_STATION: Final = (1001, "the station has disconnected")
OVERFLOW: Final = (1013, "too many frames are waiting")
log: Final = logging.getLogger("ocppj.aio")


class Relay:
    """Connects charging stations to a primary CSMS, and copies what they send to mirrors.

    Frames pass unchanged between a station and its primary, each station on a connection of its
    own. When one of the two ends, so does the other: the station connects again by its back-off.

    A mirror gets the CALL and SEND messages of the station, never its answers. It is a CSMS that
    believes to be connected to the station; what it answers is dropped, and what it calls is
    answered with `NotSupported`. A mirror that is slow or cannot be reached loses frames, which
    are counted, and delays nobody.

    Args:
        primary: URL of the CSMS, `ws://` or `wss://`. The identity of the station is appended.
        mirrors: URLs of the mirrors.
        versions: OCPP versions that are offered to stations; all by default. The primary has to
            support each.
        headers: returns the headers for a URL and the handshake of a station. By default, the
            primary gets the station's `Authorization`, and mirrors get none.
        transport: for the connections to primary and mirrors.
        backoff: how long to wait before connecting to a mirror again.
        max_waiting: maximum number of frames that wait for a mirror, or in one direction between
            station and primary. All together they have at most the size of two messages.
        ping_timeout: seconds that a connected station has to answer a ping when it connects again.
            If it answers, the older connection stays.
        options: of the connections to primary and mirrors: see `ChargingStation.connect`. `ssl` is
            used for `wss://` only.

    Attributes:
        mirrors: what each mirror got.
        stations: identities of the connected stations.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
        ValueError: a URL is not that of a WebSocket, or given twice; a version is unknown or there
            is none; a limit is too low.
    """

    def __init__(
        self,
        primary: str,
        mirrors: Iterable[str] = (),
        *,
        versions: Iterable[str] | None = None,
        headers: HeadersFor | None = None,
        transport: TransportName = "websockets",
        backoff: Backoff = Backoff(),  # noqa: B008  it is immutable
        max_waiting: int = MAX_WAITING,
        ping_timeout: float = 5.0,
        **options: Any,
    ) -> None:
        urls = [primary, *mirrors]
        for url in urls:
            if not url.startswith(("ws://", "wss://")):
                raise ValueError(f"{url!r} is not a CSMS URL: use ws:// or wss://")
        if len(set(urls)) < len(urls):
            raise ValueError("a URL is given twice")
        if max_waiting < 1:
            raise ValueError(f"max_waiting={max_waiting!r}: use 1 or more")
        names = [version.name for version in VERSIONS] if versions is None else versions
        offered = [Version.named(name) for name in names]
        if not offered:
            raise ValueError('no version is offered: name one, such as ["2.0.1"]')
        load(transport)
        self.mirrors: Sequence[Mirror] = [Mirror(url) for url in urls[1:]]
        self.codecs = {version.subprotocol: Codec(version.name) for version in offered}
        self.backoff = backoff
        self.max_waiting = max_waiting
        self._primary = primary
        self._headers = headers or self._pass_authorization
        self._transport = transport
        self._ping_timeout = ping_timeout
        self._options = options
        self._relayed: dict[str, _Relayed] = {}
        self._background: set[asyncio.Task[None]] = set()

    @property
    def stations(self) -> list[str]:
        """Identities of the connected stations."""
        return [name for name, one in self._relayed.items() if one.closing is None]

    def _pass_authorization(self, url: str, handshake: Handshake) -> Mapping[str, str]:
        token = handshake.headers.get("authorization") if url == self._primary else None
        return {} if token is None else {"Authorization": token}

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

        The arguments are those of `ocppj.aio.CSMS.listen`.
        """
        acceptor = _RelayAcceptor(self, known, authenticate)
        server = Server(acceptor, await load(transport).serve(acceptor, host, port, **options))
        try:
            yield server
        finally:
            await server.close()

    async def enter(self, relayed: "_Relayed") -> bool:
        """Connect a station to the primary; return `False` if its connection was closed instead."""
        old = self._relayed.get(relayed.id)
        if old is not None and await old.answers_ping(self._ping_timeout):
            log.info("%s is already connected", relayed.id)
            relayed.end((1008, "already connected"))
        else:
            self._relayed[relayed.id] = relayed
            if old is not None:
                old.end((1008, REPLACED))
                await old.wait_primary_closed()  # or the primary would find two connections
            await self._connect(relayed)
        if relayed.closing is None:
            return True
        await asyncio.wait([relayed.closing])
        return False

    async def _connect(self, relayed: "_Relayed") -> None:
        try:
            await relayed.connect(self._primary)
        except Exception as error:  # noqa: BLE001  whatever it is, the station has to try again
            level = logging.INFO if isinstance(error, ConnectionLost) else logging.ERROR
            log.log(level, "%s: %s", relayed.id, error)
            relayed.end(NO_PRIMARY)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run what is left to do when a station has left."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def forget(self, relayed: "_Relayed") -> None:
        """Forget a station that has left."""
        if self._relayed.get(relayed.id) is relayed:
            del self._relayed[relayed.id]

    def close(self, acceptor: Entrance) -> None:
        """Close the connections of the stations that have entered at an acceptor."""
        for relayed in self._relayed.values():
            if relayed.acceptor is acceptor:
                relayed.end(GOING_AWAY)

    async def wait_background(self, grace: float) -> None:
        """Wait for connections that are being closed, at most for `grace` seconds."""
        if self._background:
            await asyncio.wait(set(self._background), timeout=grace)

    async def dial(self, url: str, relayed: "_Relayed", attach: Attach) -> Awaitable[None]:
        """Connect to the primary or a mirror for a station.

        Raises:
            ConnectionLost: the attempt failed.
        """
        secure = url.startswith("wss://")
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return await dial(
                    self._transport,
                    f"{url.rstrip('/')}/{path_segment(relayed.id, [relayed.subprotocol])}",
                    [relayed.subprotocol],
                    attach,
                    max_size=relayed.codec.max_size,
                    headers=self._headers(url, relayed.handshake),
                    **{
                        name: value
                        for name, value in self._options.items()
                        if secure or name != "ssl"
                    },
                )
        except ConnectionLost:
            raise
        except TimeoutError:
            problem = f"cannot connect to {shown(url)} within {OPEN_TIMEOUT:g} s"
            raise ConnectionLost(problem) from None


class _RelayAcceptor(Entrance):
    def __init__(
        self, relay: Relay, known: IsKnown | None, authenticate: Authenticate | None
    ) -> None:
        super().__init__(relay.codecs, known, authenticate)
        self._relay = relay

    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Receiver | None:
        if subprotocol is None:
            await transport.close(1002, "no common subprotocol")
            return None
        if self.closing:
            await transport.close(*GOING_AWAY)
            return None
        relayed = _Relayed(self._relay, self, handshake, subprotocol, transport)
        return relayed if await self._relay.enter(relayed) else None

    async def close(self, grace: float) -> None:  # noqa: ARG002  no handler is at work
        self._relay.close(self)

    async def wait_background(self, grace: float) -> None:
        await self._relay.wait_background(max(grace, 2 * CLOSE_TIMEOUT))


class _Relayed:
    """A station, its connection to the primary, and its mirrors: the station's `Receiver`."""

    def __init__(
        self,
        relay: Relay,
        acceptor: Entrance,
        handshake: Handshake,
        subprotocol: str,
        transport: Transport,
    ) -> None:
        self.id = handshake.station_id
        self.acceptor = acceptor
        self.handshake = handshake
        self.subprotocol = subprotocol
        self.codec = relay.codecs[subprotocol]
        self.closing: asyncio.Task[None] | None = None
        self.primary_closed = asyncio.Event()
        self.primary_closed.set()
        self.boot: bytes | None = None
        self.station = transport
        self._relay = relay
        self._to_station = self._backlog()
        self._to_primary = self._backlog()
        self._pumps: list[_Pump] = [_Pump(transport, self._to_station)]
        self._mirrors = [
            MirrorLink(self, mirror, relay, self._backlog()) for mirror in relay.mirrors
        ]

    def _backlog(self) -> Backlog:
        return Backlog(self._relay.max_waiting, 2 * self.codec.max_size)

    async def answers_ping(self, timeout: float) -> bool:
        """Return whether the station answers a ping in time."""
        if self.closing is not None:
            return False
        with suppress(ConnectionLost, TimeoutError):
            async with asyncio.timeout(timeout):
                await self.station.ping()
            return self.closing is None
        return False

    async def wait_primary_closed(self) -> None:
        """Wait until the connection to the primary has ended."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.primary_closed.wait(), CLOSE_TIMEOUT)

    async def connect(self, url: str) -> None:
        """Connect to the primary and to the mirrors."""

        def attach(subprotocol: str | None, transport: Transport) -> Receiver:
            if self.closing is not None:
                raise ConnectionLost("the station has disconnected")
            if subprotocol != self.subprotocol:
                raise ConnectionLost(f"the CSMS does not support {self.subprotocol}")
            self.primary_closed.clear()
            self._pumps.append(_Pump(transport, self._to_primary))
            return _FromPrimary(self)

        await self._relay.dial(url, self, attach)
        if self.closing is None:
            for link in self._mirrors:
                link.start()

    def received(self, data: bytes, *, late: bool = False) -> None:
        """Pass on a frame of the station."""
        if late or self.closing is not None:
            return
        if not self._to_primary.put(data):
            self.end(OVERFLOW)
            return
        if not self._mirrors:
            return
        try:
            head = self.codec.peek(data)
        except DecodeError:
            return
        if head.message_type in (CALL, SEND):
            if head.action == BOOT:
                self.boot = data
            for link in self._mirrors:
                link.put(data)

    def answered(self, data: bytes) -> None:
        """Pass on a frame of the primary."""
        if self.closing is None and not self._to_station.put(data):
            self.end(OVERFLOW)

    def lost(self, reason: str = "") -> None:  # noqa: ARG002  each side has its own
        """Note that the station has disconnected."""
        self.end(NO_STATION)

    def end(self, why: tuple[int, str]) -> None:
        """Close all connections, after the frames that are waiting."""
        if self.closing is None:
            self.closing = self._relay.start(self._close(why))

    async def _close(self, why: tuple[int, str]) -> None:
        closing = [one.close(*why) for one in self._pumps]
        closing += [link.close(*why) for link in self._mirrors]
        for problem in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(problem, Exception):
                log.error("%s: cannot close", self.id, exc_info=problem)
        self._relay.forget(self)


class _FromPrimary:
    """Receives what the primary sends to a station."""

    def __init__(self, relayed: _Relayed) -> None:
        self._relayed = relayed

    def received(self, data: bytes, *, late: bool = False) -> None:
        if not late:
            self._relayed.answered(data)

    def lost(self, reason: str = "") -> None:  # noqa: ARG002  the station learns what to do
        self._relayed.primary_closed.set()
        self._relayed.end(NO_PRIMARY)


class _Pump:
    """Sends what is in an backlog, one frame after the other."""

    def __init__(self, transport: Transport, backlog: Backlog) -> None:
        self._transport = transport
        self._backlog = backlog
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        with suppress(ConnectionLost):  # its receiver gets to know
            while (data := await self._backlog.get()) is not None:
                await self._transport.send(data)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, when the frames that are waiting are sent."""
        self._backlog.finish()
        await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT)
        self._task.cancel()
        await self._transport.close(code, reason)

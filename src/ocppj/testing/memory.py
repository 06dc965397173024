"""A transport without sockets: both ends of a connection in one event loop.

Owns how frames get from one end to the other, in their order and one in each iteration of the loop.
What happens to them on the way is the `Wire`'s business.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ocppj.aio.charging_station import Backoff, ChargingStation
from ocppj.aio.node import Node
from ocppj.aio.security import Authenticate, IsKnown
from ocppj.aio.transport import Acceptor, Attach, Receiver
from ocppj.catalog import Version
from ocppj.errors import ConnectionLost
from ocppj.session import Role
from ocppj.testing.wire import Traffic, Wire

__all__ = ["Memory", "connected"]

CUT = "the connection was cut"


@asynccontextmanager
async def connected(
    csms: Node,
    *stations: ChargingStation,
    password: str | bytes | None = None,
    known: IsKnown | None = None,
    authenticate: Authenticate | None = None,
    backoff: Backoff | None = None,
) -> AsyncIterator[Wire]:
    """Connect charging stations to a CSMS in memory until the context ends.

    Args:
        csms: the CSMS.
        stations: the stations.
        password: of the stations.
        known: as for `CSMS.listen`.
        authenticate: as for `CSMS.listen`.
        backoff: how long the stations wait before reconnecting; `None`: they do not reconnect.

    Yields:
        The wire between them: what was sent, and faults on demand.

    Raises:
        ConnectionLost: a station may not connect.
    """
    memory = Memory()
    async with AsyncExitStack() as stack:
        listening = csms.listen(transport=memory, known=known, authenticate=authenticate)
        await stack.enter_async_context(listening)
        for station in stations:
            dialling = station.connect(
                "ws://memory", transport=memory, password=password, backoff=backoff
            )
            await stack.enter_async_context(dialling)
        yield memory.wire


class Memory:
    """A transport for both ends, for `transport=` of `CSMS.listen` and `ChargingStation.connect`.

    Attributes:
        wire: what goes over its connections.
        port: 0: there is none.
    """

    port = 0

    def __init__(self) -> None:
        self._traffic = Traffic()
        self.wire = Wire(self._traffic)
        self._acceptor: Acceptor | None = None
        self._ended: set[asyncio.Future[None]] = set()

    async def serve(
        self,
        acceptor: Acceptor,
        host: str | Sequence[str] | None,  # noqa: ARG002  there is no address
        port: int,  # noqa: ARG002  there is no address
        **_: Any,
    ) -> "Memory":
        """Listen for connections."""
        if self._acceptor is not None:
            raise RuntimeError("a CSMS is listening already: make another Memory")
        self._acceptor = acceptor
        return self

    def stop(self) -> None:
        """Accept no more connections."""
        self._acceptor = None

    async def wait_closed(self) -> None:
        """Wait until all connections have ended."""
        await asyncio.gather(*self._ended)

    async def connect(
        self,
        url: str,
        subprotocols: Sequence[str],
        attach: Attach,
        *,
        max_size: int,
        headers: Mapping[str, str],
        **_: Any,
    ) -> Awaitable[None]:
        """Open a connection."""
        acceptor = self._acceptor
        if acceptor is None:
            raise ConnectionRefusedError("no CSMS is listening")
        chosen = acceptor.subprotocol(subprotocols)
        sent = {name.lower(): value for name, value in headers.items()}
        admission = acceptor.admission(urlsplit(url).path, sent, chosen)
        found = admission.early() or await admission.finish(("memory", 0), None)
        if isinstance(found, HTTPStatus):
            raise ConnectionError(f"server rejected WebSocket connection: HTTP {found.value}")
        version = Version.named(chosen or subprotocols[0]).name
        pipe = _Pipe(self._traffic, found.station_id, version, (acceptor.max_size, max_size))
        self._ended.add(pipe.ended)
        pipe.ended.add_done_callback(self._ended.discard)
        entering = asyncio.ensure_future(acceptor.enter(found, chosen, pipe.csms))
        try:
            pipe.station.start(attach(chosen, pipe.station))
        except BaseException:
            pipe.end("no common subprotocol", "")
            await entering
            raise
        receiver = await entering
        if receiver is not None:
            pipe.csms.start(receiver)
        return pipe.ended


class _Pipe:
    """A connection: its two ends."""

    def __init__(
        self, traffic: Traffic, station_id: str, version: str, sizes: tuple[int, int]
    ) -> None:
        self.station_id = station_id
        self.version = version
        self.traffic = traffic
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.csms = _End(self, "csms", sizes[0])
        self.station = _End(self, "charging_station", sizes[1])
        self.csms.peer, self.station.peer = self.station, self.csms
        traffic.cuts.add(self.cut)

    def cut(self) -> None:
        """End the connection without a close frame."""
        self.end(CUT, CUT)

    def end(self, for_csms: str, for_station: str) -> None:
        """End the connection, with a reason for each end."""
        if not self.ended.done():
            self.ended.set_result(None)
            self.traffic.cuts.discard(self.cut)
            self.csms.lost(for_csms)
            self.station.lost(for_station)


class _End:
    """One end: the `Transport` of a link, and what has been sent to it.

    Attributes:
        peer: the other end.
        closing: whether a close frame has been sent.
        receiver: of the link; `None` until the station has entered.
    """

    peer: "_End"

    def __init__(self, pipe: _Pipe, role: Role, max_size: int) -> None:
        self.closing = False
        self.receiver: Receiver | None = None
        self._pipe = pipe
        self._role: Role = role
        self._max_size = max_size
        self._reason = ""
        self._arriving: deque[tuple[Callable[[], object], float]] = deque()
        self._busy = False  # something is about to arrive

    def start(self, receiver: Receiver) -> None:
        """Hand what arrives to a receiver."""
        self.receiver = receiver
        if self._pipe.ended.done():
            receiver.lost(self._reason)
        self._next()

    def lost(self, reason: str) -> None:
        """Note that the connection has ended."""
        self._arriving.clear()
        self._reason = reason
        if self.receiver is not None:
            self.receiver.lost(reason)

    def arrive(self, what: Callable[[], object], seconds: float = 0.0) -> None:
        """Do something when all that was sent before it has arrived."""
        self._arriving.append((what, seconds))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._arriving) and self.receiver is not None
        if self._busy:
            _, seconds = self._arriving[0]
            loop = asyncio.get_running_loop()
            if seconds:
                loop.call_later(seconds, self._deliver)
            else:
                loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._arriving:
            what, _ = self._arriving.popleft()
            try:
                what()
            finally:
                self._next()

    def receive(self, data: bytes) -> None:
        """Take in a message, and send the answer if there is one at once."""
        if self.receiver is None:
            raise AssertionError("nothing arrives before there is a receiver")
        if len(data) > self._max_size:
            self._close(1009, "message too big")
            return
        answer = self.receiver.received(data, late=self.closing)
        if answer is not None and not self.closing:
            self._transmit(answer)

    def _transmit(self, data: bytes) -> None:
        pipe, peer = self._pipe, self.peer
        fault, seconds = pipe.traffic.sent(pipe.station_id, self._role, data, pipe.version)
        if fault == "cut":
            pipe.cut()
        elif fault != "drop":
            arriving = data[: len(data) // 2] if fault == "garble" else data
            for _ in range(2 if fault == "duplicate" else 1):
                peer.arrive(partial(peer.receive, arriving), seconds)

    async def send(self, data: bytes) -> None:
        if self.closing or self._pipe.ended.done():
            raise ConnectionLost("cannot send: the connection is closed")
        self._transmit(data)

    async def ping(self) -> None:
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended = self._pipe.ended
        if not ended.done():
            self.peer.arrive(partial(_done, pong))
        await asyncio.wait([pong, ended], return_when=asyncio.FIRST_COMPLETED)
        if not pong.done():
            raise ConnectionLost("cannot ping: the connection is closed")

    async def close(self, code: int, reason: str) -> None:
        self._close(code, reason)
        await asyncio.shield(self._pipe.ended)

    def _close(self, code: int, reason: str) -> None:
        """Send a close frame. The connection ends when the peer has answered it."""
        if self.closing or self._pipe.ended.done():
            return
        self.closing = True
        peer, received = self.peer, f"received {code} {reason}".rstrip()
        reasons = ("", received) if self is self._pipe.csms else (received, "")
        end = partial(self._pipe.end, *reasons)

        def answer() -> None:
            peer.closing = True
            if self.receiver is None:  # the station may not enter
                end()
            else:
                self.arrive(end)

        peer.arrive(answer)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""The transport on the `websockets` library: the default one."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.connection import Connection as WebSocketConnection
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event, State
from websockets.typing import Subprotocol

from ocppj.aio.fairness import MAX_FRAGMENTS, Paced
from ocppj.aio.halfopen import HalfOpen
from ocppj.aio.listening import listen
from ocppj.aio.transport import (
    CLOSE_TIMEOUT,
    NO_ANSWER,
    OPEN_TIMEOUT,
    REFUSAL_HEADERS,
    Acceptor,
    Attach,
    Receiver,
    redirected,
    write_limit,
)
from ocppj.errors import ConnectionLost

__all__ = ["connect", "serve"]

log: Final = logging.getLogger("ocppj.aio")


class _WatchedConnection(Paced, WebSocketConnection):
    """Hands over each message as it is read, within a share of the event loop.

    Reading stops while the peer does not read. Bytes that have to wait are kept undecoded. A
    message is decompressed when it is its turn, and answered before the next one.
    """

    _receiver: Receiver | None = None
    _unread = b""
    _rest = 0  # bytes left of a frame that was passed on in part
    _handshake_done = False
    _held = False  # from the handshake until there is a receiver
    _waits = False  # for a turn
    _reading = True
    _parts: bytearray | None = None  # of a fragmented message
    _fragments = 0
    _stall_timer: asyncio.TimerHandle | None = None

    def start(self, receiver: Receiver) -> None:
        """Hand the messages to a receiver, the early ones first."""
        self._receiver = receiver
        if self.protocol.state is State.CLOSED:
            receiver.lost(str(self.close_exc))
        else:
            self._release()

    def _release(self) -> None:
        self._held = False
        self._continue()

    async def close(self, code: CloseCode | int = 1000, reason: str = "") -> None:
        self.loop.call_soon(self._release)  # the held bytes may contain the peer's close
        await super().close(code, reason)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel_stall_timer()
        self._unread = b""
        if self._receiver is not None:
            self._receiver.lost(str(self.close_exc))

    def pause_writing(self) -> None:
        super().pause_writing()
        # The library's own ping would queue behind the data.
        if self.ping_interval is not None and self.ping_timeout is not None:
            limit = self.ping_interval + self.ping_timeout
            self._stall_timer = self.loop.call_later(limit, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_stall_timer()
        self._continue()

    def _cancel_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def data_received(self, data: bytes) -> None:
        self._unread = self._unread + data if self._unread else data
        self._continue()

    def _take_turn(self) -> None:
        self._waits = False
        self._continue()

    def _continue(self) -> None:
        """Pass on the bytes received, frame by frame. Stop reading while some have to wait."""
        data, at, start = self._unread, 0, perf_counter()
        closing = self.transport.is_closing
        while not (blocked := self._waits or self._held or self.paused or closing()):
            size = self._size(data, at)
            if not size:
                break
            super().data_received(data[at : at + size])
            at += size
            # The library limits a handshake, whose peer may end with it: nothing of it may wait.
            if self._handshake_done:
                self._waits = self._charge(start)
                start = self._checked
        self._unread = data[at:]
        reading = not (self._waits or (blocked and self._unread))
        if reading is not self._reading:
            self._reading = reading
            with suppress(RuntimeError):  # closed
                (self.transport.resume_reading if reading else self.transport.pause_reading)()

    def _size(self, data: bytes, at: int) -> int:
        """Return how many of the bytes belong to the next frame; 0 if it is not complete."""
        left = len(data) - at
        if self._rest:
            size = self._rest
        elif self.protocol.eof_sent:  # the library discards all further bytes
            size = left
        elif not self._handshake_done:  # frames begin after a line of the handshake
            size = (data.find(b"\n", at) + 1 or len(data)) - at
        elif left < 2:
            return 0
        else:
            size = data[at + 1] & 0x7F
            head = {126: 4, 127: 10}.get(size, 2)
            if left < head:
                return 0
            if head > 2:
                size = int.from_bytes(data[at + 2 : at + head])
            size += head + (data[at + 1] >> 7) * 4
        self._rest = max(0, size - left)
        return min(size, left)

    def process_event(self, event: Event) -> None:
        if not isinstance(event, Frame):
            self._handshake_done = self._held = True
            super().process_event(event)
        elif event.opcode in DATA_OPCODES:
            self._assemble(event)
        else:
            self._count_control()
            super().process_event(event)

    def _assemble(self, frame: Frame) -> None:
        if frame.fin and frame.opcode is not Opcode.CONT:
            self._deliver(bytes(frame.data))
            return
        if self._parts is None:
            self._parts = bytearray()
            self._fragments = 0
        self._parts += frame.data
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            self._drop(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        elif frame.fin:
            data = bytes(self._parts)
            self._parts = None
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if self._receiver is None:
            return
        try:
            late = self.protocol.state is not State.OPEN
            answer = self._receiver.received(data, late=late)
            if answer is not None and self.protocol.state is State.OPEN:
                self.protocol.send_text(answer)
                self.send_data()
        except Exception:
            log.exception("connection closed after an unexpected error")
            self._drop(CloseCode.INTERNAL_ERROR)

    def _drop(self, code: CloseCode, reason: str = "") -> None:
        self._parts = None
        self.protocol.fail(code, reason)
        self.send_data()
        self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)


class _AcceptedConnection(_WatchedConnection, ServerConnection):
    """A connection that its listener knows before the handshake."""

    def __init__(self, half_open: HalfOpen, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.half_open = half_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.half_open.add(cast("asyncio.Transport", transport), self):
            super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.half_open.discard(self.transport)
        super().connection_lost(exc)


class _DialledConnection(_WatchedConnection, ClientConnection):
    pass


class _Transport:
    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        try:
            # Wait first: otherwise messages of callers that time out would pile up.
            while self._socket.paused:
                await self._socket.drain()
            await self._socket.send(data, text=True)
        except (ConnectionClosed, OSError) as error:
            raise ConnectionLost(f"cannot send: {error}") from error

    async def ping(self) -> None:
        try:
            await (await self._socket.ping())
        except ConnectionClosed as error:
            raise ConnectionLost(f"cannot ping: {error}") from error

    async def close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.close(code, reason)
        except TimeoutError:
            self._socket.transport.abort()


class _Listening:
    def __init__(self, servers: Sequence[Server], half_open: HalfOpen) -> None:
        self._servers = servers
        self._half_open = half_open
        self.port: int = next(iter(servers[0].sockets)).getsockname()[1]

    def stop(self) -> None:
        for server in self._servers:
            server.close(close_connections=False)
        self._half_open.drop()

    async def wait_closed(self) -> None:
        for server in self._servers:
            await server.wait_closed()


async def serve(acceptor: Acceptor, host: Any, port: int, **options: Any) -> _Listening:
    """Listen. The options are those of `websockets.asyncio.server.serve`."""
    limit = write_limit(acceptor.max_size)
    options = {"close_timeout": CLOSE_TIMEOUT, "write_limit": limit, **options}
    half_open = _half_open(options)
    accepted: Any = partial(_AcceptedConnection, half_open)
    handshakes: WeakKeyDictionary[ServerConnection, Any] = WeakKeyDictionary()

    async def process_request(socket: ServerConnection, request: Request) -> Response | None:
        half_open.discard(socket.transport)
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        certificate = socket.transport.get_extra_info("peercert")
        offered = request.headers.get_all("Sec-WebSocket-Protocol")
        chosen = acceptor.subprotocol(n.strip() for line in offered for n in line.split(","))
        admission = acceptor.admission(request.path, headers, chosen)
        found = admission.early() or await admission.finish(socket.remote_address, certificate)
        if isinstance(found, HTTPStatus):
            response = socket.respond(found, f"{found.phrase}\n")
            response.headers.update(REFUSAL_HEADERS.get(found, {}))
            return response
        handshakes[socket] = found
        return None

    def select(_socket: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        chosen = acceptor.subprotocol(offered)
        return None if chosen is None else Subprotocol(chosen)

    async def handle(socket: ServerConnection) -> None:
        handshake = handshakes.pop(socket)
        receiver = await acceptor.enter(handshake, socket.subprotocol, _Transport(socket))
        if receiver is not None:
            cast("_AcceptedConnection", socket).start(receiver)
            await socket.wait_closed()

    async def start(listening: Any) -> Server:
        return await ws_serve(
            handle,
            sock=listening,
            process_request=process_request,
            select_subprotocol=select,
            max_size=acceptor.max_size,
            create_connection=accepted,
            **options,
        )

    return _Listening(await listen(host, port, options, start), half_open)


def _half_open(options: dict[str, Any]) -> HalfOpen:
    """Return the half-open connections of a listener, and remove the TLS options from its own."""
    if sys.platform == "win32" or options.get("ssl") is None:
        return HalfOpen(None)  # on Windows a socket cannot change its transport
    timeouts = {
        "ssl_handshake_timeout": options.get("open_timeout", OPEN_TIMEOUT),
        "ssl_shutdown_timeout": options["close_timeout"],
    }
    given = {name: options.pop(name) for name in timeouts if name in options}
    return HalfOpen(options.pop("ssl"), **(timeouts | given))


class _Connect(ws_connect):
    """Does not follow redirects: they would send the password to another origin."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def connect(
    url: str,
    subprotocols: Sequence[str],
    attach: Attach,
    *,
    max_size: int,
    headers: Mapping[str, str],
    **options: Any,
) -> Awaitable[None]:
    """Connect. The options are those of `websockets.asyncio.client.connect`."""
    try:
        connection = await _Connect(
            url,
            subprotocols=[Subprotocol(name) for name in subprotocols],
            additional_headers=headers,
            max_size=max_size,
            create_connection=_DialledConnection,
            **{"close_timeout": CLOSE_TIMEOUT, "write_limit": write_limit(max_size), **options},
        )
    except InvalidStatus as error:
        response = error.response
        if 300 <= response.status_code < 400:
            locations = response.headers.get_all("Location")
            raise redirected(response.status_code, next(iter(locations), None)) from error
        raise
    except InvalidMessage as error:
        if isinstance(error.__cause__, EOFError):
            raise ConnectionError(NO_ANSWER) from error
        raise
    socket = cast("_DialledConnection", connection)
    try:
        receiver = attach(socket.subprotocol, _Transport(socket))
    except BaseException:
        await socket.close(1002, "no common subprotocol")
        raise
    socket.start(receiver)
    return asyncio.ensure_future(socket.wait_closed())

"""The transport on `picows`: the fast one, for gateways. It has no permessage-deflate."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final

from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_connect,
    ws_create_server,
)

from ocppj.aio.fairness import MAX_FRAGMENTS, NEGLIGIBLE, Paced
from ocppj.aio.listening import listen
from ocppj.aio.security import Admission, Handshake
from ocppj.aio.transport import (
    CLOSE_TIMEOUT,
    NO_ANSWER,
    OPEN_TIMEOUT,
    REFUSAL_HEADERS,
    Acceptor,
    Attach,
    Receiver,
    Transport,
    redirected,
    write_limit,
)
from ocppj.errors import ConnectionLost

__all__ = ["connect", "serve"]

MAX_EARLY: Final = 16
"""Maximum number of messages kept while the checks of a station run. Together they have at most the
bytes of one message."""


NO_STATUS: Final = 1005
"""The close code for "no code received" (RFC 6455 7.4.1)."""

CHUNK: Final = 2048
SMALL_CHUNK: Final = 512
"""Maximum number of bytes read at a time; the smaller one for a peer that has used up its share and
has more to send. picows handles all frames of a read in one go, and doubles the size of its reads
whenever its buffer is full."""

MAX_CONTROL_SIZE: Final = 125
"""Maximum number of bytes in a control frame (RFC 6455 5.5)."""

READ_BUFFER: Final = CHUNK + 256
"""Initial size of a connection's read buffer; picows leaves 256 bytes of it unused. The default, 16
KiB, would be half of the memory of a connection."""

LARGE_READ: Final = CHUNK - 256
"""A read of this size may have doubled the read buffer."""

_TEXT: Final = WSMsgType.TEXT
_DATA: Final = (WSMsgType.TEXT, WSMsgType.BINARY)
_CONTINUATION: Final = WSMsgType.CONTINUATION
_CLOSE: Final = WSMsgType.CLOSE
_PING: Final = WSMsgType.PING


class _Sink:
    """Replaces the protocol of picows when the data is no longer of interest."""

    _buffer: Final = memoryview(bytearray(CHUNK))

    def __init__(self, protocol: Any) -> None:
        self.connection_lost = protocol.connection_lost
        self.eof_received = protocol.eof_received

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        pass


class _Listener(Paced, WSListener, asyncio.BufferedProtocol):
    """One connection: its frames, and its `Transport`.

    It is also the protocol of the connection, in front of that of picows, to decide when and how
    much is read. As long as each read is small and completes a frame, picows alone provides the
    buffer: it has not grown. After another read, `get_buffer` limits all further ones.
    """

    # Slots: without them, CPython 3.11 looks each attribute up in a dict, since WSListener is
    # compiled.
    __slots__ = (
        "_abandoned",
        "_checked",
        "_chunk",
        "_closing",
        "_controls",
        "_fragments",
        "_framed",
        "_held",
        "_max_size",
        "_parts",
        "_pong",
        "_protocol",
        "_second",
        "_used",
        "_waits",
        "_writable",
        "_ws",
        "get_buffer",
        "receiver",
    )

    # A slot here, a method of the base class.
    get_buffer: Callable[[int], memoryview]  # type: ignore[assignment]  # a method there

    def __init__(self, max_size: int) -> None:
        self._used = self._checked = self._second = 0.0
        self._controls = 0
        self.receiver: Receiver | None = None
        self._abandoned = False
        self._max_size = max_size
        self._ws: Any = None  # WSTransport
        self._protocol: Any = None  # the one of picows
        self._closing = False  # by us, not for a fault
        self._waits = False  # for a turn
        self._chunk = CHUNK
        self._framed = False  # a frame is complete since the last read, before a close of ours
        self._parts = bytearray()  # of a fragmented message
        self._fragments = 0
        self._pong: asyncio.Task[Any] | None = None
        self._held: list[bytes] = []
        self._writable: asyncio.Event | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._ws = transport
        underlying = transport.underlying_transport
        self._protocol = underlying.get_protocol()
        self.get_buffer = self._protocol.get_buffer
        underlying.set_protocol(self)
        underlying.set_write_buffer_limits(write_limit(self._max_size))
        if self._abandoned:
            transport.disconnect(graceful=False)

    def _limited_buffer(self, sizehint: int) -> memoryview:
        return self._protocol.get_buffer(sizehint)[: self._chunk]  # type: ignore[no-any-return]  # picows is untyped

    def _limit_reads(self) -> None:
        self.get_buffer = self._limited_buffer

    def buffer_updated(self, nbytes: int) -> None:
        start = perf_counter()
        self._framed = False
        self._protocol.buffer_updated(nbytes)
        if nbytes >= LARGE_READ or not self._framed:
            self._limit_reads()
            if self._ws.is_close_frame_sent and not self._closing:
                self._discard()  # picows would log each frame after a fault
        if nbytes < self._chunk and perf_counter() - start < NEGLIGIBLE:
            self._chunk = CHUNK
        elif self._charge(start):
            self._chunk = SMALL_CHUNK
            self._waits = True
            self._regulate()

    def _take_turn(self) -> None:
        self._waits = False
        self._regulate()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()  # type: ignore[no-any-return]  # picows is untyped

    def connection_lost(self, exc: Exception | None) -> None:
        del self.get_buffer  # it refers to what refers to this
        protocol, self._protocol = self._protocol, None
        protocol.connection_lost(exc)

    def _regulate(self) -> None:
        """Read, unless the connection waits for a turn, or for its peer to read."""
        underlying = self._ws.underlying_transport
        with suppress(RuntimeError):  # closing
            if self._waits or self._writable is not None:
                underlying.pause_reading()
            else:
                underlying.resume_reading()

    def abandon(self) -> None:
        """End the connection, as soon as it is open: nobody waits for it."""
        self._abandoned = True
        if self._ws is not None:
            self._ws.disconnect(graceful=False)

    def start(self, receiver: Receiver) -> None:
        """Hand the messages to a receiver, the early ones first."""
        self.receiver = receiver
        self._release()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        late = transport.is_close_frame_sent
        if (late or self._framed) and transport.underlying_transport.is_closing():
            return  # answers can no longer be sent
        self._framed = not late
        data = frame.get_payload_as_bytes()
        # A frame's type is slow to read. It does not matter in a message of one frame that is too
        # large for a control frame.
        if (
            frame.fin
            and not self._fragments
            and (len(data) > MAX_CONTROL_SIZE or frame.msg_type == _TEXT)
        ):
            receiver = self.receiver
            if receiver is None or self._writable is not None:
                self._hold(data)
                return
            answer = receiver.received(data, late=True) if late else receiver.received(data)
            if answer is not None:
                transport.send(_TEXT, answer)
            return
        message_type = frame.msg_type
        if message_type in _DATA or message_type == _CONTINUATION:
            self._assemble(data, is_last=bool(frame.fin))
        elif message_type == _CLOSE:
            code = frame.get_close_code()
            transport.send_close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code)
            transport.disconnect()
        else:
            self._count_control()
            if message_type == _PING:
                transport.send_pong(data)

    def _assemble(self, data: bytes, *, is_last: bool) -> None:
        self._parts += data
        self._fragments += 1
        if len(self._parts) > self._max_size or self._fragments > MAX_FRAGMENTS:
            self._drop(WSCloseCode.MESSAGE_TOO_BIG)
        elif is_last:
            message = bytes(self._parts)
            self._parts.clear()
            self._fragments = 0
            self._pass_on(message)

    def _pass_on(self, data: bytes) -> None:
        if self.receiver is None or self._writable is not None:
            self._hold(data)
        else:
            answer = self.receiver.received(data, late=self._ws.is_close_frame_sent)
            if answer is not None:
                self._ws.send(_TEXT, answer)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        if self.receiver is None and self._too_early():
            self._drop(WSCloseCode.POLICY_VIOLATION)

    def _too_early(self) -> bool:
        return len(self._held) > MAX_EARLY or sum(map(len, self._held)) > self._max_size

    def _release(self) -> None:
        held = iter(self._held)
        while self._writable is None and (data := next(held, None)) is not None:
            self._pass_on(data)
        self._held = list(held)

    def _drop(self, code: WSCloseCode) -> None:
        """Close, and discard what is still read: unread data would turn the close into a reset."""
        if isinstance(self._protocol, _Sink):
            return
        self._discard()
        self._parts.clear()
        self._held.clear()
        underlying = self._ws.underlying_transport
        self._ws.send_close(code)
        try:
            underlying.write_eof()
        except (NotImplementedError, OSError):  # TLS, or the peer is gone
            underlying.close()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, underlying.abort)
        if self.receiver is not None:
            self.receiver.lost()

    def _discard(self) -> None:
        if not isinstance(self._protocol, _Sink):
            self._protocol = _Sink(self._protocol)
            self._limit_reads()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._writable is not None:
            self._writable.set()
        if self.receiver is not None:
            handshake = transport.close_handshake
            received = handshake.recv if handshake is not None else None
            reason = "no close frame received"
            if received is not None:
                # picows uses 0 for a close without a code.
                code = received.code.value or NO_STATUS
                reason = f"received {code} {received.reason or ''}".rstrip()
            self.receiver.lost(reason)

    def pause_writing(self) -> None:
        # Stop reading while the peer does not read: its answers would pile up. Messages already
        # received are held.
        self._writable = asyncio.Event()
        self._regulate()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        self._release()
        self._regulate()

    async def send(self, data: bytes) -> None:
        # Wait first: otherwise messages of callers that time out would pile up.
        while self._writable is not None and not self._ws.is_disconnected:
            await self._writable.wait()
        if self._ws.is_close_frame_sent:
            await self._wait()  # or a caller that retries at once would spin
        if self._ws.is_disconnected:
            raise ConnectionLost("cannot send: the connection is closed")
        self._ws.send(_TEXT, data)

    async def ping(self) -> None:
        # One at a time: of two pings that picows measures, only the later one ends.
        if self._pong is None or self._pong.done():
            self._pong = asyncio.ensure_future(self._measure())
        if not await asyncio.shield(self._pong):
            raise ConnectionLost("cannot ping: the connection is closed")

    async def _measure(self) -> bool:
        with suppress(Exception):
            if not self._ws.is_disconnected:
                return bool(await self._ws.measure_roundtrip_time(1))
        return False

    async def close(self, code: int, reason: str) -> None:
        if not self._ws.is_disconnected:
            self._closing = True
            self._ws.send_close(code, reason.encode()[:123])
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._wait()
            self._ws.disconnect(graceful=False)
            await self._wait()

    async def _wait(self) -> None:
        with suppress(Exception):  # any reason for the end will do
            await asyncio.shield(self._ws.wait_disconnected())

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        await self._wait()
        if self.receiver is not None:
            self.receiver.lost()


class _IncomingConnection(_Listener):
    """A connection of a listener: its checks may reject it after the upgrade."""

    __slots__ = ("_acceptor", "_admission", "_entering", "_subprotocol")

    def __init__(
        self,
        acceptor: Acceptor,
        admission: Admission,
        subprotocol: str | None,
        entering: set[asyncio.Task[None]],
    ) -> None:
        super().__init__(acceptor.max_size)
        self._acceptor = acceptor
        self._admission = admission
        self._subprotocol = subprotocol
        self._entering = entering

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        task = asyncio.get_running_loop().create_task(self._enter())
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self) -> None:
        found = await self._admit()
        del self._admission
        if isinstance(found, HTTPStatus):
            unavailable = found is HTTPStatus.SERVICE_UNAVAILABLE
            code = WSCloseCode.GOING_AWAY if unavailable else WSCloseCode.POLICY_VIOLATION
            await self.close(code.value, found.phrase)
            return
        if self._ws.is_disconnected:
            return
        receiver = await self._acceptor.enter(found, self._subprotocol, self)
        if receiver is not None:
            if self._ws.is_disconnected:
                receiver.lost()
            else:
                self.start(receiver)

    async def _admit(self) -> Handshake | HTTPStatus:
        info = self._ws.underlying_transport.get_extra_info
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return await self._admission.finish(info("peername"), info("peercert"))
        except TimeoutError:
            return HTTPStatus.SERVICE_UNAVAILABLE


class _Listening:
    def __init__(
        self, servers: Sequence[asyncio.Server], entering: set[asyncio.Task[None]]
    ) -> None:
        self._servers = servers
        self._entering = entering
        self.port: int = servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        for server in self._servers:
            server.close()

    async def wait_closed(self) -> None:
        if self._entering:
            await asyncio.wait(self._entering)
        for server in self._servers:
            # Half-open connections are left, which only the server knows. The server of aiofastnet,
            # which picows uses, has this method; that of asyncio has it since CPython 3.13.
            getattr(server, "abort_clients", lambda: None)()
            await server.wait_closed()


def _offered(request: WSUpgradeRequest) -> list[str]:
    headers = request.headers.getall("Sec-WebSocket-Protocol", ())
    return [name.strip() for header in headers for name in header.split(",")]


async def serve(
    acceptor: Acceptor,
    host: str | Sequence[str] | None,
    port: int,
    *,
    ssl: Any = None,
    ping_interval: float | None = 20.0,
    ping_timeout: float | None = 20.0,
    **options: Any,
) -> _Listening:
    """Listen. Further options are those of `picows.ws_create_server`.

    A station that may not connect gets an HTTP status if the request alone is enough to reject it.
    Otherwise the upgrade completes first, and the connection is closed with 1008.
    """
    entering: set[asyncio.Task[None]] = set()
    if ssl is not None:
        options.setdefault("ssl_handshake_timeout", OPEN_TIMEOUT)

    def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        headers = {name.lower(): value for name, value in request.headers.items()}
        chosen = acceptor.subprotocol(_offered(request))
        admission = acceptor.admission(request.path.decode("latin-1"), headers, chosen)
        refusal = admission.early()
        if refusal is not None:
            response = WSUpgradeResponse.create_error_response(
                refusal, extra_headers=REFUSAL_HEADERS.get(refusal)
            )
            return WSUpgradeResponseWithListener(response, None)
        headers = {} if chosen is None else {"Sec-WebSocket-Protocol": chosen}
        response = WSUpgradeResponse.create_101_response(headers)
        connection = _IncomingConnection(acceptor, admission, chosen, entering)
        return WSUpgradeResponseWithListener(response, connection)

    async def start(socket: Any) -> asyncio.Server:
        return await ws_create_server(
            accept,
            sock=socket,
            ssl=ssl,
            max_frame_size=acceptor.max_size,
            **_pings(ping_interval, ping_timeout),
            **{"read_buffer_init_size": READ_BUFFER, **options},
        )

    return _Listening(await listen(host, port, options, start), entering)


def _pings(interval: float | None, timeout: float | None) -> dict[str, Any]:
    if interval is None:
        return {"enable_auto_ping": False, "enable_auto_pong": False}
    return {
        "enable_auto_ping": True,
        "enable_auto_pong": False,  # they are counted
        "auto_ping_idle_timeout": interval,
        "auto_ping_reply_timeout": interval if timeout is None else timeout,
        # Bytes of an unfinished frame are not a sign of life.
        "auto_ping_strategy": WSAutoPingStrategy.PING_PERIODICALLY,
    }


async def connect(
    url: str,
    subprotocols: Sequence[str],
    attach: Attach,
    *,
    max_size: int,
    headers: Mapping[str, str],
    ssl: Any = None,
    ping_interval: float | None = 20.0,
    ping_timeout: float | None = 20.0,
    **options: Any,
) -> Awaitable[None]:
    """Connect. Further options are those of `picows.ws_connect`."""
    listener = _Listener(max_size)
    try:
        transport, _ = await ws_connect(
            lambda: listener,
            url,
            ssl_context=ssl,
            max_frame_size=max_size,
            extra_headers={**headers, "Sec-WebSocket-Protocol": ", ".join(subprotocols)},
            **_pings(ping_interval, ping_timeout),
            **{**options, "max_redirects": 0},
        )
    except BaseException as error:
        listener.abandon()
        response = error.response if isinstance(error, WSHandshakeError) else None
        if response is not None and 300 <= response.status < 400:
            raise redirected(response.status, response.headers.get("Location")) from error
        raise
    if transport.response is None:
        listener.abandon()
        raise ConnectionError(NO_ANSWER)
    chosen = transport.response.headers.get("Sec-WebSocket-Protocol")
    try:
        listener.start(attach(chosen, listener))
    except BaseException:
        await listener.close(1002, "no common subprotocol")
        raise
    ended: Awaitable[None] = asyncio.ensure_future(listener.ended())
    return ended


_: type[Transport] = _Listener

"""The transport on the `websockets` library: the default one."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from weakref import WeakKeyDictionary

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect
from websockets.asyncio.connection import Connection as WebSocketConnection
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as ws_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from ocppj.aio.transport import CLOSE_TIMEOUT, REFUSAL_HEADERS, Acceptor, Attach, Receiver
from ocppj.errors import ConnectionLost

__all__ = ["connect", "serve"]

MAX_UNREAD: Final = 4 * 2**20
"""Bytes that may wait for a peer to read them; it has to be more than some frames."""

log: Final = logging.getLogger("ocppj.aio")


class _Watched(WebSocketConnection):
    """Ends when its peer does not read: the library's own ping would wait behind the data."""

    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.ping_interval is not None and self.ping_timeout is not None:
            patience = self.ping_interval + self.ping_timeout
            self._stalled = self.loop.call_later(patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.paused and self.transport.get_write_buffer_size() > MAX_UNREAD:
            self.transport.abort()  # pings, whose pongs go out without waiting


class _Accepted(_Watched, ServerConnection):
    pass


class _Dialled(_Watched, ClientConnection):
    pass


class _Transport:
    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, data: bytes) -> None:
        try:
            await self._socket.send(data, text=True)
        except ConnectionClosed as error:
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


async def _pump(socket: WebSocketConnection, receiver: Receiver) -> None:
    """Hand messages over until the connection ends.

    The answer to one is sent before the next is read: a peer that does not read is not read either.
    """
    reason = ""
    try:
        while True:
            data = await socket.recv(decode=False)
            answer = receiver.received(data, late=socket.state is not State.OPEN)
            if answer is not None:
                await socket.send(answer, text=True)
    except ConnectionClosed as error:
        reason = str(error)
    except Exception:
        log.exception("cannot go on with a connection")
        await socket.close(1011)
    finally:
        receiver.lost(reason)


class _Listening:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.port: int = next(iter(server.sockets)).getsockname()[1]

    def stop(self) -> None:
        self._server.close(close_connections=False)

    async def wait_closed(self) -> None:
        await self._server.wait_closed()


async def serve(acceptor: Acceptor, host: Any, port: int, **options: Any) -> _Listening:
    """Listen. The options are those of `websockets.asyncio.server.serve`."""
    handshakes: WeakKeyDictionary[ServerConnection, Any] = WeakKeyDictionary()

    async def process_request(socket: ServerConnection, request: Request) -> Response | None:
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
            await _pump(socket, receiver)

    server = await ws_serve(
        handle,
        host,
        port,
        process_request=process_request,
        select_subprotocol=select,
        max_size=acceptor.max_size,
        create_connection=_Accepted,
        **{"close_timeout": CLOSE_TIMEOUT, **options},
    )
    return _Listening(server)


async def connect(
    url: str,
    subprotocols: Sequence[str],
    attach: Attach,
    *,
    headers: Mapping[str, str],
    **options: Any,
) -> Awaitable[None]:
    """Connect. The options are those of `websockets.asyncio.client.connect`."""
    socket = await ws_connect(
        url,
        subprotocols=[Subprotocol(name) for name in subprotocols],
        additional_headers=headers,
        create_connection=_Dialled,
        **{"close_timeout": CLOSE_TIMEOUT, **options},
    )
    try:
        receiver = attach(socket.subprotocol, _Transport(socket))
    except BaseException:
        await socket.close(1002, "no common subprotocol")
        raise
    return asyncio.create_task(_pump(socket, receiver))

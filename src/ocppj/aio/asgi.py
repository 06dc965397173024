"""A CSMS as an ASGI application, for a port that it shares with Starlette, FastAPI or Django.

Owns what ASGI has instead of a socket. Knows no framework and no server. What differs from
`CSMS.listen`:

- ASGI has no pings: the server sends its own. `ping` waits for any message instead.
- ASGI cannot drop a connection. It is abandoned instead: nothing more is read or written.
- A message is decompressed and assembled by the server, whose limits bound its memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from ocppj.aio.fairness import Paced
from ocppj.aio.link import EAGER
from ocppj.aio.security import Admission, Handshake
from ocppj.aio.transport import CLOSE_TIMEOUT, OPEN_TIMEOUT, REFUSAL_HEADERS, Receiver
from ocppj.errors import ConnectionLost

if TYPE_CHECKING:
    from ocppj.aio.node import NodeAcceptor

__all__ = ["SEND_TIMEOUT", "Application"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

SEND_TIMEOUT: Final = 40.0
"""Seconds that a station may take to read what is sent to it, unless `asgi` says otherwise. The
other transports close a connection that answers no ping for as long."""

WATCH_INTERVAL: Final = 5.0
"""Seconds between two searches for connections that do not read."""

GONE: Final = (OSError, RuntimeError)
"""What servers raise if the connection has ended."""

TEXT: Final = [(b"content-type", b"text/plain; charset=utf-8")]
log: Final = logging.getLogger("ocppj.aio")


class Application:
    """An ASGI application that charging stations connect to: see `CSMS.asgi`.

    Serve it alone, or mount it in another application. In that case, let the lifespan of that
    application include `lifespan`, so that `on_disconnect` is complete when the process ends.

        ocpp = csms.asgi()
        app = FastAPI(lifespan=ocpp.lifespan)
        app.mount("/ocpp", ocpp)
    """

    def __init__(
        self,
        make_acceptor: "Callable[[], NodeAcceptor]",
        path_parameter: str | None,
        send_timeout: float,
    ) -> None:
        if not send_timeout > 0:
            raise ValueError(f"send_timeout={send_timeout!r}: use seconds above 0")
        self._make_acceptor = make_acceptor
        self._acceptor = make_acceptor()
        self._path_parameter = path_parameter
        self._send_timeout = send_timeout
        self._connections: set[_Connection] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what an ASGI server asks for."""
        match scope["type"]:
            case "websocket":
                with suppress(*GONE):  # the station is gone before it has entered
                    await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "http":
                headers = [*TEXT, (b"upgrade", b"websocket")]
                await _respond(send, "http", HTTPStatus.UPGRADE_REQUIRED, headers)
            case other:
                raise ValueError(f"an ASGI application for OCPP does not serve {other!r}")

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Accept stations until the context ends: the lifespan for the outer application."""
        self._open()
        try:
            yield
        finally:
            await self.close()

    async def close(self, *, grace: float = 5.0) -> None:
        """Accept no more stations, and close the connections with code 1001 (going away).

        Args:
            grace: seconds to wait for running handlers, so that their answers still go out, and
                for `on_disconnect`.
        """
        acceptor = self._acceptor
        acceptor.stop()
        await acceptor.close(grace)
        await acceptor.wait_background(grace)

    def _open(self) -> None:
        if self._acceptor.closing:
            self._acceptor = self._make_acceptor()

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            self._open()
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        acceptor = self._acceptor
        chosen = acceptor.subprotocol(scope.get("subprotocols") or ())
        pairs = scope["headers"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
        admission = acceptor.admission(_path(scope), headers, chosen, self._segment(scope))
        found = admission.early() or await _admit(admission, scope.get("client"))
        if isinstance(found, HTTPStatus):
            await _refuse(scope, send, found, chosen)
            return
        await send({"type": "websocket.accept", "subprotocol": chosen})
        connection = _Connection(receive, send, acceptor.max_size)
        receiver = await acceptor.enter(found, chosen, connection)
        if receiver is None:
            return
        self._connections.add(connection)
        if len(self._connections) == 1:
            self._watch()
        try:
            await connection.run(receiver)
        finally:
            self._connections.discard(connection)

    def _segment(self, scope: Scope) -> str | None:
        """Return the identity, percent-encoded, if it is a parameter of the route."""
        name = self._path_parameter
        if name is None:
            return None
        parameters = scope.get("path_params") or scope.get("url_route", {}).get("kwargs", {})
        if name not in parameters:
            raise ValueError(f"the route has no path parameter {name!r}, as path_parameter says")
        return quote(str(parameters[name]), safe="")

    def _watch(self) -> None:
        """Abandon the connections that do not read."""
        now = perf_counter()
        for connection in self._connections:
            if connection.sending_since and now - connection.sending_since > self._send_timeout:
                connection.abandon("does not read")
        if self._connections:
            interval = min(WATCH_INTERVAL, self._send_timeout)
            asyncio.get_running_loop().call_later(interval, self._watch)


class _Connection(Paced):
    """One WebSocket connection: the `Transport` of a station.

    Attributes:
        sending_since: when the message was passed to the server that it has not accepted yet; 0 if
            it has accepted all.
    """

    def __init__(self, receive: Receive, send: Send, max_size: int) -> None:
        self.sending_since = 0.0
        self._receive = receive
        self._send = send
        self._max_size = max_size
        self._lock = asyncio.Lock()  # of the server's `send`
        self._closing = False  # by us, or it has ended
        self._sending: asyncio.Task[None] | None = None
        self._heard: asyncio.Future[None] | None = None
        self._turn: asyncio.Future[None] | None = None
        self._patience: asyncio.Timeout | None = None
        self._ended: asyncio.Event | None = None
        self._reason = "the server has ended the connection"

    async def run(self, receiver: Receiver) -> None:
        """Hand the messages to a receiver until the connection ends."""
        self._ended = asyncio.Event()
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._receive_all(receiver)
        except TimeoutError:
            log.debug("a connection is abandoned: %s", self._reason)
        finally:
            self._patience = None
            self._closing = True
            if self._sending is not None:
                self._sending.cancel()
            if self._heard is not None and not self._heard.done():
                self._heard.set_exception(ConnectionLost("cannot ping: the connection is closed"))
                self._heard.exception()  # whoever waits has a shield before it
            self._ended.set()
            receiver.lost(self._reason)

    async def _receive_all(self, receiver: Receiver) -> None:
        while (message := await self._receive())["type"] == "websocket.receive":
            start = perf_counter()
            text = message.get("text")
            # A server has decoded the text: nothing in it cannot be encoded again.
            data = bytes(message.get("bytes") or b"") if text is None else text.encode()
            if len(data) > self._max_size:
                await self._drop(1009, "message too big")
                break
            if self._heard is not None and not self._heard.done():
                self._heard.set_result(None)
            try:
                answer = receiver.received(data, late=self._closing)
            except Exception:
                log.exception("cannot go on with a connection")
                await self._drop(1011, "")
                break
            if answer is not None:
                try:
                    async with self._lock:
                        await self._write(answer)
                except GONE:
                    self._closing = True  # no call is handled any more, but answers count
            if self._charge(start):
                self._turn = asyncio.get_running_loop().create_future()
                await self._turn
        else:
            code, reason = message.get("code", 1005), message.get("reason") or ""
            self._reason = f"received {code} {reason}".rstrip()

    def _take_turn(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    async def send(self, data: bytes) -> None:
        # A sender that times out leaves the server's `send` running and the lock held, so nothing
        # piles up for a station that does not read.
        await self._lock.acquire()
        if self._closing:
            self._lock.release()
            raise ConnectionLost("cannot send: the connection is closed")
        task = asyncio.Task(self._write(data), loop=asyncio.get_running_loop(), **EAGER)
        if task.done():
            self._sent(task)
        else:
            self._sending = task
            task.add_done_callback(self._sent)
        try:
            await asyncio.shield(task)
        except GONE as error:
            raise ConnectionLost(f"cannot send: {error}") from error
        except asyncio.CancelledError:
            if not task.cancelled():  # it is the sender that was cancelled
                raise
            raise ConnectionLost("cannot send: the connection has ended") from None

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending = None
        self._lock.release()
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting for it any more

    async def _write(self, data: bytes) -> None:
        if self._closing:
            return
        self.sending_since = perf_counter()
        try:
            await self._send({"type": "websocket.send", "text": data.decode()})
        finally:
            self.sending_since = 0.0

    async def ping(self) -> None:
        # Wait for any message of the station: only the server can send a ping.
        if self._closing:
            raise ConnectionLost("cannot ping: the connection is closed")
        if self._heard is None or self._heard.done():
            self._heard = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._heard)

    async def close(self, code: int, reason: str) -> None:
        with suppress(TimeoutError, *GONE):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._drop(code, reason)
                if self._ended is not None:
                    await self._ended.wait()
        self.abandon(self._reason)

    async def _drop(self, code: int, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        self._reason = f"closed by us: {code} {reason}".rstrip()
        async with self._lock:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def abandon(self, reason: str) -> None:
        """Read and write nothing more."""
        if self._patience is not None:
            self._reason = reason
            self._patience.reschedule(0)


async def _admit(admission: Admission, remote: Any) -> Handshake | HTTPStatus:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            return await admission.finish(remote, None)
    except TimeoutError:
        return HTTPStatus.SERVICE_UNAVAILABLE


def _path(scope: Scope) -> str:
    """Return the path as requested, percent-encoded as far as the server tells."""
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"] if raw is None else raw.decode("latin-1")
    query: bytes = scope.get("query_string") or b""
    return f"{path}?{query.decode('latin-1')}" if query else path


async def _refuse(scope: Scope, send: Send, status: HTTPStatus, subprotocol: str | None) -> None:
    """Answer with an HTTP status; where the server cannot, open the connection and close it."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = REFUSAL_HEADERS.get(status, {}).items()
        more = [(name.lower().encode(), value.encode()) for name, value in headers]
        await _respond(send, "websocket.http", status, [*TEXT, *more])
        return
    code = 1001 if status is HTTPStatus.SERVICE_UNAVAILABLE else 1008
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    await send({"type": "websocket.close", "code": code, "reason": status.phrase})


async def _respond(
    send: Send, kind: str, status: HTTPStatus, headers: list[tuple[bytes, bytes]]
) -> None:
    body = f"{status.phrase}\n".encode()
    length = (b"content-length", str(len(body)).encode())
    start = {"type": f"{kind}.response.start", "status": status.value}
    await send(start | {"headers": [*headers, length]})
    await send({"type": f"{kind}.response.body", "body": body})

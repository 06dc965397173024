"""A connection as users see it: calls to the peer, and closing.

Owns our calls and their queue. `ocppj.aio.link.Link` has what comes in, and the end of the
connection.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TypeVar, overload

from ocppj.aio.link import Link
from ocppj.codec import Codec
from ocppj.errors import (
    CallFailed,
    CallTimeout,
    ConnectionLost,
    DecodeError,
    LocalProtocolError,
    NotConnected,
)
from ocppj.frames import CALL, SEND, CallResult
from ocppj.schema import Request

__all__ = ["Connection"]

R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")


class Connection:
    """One connection to a peer. Belongs to one event loop.

    Attributes:
        id: identity of the charging station, on either end.
    """

    __slots__ = ("__weakref__", "_calls", "_link", "_turn", "id")

    def __init__(self, link: Link) -> None:
        self.id = link.id
        self._link = link
        self._turn: asyncio.Lock | None = None
        self._calls = 0  # in flight or queued

    @property
    def version(self) -> str:
        """The OCPP version that was negotiated."""
        return self._link.endpoint.codec.version

    @property
    def codec(self) -> Codec:
        """The codec of its messages."""
        return self._link.endpoint.codec

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._link.closed

    @property
    def end(self) -> str:
        """Why the connection has ended, as far as is known; empty before."""
        return self._link.end

    @overload
    async def call(
        self,
        request: Request[R],
        timeout: float | None = None,
        *,
        message_id: str | None = None,
        expires: float | None = None,
    ) -> R: ...

    @overload  # a request of one version or another
    async def call(
        self,
        request: Request[R] | Request[R2] | Request[R3],
        timeout: float | None = None,
        *,
        message_id: str | None = None,
        expires: float | None = None,
    ) -> R | R2 | R3: ...

    async def call(
        self,
        request: Request[Any],
        timeout: float | None = None,
        *,
        message_id: str | None = None,
        expires: float | None = None,
    ) -> Any:
        """Call the peer and return its response.

        OCPP allows one call at a time: further calls are queued.

        Args:
            request: the payload.
            timeout: seconds to wait for the response, counted from when the call is sent; the
                endpoint's by default.
            message_id: message id to use instead of the next one, to repeat a call of another
                connection.
            expires: time by the event loop's clock after which the call is not sent any more.

        Raises:
            CallFailed: the peer answered with an error.
            CallTimeout: no response in time. The peer may have handled the call nevertheless.
            ConnectionLost: the connection has ended: a `CallTimeout` too. If nothing was sent, it
                is a `NotConnected`.
            DecodeError: the response is invalid.
            EncodeError: the request is invalid. Nothing was sent.
            LocalProtocolError: this side may not send the request, the queue is full, or `expires`
                has passed. Nothing was sent.
        """
        endpoint = self._link.endpoint
        feature = endpoint.codec.feature(request)
        if feature.response_type is None:
            raise LocalProtocolError(f"{feature.name} has no response: use send")
        if self._calls > endpoint.max_waiting:  # and one is in flight
            raise LocalProtocolError(f"{endpoint.max_waiting} calls are queued already")
        self._calls += 1
        try:
            if self._turn is None:
                self._turn = asyncio.Lock()
            turn = self._turn if expires is None else _before(self._turn, expires, feature.name)
            async with turn:
                if endpoint.tracing is None:
                    return await self._call(request, feature.name, timeout, message_id)
                with endpoint.tracing.call(self.id, endpoint.codec.version, feature.name):
                    return await self._call(request, feature.name, timeout, message_id)
        finally:
            self._calls -= 1

    async def _call(
        self, request: object, action: str, timeout: float | None, message_id: str | None
    ) -> Any:
        link, loop = self._link, asyncio.get_running_loop()
        if link.closed:
            raise link.gone(NotConnected)
        session, metrics = link.session, link.endpoint.metrics
        start = perf_counter()  # uvloop's time has a resolution of 1 ms
        data = session.call(request, loop.time(), message_id=message_id, timeout=timeout)
        future: asyncio.Future[Any] = loop.create_future()
        link.answer = future
        if metrics is not None:
            metrics.frame(self.id, "out", CALL, action, "")
        outcome = "NoAnswer"
        try:
            async with asyncio.timeout_at(session.deadline):
                await link.transport.send(data)
                answer = await future
            if isinstance(answer, CallResult):
                outcome = ""
                return answer.payload
            outcome = answer.error_code
            raise CallFailed(answer.error_code, answer.error_description, answer.error_details)
        except DecodeError as error:
            outcome = error.error_code
            raise
        except TimeoutError as error:
            if isinstance(error, CallTimeout):
                raise
            seconds = link.endpoint.timeout if timeout is None else timeout
            problem = f"{self.id} did not answer {action} within {seconds:g} s"
            raise CallTimeout(problem) from None
        finally:
            session.cancel()
            link.answer = None
            # It keeps the error, whose traceback keeps this frame: a cycle if it stayed here.
            del future
            if metrics is not None:
                metrics.latency(self.id, "out", action, perf_counter() - start, outcome)

    async def send(self, request: object) -> None:
        """Send a SEND message, which is never answered (OCPP 2.1).

        Raises:
            ConnectionLost: the connection has ended.
            EncodeError: the request is invalid.
            LocalProtocolError: this side may not send the request, or it has a response.
        """
        link = self._link
        feature = link.endpoint.codec.feature(request)
        if feature.response_type is not None:
            raise LocalProtocolError(f"{feature.name} has a response: use call")
        if link.closed:
            raise link.gone(NotConnected)
        data = link.session.call(request)
        if link.endpoint.metrics is not None:
            link.endpoint.metrics.frame(self.id, "out", SEND, feature.name, "")
        await link.transport.send(data)

    async def ping(self, timeout: float) -> bool:
        """Send a WebSocket ping and return whether the peer answers in time.

        Args:
            timeout: seconds to wait for the pong.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._link.transport.ping()
        except (ConnectionLost, TimeoutError):
            return False
        return True

    async def close(self, code: int = 1000, reason: str = "", *, grace: float = 0.0) -> None:
        """Close the connection.

        Args:
            code: WebSocket close code.
            reason: sent to the peer; at most 123 bytes.
            grace: seconds to wait for running handlers, so that their answers still go out. Then
                the close frame is sent. No call is handled after it.
        """
        await self._link.close(code, reason, grace=grace)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "connected"
        return f"<{type(self).__name__} {self.id!r}, OCPP {self.version}, {state}>"


@asynccontextmanager
async def _before(turn: asyncio.Lock, expires: float, action: str) -> AsyncIterator[None]:
    """Hold the lock if it can be had before a time, by the event loop's clock."""
    late = LocalProtocolError(f"{action} was not sent: it has expired")
    try:
        async with asyncio.timeout_at(expires):
            await turn.acquire()
    except TimeoutError:
        raise late from None
    try:
        if asyncio.get_running_loop().time() >= expires:
            raise late
        yield
    finally:
        turn.release()

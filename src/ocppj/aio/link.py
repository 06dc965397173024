"""What comes in on one connection, and how the connection ends.

Owns the session of a connection, its handlers at work and its end. A `Link` is the `Receiver` that
a transport calls. It knows no WebSocket library, and not who answers the peer's calls: see
`ocppj.aio.endpoint.Responder`.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any, Final

import msgspec

from ocppj.aio.endpoint import Endpoint
from ocppj.aio.metrics import Metrics
from ocppj.aio.transport import Transport
from ocppj.errors import ConnectionLost, DecodeError, RemoteProtocolError
from ocppj.frames import CALLERROR, CALLRESULT, CALLRESULTERROR, SEND, Call, Frame, Send
from ocppj.session import Session

__all__ = ["Link", "outcome_of"]

log: Final = logging.getLogger("ocppj.aio")
EAGER: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""With these, a handler that never waits is done before its task is scheduled."""


class Link:
    """One connection, between its transport and its session. Belongs to one event loop.

    Args:
        station_id: identity of the charging station, on either end.
        endpoint: settings shared with other connections.
        transport: the WebSocket connection.
        owner: object that is passed to `on_connect`, `on_disconnect` and the responder.

    Attributes:
        id: as given.
        endpoint: as given.
        transport: as given.
        owner: as given.
        session: the order of messages.
        answer: future of our call in flight, `None` if there is none.
        closed: whether the connection has ended.
        end: why, as far as is known; empty before.
    """

    __slots__ = (
        "_closer",
        "_closing",
        "_logged",
        "_on_connect_task",
        "_opened",
        "_tasks",
        "answer",
        "closed",
        "end",
        "endpoint",
        "id",
        "owner",
        "session",
        "transport",
    )

    def __init__(
        self, station_id: str, endpoint: Endpoint, transport: Transport, owner: Any = None
    ) -> None:
        self.id = station_id
        self.endpoint = endpoint
        self.transport = transport
        self.owner = owner
        self.session = Session(endpoint.codec, endpoint.role, timeout=endpoint.timeout)
        self.answer: asyncio.Future[Any] | None = None
        self.closed = False
        self.end = ""
        self._closing = False  # no more calls are handled: we close, or it has ended
        self._opened = False
        self._logged: dict[str, int] | None = None  # what was logged at WARNING or above
        self._tasks: set[asyncio.Task[None]] | None = None
        self._closer: asyncio.Task[Any] | None = None
        self._on_connect_task: asyncio.Task[None] | None = None  # also in `_tasks`

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        """Handle a message, and return the answer if there is one to send at once.

        Args:
            data: the message.
            late: whether a close frame has been sent. Nothing can be answered after it, so no call
                is handled: the peer repeats it on its next connection.
        """
        if (late or self._closing) and (self.closed or not self._needs_no_answer(data)):
            return None
        endpoint = self.endpoint
        if endpoint.metrics is not None:
            return self._measured(data, endpoint.metrics)
        session = self.session
        try:
            frame = session.receive(data)
        except (DecodeError, RemoteProtocolError) as error:
            return self._refuse(error)
        if not isinstance(frame, Call):
            self._handle(frame, data)
            return None
        answer = self._answer(frame, data)
        if isinstance(answer, bytes):
            return answer
        self._start(self._finish(frame, answer))
        return None

    def _needs_no_answer(self, data: bytes) -> bool:
        """Return whether a late message still counts: an answer, or a SEND unless we close."""
        try:
            message_type = self.endpoint.codec.peek(data).message_type
        except DecodeError:
            return False
        return message_type in (
            (CALLRESULT, CALLERROR) if self._closing else (CALLRESULT, CALLERROR, SEND)
        )

    def _measured(self, data: bytes, metrics: Metrics) -> bytes | None:
        pending = self.session.pending
        try:
            frame = self.session.receive(data)
        except (DecodeError, RemoteProtocolError) as error:
            code = error.error_code or "Unexpected"
            known = error.action in self.endpoint.codec.features
            action = error.action if known else None
            metrics.frame(self.id, "in", error.message_type, action, code)
            error_answer = self._refuse(error)
            if error_answer is not None:
                metrics.frame(self.id, "out", _message_type_of(error_answer), action, code)
            return error_answer
        action = getattr(frame, "action", None)
        if pending is not None and frame.message_type in (CALLRESULT, CALLERROR):
            action = pending.action
        outcome = getattr(frame, "error_code", "")
        metrics.frame(self.id, "in", frame.message_type, action, outcome)
        for violation in frame.violations:
            metrics.violation(self.id, violation)
        if not isinstance(frame, Call):
            self._handle(frame, data)
            return None
        start = perf_counter()  # uvloop's time has a resolution of 1 ms
        answer = self._answer(frame, data)
        if isinstance(answer, bytes):
            self._count_answer(metrics, frame, answer, start)
            return answer
        self._start(self._finish(frame, answer, start))
        return None

    def _handle(self, frame: Frame, data: bytes) -> None:
        message_type = frame.message_type
        if message_type == SEND:
            tasks = self._tasks or ()
            if len(tasks) - (self._on_connect_task in tasks) >= self.endpoint.max_handling:
                self._log(logging.WARNING, "SEND dropped: too many handlers at work")
            else:
                self._notify(frame, data)  # type: ignore[arg-type]  # its type says so
        elif message_type == CALLRESULTERROR:
            code, description = frame.error_code, frame.error_description  # type: ignore[union-attr]  # as its type says
            problem = f"the peer rejected our answer: {code:.50}: {description:.200}"
            self._log(logging.WARNING, problem, category="CALLRESULTERROR")
        elif (future := self.answer) is not None and not future.done():
            future.set_result(frame)

    def _refuse(self, error: DecodeError | RemoteProtocolError) -> bytes | None:
        log.debug("%s: %s", self.id, error)
        future = self.answer
        if future is not None and self.session.pending is None and not future.done():
            _fail_future(future, error)  # it answers our call, and is invalid
        return error.reply()

    def _notify(self, send: Send[Any], data: bytes) -> None:
        waiting = self.endpoint.responder.notify(send, data, self.owner, self._report)
        if waiting is not None:
            self._start(_await(waiting))

    def _answer(self, call: Call[Any], data: bytes) -> bytes | Awaitable[bytes]:
        endpoint, session = self.endpoint, self.session
        if self._tasks and session.handling > endpoint.max_handling:
            problem = f"too many calls at a time: {endpoint.max_handling} are being handled"
            return session.fail(call, "GenericError", problem)
        try:
            return endpoint.responder.answer(session, call, data, self.owner, self._report)
        except asyncio.CancelledError:  # the method asked a cancelled future for its result
            self._log(logging.ERROR, f"{call.action} failed", error=sys.exception())
            return session.fail(call, "InternalError")

    async def _finish(self, call: Call[Any], answer: Awaitable[bytes], start: float = 0.0) -> None:
        try:
            data = await answer
        except asyncio.CancelledError:
            if self._closing:
                raise
            data = self.session.fail(call, "InternalError")  # the handler cancelled itself
        if self.endpoint.metrics is not None:
            self._count_answer(self.endpoint.metrics, call, data, start)
        await self._deliver(data)

    async def _deliver(self, data: bytes) -> None:
        try:
            await self.transport.send(data)
        except ConnectionLost:
            log.debug("%s: answer not sent, the connection is closed", self.id)

    def _count_answer(self, metrics: Metrics, call: Call[Any], data: bytes, start: float) -> None:
        message_type = _message_type_of(data)
        outcome = outcome_of(data)
        metrics.frame(self.id, "out", message_type, call.action, outcome)
        metrics.latency(self.id, "in", call.action, perf_counter() - start, outcome)

    def _report(self, message: Call[Any] | Send[Any], error: Exception) -> None:
        self._log(logging.ERROR, f"{message.action} failed", error=error)

    def _log(
        self, level: int, text: str, *, category: str = "", error: BaseException | None = None
    ) -> None:
        """Log the first message of a category at its level, and further ones at DEBUG.

        A peer decides how often something goes wrong. It must not decide how much is logged.

        Args:
            level: WARNING or above, of the `logging` module.
            text: the problem; quotations from the peer are truncated.
            category: messages of one category are counted together; the text by default.
            error: its traceback is logged.
        """
        logged = self._logged
        if logged is None:
            logged = self._logged = {}
        category = category or text
        logged[category] = logged.get(category, 0) + 1
        if logged[category] > 1:
            level = logging.DEBUG
        log.log(level, "%s: %s", self.id, text, exc_info=error)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.Task(work, loop=asyncio.get_running_loop(), **EAGER)
        if not task.done():
            if self._tasks is None:
                self._tasks = set()
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    async def close(self, code: int = 1000, reason: str = "", *, grace: float = 0.0) -> None:
        """Close the connection: see `ocppj.aio.Connection.close`."""
        # A handler that closes its own connection must neither wait for itself nor be cancelled.
        self._closer = asyncio.current_task()
        deadline = _now() + grace
        await self._settle(deadline)
        # A busy peer never pauses. It repeats calls from here on on its next connection.
        self._closing = True
        await self._settle(deadline)
        self.end = self.end or f"closed by us: {code} {reason}".rstrip()
        self._cancel()
        await self.transport.close(code, reason)
        self.lost()

    def shut(self, code: int, reason: str) -> None:
        """Handle no more calls from here on, and close the connection."""
        self._closing = True
        self.endpoint.run_in_background(self.close(code, reason))

    def _at_work(self) -> set[asyncio.Task[None]]:
        return (self._tasks or set()) - {self._closer}

    async def _settle(self, deadline: float) -> None:
        """Wait for the handlers at work now."""
        if (tasks := self._at_work()) and (left := deadline - _now()) > 0:
            await asyncio.wait(tasks, timeout=left)

    def _cancel(self) -> None:
        """Cancel handlers whose answers can no longer be sent."""
        loop = asyncio.get_running_loop()
        for task in self._at_work():
            # Not at once: a task that has not started would never await its coroutine.
            loop.call_soon(task.cancel)

    def gone(self, error: type[ConnectionLost] = ConnectionLost) -> ConnectionLost:
        """Return the exception to raise when the connection has ended."""
        why = f": {self.end}" if self.end else ""
        return error(f"{self.id} is not connected any more{why}")

    def opened(self) -> None:
        """Call `on_connect`, and count the connection."""
        endpoint = self.endpoint
        self._opened = True
        if endpoint.metrics is not None:
            endpoint.metrics.connected(self.id, endpoint.codec.version)
        if (work := self._call_hook(endpoint.on_connect)) is not None:
            self._on_connect_task = self._start(work)

    def _call_hook(self, hook: Callable[[Any], Any] | None) -> Coroutine[Any, Any, None] | None:
        """Call a hook; return the rest of it if it is async."""
        try:
            waiting: Any = None if hook is None else hook(self.owner)
        except Exception:
            log.exception("%s: %r failed", self.id, hook)
            return None
        return _await_logged(self.id, hook, waiting) if hasattr(waiting, "__await__") else None

    def lost(self, reason: str = "") -> None:
        """Note that the connection has ended, and why. The pending call fails."""
        if self.closed:
            return
        self.closed = self._closing = True
        self.end = self.end or reason
        if self.answer is not None and not self.answer.done():
            _fail_future(self.answer, self.gone())
        self._cancel()
        for category, times in (self._logged or {}).items():
            if times > 1:
                log.warning("%s: %s: %d times", self.id, category, times)
        endpoint = self.endpoint
        if not self._opened:
            return
        if endpoint.metrics is not None:
            endpoint.metrics.disconnected(self.id, endpoint.codec.version)
        if (work := self._call_hook(endpoint.on_disconnect)) is not None:
            endpoint.run_in_background(work)


def outcome_of(answer: bytes) -> str:
    """Return the error code of a frame of ours that answers a call; `""` for a CALLRESULT."""
    code: str = msgspec.json.decode(answer)[2] if _message_type_of(answer) == CALLERROR else ""
    return code


def _message_type_of(frame: bytes) -> int:
    """Return the message type of a frame of ours."""
    return frame[1] - 48


def _now() -> float:
    return asyncio.get_running_loop().time()


def _fail_future(answer: asyncio.Future[Any], error: Exception) -> None:
    answer.set_exception(error)
    answer.exception()  # mark it as retrieved: the caller may still be sending its call


async def _await(waiting: Awaitable[None]) -> None:
    await waiting


async def _await_logged(station_id: str, hook: object, waiting: Awaitable[Any]) -> None:
    try:
        await waiting
    except Exception:
        log.exception("%s: %r failed", station_id, hook)

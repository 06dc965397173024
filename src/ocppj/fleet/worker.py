"""The end that has the handlers: the objects that `CSMS` takes, on any number of machines.

A worker gets frames as messages of a queue group, each of which goes to one worker. What it answers
is checked again by the node that holds the station.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Self

import msgspec

from ocppj.aio.endpoint import HOOKS, HandlerResponder, Responder
from ocppj.aio.tracing import Tracing
from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.errors import DecodeError, RemoteProtocolError
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.journal import Consumer
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.station import RemoteStation
from ocppj.fleet.subjects import (
    DEADLINE,
    GENERATION,
    TRACEPARENT,
    VIOLATIONS,
    Subjects,
    parse_headers,
    parse_json,
    parse_time,
)
from ocppj.frames import Call, Send
from ocppj.handlers import Handlers
from ocppj.policy import Policy
from ocppj.session import TIMEOUT, Session

__all__ = ["WORKERS", "Worker"]

WORKERS: Final = "workers"
"""Queue group of all workers of a fleet."""

MAX_HANDLING: Final = 1000
GRACE: Final = 10.0
RULES: Final = frozenset(Policy.__struct_fields__) - {"zone"}

log: Final = logging.getLogger("ocppj.fleet")


class _Version:
    """Codec and handlers of one OCPP version."""

    def __init__(self, codec: Codec, handler: object, tracing: Tracing | None) -> None:
        self.codec = codec
        self.handlers = Handlers(handler, codec, HOOKS, role="csms")
        self.responder: Responder = HandlerResponder(self.handlers, with_owner=True)
        if tracing is not None:
            self.responder = tracing.responder(self.responder)
        self.on_connect: Callable[[Any], Any] | None = getattr(handler, "on_connect", None)
        self.on_disconnect: Callable[[Any], Any] | None = getattr(handler, "on_disconnect", None)
        self._lenient: dict[frozenset[str], Codec] = {}

    def decoder(self, violations: str | None) -> Codec:
        """Return the codec for a frame of which a node says what its policy has tolerated."""
        if violations is None:
            return self.codec
        rules = RULES.intersection(violations.split(","))
        if rules not in self._lenient:
            policy = msgspec.structs.replace(self.codec.policy, **dict.fromkeys(rules, "report"))
            if len(self._lenient) > 64:
                self._lenient.clear()
            self._lenient[rules] = self.codec.with_policy(policy)
        return self._lenient[rules]


class _Event(msgspec.Struct):
    """An event of a station, as a node publishes it."""

    event: str
    station: str
    version: str
    generation: int


class Worker:
    """Answers the calls of the fleet's stations by the methods of handler objects.

    An asynchronous context manager: it joins the fleet, and leaves it after what it has begun.

    Args:
        handlers: OCPP version -> object with a method for each action that it answers, as for
            `ocppj.aio.CSMS`. The methods take `(station, request)`, where the station is a
            `RemoteStation`. `on_connect(station)` and `on_disconnect(station)` are called at one
            worker of the fleet, at most once for each connection, and not necessarily before or
            after the station's calls are handled.
        broker: see `connect`.
        codecs: OCPP version -> codec, for versions that need another than `Codec(version)`:
            vendor features. What a node's policy has tolerated of a frame is tolerated here too.
        stored: whether frames are handled too that nodes acknowledge when they are stored.
        timeout: seconds to wait for the response to a call.
        max_handling: maximum number of calls that are handled at a time. Further ones are
            answered GenericError.
        grace: seconds that handlers have to finish when the worker leaves.

    Raises:
        TypeError: a handler is a class, not an instance.
        ValueError: there is no handler, a version is unknown, or a method belongs to no action that
            a CSMS receives.
    """

    def __init__(
        self,
        handlers: Mapping[str, object],
        broker: Broker,
        *,
        codecs: Mapping[str, Codec] | None = None,
        stored: bool = True,
        timeout: float = TIMEOUT,
        max_handling: int = MAX_HANDLING,
        grace: float = GRACE,
    ) -> None:
        if not handlers:
            raise ValueError('no version is handled: give handlers for one, such as {"2.0.1": ...}')
        if max_handling < 1:
            raise ValueError(f"max_handling={max_handling!r}: use 1 or more")
        custom = {Version.named(name): codec for name, codec in (codecs or {}).items()}
        self._versions: dict[str, _Version] = {}
        for name, handler in handlers.items():
            version = Version.named(name)
            codec = custom.pop(version, None) or Codec(version.name)
            if codec.version != version.name:
                raise ValueError(f"the codec for {name} is one for {codec.version}")
            self._versions[version.name] = _Version(codec, handler, broker.tracing)
        if custom:
            raise ValueError(f"a codec for {next(iter(custom)).name}, which has no handlers")
        self._broker = broker
        self._timeout = timeout
        self._max_handling = max_handling
        self._grace = grace
        self._stores = stored
        self._consumers: list[Consumer] = []
        self._subscriptions: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._logbook = Logbook()

    @property
    def handling(self) -> int:
        """Number of calls that are handled at the moment."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        subjects, listen = self._broker.subjects, self._broker.listen
        for name in self._versions:
            self._subscriptions.append(listen(subjects.up(name), self._received, WORKERS))
        if any(one.on_connect or one.on_disconnect for one in self._versions.values()):
            self._subscriptions.append(listen(subjects.event(), self._changed, WORKERS))
        await self._broker.flush()
        if self._stores:
            for name in self._versions:
                self._consume(name)
        return self

    def _consume(self, version: str) -> None:
        def handle(subject: str, reply: str, header_lines: bytes, payload: bytes) -> None:
            self._stored(consumer, subject, reply, header_lines, payload)

        def room() -> int:
            return self._max_handling - len(self._tasks)

        consumer = Consumer(self._broker, version, handle, room, self._logbook)
        consumer.start()
        self._consumers.append(consumer)

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Take no more calls, and wait for the handlers at work, so that their answers go out."""
        for consumer in self._consumers:
            consumer.close()
        self._consumers.clear()
        subscriptions, self._subscriptions = self._subscriptions, []
        try:
            for sid in subscriptions:
                self._broker.unsubscribe(sid)
            await self._broker.flush()  # what was on its way to us has come
        except BrokerError:
            log.debug("a worker leaves while there is no connection to the broker")
        for sid in subscriptions:
            self._broker.unlisten(sid)
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=self._grace)
            for task in late:
                task.cancel()
            if late:
                log.warning("%d handlers have not finished within %g s", len(late), self._grace)
                await asyncio.wait(late)
        if self._broker.connected:
            await self._broker.flush()

    def _received(self, subject: str, reply: str, header_lines: bytes, payload: bytes) -> None:
        """Handle a frame of a station."""
        self._handle(subject, header_lines, payload, partial(self._answer, reply))

    def _stored(
        self, consumer: Consumer, subject: str, reply: str, header_lines: bytes, payload: bytes
    ) -> None:
        """Handle a frame that was acknowledged when it was stored."""

        def settle(data: bytes | None) -> None:
            handled = data is None or data.startswith(b"[3,")
            if not handled:
                self._logbook.note("stored", f"a stored frame was not handled: {subject:.200}")
            consumer.settle(reply, handled=handled)

        self._handle(subject, header_lines, payload, settle)

    def _handle(
        self,
        subject: str,
        header_lines: bytes,
        payload: bytes,
        answer: Callable[[bytes | None], None],
    ) -> None:
        values = parse_headers(header_lines)
        try:
            version, station_id, _ = Subjects.split(subject)
            generation = int(values.get(GENERATION, "0"))
            deadline = parse_time(values.get(DEADLINE, "0"))
            known = self._versions[version]
        except (KeyError, ValueError) as error:
            self._logbook.note("message", f"a message to {subject:.200} is not valid: {error!r}")
            return
        if deadline and (late := time.time() - deadline) > 0:
            problem = f"{station_id}: a call came {late:.1f} s after its deadline"
            self._logbook.note("deadline", f"{problem}: is this clock ahead of the gateway's?")
            return
        session = Session(known.decoder(values.get(VIOLATIONS)), "csms")
        try:
            frame = session.receive(payload)
        except (DecodeError, RemoteProtocolError) as error:
            self._logbook.note("frame", f"{station_id}: a frame is not valid here: {error}")
            answer(error.reply())
            return
        station = RemoteStation(self._broker, known.codec, station_id, generation, self._timeout)
        tracing = self._broker.tracing
        if isinstance(frame, Call) and tracing is None:
            self._serve(known.responder, session, frame, payload, station, answer)
        elif isinstance(frame, Call) and tracing is not None:
            with tracing.continued(values.get(TRACEPARENT)):
                self._serve(known.responder, session, frame, payload, station, answer)
        elif isinstance(frame, Send):
            self._notify(known.handlers, frame, station)

    def _serve(  # noqa: PLR0917  what is answered, by whom and to whom
        self,
        responder: Responder,
        session: Session,
        call: Call[Any],
        data: bytes,
        station: RemoteStation,
        answer: Callable[[bytes | None], None],
    ) -> None:
        if len(self._tasks) >= self._max_handling:
            problem = f"{self._max_handling} calls are handled already"
            self._logbook.note("busy", problem)
            answer(session.fail(call, "GenericError", problem))
            return
        found = responder.answer(session, call, data, station, partial(self._report, station))
        if isinstance(found, bytes):
            answer(found)
        else:
            self._start(self._finish(session, call, found, answer))

    async def _finish(
        self,
        session: Session,
        call: Call[Any],
        found: Awaitable[bytes],
        answer: Callable[[bytes | None], None],
    ) -> None:
        try:
            data = await found
        except asyncio.CancelledError:  # by the handler itself, or because we leave
            data = session.fail(call, "InternalError")
        answer(data)

    def _answer(self, reply: str, data: bytes | None) -> None:
        if not reply or data is None:
            return
        try:
            self._broker.post(reply, data)
        except BrokerError as error:
            self._logbook.note("answer", f"an answer is lost: {error}")

    def _notify(self, handlers: Handlers, send: Send[Any], station: RemoteStation) -> None:
        if len(self._tasks) >= self._max_handling:
            self._logbook.note("send", "a SEND is dropped, too many handlers are at work")
            return
        waiting = handlers.notify(send, (station,), partial(self._report, station))
        if waiting is not None:
            self._start(_await(waiting))

    def _report(
        self, station: RemoteStation, message: Call[Any] | Send[Any], error: Exception
    ) -> None:
        text = f"{station.id}: {message.action} failed"
        self._logbook.note(message.action, text, level=logging.ERROR, error=error)

    def _changed(self, _subject: str, _reply: str, _headers: bytes, payload: bytes) -> None:
        """Call the hook for a station that has connected or disconnected."""
        try:
            event = parse_json(payload, _Event)
        except ValueError as error:
            self._logbook.note("event", f"an event is not valid: {error}")
            return
        known = self._versions.get(event.version)
        if known is None or event.event not in {"connected", "disconnected"}:
            return
        hook = known.on_connect if event.event == "connected" else known.on_disconnect
        if hook is None:
            return
        if len(self._tasks) >= self._max_handling:
            self._logbook.note("hook", f"{hook!r} is not called, too many handlers are at work")
            return
        station = RemoteStation(
            self._broker, known.codec, event.station, event.generation, self._timeout
        )
        self._start(self._call_hook(hook, station))

    async def _call_hook(self, hook: Callable[[Any], Any], station: RemoteStation) -> None:
        try:
            waiting = hook(station)
            if hasattr(waiting, "__await__"):
                await waiting
        except Exception as error:  # noqa: BLE001  handlers are other people's code
            text = f"{station.id}: {hook!r} failed"
            self._logbook.note(repr(hook), text, level=logging.ERROR, error=error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __repr__(self) -> str:
        versions = ", ".join(self._versions)
        return f"<Worker, OCPP {versions}, {self.handling} at work>"


async def _await(waiting: Awaitable[None]) -> None:
    await waiting

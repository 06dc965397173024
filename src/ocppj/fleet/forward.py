"""What a node does with a station's frames: it answers them itself, or a worker does.

Owns the node's end of `<prefix>.up.*`: the frame goes to a worker untouched, and the worker's
answer is checked before the station gets it.
"""

import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from msgspec.structs import replace

from ocppj.aio.summary import Summarizer
from ocppj.codec import Codec
from ocppj.errors import DecodeError, EncodeError
from ocppj.fleet.broker import NO_RESPONDERS, Broker
from ocppj.fleet.client import BrokerBusy, BrokerError
from ocppj.fleet.journal import frame_key
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.subjects import (
    DEADLINE,
    GENERATION,
    STATION,
    TRACEPARENT,
    VIOLATIONS,
    headers,
    token,
)
from ocppj.frames import Call, CallError, CallResult, Send
from ocppj.handlers import Handlers, OnError
from ocppj.policy import STRICT
from ocppj.session import Session

__all__ = ["Forwarder", "Traffic"]

BOOT: Final = "BootNotification"
HEARTBEAT: Final = "Heartbeat"
MESSAGE_ID: Final = "Nats-Msg-Id"


class Traffic(Protocol):
    """What the forwarders of a node share.

    Attributes:
        broker: connection to NATS.
        deadline: seconds that a worker has to answer.
        max_in_flight: maximum number of frames that wait for a worker.
        in_flight: number of those.
        stored: actions that are answered once they are stored.
        logbook: what is logged.
        summarizer: is told of the stations' models.
    """

    broker: Broker
    deadline: float
    max_in_flight: int
    in_flight: int
    stored: frozenset[str]
    logbook: Logbook
    summarizer: Summarizer

    def generation(self, station_id: str) -> int:
        """Return the number of a station's connection; 0 while it is not known."""


class Forwarder:
    """Answers the calls of one OCPP version: the `Responder` of a node's connections.

    Args:
        traffic: what all forwarders of the node share.
        codec: of the version.
        handlers: that answer here, if there are any.
        heartbeat: whether Heartbeats are answered here where no handler does.
    """

    def __init__(
        self, traffic: Traffic, codec: Codec, handlers: Handlers | None, *, heartbeat: bool
    ) -> None:
        self._traffic = traffic
        self._version = codec.version
        # What a worker says has to be right, but for a message id that a policy has tolerated.
        self._strict = codec.with_policy(replace(STRICT, message_id="accept"))
        self._handlers = handlers
        self._local = handlers.actions if handlers is not None else frozenset()
        feature = codec.features.get(HEARTBEAT)
        self._heartbeat = feature.response_type if heartbeat and feature is not None else None

    def answer(
        self, session: Session, call: Call[Any], data: bytes, owner: Any, on_error: OnError
    ) -> bytes | Awaitable[bytes]:
        """Answer a call here, or return an awaitable of a worker's answer."""
        action = call.action
        if action == BOOT:
            self._traffic.summarizer.booted(owner.id, call.payload)
        if self._handlers is not None and action in self._local:
            return self._handlers.answer_for(session, call, data, owner, on_error)
        if action == HEARTBEAT and self._heartbeat is not None:
            return session.reply(call, self._heartbeat(current_time=datetime.now(UTC)))
        traffic = self._traffic
        if traffic.in_flight >= traffic.max_in_flight:
            traffic.logbook.note("busy", f"{traffic.max_in_flight} calls wait for workers already")
            return session.fail(call, "GenericError", "too many calls wait for workers")
        if action in traffic.stored:
            return self._keep(session, call, data, owner)
        return self._ask_worker(session, call, data, owner, on_error)

    def notify(
        self, send: Send[Any], data: bytes, owner: Any, on_error: OnError
    ) -> Awaitable[None] | None:
        """Handle a SEND here, or hand it to a worker. It is never answered."""
        if self._handlers is not None and send.action in self._local:
            return self._handlers.notify(send, (owner,), on_error)
        traffic = self._traffic
        try:
            traffic.broker.post(
                self._subject(owner.id, send.action), data, "", headers(self._values(owner, send))
            )
        except BrokerError as error:
            traffic.logbook.note("send", f"{owner.id}: {send.action} is dropped: {error}")
        return None

    def _subject(self, station_id: str, action: str) -> str:
        return self._traffic.broker.subjects.up(self._version, token(station_id), token(action))

    def _values(self, owner: Any, message: Call[Any] | Send[Any]) -> dict[str, str]:
        """Return the headers of a frame."""
        values = {
            STATION: owner.id,
            GENERATION: str(self._traffic.generation(owner.id)),
            DEADLINE: str(int((time.time() + self._traffic.deadline) * 1000)),
        }
        tracing = self._traffic.broker.tracing
        if tracing is not None and (traceparent := tracing.traceparent()) is not None:
            values[TRACEPARENT] = traceparent
        if message.violations:
            values[VIOLATIONS] = ",".join(sorted({one.rule for one in message.violations}))
        return values

    async def _ask_worker(
        self, session: Session, call: Call[Any], data: bytes, owner: Any, on_error: OnError
    ) -> bytes:
        traffic = self._traffic
        traffic.in_flight += 1
        try:
            reply = await traffic.broker.request(
                self._subject(owner.id, call.action),
                data,
                headers(self._values(owner, call)),
                traffic.deadline,
            )
        except TimeoutError:
            problem = f"no worker has answered within {traffic.deadline:g} s"
            return self._fail(session, call, owner, problem)
        except BrokerBusy as error:
            traffic.logbook.note("busy", str(error))
            return session.fail(call, "GenericError", "too many calls wait for the broker")
        except BrokerError as error:
            return self._fail(session, call, owner, str(error))
        finally:
            traffic.in_flight -= 1
        if reply.status == NO_RESPONDERS:
            return self._fail(session, call, owner, f"no worker for OCPP {self._version}")
        return self._checked(session, call, reply.payload, on_error)

    async def _keep(self, session: Session, call: Call[Any], data: bytes, owner: Any) -> bytes:
        """Answer a call as soon as it is stored for a worker."""
        traffic, code = self._traffic, token(owner.id)
        subject = traffic.broker.subjects.stored(self._version, code, token(call.action))
        values = self._values(owner, call)
        del values[DEADLINE]
        values[MESSAGE_ID] = frame_key(code, call.message_id, data)
        traffic.in_flight += 1
        try:
            await traffic.broker.store(subject, data, values)
        except BrokerBusy as error:
            traffic.logbook.note("busy", str(error))
            return session.fail(call, "GenericError", "too many calls wait for the broker")
        except (BrokerError, TimeoutError) as error:
            return self._fail(session, call, owner, f"not stored: {error}")
        finally:
            traffic.in_flight -= 1
        response: Any = session.codec.features[call.action].response_type
        return session.reply(call, response())

    def _fail(self, session: Session, call: Call[Any], owner: Any, problem: str) -> bytes:
        self._traffic.logbook.note("worker", f"{owner.id}: {call.action}: {problem}")
        return session.fail(call, "InternalError", "the call was not handled: repeat it later")

    def _checked(self, session: Session, call: Call[Any], data: bytes, on_error: OnError) -> bytes:
        """Return the frame that answers a call, if what a worker says is one."""
        try:
            frame = self._strict.decode(data, {call.message_id: call.action})
            if isinstance(frame, CallResult | CallError) and frame.message_id == call.message_id:
                if isinstance(frame, CallResult):
                    return session.reply(call, frame.payload)
                details = frame.error_details
                return session.fail(call, frame.error_code, frame.error_description, details)
            problem: Exception = EncodeError("a worker's answer does not answer the call")
        except (DecodeError, EncodeError) as error:
            problem = error
        on_error(call, problem)
        return session.fail(call, "InternalError")

"""A station that is connected to some node, as a worker or a `Fleet` sees it.

Owns the client's end of commands: from a typed request to `<prefix>.call.<station>`, and from the
reply's `Ocpp-Status` to the response, or to the exception that a call in one process raises.
"""

import asyncio
from time import time
from typing import Any, Final, TypeVar, overload

import msgspec

from ocppj.codec import Codec
from ocppj.errors import (
    ERROR_RULES,
    NO_HEAD,
    CallFailed,
    CallTimeout,
    ConnectionLost,
    EncodeError,
    Fault,
    LocalProtocolError,
    NotConnected,
    OcppError,
    PayloadError,
)
from ocppj.fleet.broker import NO_RESPONDERS, Broker, Reply
from ocppj.fleet.client import BrokerBusy, BrokerError, BrokerLost
from ocppj.fleet.subjects import (
    ACTION,
    CLOSE,
    DEADLINE,
    EXPIRES,
    GENERATION,
    NOT_SENT,
    STATUS,
    TIMEOUT,
    TRACEPARENT,
    headers,
    parse_headers,
    parse_json,
    token,
)
from ocppj.frames import Call, CallResult, Send
from ocppj.schema import Request

__all__ = ["Failure", "RemoteStation", "call_raw"]

PAUSES: Final = (0.005, 0.02, 0.1)
"""Seconds between the attempts to reach a station whose node does not listen to it yet."""

MARGIN: Final = 1.0
"""Seconds that we wait longer than the node, which knows better what has happened."""

R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")


class Failure(msgspec.Struct, omit_defaults=True):
    """What a reply says that is not a response.

    Attributes:
        code: error code of the station, or of the fault in its response; `NOT_SENT` if the station
            has not got the command.
        description: a text.
        details: of the station.
        path: JSON path of the fault in the request, or in the response.
    """

    code: str = ""
    description: str = ""
    details: dict[str, Any] = {}
    path: str | None = None


async def call_raw(  # noqa: PLR0917  it is what a command consists of
    broker: Broker,
    station_id: str,
    action: str,
    payload: bytes,
    timeout: float,
    generation: int | None = None,
    *,
    version: str,
    trace: str | None = None,
    expires: float | None = None,
) -> bytes:
    """Send a command and return the payload of the station's response, as JSON.

    Args:
        broker: connection to NATS.
        station_id: of the station.
        action: what it is asked for.
        payload: of the request, as JSON. The node validates it.
        timeout: seconds, from now to the response.
        generation: of the connection, if it must not go to a later one.
        version: of OCPP; whose error codes an invalid response is described by.
        trace: `traceparent` of the caller; by default that of the current span.
        expires: Unix time after which the command is not sent to the station any more.

    Raises:
        CallFailed: the station answered with an error.
        CallTimeout: no response in time. The station may have handled the command nevertheless.
        ConnectionLost: the station is not connected, or the connection to it or to the broker
            ended.
        DecodeError: the station's response is invalid.
        EncodeError: the request is invalid. Nothing was sent.
        LocalProtocolError: too many commands are queued, or the command has expired. The station
            has not got it.
        NotConnected: a `ConnectionLost`: the station has not got the command.
    """
    values = {
        ACTION: action,
        TIMEOUT: f"{timeout:g}",
        DEADLINE: str(int((time() + timeout) * 1000)),
    }
    if expires is not None:
        values[EXPIRES] = str(int(expires * 1000))
    if generation is not None:
        values[GENERATION] = str(generation)
    if broker.tracing is None:
        if trace is not None:
            values[TRACEPARENT] = trace
        return await _command(broker, station_id, payload, values, timeout, version)
    with broker.tracing.continued(trace), broker.tracing.call(station_id, version, action):
        if (current := broker.tracing.traceparent()) is not None:
            values[TRACEPARENT] = current
        return await _command(broker, station_id, payload, values, timeout, version)


async def _command(  # noqa: PLR0917  as `call_raw`
    broker: Broker,
    station_id: str,
    payload: bytes,
    values: dict[str, str],
    timeout: float,
    version: str,
) -> bytes:
    reply = await _ask_patiently(broker, station_id, payload, values, timeout)
    status = parse_headers(reply.headers).get(STATUS)
    if status == "result":
        return reply.payload
    raise _failed(station_id, values[ACTION], version, status, reply.payload, timeout)


async def _ask_patiently(
    broker: Broker, station_id: str, payload: bytes, values: dict[str, str], timeout: float
) -> Reply:
    """Ask again for a while if the presence of a station has come before its node listens.

    A command without a generation fails at once: its sender has not seen the presence.
    """
    for pause in PAUSES if GENERATION in values else ():
        try:
            return await _ask(broker, station_id, payload, values, timeout)
        except NotConnected:
            await asyncio.sleep(pause)
    return await _ask(broker, station_id, payload, values, timeout)


async def _ask(
    broker: Broker, station_id: str, payload: bytes, values: dict[str, str], timeout: float
) -> Reply:
    subject = broker.subjects.call(token(station_id))
    try:
        reply = await broker.request(subject, payload, headers(values), timeout + MARGIN)
    except TimeoutError:
        raise CallTimeout(f"no answer from the node of {station_id} within {timeout:g} s") from None
    except BrokerLost as error:
        raise ConnectionLost(str(error)) from error
    except BrokerBusy as error:
        raise LocalProtocolError(str(error)) from error
    except BrokerError as error:
        raise EncodeError(str(error)) from error
    if reply.status == NO_RESPONDERS:
        raise NotConnected(f"{station_id} is not connected")
    return reply


def _failed(  # noqa: PLR0917  the parts of a reply and what was asked
    station_id: str,
    action: str,
    version: str,
    status: str | None,
    payload: bytes,
    timeout: float,
) -> OcppError:
    """Return the exception for a reply without a response."""
    try:
        failure = parse_json(payload, Failure)
    except ValueError:
        failure = Failure()
    if status == "error" and failure.path is not None:
        return _invalid_response(failure, version)
    if status == "error":
        return CallFailed(failure.code, failure.description, failure.details)
    if status == "timeout" and failure.code == NOT_SENT:
        return CallTimeout(
            f"{station_id}: {failure.description}: is its node stuck, or its clock ahead?"
        )
    if status == "timeout":
        return CallTimeout(f"{station_id} did not answer {action} within {timeout:g} s")
    if status == "busy":
        return LocalProtocolError(failure.description or f"{station_id} is busy")
    if status == "invalid":
        return EncodeError(failure.description or f"{action} is not valid", failure.path)
    lost = NotConnected if failure.code == NOT_SENT else ConnectionLost
    return lost(failure.description or f"{station_id} is not connected any more")


def _invalid_response(failure: Failure, version: str) -> PayloadError:
    rules = ERROR_RULES[version]
    faults = (fault for fault, code in rules.codes.items() if code == failure.code)
    return PayloadError(
        next(faults, Fault.FORMAT), failure.description, rules, failure.path, NO_HEAD
    )


class RemoteStation:
    """A charging station that is connected to a node of the fleet.

    What it has in common with `ocppj.aio.Station` behaves alike: the same responses, the same
    exceptions. Two are equal if they stand for one connection.

    Attributes:
        id: its identity.
        generation: number of the connection. What is sent goes to this connection or to none.
    """

    __slots__ = ("_broker", "_codec", "_timeout", "generation", "id")

    def __init__(
        self, broker: Broker, codec: Codec, station_id: str, generation: int, timeout: float
    ) -> None:
        self.id = station_id
        self.generation = generation
        self._broker = broker
        self._codec = codec
        self._timeout = timeout

    @property
    def version(self) -> str:
        """The OCPP version that was negotiated."""
        return self._codec.version

    @property
    def codec(self) -> Codec:
        """The codec of its messages."""
        return self._codec

    @overload
    async def call(
        self, request: Request[R], timeout: float | None = None, *, expires: float | None = None
    ) -> R: ...

    @overload  # a request of one version or another
    async def call(
        self,
        request: Request[R] | Request[R2] | Request[R3],
        timeout: float | None = None,
        *,
        expires: float | None = None,
    ) -> R | R2 | R3: ...

    async def call(
        self, request: Request[Any], timeout: float | None = None, *, expires: float | None = None
    ) -> Any:
        """Call the station and return its response.

        Args:
            request: the payload.
            timeout: seconds to wait for the response, including the time in queues.
            expires: time by the event loop's clock after which the call is not sent any more.

        Raises:
            CallFailed: the station answered with an error.
            CallTimeout: no response in time. The station may have handled the call nevertheless.
            ConnectionLost: the connection has ended: a `CallTimeout` too. If nothing was sent, it
                is a `NotConnected`.
            DecodeError: the response is invalid.
            EncodeError: the request is invalid. Nothing was sent.
            LocalProtocolError: a CSMS may not send the request, too many calls are queued, or
                `expires` has passed.
        """
        feature = self._codec.feature(request)
        if feature.response_type is None:
            raise LocalProtocolError(f"{feature.name} is never answered: use send")
        payload = await self._deliver(request, feature.name, timeout, expires)
        result = CallResult("0", msgspec.Raw(payload or b"null"))
        return self._codec.decode_result(result, feature.name).payload

    async def send(self, request: object) -> None:
        """Send a SEND message, which is never answered (OCPP 2.1).

        Raises:
            ConnectionLost: the connection has ended.
            EncodeError: the request is invalid.
            LocalProtocolError: a CSMS may not send it, or it has a response.
        """
        feature = self._codec.feature(request)
        if feature.response_type is not None:
            raise LocalProtocolError(f"{feature.name} has an answer: use call")
        await self._deliver(request, feature.name, None)

    async def _deliver(
        self, request: object, action: str, timeout: float | None, expires: float | None = None
    ) -> bytes:
        feature = self._codec.features[action]
        if feature.sender == "charging_station":
            raise LocalProtocolError(f"{action} is not sent by a csms")
        seconds = self._timeout if timeout is None else timeout
        if not seconds > 0:
            raise ValueError(f"timeout={timeout!r}: use seconds above 0")
        if expires is not None:
            expires += time() - asyncio.get_running_loop().time()
        make = Call if feature.response_type is not None else Send
        payload = self._codec.peek(self._codec.encode(make("0", action, request))).payload
        return await call_raw(
            self._broker,
            self.id,
            action,
            bytes(payload),
            seconds,
            self.generation,
            version=self.version,
            expires=expires,
        )

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection. Return when the node has begun to do so.

        Args:
            code: WebSocket close code.
            reason: sent to the station; at most 123 bytes.

        Raises:
            ConnectionLost: it has ended already.
        """
        values = {CLOSE: str(code), GENERATION: str(self.generation)}
        reply = await _ask_patiently(self._broker, self.id, reason.encode(), values, self._timeout)
        status = parse_headers(reply.headers).get(STATUS)
        if status != "result":
            raise _failed(self.id, "close", self.version, status, reply.payload, self._timeout)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteStation):
            return NotImplemented
        return (self.id, self.generation) == (other.id, other.generation)

    def __hash__(self) -> int:
        return hash((self.id, self.generation))

    def __repr__(self) -> str:
        return f"<RemoteStation {self.id!r}, OCPP {self.version}, generation {self.generation}>"

"""The node's end of commands: `<prefix>.call.<station>`.

Everything that comes in is as hostile as what a station sends. It is answered by the `Ocpp-Status`
that fits, in bounded time, memory and log lines.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocppj.aio.stations import Station
from ocppj.codec import Codec
from ocppj.errors import (
    CallFailed,
    ConnectionLost,
    DecodeError,
    EncodeError,
    NotConnected,
    OcppError,
)
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.stall import Stall
from ocppj.fleet.station import Failure
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
    parse_time,
)
from ocppj.frames import CallResult
from ocppj.policy import STRICT
from ocppj.schema import Feature
from ocppj.session import TIMEOUT as DEFAULT_TIMEOUT

__all__ = ["Commands"]

MAX_TIMEOUT: Final = 24 * 3600.0
CLOSE_CODES: Final = (1000, 1001, 1008, 1011, 1012, 1013)
MAX_REASON: Final = 123
"""Bytes of the reason in a WebSocket close frame."""

RESULT, ERROR, TIMED_OUT, BUSY, INVALID, GONE = (
    headers({STATUS: status})
    for status in ("result", "error", "timeout", "busy", "invalid", "gone")
)


class _Invalid(Exception):
    """A command that cannot be sent to a station."""

    def __init__(self, problem: str, path: str | None = None) -> None:
        super().__init__(problem, path)
        self.failure = Failure(description=problem, path=path)


class _TooLate(TimeoutError):
    """A command that came after its deadline, or that a clock that is ahead takes for one."""


class Commands:
    """Hands commands to stations, and their answers to whoever sent them.

    Args:
        broker: connection to NATS.
        max_commands: maximum number of commands at a time.
        logbook: what is logged.
    """

    def __init__(self, broker: Broker, max_commands: int, logbook: Logbook) -> None:
        self._broker = broker
        self._max_commands = max_commands
        self._logbook = logbook
        self._tasks: set[asyncio.Task[None]] = set()
        self._stall = Stall(broker.flush)
        self._strict: dict[Codec, Codec] = {}

    def received(
        self,
        station: Station | None,
        generation: int,
        reply: str,
        header_lines: bytes,
        payload: bytes,
    ) -> None:
        """Handle a command for a station; `None` if none may get it."""
        if station is None:
            self._reply(reply, GONE, Failure(NOT_SENT, "it is not known where the station is"))
            return
        values = parse_headers(header_lines)
        if values.get(GENERATION, str(generation)) != str(generation):
            self._reply(reply, GONE, Failure(NOT_SENT, f"{station.id} has connected again"))
            return
        if len(self._tasks) >= self._max_commands:
            problem = f"{self._max_commands} commands are pending"
            self._logbook.note("busy", problem)
            self._reply(reply, BUSY, Failure(description=problem))
            return
        handle = self._close if CLOSE in values else self._call
        work = handle(station, values, reply, payload)
        if self._broker.tracing is None:
            task = asyncio.get_running_loop().create_task(work)
        else:
            with self._broker.tracing.continued(values.get(TRACEPARENT)):
                task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start(self) -> None:
        """Begin to note for how long commands may have waited to be read."""
        self._stall.start()

    async def close(self, grace: float) -> None:
        """Wait for the commands that are pending; give those up that take longer."""
        self._stall.stop()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _call(
        self, station: Station, values: Mapping[str, str], reply: str, payload: bytes
    ) -> None:
        answer: Failure | bytes
        try:
            status, answer = RESULT, await self._perform(station, values, payload)
        except (OcppError, TimeoutError, _Invalid) as error:
            status, answer = _outcome(error)
        self._reply(reply, status, answer)

    async def _perform(self, station: Station, values: Mapping[str, str], payload: bytes) -> bytes:
        timeout = _seconds(values, self._stall.age())
        expires = _expires(values)
        feature = _feature(station.codec, values.get(ACTION, ""))
        request = self._decode(station.codec, feature, payload)
        async with asyncio.timeout(timeout):  # including the time in the station's queue
            if feature.response_type is None:
                await station.send(request)
                return b""
            return _encode(station.codec, await station.call(request, timeout, expires=expires))

    def _decode(self, codec: Codec, feature: Feature[Any, Any], payload: bytes) -> Any:
        """Return the request that a payload is, by a frame around it."""
        strict = self._strict.get(codec)
        if strict is None:
            strict = self._strict[codec] = codec.with_policy(STRICT)
        message_type = 2 if feature.response_type is not None else 6
        head = msgspec.json.encode([message_type, "0", feature.name])
        try:
            frame: Any = strict.decode(head[:-1] + b"," + (payload or b"{}") + b"]")
        except DecodeError as error:
            raise _Invalid(error.problem, error.path) from error
        return frame.payload

    async def _close(
        self, station: Station, values: Mapping[str, str], reply: str, payload: bytes
    ) -> None:
        try:
            code, reason = _close_arguments(values[CLOSE], payload)
        except _Invalid as error:
            self._reply(reply, INVALID, error.failure)
            return
        self._reply(reply, RESULT, b"")
        await station.close(code, reason)

    def _reply(self, reply: str, status: bytes, answer: Failure | bytes) -> None:
        if not reply:
            return
        payload = msgspec.json.encode(answer) if isinstance(answer, Failure) else answer
        try:
            self._broker.post(reply, payload, headers=status)
        except BrokerError as error:
            self._logbook.note("answer", f"the answer to a command is lost: {error}")


def _outcome(error: Exception) -> tuple[bytes, Failure]:
    """Return the headers and the payload of the reply to a command that has failed."""
    match error:
        case _Invalid():
            return INVALID, error.failure
        case EncodeError():
            return INVALID, Failure(description=error.problem, path=error.path)
        case CallFailed():
            return ERROR, Failure(error.error_code, error.error_description, error.error_details)
        case DecodeError():
            return ERROR, Failure(error.error_code, error.problem, path=error.path or "$")
        case NotConnected():
            return GONE, Failure(NOT_SENT, str(error))
        case ConnectionLost():
            return GONE, Failure(description=str(error))
        case _TooLate():
            return TIMED_OUT, Failure(NOT_SENT, str(error))
        case TimeoutError():
            return TIMED_OUT, Failure()
        case _:  # LocalProtocolError: its queue is full, or it has expired
            return BUSY, Failure(description=str(error))


def _close_arguments(code: str, reason: bytes) -> tuple[int, str]:
    """Return the code and the reason of a WebSocket close frame.

    Raises:
        _Invalid: they are not allowed there.
    """
    try:
        number, text = int(code), reason.decode()
    except ValueError:
        raise _Invalid(f"{CLOSE} is a number, and the payload is text") from None
    if not (number in CLOSE_CODES or 3000 <= number < 5000):
        raise _Invalid(f"{CLOSE}: use {', '.join(map(str, CLOSE_CODES))} or 3000 to 4999")
    if len(reason) > MAX_REASON:
        raise _Invalid(f"a reason of {len(reason)} bytes: use at most {MAX_REASON}")
    return number, text


def _seconds(values: Mapping[str, str], age: float) -> float:
    """Return how long a command may take from now on.

    Args:
        values: its headers.
        age: seconds that it may have waited to be read.

    Raises:
        _TooLate: its deadline has passed.
        _Invalid: the headers do not say.
    """
    try:
        timeout = float(values.get(TIMEOUT, DEFAULT_TIMEOUT))
        deadline = parse_time(values.get(DEADLINE, "0"))
    except ValueError:
        raise _Invalid(f"{TIMEOUT} and {DEADLINE} are numbers") from None
    if not 0 < timeout <= MAX_TIMEOUT or math.isnan(timeout):
        raise _Invalid(f"{TIMEOUT}: use more than 0 and at most {MAX_TIMEOUT:g} seconds")
    timeout -= age
    if deadline:
        timeout = min(timeout, deadline - time.time())
    if timeout <= 0:
        raise _TooLate(f"not sent: it came {-timeout:.1f} s after its deadline")
    return timeout


def _expires(values: Mapping[str, str]) -> float | None:
    """Return when a command expires, by the event loop's clock; `None` if it does not.

    Raises:
        _Invalid: the header is not a time.
    """
    try:
        expires = parse_time(values[EXPIRES])
    except KeyError:
        return None
    except ValueError:
        raise _Invalid(f"{EXPIRES} is a number") from None
    return asyncio.get_running_loop().time() + expires - time.time()


def _feature(codec: Codec, action: str) -> Feature[Any, Any]:
    """Return the feature of an action that a CSMS may send.

    Raises:
        _Invalid: there is none.
    """
    feature = codec.features.get(action)
    if feature is None:
        raise _Invalid(f"{ACTION}: OCPP {codec.version} has no action {action!r:.80}")
    if feature.sender == "charging_station":
        raise _Invalid(f"{ACTION}: {action} is not sent by a CSMS")
    return feature


def _encode(codec: Codec, response: Any) -> bytes:
    """Return the payload of a response. What a policy has tolerated of it is passed on."""
    return bytes(codec.peek(codec.encode(CallResult("0", response), validate=False)).payload)

"""Raw frames as they pass.

A tap is a function that `CSMS` or `ChargingStation` calls with each frame. Without one, connections
are wired directly, at no cost. With one, a `Wire` sits between each connection and its transport.
`ocppj.aio.recorder` has a tap that writes to a file.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias

from ocppj.aio.metrics import Direction, Metrics
from ocppj.aio.transport import Receiver, Transport
from ocppj.frames import CALL, SEND
from ocppj.policy import Violation

__all__ = ["Tap", "TappedFrame", "Wire", "observed"]


class TappedFrame(NamedTuple):
    """A frame that has passed.

    Attributes:
        time: Unix time in seconds.
        station_id: of the charging station.
        direction: received or sent, as this process sees it.
        data: the frame, unchanged.
        message_type: 2 to 6; `None` if it could not be read.
        action: of a CALL or SEND, or of the call that is answered; `None` if unknown.
        outcome: `""` if the frame is valid, else the error code that it got or carries;
            `"Unexpected"` for an answer to no call.
        violations: what the codec's policy has tolerated.
    """

    time: float
    station_id: str
    direction: Direction
    data: bytes
    message_type: int | None
    action: str | None
    outcome: str
    violations: tuple[Violation, ...]


Tap: TypeAlias = Callable[[TappedFrame], object]
"""Gets each frame, in order. Must not block or raise."""


class _Observer:
    """Notes what a frame was found to be, and passes it on to the user's metrics."""

    def __init__(self, metrics: Metrics | None) -> None:
        self._metrics = metrics
        self._frames: dict[Direction, tuple[int | None, str | None, str]] = {}
        self._violations: list[Violation] = []

    def take(self, direction: Direction) -> tuple[int | None, str | None, str]:
        """Return message type, action and outcome of the frame that is passing."""
        return self._frames.pop(direction, (None, None, ""))

    def take_violations(self) -> tuple[Violation, ...]:
        violations, self._violations = tuple(self._violations), []
        return violations

    def frame(
        self,
        station_id: str,
        direction: Direction,
        message_type: int | None,
        action: str | None,
        outcome: str,
    ) -> None:
        self._frames[direction] = message_type, action, outcome
        if self._metrics is not None:
            self._metrics.frame(station_id, direction, message_type, action, outcome)

    def violation(self, station_id: str, violation: Violation) -> None:
        self._violations.append(violation)
        if self._metrics is not None:
            self._metrics.violation(station_id, violation)

    def latency(
        self, station_id: str, direction: Direction, action: str, seconds: float, outcome: str
    ) -> None:
        if self._metrics is not None:
            self._metrics.latency(station_id, direction, action, seconds, outcome)

    def connected(self, station_id: str, version: str) -> None:
        if self._metrics is not None:
            self._metrics.connected(station_id, version)

    def disconnected(self, station_id: str, version: str) -> None:
        if self._metrics is not None:
            self._metrics.disconnected(station_id, version)


def observed(metrics: Metrics | None, tap: Tap | None) -> Metrics | None:
    """Return the metrics of an endpoint: with a tap, ones that tell it about frames."""
    return metrics if tap is None else _Observer(metrics)


class Wire:
    """Stands between a connection and its transport, and shows a tap what passes.

    Args:
        station_id: of the charging station.
        metrics: of the endpoint, from `observed`.
        tap: gets each frame.
        transport: the WebSocket connection.
    """

    __slots__ = (
        "_action",
        "_arriving",
        "_observer",
        "_receiver",
        "_station_id",
        "_tap",
        "_transport",
    )

    def __init__(
        self, station_id: str, metrics: Metrics | None, tap: Tap, transport: Transport
    ) -> None:
        if not isinstance(metrics, _Observer):
            raise TypeError("the metrics of an endpoint with a tap come from `observed`")
        self._station_id = station_id
        self._observer = metrics
        self._tap = tap
        self._transport = transport
        self._receiver: Receiver
        self._arriving: tuple[float, bytes] | None = None
        self._action: str | None = None  # of our call: its answer does not name it

    def to(self, receiver: Receiver) -> Self:
        """Pass messages on to a receiver."""
        self._receiver = receiver
        return self

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        """Pass on a message: see `ocppj.aio.transport.Receiver`."""
        self._arriving = time.time(), data
        answer = self._receiver.received(data, late=late)
        self._show_arriving()
        if answer is not None:
            self._show(time.time(), "out", answer, *self._observer.take("out"), ())
        return answer

    def lost(self, reason: str = "") -> None:
        """Pass on the end: see `ocppj.aio.transport.Receiver`."""
        self._receiver.lost(reason)

    async def send(self, data: bytes) -> None:
        """Send a message: see `ocppj.aio.transport.Transport`."""
        self._show_arriving()  # a handler that starts at once may send before `received` returns
        message_type, action, outcome = self._observer.take("out")
        if message_type == CALL:
            self._action = action
        self._show(time.time(), "out", data, message_type, action, outcome, ())
        await self._transport.send(data)

    async def ping(self) -> None:
        """Ping: see `ocppj.aio.transport.Transport`."""
        await self._transport.ping()

    async def close(self, code: int, reason: str) -> None:
        """Close: see `ocppj.aio.transport.Transport`."""
        await self._transport.close(code, reason)

    def _show_arriving(self) -> None:
        """Show the frame that is being received, unless it has been shown."""
        if self._arriving is None:
            return
        (now, data), self._arriving = self._arriving, None
        message_type, action, outcome = self._observer.take("in")
        if action is None and message_type not in (CALL, SEND, None):
            action = self._action
        violations = self._observer.take_violations()
        self._show(now, "in", data, message_type, action, outcome, violations)

    def _show(self, now: float, direction: Direction, data: bytes, *rest: Any) -> None:
        self._tap(TappedFrame(now, self._station_id, direction, data, *rest))

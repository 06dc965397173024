"""What an endpoint reports for counting.

Owns the interface, which `ocppj.aio.prometheus` implements. Nothing is counted without metrics.
"""

from typing import Literal, Protocol, TypeAlias

from ocppj.policy import Violation

__all__ = ["Direction", "Metrics"]

Direction: TypeAlias = Literal["in", "out"]
"""Received or sent."""


class Metrics(Protocol):
    """Gets frames, latencies and connections. Must not block or raise."""

    def frame(
        self,
        station_id: str,
        direction: Direction,
        message_type: int | None,
        action: str | None,
        outcome: str,
    ) -> None:
        """Count a frame.

        Args:
            station_id: identity of the charging station.
            direction: received or sent.
            message_type: 2 to 6; `None` if it cannot be read.
            action: of the frame, or of the call that it answers; `None` if it cannot be read or the
                codec does not know it.
            outcome: `""` for a valid frame; the error code that it is answered with, or carries;
                `"Unexpected"` for an answer to no pending call.
        """

    def violation(self, station_id: str, violation: Violation) -> None:
        """Count a violation that the codec's policy tolerates."""

    def latency(
        self, station_id: str, direction: Direction, action: str, seconds: float, outcome: str
    ) -> None:
        """Observe how long a call took.

        Args:
            station_id: identity of the charging station.
            direction: who called: `"in"` for the peer's calls, until the handler has answered.
            action: of the call.
            seconds: from the call to its answer.
            outcome: `""` for a response, the error code of an error, `"NoAnswer"` if none came.
        """

    def connected(self, station_id: str, version: str) -> None:
        """Count a connection."""

    def disconnected(self, station_id: str, version: str) -> None:
        """Count the end of a connection."""

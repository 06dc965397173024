"""What can be counted at an endpoint.

Owns the interface; `ocppj.aio.prometheus` is one implementation. An endpoint without metrics does
not count anything.
"""

from typing import Literal, Protocol, TypeAlias

from ocppj.policy import Violation

__all__ = ["Direction", "Metrics"]

Direction: TypeAlias = Literal["in", "out"]


class Metrics(Protocol):
    """Is told of frames, latencies and connections. Must not block or raise."""

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
            station_id: of the charging station.
            direction: received or sent.
            message_type: 2 to 6; `None` if it could not be read.
            action: of a CALL or SEND, and of an answer of ours; `None` if it cannot be read or the
                codec does not know it.
            outcome: `""` if it is right, else the error code that it got or carries;
                `"Unexpected"` for an answer to no call.
        """

    def violation(self, station_id: str, violation: Violation) -> None:
        """Count what the codec's policy has tolerated."""

    def latency(
        self, station_id: str, direction: Direction, action: str, seconds: float, outcome: str
    ) -> None:
        """Note how long a call took.

        Args:
            station_id: of the charging station.
            direction: who called: `"in"` for the peer's calls (until the handler has answered).
            action: of the call.
            seconds: from the call to its answer.
            outcome: `""` for a response, the error code of an error, `"NoAnswer"` if none came.
        """

    def connected(self, station_id: str, version: str) -> None:
        """Count a connection."""

    def disconnected(self, station_id: str, version: str) -> None:
        """Count the end of a connection."""

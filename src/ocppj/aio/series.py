"""The metrics of endpoints: their names, labels and what is counted in them.

Knows no library that exposes them: `ocppj.aio.prometheus` and `ocppj.aio.opentelemetry` do. Only
known actions and error codes are labels, and no identity is one: a peer cannot add series to the
few hundred of each version.
"""

from abc import abstractmethod
from typing import Final, NamedTuple

from ocppj.aio.metrics import Direction
from ocppj.codec import Codec
from ocppj.errors import ERROR_RULES
from ocppj.policy import Violation

__all__ = ["CALL_SECONDS", "CONNECTIONS", "FRAMES", "SECONDS", "VIOLATIONS", "Counting", "Series"]


class Series(NamedTuple):
    """A metric.

    Attributes:
        name: without the suffix `_total` that Prometheus gives to counters.
        description: one line.
        labels: their names.
    """

    name: str
    description: str
    labels: tuple[str, ...]


FRAMES: Final = Series(
    "ocppj_frames", "Frames received and sent.", ("direction", "action", "outcome")
)
VIOLATIONS: Final = Series("ocppj_violations", "Tolerated schema violations.", ("rule",))
CALL_SECONDS: Final = Series(
    "ocppj_call_seconds", "Seconds from a call to its answer.", ("direction", "action")
)
CONNECTIONS: Final = Series("ocppj_connections", "Open connections.", ("version",))

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper bounds of the buckets of `CALL_SECONDS`; 30 s is the usual timeout."""


class Counting:
    """Counts what an endpoint reports: the `Metrics` of a library that exposes them.

    Args:
        codecs: their actions become labels; others are counted with an empty action.
    """

    def __init__(self, *codecs: Codec) -> None:
        self._actions = {action for codec in codecs for action in codec.features}
        self._outcomes = {
            code for codec in codecs for code in ERROR_RULES[codec.version].error_codes
        }
        self._outcomes |= {"", "NoAnswer", "Unexpected"}

    @abstractmethod
    def _add(self, series: Series, amount: int, *labels: str) -> None:
        """Add to a counter, or to the number of connections."""

    @abstractmethod
    def _observe(self, series: Series, seconds: float, *labels: str) -> None:
        """Put a value into a histogram."""

    def frame(
        self,
        station_id: str,  # noqa: ARG002  not a label: there may be thousands
        direction: Direction,
        message_type: int | None,  # noqa: ARG002  not a label: action and outcome say enough
        action: str | None,
        outcome: str,
    ) -> None:
        """Count a frame."""
        label = outcome if outcome in self._outcomes else "other"
        self._add(FRAMES, 1, direction, self._known_action(action), label)

    def violation(
        self,
        station_id: str,  # noqa: ARG002  not a label
        violation: Violation,
    ) -> None:
        """Count a tolerated violation."""
        self._add(VIOLATIONS, 1, violation.rule)

    def latency(
        self,
        station_id: str,  # noqa: ARG002  not a label
        direction: Direction,
        action: str,
        seconds: float,
        outcome: str,  # noqa: ARG002  not a label
    ) -> None:
        """Observe how long a call took."""
        self._observe(CALL_SECONDS, seconds, direction, self._known_action(action))

    def connected(
        self,
        station_id: str,  # noqa: ARG002  not a label
        version: str,
    ) -> None:
        """Count a connection."""
        self._add(CONNECTIONS, 1, version)

    def disconnected(
        self,
        station_id: str,  # noqa: ARG002  not a label
        version: str,
    ) -> None:
        """Count the end of a connection."""
        self._add(CONNECTIONS, -1, version)

    def _known_action(self, action: str | None) -> str:
        return action if action in self._actions else ""

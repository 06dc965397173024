"""The metrics of endpoints for `prometheus-client` (extra `prometheus`).

Owns their names and labels. Only known actions and error codes are labels: a peer cannot add series
to the few hundred of each version.
"""

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as error:
    problem = f"{error.name} is not installed: pip install 'ocppj[prometheus]'"
    raise ModuleNotFoundError(problem, name=error.name) from error

from ocppj.aio.metrics import Direction
from ocppj.codec import Codec
from ocppj.errors import ERROR_RULES
from ocppj.policy import Violation

__all__ = ["Prometheus"]


class Prometheus:
    """Count frames, violations, latencies and connections: `CSMS(..., metrics=Prometheus(codec))`.

    The series are `ocppj_frames_total` by direction, action and outcome, `ocppj_violations_total`
    by rule, `ocppj_call_seconds` by direction and action, `ocppj_connections` by version. One
    object may serve several endpoints.

    Args:
        codecs: their actions become labels; others are counted with an empty action.
        registry: exposes the series.

    Raises:
        ValueError: the registry has these series already.
    """

    def __init__(self, *codecs: Codec, registry: CollectorRegistry = REGISTRY) -> None:
        self._actions = {action for codec in codecs for action in codec.features}
        self._outcomes = {
            code for codec in codecs for code in ERROR_RULES[codec.version].error_codes
        }
        self._outcomes |= {"", "NoAnswer", "Unexpected"}
        self._frames = Counter(
            "ocppj_frames",
            "Frames received and sent.",
            ("direction", "action", "outcome"),
            registry=registry,
        )
        self._violations = Counter(
            "ocppj_violations", "Tolerated schema violations.", ("rule",), registry=registry
        )
        self._seconds = Histogram(
            "ocppj_call_seconds",
            "Seconds from a call to its answer.",
            ("direction", "action"),
            registry=registry,
        )
        self._connections = Gauge(
            "ocppj_connections", "Open connections.", ("version",), registry=registry
        )

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
        self._frames.labels(direction, self._known_action(action), label).inc()

    def violation(
        self,
        station_id: str,  # noqa: ARG002  not a label
        violation: Violation,
    ) -> None:
        """Count a tolerated violation."""
        self._violations.labels(violation.rule).inc()

    def latency(
        self,
        station_id: str,  # noqa: ARG002  not a label
        direction: Direction,
        action: str,
        seconds: float,
        outcome: str,  # noqa: ARG002  not a label
    ) -> None:
        """Observe how long a call took."""
        self._seconds.labels(direction, self._known_action(action)).observe(seconds)

    def connected(
        self,
        station_id: str,  # noqa: ARG002  not a label
        version: str,
    ) -> None:
        """Count a connection."""
        self._connections.labels(version).inc()

    def disconnected(
        self,
        station_id: str,  # noqa: ARG002  not a label
        version: str,
    ) -> None:
        """Count the end of a connection."""
        self._connections.labels(version).dec()

    def _known_action(self, action: str | None) -> str:
        return action if action in self._actions else ""

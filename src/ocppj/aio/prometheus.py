"""The metrics of endpoints for `prometheus-client` (extra `prometheus`)."""

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ModuleNotFoundError as error:
    problem = f"{error.name} is not installed: pip install 'ocppj[prometheus]'"
    raise ModuleNotFoundError(problem, name=error.name) from error

from ocppj.aio.series import (
    CALL_SECONDS,
    CONNECTIONS,
    FRAMES,
    SECONDS,
    VIOLATIONS,
    Counting,
    Series,
)
from ocppj.codec import Codec

__all__ = ["Prometheus"]


class Prometheus(Counting):
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
        super().__init__(*codecs)
        self._numbers: dict[Series, Counter | Gauge] = {
            FRAMES: Counter(*FRAMES, registry=registry),
            VIOLATIONS: Counter(*VIOLATIONS, registry=registry),
            CONNECTIONS: Gauge(*CONNECTIONS, registry=registry),
        }
        self._seconds = Histogram(*CALL_SECONDS, buckets=SECONDS, registry=registry)

    def _add(self, series: Series, amount: int, *labels: str) -> None:
        self._numbers[series].labels(*labels).inc(amount)

    def _observe(self, series: Series, seconds: float, *labels: str) -> None:  # noqa: ARG002  there is one
        self._seconds.labels(*labels).observe(seconds)

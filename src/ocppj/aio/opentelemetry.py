"""Traces and metrics of endpoints for OpenTelemetry (extra `otel`)."""

try:
    from opentelemetry.metrics import Counter, MeterProvider, UpDownCounter, get_meter
except ModuleNotFoundError as error:
    problem = f"{error.name} is not installed: pip install 'ocppj[otel]'"
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

__all__ = ["OpenTelemetry"]


class OpenTelemetry(Counting):
    """Count frames, violations, latencies and connections: `CSMS(..., metrics=OpenTelemetry())`.

    The instruments have the names and the labels that `ocppj.aio.prometheus.Prometheus` has; an
    exporter for Prometheus adds `_total` to the counters. One object may serve several endpoints.

    Args:
        codecs: their actions become labels; others are counted with an empty action.
        meter_provider: the global one by default.
    """

    def __init__(self, *codecs: Codec, meter_provider: MeterProvider | None = None) -> None:
        super().__init__(*codecs)
        meter = get_meter("ocppj", meter_provider=meter_provider)
        self._numbers: dict[Series, Counter | UpDownCounter] = {
            FRAMES: meter.create_counter(FRAMES.name, "{frame}", FRAMES.description),
            VIOLATIONS: meter.create_counter(
                VIOLATIONS.name, "{violation}", VIOLATIONS.description
            ),
            CONNECTIONS: meter.create_up_down_counter(
                CONNECTIONS.name, "{connection}", CONNECTIONS.description
            ),
        }
        self._seconds = meter.create_histogram(
            CALL_SECONDS.name,
            "s",
            CALL_SECONDS.description,
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    def _add(self, series: Series, amount: int, *labels: str) -> None:
        self._numbers[series].add(amount, dict(zip(series.labels, labels, strict=True)))

    def _observe(self, series: Series, seconds: float, *labels: str) -> None:
        self._seconds.record(seconds, dict(zip(series.labels, labels, strict=True)))

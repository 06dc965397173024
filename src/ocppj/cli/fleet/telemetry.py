"""Traces and metrics of commands: they use what is installed and configured, without options."""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from ocppj.aio import Metrics, Tap, TappedFrame
from ocppj.codec import Codec

if TYPE_CHECKING:
    from ocppj.aio.opentelemetry import Tracer
    from ocppj.web import Monitor

__all__ = ["NOTHING", "Watched", "tracer", "watched"]


def tracer() -> "Tracer | None":
    """Return a tracer if OpenTelemetry is configured, as it is by `opentelemetry-instrument`."""
    if "opentelemetry" not in sys.modules:
        return None
    from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider  # noqa: PLC0415  is loaded

    from ocppj.aio.opentelemetry import Tracer  # noqa: PLC0415  needs the extra otel

    return None if isinstance(get_tracer_provider(), ProxyTracerProvider) else Tracer()


class Watched(NamedTuple):
    """What a command that serves stations is watched by.

    Attributes:
        tap: gets each frame.
        metrics: count.
        monitor: for the operator's page.
        exposed: returns the text of the metrics.
    """

    tap: Tap | None
    metrics: Metrics | None
    monitor: "Monitor | None"
    exposed: Callable[[], bytes] | None


NOTHING: Final = Watched(None, None, None, None)


def watched(
    arguments: argparse.Namespace, codecs: Iterable[Codec], recorder: Tap | None
) -> Watched:
    """Return what `--http` and `--record` need.

    Args:
        arguments: of the command.
        codecs: of the stations.
        recorder: of `--record`.
    """
    if arguments.http is None:
        return Watched(recorder, None, None, None)
    from ocppj.web import Monitor  # noqa: PLC0415  needs the extra web

    monitor = Monitor()

    def both(frame: TappedFrame) -> None:
        monitor(frame)
        if recorder is not None:
            recorder(frame)

    if find_spec("prometheus_client") is None:
        return Watched(both, None, monitor, None)
    from prometheus_client import (  # noqa: PLC0415  of the extra
        CollectorRegistry,
        ProcessCollector,
        generate_latest,
    )

    from ocppj.aio.prometheus import Prometheus  # noqa: PLC0415  needs the extra

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Prometheus(*codecs, registry=registry)
    return Watched(both, metrics, monitor, partial(generate_latest, registry))

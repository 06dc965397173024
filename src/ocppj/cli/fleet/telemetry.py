"""Traces and metrics of commands: they use what is installed and configured, without options."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from ocppj.aio import Directory, Metrics, Tap, TappedFrame
from ocppj.codec import Codec

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ocppj.aio.opentelemetry import Tracer
    from ocppj.web import Monitor

__all__ = ["NOTHING", "Watched", "fleet_metrics", "tracer", "watched"]


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
    from ocppj.aio.prometheus import Prometheus  # noqa: PLC0415  needs the extra

    registry, exposed = _registry()
    return Watched(both, Prometheus(*codecs, registry=registry), monitor, exposed)


def fleet_metrics(fleet: Directory) -> Callable[[], bytes] | None:
    """Return what shows how many stations each node has; `None` without the extra prometheus."""
    if find_spec("prometheus_client") is None:
        return None
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  of the extra

    class Collector:
        def collect(self) -> Iterator[GaugeMetricFamily]:
            # Not `ocppj_connections`: who adds up those of all gateways would count twice.
            text = "Connected stations of the fleet."
            family = GaugeMetricFamily("ocppj_fleet_stations", text, labels=("node", "version"))
            found = Counter((one.node, one.version) for one in fleet.stations.values())
            for labels, number in found.items():
                family.add_metric(labels, number)
            yield family

    registry, exposed = _registry()
    registry.register(Collector())
    return exposed


def _registry() -> "tuple[CollectorRegistry, Callable[[], bytes]]":
    """Return a registry with the metrics of the process, and what shows it."""
    from prometheus_client import (  # noqa: PLC0415  of the extra
        CollectorRegistry,
        ProcessCollector,
        generate_latest,
    )

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry, partial(generate_latest, registry)

"""Names and labels of the metrics: those of Prometheus, OpenTelemetry and the dashboard agree."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj.aio.series import CALL_SECONDS, CONNECTIONS, FRAMES, SECONDS, VIOLATIONS, Counting
from ocppj.policy import Violation

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
CODEC = ocppj.Codec("2.0.1")


def fill(metrics: Counting) -> None:
    metrics.connected("CS-1", "2.0.1")
    metrics.connected("CS-2", "2.0.1")
    metrics.disconnected("CS-2", "2.0.1")
    for station_id, action, outcome in (
        ("CS-1", "Heartbeat", ""),
        ("CS-2", "Heartbeat", ""),
        ("CS-3", "Invented", "NotImplemented"),
        ("CS-3", None, "Invented"),
    ):
        metrics.frame(station_id, "in", 2, action, outcome)
    metrics.violation("CS-1", Violation("null", "$.info", None))
    metrics.latency("CS-1", "out", "Reset", 0.004, "")
    metrics.latency("CS-1", "out", "Reset", 31.0, "NoAnswer")


EXPECTED: dict[tuple[str, tuple[str, ...]], float] = {
    (FRAMES.name, ("in", "Heartbeat", "")): 2,
    (FRAMES.name, ("in", "", "NotImplemented")): 1,
    (FRAMES.name, ("in", "", "other")): 1,
    (VIOLATIONS.name, ("null",)): 1,
    (CONNECTIONS.name, ("2.0.1",)): 1,
    (CALL_SECONDS.name, ("out", "Reset")): 2,
}
LABELS = {one.name: one.labels for one in (FRAMES, VIOLATIONS, CALL_SECONDS, CONNECTIONS)}


def exposed() -> Any:
    """Return the families of metrics that Prometheus would read."""
    client = pytest.importorskip("prometheus_client")
    from ocppj.aio.prometheus import Prometheus  # noqa: PLC0415  after the skip

    registry = client.CollectorRegistry()
    fill(Prometheus(CODEC, registry=registry))
    return list(registry.collect())


def test_prometheus_exposes_what_is_counted() -> None:
    found = {}
    for family in exposed():
        for sample in family.samples:
            if sample.name in (family.name, f"{family.name}_total", f"{family.name}_count"):
                labels = tuple(sample.labels[name] for name in LABELS[family.name])
                found[family.name, labels] = sample.value
    assert found == EXPECTED


def test_opentelemetry_exports_the_same() -> None:
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    export = pytest.importorskip("opentelemetry.sdk.metrics.export")
    from ocppj.aio.opentelemetry import OpenTelemetry  # noqa: PLC0415  after the skip

    reader = export.InMemoryMetricReader()
    fill(OpenTelemetry(CODEC, meter_provider=metrics.MeterProvider([reader])))
    found, buckets = {}, {}
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
    assert [scope.scope.name for scope in scopes] == ["ocppj"]
    for metric in scopes[0].metrics:
        for point in metric.data.data_points:
            assert tuple(point.attributes) == LABELS[metric.name]
            value = point.count if metric.name == CALL_SECONDS.name else point.value
            found[metric.name, tuple(point.attributes.values())] = value
            if metric.name == CALL_SECONDS.name:
                assert metric.unit == "s"
                buckets = dict(zip(point.explicit_bounds, point.bucket_counts, strict=False))
    assert found == EXPECTED
    assert tuple(buckets) == SECONDS
    assert [bound for bound, count in buckets.items() if count] == [0.005]


def queries() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return found + [one["query"] for one in board["templating"]["list"] if one["type"] == "query"]


def test_the_dashboard_queries_metrics_and_labels_that_exist() -> None:
    families = exposed()
    names = {sample.name: family.name for family in families for sample in family.samples}
    used = set()
    for query in queries():
        found = re.findall(r"\bocppj\w*", query)
        assert found, query
        for name in found:
            assert name in names, query
            used.add(names[name])
            labels = set(re.findall(r"(\w+)(?:=~|!=|=)\"", query))
            for group in re.findall(r"by \(([\w, ]+)\)", query):
                labels |= set(group.split(", "))
            assert labels <= {*LABELS[names[name]], "job", "le"}, query
    assert used == LABELS.keys()


def test_the_dashboards_panels_are_distinct_and_name_labels_in_their_legends() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels})
    assert len(panels) == len({json.dumps(panel["gridPos"]) for panel in panels})
    for panel in panels:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), target

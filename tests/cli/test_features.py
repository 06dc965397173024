"""`ocppj features`: the actions of a version."""

from typing import Any

import pytest

from tests.cli.conftest import row


@pytest.mark.parametrize(("version", "count"), [("1.6", 39), ("2.0.1", 64), ("2.1", 91)])
def test_features_are_listed(run: Any, version: str, count: int) -> None:
    done = run("features", "--version", version)
    assert done.status == 0
    assert f"OCPP {version}: {count} actions in " in done.out
    assert row(done.out, "Heartbeat")[1:] == ["charging", "station"]
    assert row(done.out, "DataTransfer")[1:] == ["both"]


def test_a_feature_without_a_result_is_marked(run: Any) -> None:
    assert row(run("features", "-V", "2.1").out, "NotifyPeriodicEventStream")[-1] == "(SEND)"


def test_features_are_listed_as_json(run: Any) -> None:
    found = run("features", "--json", "-V", "2.1").json
    assert found["version"] == "2.1"
    entry = {"action": "Reset", "block": "provisioning", "sender": "csms", "answered": True}
    assert entry in found["features"]
    assert [entry["action"] for entry in found["features"] if not entry["answered"]] == [
        "NotifyPeriodicEventStream"
    ]

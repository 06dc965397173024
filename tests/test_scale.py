"""The arithmetic of `benchmarks.scale`, with costs that are easy to reckon with."""

import pytest

from benchmarks.scale import Plan, main, reckon

COSTS = {"process": 50.0, "gateway": 100.0, "worker": 200.0, "nats-server": 400.0}
MEASURED = {
    "latency": {"microseconds": COSTS},
    "handled": {"broker": {"in_msgs": 2, "out_msgs": 2, "in_bytes": 800, "out_bytes": 700}},
    "stored": {"microseconds": COSTS, "broker": {"in_bytes": 300}},
    "connections": {
        "plain": {"microseconds": {"nats-server": 500.0}},
        "TLS": {
            "microseconds": {"gateway": 2000.0},
            "memory": {"gateway": 1024.0, "nats-server": 2.0},
            "fleet": {"memory": 1.0, "microseconds": 10.0},
        },
    },
}
PLAN = Plan(
    stations=90_000,
    heartbeat=90,
    meter_values=10,
    charging=0.1,
    sessions=96,
    session_frames=9,
    peak=1,
    boot_frames=2,
    zones=3,
    per_gateway=10_000,
    handshakes=50,
    busy=0.5,
    replicas=2,
)


def figures(plan: Plan) -> dict[str, str]:
    return {row.name: row.value for row in reckon(plan, MEASURED)}


def test_what_a_fleet_needs() -> None:
    found = figures(PLAN)  # 900 meter values and 900 other frames per second
    assert found["Heartbeats per second"] == "1,000"
    assert found["meter values per second"] == "900"
    assert found["other frames per second"] == "900"
    assert found["broker, messages per second"] == "7,200"
    assert found["broker, MB per second"] == "2.7"
    assert found["gateways"] == "9"
    assert found["gateways, cores in use"] == "0.2"  # 0.05 + 0.18
    assert found["gateways, GiB"] == "87.9"
    assert found["workers"] == "3"  # 0.36 cores, half of each planned for, without a zone: 1.08
    assert found["nats-server, cores in use"] == "0.7"
    assert found["the same with stored meter values"] == "1.4"


def test_what_limits_the_return_of_a_zone() -> None:
    found = figures(PLAN)
    assert found["connections per second: max_handshakes"] == "300"  # 6 gateways are left
    assert found["connections per second: gateways' cores"] == "3,000"
    assert found["connections per second: presence"] == "1,000"
    assert found["minutes until all are back"] == "1.7"  # 30,000 stations
    assert found["frames to workers per second meanwhile"] == "2,400"
    rows = reckon(Plan(stations=1e6, zones=2, replicas=1), MEASURED)
    assert {row.name: row.reason for row in rows}["minutes until all are back"] == (
        "limited by presence"
    )


def test_zones_have_as_many_gateways_each() -> None:
    assert figures(Plan(stations=25_000, zones=2, per_gateway=10_000))["gateways"] == "4"


def test_own_figures(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["scale", "--stations", "30000", "--heartbeat", "10"])
    main()
    assert "| Heartbeats per second | 3,000 |" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--zones", "1"], ["--busy", "0"], ["--stations", "-5"]])
def test_figures_that_cannot_be(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["scale", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert "use at least two zones" in capsys.readouterr().err

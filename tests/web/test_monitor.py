"""What the monitor remembers is right, and bounded."""

from typing import Any

import msgspec
import pytest

from ocppj.aio import TappedFrame
from ocppj.aio.summary import Summary
from ocppj.policy import Violation
from ocppj.web import Monitor, monitor
from ocppj.web.history import History


def frame(
    station_id: str = "CS-1", data: bytes = b'[2,"i","Heartbeat",{}]', **more: Any
) -> TappedFrame:
    whole = TappedFrame(1_790_000_000.0, station_id, "in", data, 2, "Heartbeat", "", ())
    return whole._replace(**more)


def boot(vendor: Any, model: Any, station_id: str = "CS-1") -> TappedFrame:
    data = b'[2,"i","BootNotification",{"chargePointVendor":"%s","chargePointModel":"%s"}]'
    return frame(station_id, data % (vendor, model), action="BootNotification")


def test_frames_of_the_last_minute_are_counted() -> None:
    made = Monitor()
    for second in range(120):
        made(frame(time=1_790_000_000.0 + second))
    traffic = made.traffic("CS-1")
    assert traffic is not None
    assert traffic.frames == 120
    assert 50 <= traffic.rate(1_790_000_119.0) <= 70
    assert traffic.rate(1_790_000_300.0) == 0


def test_the_last_frames_of_a_station_are_kept() -> None:
    made = Monitor()
    for number in range(80):
        made(frame(data=b"[%d]" % number))
    traffic = made.traffic("CS-1")
    assert traffic is not None
    assert [one.data for one in traffic.recent] == [b"[%d]" % n for n in range(30, 80)]


def test_all_frames_together_have_a_limit_and_the_oldest_go_first() -> None:
    made = Monitor(max_bytes=10_000)
    for number in range(100):
        made(frame(f"CS-{number % 7}", b"x" * 500))
        kept = [
            len(one.data) for n in range(7) if (p := made.traffic(f"CS-{n}")) for one in p.recent
        ]
        assert sum(kept) == made._bytes <= 10_000
    assert sum(kept) == 10_000


def test_the_number_of_frames_and_stations_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "MAX_KEPT", 20)
    made = Monitor(max_stations=10)
    for number in range(100):
        made(frame(f"CS-{number}"))
        made(frame("CS-always"))
    stations = made._stations
    assert len(stations) == 10
    assert "CS-always" in stations
    assert sum(len(traffic.recent) for traffic in stations.values()) <= 20
    assert made._bytes == sum(len(f.data) for p in stations.values() for f in p.recent)
    assert len(made._kept) <= 20


def test_a_limit_of_stations_is_a_number_above_0() -> None:
    with pytest.raises(ValueError, match="max_stations=0: use 1 or more"):
        Monitor(max_stations=0)


def test_models_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "MAX_MODELS", 3)
    made = Monitor()
    violation = Violation("null", "$.x", None)
    for number in range(10):
        made(boot(b"ACME", b"M%d" % number))
        made(frame(violations=(violation,)))
    assert len({model for model, _ in made.violations}) == 4
    assert made.violations["other", "null"] == 7


STRANGE_BOOTS = [
    b"",
    b"[2]",
    b"[" * 100_000,
    b"\xff",
    b"{}",
    b'[2,"i","BootNotification",null]',
    b'[2,"i","BootNotification",{"chargingStation":null}]',
    b'[2,"i","BootNotification",{"chargingStation":[{"model":"M"}]}]',
]


@pytest.mark.parametrize("data", STRANGE_BOOTS, ids=range(len(STRANGE_BOOTS)))
def test_a_boot_that_cannot_be_read_tells_no_model(data: bytes) -> None:
    made = Monitor()
    made(frame(data=data, action="BootNotification"))
    traffic = made.traffic("CS-1")
    assert traffic is not None
    assert traffic.model == ""


def test_a_frame_that_cannot_be_read_is_shown_by_its_size() -> None:
    row = Monitor().shown(frame(data=b'[2,"SECRET', message_type=None, action=None))
    assert "frame" not in row
    assert row["size"] == 10


def test_latencies_are_those_from_call_to_answer() -> None:
    made = Monitor()
    made(frame(time=100.0))
    made(frame(time=100.03, direction="out", message_type=3))
    made(frame(time=101.0, direction="out", action="Reset"))
    made(frame(time=103.0, action="Reset", message_type=4, outcome="InternalError"))
    (row,) = made.history.rows(104.0)
    assert (row["p50"], row["p99"]) == (0.05, 2)
    assert made.refused == {}


def test_the_history_ends_after_an_hour_and_a_clock_that_is_set_back_does_no_harm() -> None:
    history = History()
    for now in (0.0, 5.0, 20.0, 3.0, 12.0, 4000.0):
        history.add(now, "in", None, refused=now == 3.0)
    assert [(row["time"], row["received"]) for row in history.rows(100.0)] == [
        (0.0, 3),
        (20.0, 2),
        (4000.0, 1),
    ]
    assert [row["time"] for row in history.rows(4000.0)] == [4000.0]


def summary(start: float = 1_000.0, **more: Any) -> Summary:
    return msgspec.structs.replace(Summary("n", start, 2, 1, [1] * 16, {}, {}), **more)


def test_the_summaries_of_nodes_are_added_up_by_their_time() -> None:
    history = History()
    for start, now in ((1_000.0, 1_010.0), (1_010.0, 1_020.0), (1_000.0, 1_020.0)):
        history.merge(summary(start), now)
    for start in (0.0, 1e10):  # a clock that is wrong
        history.merge(summary(start), 1_015.0)
    rows = history.rows(1_020.0)
    assert [(row["time"], row["received"], row["sent"]) for row in rows] == [
        (1_000.0, 4, 2),
        (1_010.0, 6, 3),
    ]
    assert rows[0]["p50"] == 0.1


def test_what_nodes_name_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "MAX_ACTIONS", 5)
    monkeypatch.setattr(monitor, "MAX_VIOLATIONS", 8)
    monkeypatch.setattr(monitor, "MAX_MODELS", 3)
    made = Monitor()
    for number in range(50):
        rules = {f"r{number}": 1, "null": 2}
        made.add(summary(refused={f"A{number}": 2}, violations={f"M{number}": rules}))
    assert len(made.refused) == 6
    assert made.refused.total() == 100
    assert len(made.violations) <= 9
    assert made.violations.total() == 150
    assert len(made._models) == 3

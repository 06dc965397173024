"""What a node sums up is right, and small."""

from typing import Any

import msgspec
import pytest

from ocppj import v16, v201
from ocppj.aio import summary as module
from ocppj.aio.summary import Summarizer, Summary
from ocppj.policy import Violation
from tests.aio.test_metrics import Counting

STATION = v201.ChargingStationType(vendor_name="ACME", model="Fast")
BOOT = v201.BootNotificationRequest(charging_station=STATION, reason="PowerUp")  # type: ignore[arg-type]
VIOLATION = Violation("null", "$.x", None)


def test_frames_latencies_refusals_and_violations_are_counted_and_passed_on() -> None:
    counting = Counting()
    made = Summarizer("n", counting)
    made.connected("CS-1", "2.0.1")
    made.booted("CS-1", BOOT)
    made.frame("CS-1", "in", 2, "Heartbeat", "")
    made.frame("CS-1", "out", 3, "Heartbeat", "")
    made.frame("CS-1", "in", 2, "Heartbeat", "FormationViolation")
    made.frame("CS-1", "in", None, None, "RpcFrameworkError")
    made.frame("CS-1", "in", 4, "Reset", "InternalError")  # an error is valid
    made.violation("CS-1", VIOLATION)
    made.violation("CS-2", VIOLATION)
    for seconds in (0.0, 0.0005, 0.3, 99.0):
        made.latency("CS-1", "in", "Heartbeat", min(seconds, 4.9), "")
    made.latency("CS-1", "out", "Reset", 4.9, "")
    made.disconnected("CS-1", "2.0.1")
    found = made.take(20.0)
    assert (found.node, found.start, found.received, found.sent) == ("n", 20.0, 4, 1)
    assert found.refused == {"Heartbeat": 1, "unknown": 1}
    assert found.violations == {"ACME Fast": {"null": 1}, "unknown": {"null": 1}}
    assert {place: n for place, n in enumerate(found.latencies) if n} == {0: 2, 9: 1, 12: 2}
    assert len(counting.told) == 14
    assert made.take(30.0) == Summary("n", 30.0, 0, 0, [0] * 16, {}, {})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Summary) == found


class Odd:
    """What a lenient codec may make of a BootNotification."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__ |= fields


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (BOOT, "ACME Fast"),
        (v16.BootNotificationRequest(charge_point_model="M", charge_point_vendor="V"), "V M"),
        (Odd(charge_point_vendor=None, charge_point_model="x" * 100_000), "x" * 50),
        (Odd(charging_station=None), "unknown"),
        (Odd(charging_station=[1]), "unknown"),
        (Odd(charging_station=Odd(vendor_name=5, model={})), "5"),
        (None, "unknown"),
    ],
    ids=range(7),
)
def test_the_model_of_a_boot_of_any_shape(request_: Any, model: str) -> None:
    made = Summarizer("n", None)
    made.booted("CS-1", request_)
    made.violation("CS-1", VIOLATION)
    assert list(made.take(0.0).violations) == [model]


def test_a_summary_is_small_whatever_stations_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 200)
    made = Summarizer("n", None)
    for number in range(1_000):
        name = f"{number:05}" * 1_000
        station = v201.ChargingStationType(vendor_name=name, model=name)
        made.booted(name, msgspec.structs.replace(BOOT, charging_station=station))
        made.violation(name, VIOLATION)
    assert len(made._models) == 200
    found = made.take(0.0)
    assert len(found.violations) == 51
    assert found.violations["other"] == {"null": 950}
    assert len(msgspec.json.encode(found)) < 10_000

"""Replays: results find their calls, faults their station, and memory is bounded."""

import io
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj.cli import pending, replay
from ocppj.cli.log import Log
from ocppj.cli.replay import NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL, UNKNOWN_MODEL, Counts, Replay
from tests.cli.test_log import MAX_SIZE, PREFIXES, frames
from tests.conftest import VERSIONS


def key(around: bytes) -> str | None:
    return around.decode() or None


class Found:
    """What a check says of some frames."""

    def __init__(self, version: str, *texts: str | bytes) -> None:
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.refused: list[tuple[int, str, str]] = []
        self.replay = Replay(ocppj.Codec(version), self.counts, self.refuse, key=key)
        self.run(*texts)

    def run(self, *texts: str | bytes, station: str = "") -> None:
        lines = [text.encode() if isinstance(text, str) else text for text in texts]
        around = station.encode()
        self.replay.run((number, line, around) for number, line in enumerate(lines, 1))

    def refuse(self, line: int, action: str, error: ocppj.DecodeError) -> None:
        self.refused.append((line, action, error.error_code))


def call(message_id: str, action: str, payload: object = None) -> str:
    return json.dumps([2, message_id, action, payload or {}])


def result(message_id: str, payload: object = None) -> str:
    return json.dumps([3, message_id, payload or {}])


TIME = {"currentTime": "2026-01-01T00:00:00Z"}
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}}
BOOTED = TIME | {"interval": 300, "status": "Accepted"}


def test_results_are_validated_against_their_calls() -> None:
    found = Found(
        "2.0.1",
        call("1", "Heartbeat"),
        call("2", "BootNotification", BOOT),
        result("2", BOOTED),
        result("1", {"wrong": 1}),
    )
    assert found.counts == {
        "Heartbeat": Counts(calls=1, refused=1),
        "BootNotification": Counts(1, 0, 1),
    }
    assert found.refused == [(4, "Heartbeat", "FormatViolation")]


def test_a_refused_call_still_has_a_result() -> None:
    found = Found("2.0.1", call("1", "Heartbeat", {"x": 1}), result("1", {"y": 1}))
    assert found.counts == {"Heartbeat": Counts(refused=2)}


def test_errors_count_for_the_action_of_their_call() -> None:
    found = Found(
        "2.0.1",
        call("1", "Heartbeat"),
        '[4,"1","InternalError","",{}]',
        call("2", "Heartbeat"),
        '[4,"2",5,"",{}]',
    )
    assert found.counts == {"Heartbeat": Counts(calls=2, errors=1, refused=1)}


def test_answers_to_no_call_are_counted_as_such() -> None:
    found = Found(
        "2.0.1",
        result("1"),
        '[4,"-1","GenericError","",{}]',
        call("2", "Heartbeat"),
        result("2", TIME),
        result("2", TIME),  # the call has had its answer
        '[3,"9",[]]',
    )
    assert found.counts[UNKNOWN_CALL] == Counts(results=2, errors=1, refused=1)


def test_frames_without_a_known_action_have_rows_of_their_own() -> None:
    found = Found(
        "2.0.1",
        call("1", "Nonsense"),
        result("1"),
        result("1"),
        "rubbish",
        '[2,"1",5,{}]',
        '[2,"1","Heartbeat"]',
        '[6,"1","NotifyPeriodicEventStream",{}]',
        call("x" * 37, "Heartbeat"),
        '[4,"1","GenericError","",{}]',
    )
    # An answer counts for what was answered, once.
    assert found.counts == {
        UNKNOWN_ACTION: Counts(refused=1, results=1),
        UNKNOWN_CALL: Counts(results=1),
        NO_ACTION: Counts(refused=5, errors=1),
    }


STREAM = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}


def test_sends_are_counted_and_never_answered() -> None:
    send = json.dumps([6, "1", "NotifyPeriodicEventStream", STREAM])
    broken = '[6,"1","NotifyPeriodicEventStream",{}]'
    found = Found("2.1", send, broken, result("1"))
    assert found.counts == {
        "NotifyPeriodicEventStream": Counts(sends=1, refused=1),
        UNKNOWN_CALL: Counts(results=1),
    }


def test_a_refused_result_counts_for_its_call() -> None:
    refusal = '[5,"1","FormatViolation","",{}]'
    found = Found("2.1", call("1", "Heartbeat"), result("1", TIME), refusal, refusal)
    assert found.counts["Heartbeat"] == Counts(calls=1, results=1, errors=1)
    assert found.counts[UNKNOWN_CALL] == Counts(errors=1)


def test_an_id_in_use_on_both_sides_finds_both_calls() -> None:
    found = Found(
        "2.0.1",
        call("1", "Heartbeat"),
        call("1", "BootNotification", BOOT),
        call("1", "ClearCache"),
        result("1", TIME),
        result("1", {"status": "Rejected"}),
        result("1", BOOTED),
        result("1", BOOTED),
    )
    one = Counts(calls=1, results=1)
    assert found.counts == {
        **dict.fromkeys(("Heartbeat", "BootNotification", "ClearCache"), one),
        UNKNOWN_CALL: Counts(results=1),
    }


def test_a_result_that_answers_neither_call_of_its_id_is_refused() -> None:
    found = Found("2.0.1", call("1", "Heartbeat"), call("1", "ClearCache"), result("1", {"x": 1}))
    assert found.refused == [(3, "ClearCache", "FormatViolation")]
    found.run(result("1", TIME))
    assert found.counts["Heartbeat"] == Counts(calls=1, results=1)


def test_a_call_that_is_sent_again_is_one_call() -> None:
    found = Found(
        "2.0.1",
        call("1", "Heartbeat"),
        call("1", "ClearCache"),
        call("1", "Heartbeat"),
        call("1", "Heartbeat"),
        result("1", TIME),
        result("1", {"status": "Accepted"}),
        result("1"),
    )
    assert found.counts["Heartbeat"] == Counts(calls=3, results=1)
    assert found.counts["ClearCache"] == Counts(calls=1, results=1)
    assert found.counts[UNKNOWN_CALL] == Counts(results=1)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_pending_calls_are_bounded(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (replay, pending):
        monkeypatch.setattr(module, "MAX_PENDING", 8)
    found = Found(version, call("0", "ClearCache"))
    found.run(*(call(str(number), "Heartbeat") for number in range(100)))
    # The newest are still known, the first is forgotten.
    found.run(result("99", {"wrong": 1}), result("0", {"wrong": 1}))
    assert [action for _, action, _ in found.refused] == ["Heartbeat"]
    found.run(*(call(str(number), "Nonsense") for number in range(100)))
    found.run(*(x for n in range(100) for x in (call(str(n), "Heartbeat"), result(str(n), TIME))))
    calls = found.replay._state(None).pending
    held = calls.newest, calls._older, found.replay._answered, found.replay._refused_calls
    assert max(map(len, held)) <= 8


def test_what_is_kept_of_stations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (replay, pending):
        monkeypatch.setattr(module, "MAX_PENDING", 8)
    monkeypatch.setattr(replay, "MAX_STATIONS", 4)
    found = Found("2.1")
    for station in range(100):
        calls = [call(f"{station}.{n}", "Heartbeat", {"x": n} if n % 2 else {}) for n in range(4)]
        found.run(*calls, call(f"{station}", "Nonsense"), station=f"CS-{station}")
        assert sum(len(state.pending) for state in found.replay._states.values()) <= 12
    kept = found.replay
    assert len(kept._states) <= 4
    assert max(map(len, (kept._callers, kept._refused_calls, kept._answered))) <= 8
    found.run(result("99.3", {"y": 1}), station="CS-99")
    assert found.refused[-1][1] == "Heartbeat"


def test_stations_may_use_the_same_ids() -> None:
    """Many count their calls from 1."""
    found = Found("2.0.1")
    for number in range(3):
        for station in ("CS-1", "CS-2"):
            found.run(call(f"{number}", "Heartbeat"), station=station)
        found.run(call(f"{number}", "ClearCache"), station="CS-3")
    for number in range(3):
        found.run(result(f"{number}", TIME), station="CS-1")
        found.run(result(f"{number}", {"status": "Accepted"}), station="CS-3")
        found.run(result(f"{number}", {"wrong": 1}), station="CS-2")
        found.run(result(f"{number}", TIME), station="CS-4")
    assert found.counts == {
        "Heartbeat": Counts(calls=6, results=3, refused=3),
        "ClearCache": Counts(calls=3, results=3),
        UNKNOWN_CALL: Counts(results=3),
    }


def test_an_answer_that_names_no_station_is_that_of_the_latest_call() -> None:
    found = Found("2.0.1")
    found.run(call("1", "Heartbeat"), call("3", "Nonsense"), station="CS-1")
    found.run(call("2", "ClearCache"), call("4", "Heartbeat"), station="CS-2")
    found.run(result("1", {"x": 1}), result("2", {"status": "Accepted"}), result("3"), result("9"))
    found.run('[4,"4","GenericError","",{}]')
    assert [action for _, action, _ in found.refused] == [UNKNOWN_ACTION, "Heartbeat"]
    assert found.counts["ClearCache"] == Counts(calls=1, results=1)
    assert found.counts[UNKNOWN_ACTION] == Counts(refused=1, results=1)
    assert found.counts["Heartbeat"] == Counts(calls=2, errors=1, refused=1)
    assert found.counts[UNKNOWN_CALL] == Counts(results=1)


def test_many_forgotten_calls_stay_cheap() -> None:
    found = Found("2.0.1")
    started = time.perf_counter()
    found.run(*(call(str(number), "Heartbeat") for number in range(200_000)))
    assert time.perf_counter() - started < 10


def test_real_frames_fare_alike_with_and_without_a_prefix() -> None:
    path = Path(__file__).parents[2] / "src/ocppj/cli/samples/session-2.0.1.jsonl"
    texts = [text for _, text, _ in Log(io.BytesIO(path.read_bytes()), MAX_SIZE)]
    plain = Found("2.0.1", *texts)
    for prefix in PREFIXES:
        data = b"\n".join(prefix.encode() + text for text in texts)
        found = Found("2.0.1", *(text for _, text in frames(data)))
        assert found.counts == plain.counts
        assert found.refused == plain.refused


class Tolerant(Found):
    """What a lenient check says of some frames."""

    def __init__(self, version: str, *texts: str | bytes, policy: Any = None) -> None:
        self.counts = defaultdict(Counts)
        self.refused = []
        self.told: list[tuple[int, str, str, list[str]]] = []
        codec = ocppj.Codec(version, policy=policy or ocppj.Policy.lenient())
        self.replay = Replay(codec, self.counts, self.refuse, self.tolerate, key=key)
        self.run(*texts)

    def tolerate(self, line: int, action: str, model: str, violations: Any) -> None:
        self.told.append((line, action, model, [violation.rule for violation in violations]))


EXTRA = call("1", "Heartbeat", {"x": 1})
TOLD = ["unknown_field"]


@pytest.mark.parametrize("version", VERSIONS)
def test_violations_have_the_model_of_the_latest_boot(version: str) -> None:
    def boot(vendor: Any, model: Any, **more: Any) -> str:
        if version == "1.6":
            names = {"chargePointVendor": vendor, "chargePointModel": model}
            return call("2", "BootNotification", names | more)
        station = {"vendorName": vendor, "model": model}
        return call("2", "BootNotification", BOOT | {"chargingStation": station} | more)

    found = Tolerant(
        version,
        EXTRA,
        boot("A", "1"),
        EXTRA,
        boot(" B\n", "2  3", x=1),
        EXTRA,
        boot("", ""),
        EXTRA,
        boot("C" * 5000, "4"),
        EXTRA,
    )
    first, *told = found.told
    assert first == (1, "Heartbeat", UNKNOWN_MODEL, TOLD)
    assert told[:4] == [
        (3, "Heartbeat", "A 1", TOLD),
        (4, "BootNotification", "B 2 3", TOLD),  # its own model already
        (5, "Heartbeat", "B 2 3", TOLD),
        (7, "Heartbeat", UNKNOWN_MODEL, TOLD),
    ]
    assert told[-1] == (9, "Heartbeat", "C" * 100, TOLD)
    assert found.refused == []


def test_each_station_has_its_model() -> None:
    def boot(model: str) -> str:
        return call("2", "BootNotification", {"chargePointVendor": "v", "chargePointModel": model})

    found = Tolerant("1.6")
    for station in "ab":
        found.run(boot(station), station=station)
    for station in "abc":
        found.run(EXTRA, station=station)
    assert [model for _, _, model, _ in found.told] == ["v a", "v b", UNKNOWN_MODEL]


@pytest.mark.parametrize(
    ("payload", "model"),
    [
        ({"chargePointVendor": "A", "chargePointModel": ["1"]}, "A"),
        ({"chargingStation": {"vendorName": "A", "model": "1"}}, "A 1"),
        ({"chargingStation": []}, UNKNOWN_MODEL),
        ({}, UNKNOWN_MODEL),
        ([], UNKNOWN_MODEL),
    ],
)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_refused_boot_tells_the_model_as_far_as_it_can(
    version: str, payload: Any, model: str
) -> None:
    refused = json.dumps([2, "2", "BootNotification", payload])
    found = Tolerant(version, call("1", "Heartbeat"), refused, EXTRA)
    assert found.told == [(3, "Heartbeat", model, TOLD)]
    assert len(found.refused) == 1


def test_a_boot_may_lack_its_station() -> None:
    policy = ocppj.Policy(missing="report", unknown_field="report")
    for version in ("1.6", "2.0.1"):
        found = Tolerant(version, call("1", "BootNotification"), EXTRA, policy=policy)
        assert [told[2] for told in found.told] == [UNKNOWN_MODEL] * 2


def test_faulty_answers_have_the_action_of_their_call() -> None:
    found = Tolerant(
        "2.1",
        call("1", "Heartbeat"),
        result("1", TIME | {"x": 1}),
        json.dumps([2, 5, "ClearCache", {}]),
        '[3,5,{"status":"Accepted"}]',
        '[5,5,"A","",{}]',
        '[4,6,"A","",{}]',
        "[3,7,{}]",
        call("8", "Heartbeat"),
        '[3,8,{"currentTime":"2026-01-01T00:00:00"}]',
    )
    assert [(line, action, rules) for line, action, _, rules in found.told] == [
        (2, "Heartbeat", TOLD),
        *((line, "ClearCache", ["message_id"]) for line in (3, 4, 5)),
        *((line, UNKNOWN_CALL, ["message_id"]) for line in (6, 7)),
        (9, "Heartbeat", ["message_id", "timestamp"]),
    ]
    assert found.refused == []
    assert found.counts["ClearCache"] == Counts(calls=1, results=1, errors=1)


def test_sends_may_be_faulty() -> None:
    found = Tolerant("2.1", json.dumps([6, "1", "NotifyPeriodicEventStream", STREAM | {"x": 1}]))
    assert found.told == [(1, "NotifyPeriodicEventStream", UNKNOWN_MODEL, TOLD)]


@pytest.mark.parametrize("setting", ["report", "accept"])
def test_a_result_goes_to_the_call_that_it_fits_best(setting: Any) -> None:
    policy = ocppj.Policy(unknown_field=setting, missing=setting)
    found = Tolerant(
        "2.0.1",
        call("1", "Heartbeat"),
        call("1", "BootNotification", BOOT),
        call("1", "ClearCache"),
        result("1", TIME),
        result("1", BOOTED | {"x": 1}),
        result("1", {"status": "Accepted"}),
        policy=policy,
    )
    assert [(line, action, rules) for line, action, _, rules in found.told] == [
        (5, "BootNotification", TOLD)
    ]
    one = Counts(calls=1, results=1)
    assert found.counts == dict.fromkeys(("Heartbeat", "BootNotification", "ClearCache"), one)


def test_a_refused_result_may_be_a_faulty_one_of_an_older_call() -> None:
    found = Tolerant(
        "2.0.1",
        call("1", "Heartbeat"),
        call("1", "ClearCache"),
        result("1", TIME | {"x": 1}),
        result("1", {"status": "Accepted"}),
    )
    assert [told[:2] for told in found.told] == [(3, "Heartbeat")]
    one = Counts(calls=1, results=1)
    assert found.counts == {"Heartbeat": one, "ClearCache": one}


def test_long_ids_are_not_kept() -> None:
    names = ["x" * pending.MAX_ID_LENGTH, "y" * (pending.MAX_ID_LENGTH + 1)]
    found = Tolerant("2.0.1", *(call(name, "Heartbeat") for name in names))
    found.run(*(call(name, "Heartbeat", []) for name in names))
    assert list(found.replay._state(None).pending.newest) == names[:1]

"""Logs: frames are found in their lines, memory is bounded, results find their calls."""

import io
import json
import time
import tracemalloc
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from ocppj import log, report
from ocppj.log import Check, Counts, Log, LogError, find
from ocppj.report import Taken, acceptance, take

BARE = b'[2,"1","Heartbeat",{}]'
RESULT = b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
MAX_SIZE = 2**20

PREFIXES = [
    "2026-01-01T10:00:00Z [INFO] CS-1 >> ",
    "[2026-01-01 10:00:00] ",
    "[2026-01-01 10:00:00][INFO]",
    "2026-01-01 10:00:00,123 [http-nio-8080-exec-1] DEBUG c.e.Ocpp - [CS-1] Received: ",
    "INFO:ocpp:CS-1: receive message ",
    "\x1b[32m10:00:00\x1b[0m [3] Thread[main,5,main] ",
    "[2] [1,234] it's [ ",
    "<-- ",
    '{"unfinished": ',
    "Größe [5]: ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "frame",
    [
        BARE,
        RESULT,
        b'[ 2 , "1", "Heartbeat", {} ]',
        b'[4, "1", "GenericError", "", {}]',
        b'[2,"1","DataTransfer",{"vendorId":"a","data":[2,"2","Heartbeat",{}]}]',
        b'[2,"1","DataTransfer",{"vendorId":"a ] [3,\\"1\\",{}] }]"}]',
        # Broken ones are found as well, so that the decoder says what is wrong with them.
        b'[2,5,"Heartbeat",{}]',
        b'[7,"1",{}]',
        b'["2","1","Heartbeat",{}]',
        b'[2.0,"1","Heartbeat",{}]',
        b'[null,"1","Heartbeat",{}]',
        b'[2,"1","Heartbeat",{"a":[1,2',
        b'[2,"1","Heartbeat"]',
        b'[2,"1","Heartbeat",{}',
        b'[2,"1","Heartbeat',
    ],
)
def test_a_frame_is_found_behind_a_prefix(prefix: str, frame: bytes) -> None:
    assert find(prefix.encode() + frame) == frame
    assert find(frame) == frame


@pytest.mark.parametrize(
    "line",
    [
        b"gw " + BARE + b" took 3 ms",
        b"gw " + BARE + b" [thread-1]",
        b"gw " + BARE + b"\x1b[0m",
        b"gw '" + BARE + b"'",
        b"gw b'" + BARE + b"' [x]",
        b'gw "' + BARE + b'" x',
        b"gw (" + BARE + b")",
        b"gw <" + BARE + b"> [3]",
        b'{"ts":1,"frame":' + BARE + b"}",
        b'{"ts":1,"frame":' + BARE + b' , "name": [1]}',
        b'2026 {"a":{"frame":' + BARE + b"}}",
        b'{"msg":"[2,\\"1\\",\\"Heartbeat\\",{}]","x":[1]}',
        b'{"msg":"in [2,\\"1\\",\\"Heartbeat\\",{}]"}',
        b't=1 msg="[2,\\"1\\",\\"Heartbeat\\",{}]" n=2',
    ],
)
def test_what_a_logger_writes_behind_a_frame_is_dropped(line: bytes) -> None:
    text = find(line)
    assert text.startswith(BARE)
    assert ocppj.Codec("2.0.1").decode(text).message_id == "1"


@pytest.mark.parametrize(
    "line",
    [
        BARE + b" took 3 ms",
        BARE + b"]",
        BARE + b",",
        BARE + b" " + BARE,
        b"gw " + BARE + b"]",
        b"gw " + BARE + b" ]",
        b"gw " + BARE + b",",
        b"gw " + BARE + b" , 3]",
        b"gw " + BARE + b"x",
        b"gw " + BARE + b"}",
        b"gw " + BARE + b" " + BARE,
        b"gw " + BARE + b" and [3,5 ",
        b"gw [" + BARE + b"]",
        b"gw '" + BARE + b"]'",
        b"\xef\xbb\xbf" + BARE,
        b'"[2,\\"1\\",\\"Heartbeat\\",{}]"',
        b'"' + BARE + b'"',
        b'["2","1","DataTransfer",{"vendorId":"a","data":' + BARE + b"}]",
        b'gw [2,5,"DataTransfer",{"vendorId":"a","data":' + BARE + b"}]",
        b't="[2,\\"1\\",\\"Heartbeat\\",{}]x" n=2',
        b't="[2,\\"1\\",\\"Heartbeat\\",{}\\q]" n=2',
        b't="[2,\\"1\\",\\"Heartbeat\\",{}',
        b"gw",
        b"gw [1, 2]",
        b"null",
        b"\x00\xff\xfe",
    ],
)
def test_nothing_that_could_belong_to_the_frame_is_dropped(line: bytes) -> None:
    with pytest.raises(ocppj.DecodeError):
        ocppj.Codec("2.0.1").decode(find(line))


@pytest.mark.parametrize("line", [b"gw", b"no frame [here]", b"[1, 2]", b"{}", b"\xff\x00"])
def test_a_line_without_a_frame_comes_whole(line: bytes) -> None:
    assert find(line) == line


@given(st.binary(max_size=60))
def test_find_takes_any_bytes(noise: bytes) -> None:
    assert find(noise) in noise or b"\\" in noise
    find(b'x [2,"' + noise)
    find(b'x [2,\\"' + noise)


HOSTILE = [
    b"x [" * 300_000,
    b'x "' + b'\\"' * 400_000,
    b'x [2,"1","A",{"a":"' + b'\\"' * 400_000 + b" z",
    b'x [2,"' + b"\\" * 900_001,
    b'x [2,\\"' + b"\\\\" * 450_000,
    b'x [2,"1",' + b"[" * 900_000,
    b'x [2,"1"' + b'"' * 900_000,
    b"[1.1" * 250_000,
    b"[" + b" " * 900_000,
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines_cost_no_more_than_long_ones(line: bytes) -> None:
    started = time.perf_counter()
    find(line)
    assert time.perf_counter() - started < 5  # quadratic would be minutes


def frames(data: bytes, max_size: int = MAX_SIZE) -> list[tuple[int, bytes]]:
    return list(Log(io.BytesIO(data), max_size))


def test_blank_lines_are_skipped_and_counted() -> None:
    data = b"\n" + BARE + b"\r\n \t \r\n\n  x " + RESULT + b"  "
    assert frames(data) == [(2, BARE), (5, RESULT)]


def test_a_byte_order_mark_is_taken_from_the_file_only() -> None:
    marked = b"\xef\xbb\xbf" + BARE + b"\n"
    assert frames(marked + marked) == [(1, BARE), (2, marked.strip())]
    assert frames(b"\xef\xbb\xbf\n" + BARE) == [(2, BARE)]


def test_size_is_what_was_read() -> None:
    data = BARE + b"\n\n" + b"x" * 20_000 + b"\n" + RESULT
    source = Log(io.BytesIO(data), 100)
    assert [number for number, _ in source] == [1, 3, 4]
    assert source.size == len(data)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n" + BARE])
@pytest.mark.parametrize("length", [5095, 5096, 5097, 20_000, 20_384, 20_385])
def test_a_long_line_comes_once_and_too_large(length: int, end: bytes) -> None:
    got = frames(b"y" * length + end, 1000)
    assert [number for number, _ in got] == ([1, 2] if end.endswith(b"]") else [1])
    with pytest.raises(ocppj.DecodeError, match="larger than 1000 bytes"):
        ocppj.Codec("2.0.1", max_size=1000).decode(got[0][1])


def test_the_largest_frame_is_found_behind_a_prefix() -> None:
    head, tail = b'[2,"1","DataTransfer",{"vendorId":"x","data":"', b'"}]'
    largest = head + b"y" * (MAX_SIZE - len(head) - len(tail)) + tail
    [(_, text)] = frames(b"2026-01-01 10:00:00 [INFO] " + largest + b"\r\n")
    assert text == largest
    ocppj.Codec("2.0.1").decode(text)


class Endless(io.RawIOBase):
    """200 MB without a line's end, and then a frame."""

    left = 200 * 2**20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.left <= 0:
            data = b"\n" + BARE if self.left == 0 else b""
            self.left = -1
        else:
            data = b"x" * min(len(buffer), self.left)
            self.left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def test_a_line_is_never_held_whole() -> None:
    stream = io.BufferedReader(Endless(), 2**18)
    tracemalloc.start()
    try:
        got = [(number, len(text)) for number, text in Log(stream, MAX_SIZE)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == [(1, MAX_SIZE + log.PREFIX_SIZE), (2, len(BARE))]
    assert peak < 8 * 2**20


class Broken(io.BytesIO):
    """A file on a disk that goes away."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line:
            raise OSError(5, "Input/output error")
        return line


def test_a_read_error_is_told_apart_from_others() -> None:
    source = iter(Log(Broken(BARE), MAX_SIZE))
    assert next(source) == (1, BARE)
    with pytest.raises(LogError, match="Input/output error"):
        next(source)


class Found:
    """What a check says of some frames."""

    def __init__(self, version: str, *texts: str | bytes) -> None:
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.refused: list[tuple[int, str, str]] = []
        self.check = Check(ocppj.Codec(version), self.counts, self.refuse)
        self.run(*texts)

    def run(self, *texts: str | bytes) -> None:
        lines = [text.encode() if isinstance(text, str) else text for text in texts]
        self.check.run(enumerate(lines, 1))

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
    assert found.counts[log.UNKNOWN_CALL] == Counts(results=2, errors=1, refused=1)


def test_frames_without_a_known_action_have_rows_of_their_own() -> None:
    found = Found(
        "2.0.1",
        call("1", "Nonsense"),
        result("1"),
        "rubbish",
        '[2,"1",5,{}]',
        '[2,"1","Heartbeat"]',
        '[6,"1","NotifyPeriodicEventStream",{}]',
        call("x" * 37, "Heartbeat"),
    )
    assert found.counts == {
        log.UNKNOWN_ACTION: Counts(refused=1),
        log.UNKNOWN_CALL: Counts(results=1),
        log.NO_ACTION: Counts(refused=5),
    }


STREAM = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}


def test_sends_are_counted_and_never_answered() -> None:
    send = json.dumps([6, "1", "NotifyPeriodicEventStream", STREAM])
    broken = '[6,"1","NotifyPeriodicEventStream",{}]'
    found = Found("2.1", send, broken, result("1"))
    assert found.counts == {
        "NotifyPeriodicEventStream": Counts(sends=1, refused=1),
        log.UNKNOWN_CALL: Counts(results=1),
    }


def test_a_refused_result_counts_for_its_call() -> None:
    refusal = '[5,"1","FormatViolation","",{}]'
    found = Found("2.1", call("1", "Heartbeat"), result("1", TIME), refusal, refusal)
    assert found.counts["Heartbeat"] == Counts(calls=1, results=1, errors=1)
    assert found.counts[log.UNKNOWN_CALL] == Counts(errors=1)


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
        log.UNKNOWN_CALL: Counts(results=1),
    }


def test_a_result_that_answers_neither_call_of_its_id_is_refused() -> None:
    found = Found("2.0.1", call("1", "Heartbeat"), call("1", "ClearCache"), result("1", {"x": 1}))
    assert found.refused == [(3, "ClearCache", "FormatViolation")]
    found.run(result("1", TIME))
    assert found.counts["Heartbeat"] == Counts(calls=1, results=1)


def test_a_call_that_is_sent_again_is_one_call() -> None:
    found = Found(
        "2.0.1",
        *(call("1", "Heartbeat"), call("1", "ClearCache")),
        *(call("1", "Heartbeat"), call("1", "Heartbeat")),
        *(result("1", TIME), result("1", {"status": "Accepted"}), result("1")),
    )
    assert found.counts["Heartbeat"] == Counts(calls=3, results=1)
    assert found.counts["ClearCache"] == Counts(calls=1, results=1)
    assert found.counts[log.UNKNOWN_CALL] == Counts(results=1)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_open_calls_are_bounded(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_PENDING", 8)
    found = Found(version, call("0", "ClearCache"))
    found.run(*(call(str(number), "Heartbeat") for number in range(100)))
    # The newest are still known, the first is forgotten.
    found.run(result("99", {"wrong": 1}), result("0", {"wrong": 1}))
    assert [action for _, action, _ in found.refused] == ["Heartbeat"]
    found.run(*(x for n in range(100) for x in (call(str(n), "Heartbeat"), result(str(n), TIME))))
    check = found.check
    held = len(check._open.newest), len(check._open._older), len(check._closed)
    assert max(held) <= 8


def test_many_forgotten_calls_stay_cheap() -> None:
    found = Found("2.0.1")
    started = time.perf_counter()
    found.run(*(call(str(number), "Heartbeat") for number in range(200_000)))
    assert time.perf_counter() - started < 10


def test_a_sample_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = iter([(number, b"x" * 100) for number in range(2000)])
    assert len(take(source)) == report.SAMPLE_FRAMES
    assert next(source)[0] == report.SAMPLE_FRAMES
    monkeypatch.setattr(report, "SAMPLE_SIZE", 250)
    assert len(take(source)) == 3
    assert take(iter([])) == []


def test_versions_are_told_apart_by_actions_and_payloads() -> None:
    old = call("1", "BootNotification", {"chargePointModel": "m", "chargePointVendor": "v"})
    new = call("2", "BootNotification", BOOT)
    newest = call("3", "BatterySwap", {})
    sample = [(1, old.encode()), (2, new.encode()), (3, newest.encode()), (4, BARE)]
    accepted = acceptance(sample, ["1.6", "2.0.1", "2.1"])
    assert accepted == dict.fromkeys(("1.6", "2.0.1", "2.1"), Taken(2))
    assert acceptance([], ["1.6"]) == {"1.6": Taken(0)}


def test_real_frames_fare_alike_with_and_without_a_prefix() -> None:
    path = Path(__file__).parent.parent / "src/ocppj/samples/session-2.0.1.jsonl"
    texts = [text for _, text in Log(io.BytesIO(path.read_bytes()), MAX_SIZE)]
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
        self.check = Check(codec, self.counts, self.refuse, self.tolerate)
        self.run(*texts)

    def tolerate(self, line: int, action: str, model: str, violations: Any) -> None:
        self.told.append((line, action, model, [violation.rule for violation in violations]))


EXTRA = call("1", "Heartbeat", {"x": 1})
TOLD = ["unknown_field"]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_violations_have_the_model_of_the_latest_boot(version: str) -> None:
    def boot(vendor: Any, model: Any, **more: Any) -> str:
        if version == "1.6":
            names = {"chargePointVendor": vendor, "chargePointModel": model}
            return call("2", "BootNotification", names | more)
        station = {"vendorName": vendor, "model": model}
        return call("2", "BootNotification", BOOT | {"chargingStation": station} | more)

    found = Tolerant(
        version,
        *(EXTRA, boot("A", "1"), EXTRA, boot(" B\n", "2  3", x=1), EXTRA),
        *(boot("", ""), EXTRA, boot("C" * 5000, "4"), EXTRA),
    )
    first, *told = found.told
    assert first == (1, "Heartbeat", log.UNKNOWN_MODEL, TOLD)
    assert told[:4] == [
        (3, "Heartbeat", "A 1", TOLD),
        (4, "BootNotification", "B 2 3", TOLD),  # its own model already
        (5, "Heartbeat", "B 2 3", TOLD),
        (7, "Heartbeat", log.UNKNOWN_MODEL, TOLD),
    ]
    assert told[-1] == (9, "Heartbeat", "C" * 100, TOLD)
    assert found.refused == []


@pytest.mark.parametrize(
    ("payload", "model"),
    [
        ({"chargePointVendor": "A", "chargePointModel": ["1"]}, "A"),
        ({"chargingStation": {"vendorName": "A", "model": "1"}}, "A 1"),
        ({"chargingStation": []}, log.UNKNOWN_MODEL),
        ({}, log.UNKNOWN_MODEL),
        ([], log.UNKNOWN_MODEL),
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
        assert [told[2] for told in found.told] == [log.UNKNOWN_MODEL] * 2


def test_faulty_answers_have_the_action_of_their_call() -> None:
    found = Tolerant(
        "2.1",
        *(call("1", "Heartbeat"), result("1", TIME | {"x": 1})),
        json.dumps([2, 5, "ClearCache", {}]),
        *('[3,5,{"status":"Accepted"}]', '[5,5,"A","",{}]', '[4,6,"A","",{}]', "[3,7,{}]"),
        *(call("8", "Heartbeat"), '[3,8,{"currentTime":"2026-01-01T00:00:00"}]'),
    )
    assert [(line, action, rules) for line, action, _, rules in found.told] == [
        (2, "Heartbeat", TOLD),
        *((line, "ClearCache", ["message_id"]) for line in (3, 4, 5)),
        *((line, log.UNKNOWN_CALL, ["message_id"]) for line in (6, 7)),
        (9, "Heartbeat", ["message_id", "timestamp"]),
    ]
    assert found.refused == []
    assert found.counts["ClearCache"] == Counts(calls=1, results=1, errors=1)


def test_sends_may_be_faulty() -> None:
    found = Tolerant("2.1", json.dumps([6, "1", "NotifyPeriodicEventStream", STREAM | {"x": 1}]))
    assert found.told == [(1, "NotifyPeriodicEventStream", log.UNKNOWN_MODEL, TOLD)]


@pytest.mark.parametrize("setting", ["report", "accept"])
def test_a_result_goes_to_the_call_that_it_fits_best(setting: Any) -> None:
    policy = ocppj.Policy(unknown_field=setting, missing=setting)
    found = Tolerant(
        "2.0.1",
        *(call("1", "Heartbeat"), call("1", "BootNotification", BOOT), call("1", "ClearCache")),
        *(result("1", TIME), result("1", BOOTED | {"x": 1}), result("1", {"status": "Accepted"})),
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
        *(call("1", "Heartbeat"), call("1", "ClearCache")),
        *(result("1", TIME | {"x": 1}), result("1", {"status": "Accepted"})),
    )
    assert [told[:2] for told in found.told] == [(3, "Heartbeat")]
    one = Counts(calls=1, results=1)
    assert found.counts == {"Heartbeat": one, "ClearCache": one}


def test_long_ids_are_not_kept() -> None:
    names = ["x" * log.MAX_ID, "y" * (log.MAX_ID + 1)]
    found = Tolerant("2.0.1", *(call(name, "Heartbeat") for name in names))
    found.run(*(call(name, "Heartbeat", []) for name in names))
    assert list(found.check._open.newest) == names[:1]


def test_a_better_guess_is_one_with_fewer_violations() -> None:
    policy = ocppj.Policy(**dict.fromkeys(log.RULES, "accept"))  # type: ignore[arg-type]
    old = json.dumps(
        [2, 1, "BootNotification", {"chargePointModel": "m", "chargePointVendor": "v"}]
    )
    taken = acceptance([(1, old.encode())], ["2.0.1", "1.6"], policy)
    assert taken["1.6"] == Taken(0, 1, -1)
    assert taken["2.0.1"] < taken["1.6"]

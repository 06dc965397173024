"""Versions are told by calls: of a log, of each station in it, of a connection."""

import io
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import ocppj
from ocppj.cli import guess
from ocppj.cli.attribution import station_key
from ocppj.cli.guess import GuessingReplay
from ocppj.cli.log import Log, LogError
from ocppj.cli.replay import Counts, Replay

NOW = "2026-01-01T00:00:00Z"
SAMPLED = {"timestamp": NOW, "sampledValue": [{"value": "1"}]}
SAMPLED_2 = {"timestamp": NOW, "sampledValue": [{"value": 1}]}
TRANSACTION = {
    "eventType": "Started",
    "timestamp": NOW,
    "triggerReason": "RemoteStart",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "t"},
}
Exchange = tuple[str, dict[str, Any], dict[str, Any]]

BOOTED = {"currentTime": NOW, "interval": 300, "status": "Accepted"}
BOOT_16 = ("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"}, BOOTED)
BOOT_2 = (
    "BootNotification",
    {"reason": "PowerUp", "chargingStation": {"vendorName": "v", "model": "m"}},
    BOOTED,
)
HEARTBEAT = ("Heartbeat", {}, {"currentTime": NOW})
STATUS_16 = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
STATUS_2 = {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
METER_16 = ("MeterValues", {"connectorId": 1, "meterValue": [SAMPLED]}, {})
SESSION_16: list[Exchange] = [
    HEARTBEAT,
    ("StatusNotification", STATUS_16, {}),
    ("Authorize", {"idTag": "A"}, {"idTagInfo": {"status": "Accepted"}}),
    METER_16,
    ("GetConfiguration", {}, {"configurationKey": [], "unknownKey": []}),
]
SESSION_2: list[Exchange] = [
    HEARTBEAT,
    ("StatusNotification", STATUS_2, {}),
    (
        "Authorize",
        {"idToken": {"idToken": "A", "type": "Central"}},
        {"idTokenInfo": {"status": "Accepted"}},
    ),
    ("MeterValues", {"evseId": 1, "meterValue": [SAMPLED_2]}, {}),
    ("TransactionEvent", TRANSACTION, {}),
]
SESSION_21: list[Exchange] = [
    *SESSION_2,
    ("AFRRSignal", {"timestamp": NOW, "signal": 1}, {"status": "Accepted"}),
]
SESSIONS = {"1.6": SESSION_16, "2.0.1": SESSION_2, "2.1": SESSION_21}
BOOTS = {"1.6": BOOT_16, "2.0.1": BOOT_2, "2.1": BOOT_2}

# A logger: station, direction and frame to a line.
Logger = Callable[[str, str, str], str]
LOGGERS: dict[str, Logger] = {
    "console": lambda s, d, f: f"2026-01-01T10:00:0{d} [INFO] {s} {'><'[int(d)] * 2} {f}",
    "python": lambda s, d, f: f"INFO:ocpp:{s}: {('receive message', 'send')[int(d)]} {f}",
    "java": lambda s, d, f: (
        f"2026-01-01 10:00:00,12{d} [http-nio-{random.randrange(9)}] DEBUG c.e.Ocpp - [{s}] "
        f"{('Received', 'Sent')[int(d)]}: {f}"
    ),
    "path": lambda s, d, f: f"[10:00:0{d}] /ocpp/{s} {f}",
    "json": lambda s, d, f: f'{{"at":"{d}","frame":{f},"station":"{s}","dir":{d}}}',
    "escaped": lambda s, d, f: json.dumps({"t": d, "msg": f, "station": s}),
    "right": lambda s, d, f: f"{('got it from', 'to')[int(d)]} {s}: {f}",
}


def session(
    station: str, exchanges: Iterable[Exchange], logger: Logger, *, ids: Iterable[int] | None = None
) -> list[str]:
    """Return the lines of a station, its messages counted."""
    numbers = iter(ids or range(1, 10_000))
    lines = []
    for action, request, response in exchanges:
        number = f"{next(numbers)}"
        lines.append(logger(station, "0", json.dumps([2, number, action, request])))
        lines.append(logger(station, "1", json.dumps([3, number, response])))
    return lines


def interleaved(sessions: list[list[str]]) -> list[str]:
    """Return the lines of several stations as they would come, each in its order."""
    order = [n for n, lines in enumerate(sessions) for _ in lines]
    random.Random(7).shuffle(order)
    rest = [iter(lines) for lines in sessions]
    return [next(rest[n]) for n in order]


def replay_all(replay: GuessingReplay, log: Log) -> None:
    sample, lines = guess.read_sample(iter(log), lambda: True)
    replay.guess(sample, station_key(sample))
    replay.run(lines)


class Guessed:
    """What is said of a log whose version is guessed."""

    def __init__(self, lines: Iterable[str], policy: ocppj.Policy | None = None) -> None:
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)
        self.refused: list[tuple[int, str, str]] = []
        self.policy = policy or ocppj.Policy.strict()
        self.replay = GuessingReplay(self.make)
        source = Log(io.BytesIO("\n".join(lines).encode()), 2**20)
        replay_all(self.replay, source)
        assert sum(self.replay.frames.values()) == sum(
            sum((c.calls, c.sends, c.results, c.errors, c.refused)) for c in self.counts.values()
        )

    def make(self, version: str) -> Replay:
        def on_refused(line: int, action: str, _: ocppj.DecodeError) -> None:
            self.refused.append((line, version, action))

        return Replay(ocppj.Codec(version, policy=self.policy), self.counts, on_refused)

    @property
    def versions(self) -> set[str]:
        return set(self.replay.frames)


def bare(_station: str, _direction: str, frame: str) -> str:
    return frame


@pytest.mark.parametrize("boots", [True, False], ids=["boots", "runs"])
@pytest.mark.parametrize("version", list(SESSIONS))
@pytest.mark.parametrize("logger", [bare, *LOGGERS.values()], ids=["bare", *LOGGERS])
def test_a_clean_log_of_one_version_is_clean(version: str, logger: Logger, *, boots: bool) -> None:
    exchanges = [BOOTS[version]] * boots + SESSIONS[version] * 3
    found = Guessed(session("CS-1", exchanges, logger))
    assert (found.refused, found.versions, found.replay.has_votes) == ([], {version}, True)
    assert not any(name.startswith("(") for name in found.counts)


@pytest.mark.parametrize("boots", [True, False], ids=["boots", "runs"])
@pytest.mark.parametrize("logger", LOGGERS.values(), ids=list(LOGGERS))
def test_stations_of_a_log_have_their_versions(logger: Logger, *, boots: bool) -> None:
    """They count their messages alike, so that the ids of calls are no help."""
    stations = {"CS-1": "1.6", "CS-2": "2.0.1", "0042": "2.1", "CS-4": "1.6", "CS-5": "2.0.1"}
    sessions = [
        session(name, [BOOTS[version]] * boots + SESSIONS[version] * 3, logger)
        for name, version in stations.items()
    ]
    # What 2.x takes, and 1.6 does not, is a fault of a station of 1.6.
    fault = session("CS-1", [("Authorize", SESSION_2[2][1], {})], logger, ids=[500])[0]
    data = session(
        "CS-4", [("DataTransfer", {"vendorId": "v", "data": {}}, {})], logger, ids=[501]
    )[0]
    lines = [*interleaved(sessions), fault, data]
    found = Guessed(lines)
    assert found.versions == {"1.6", "2.0.1", "2.1"}
    last = len(lines)
    assert found.refused == [(last - 1, "1.6", "Authorize"), (last, "1.6", "DataTransfer")]


@pytest.mark.parametrize("boots", [True, False], ids=["boots", "runs"])
def test_a_log_that_does_not_tell_its_stations_is_taken_by_their_versions(*, boots: bool) -> None:
    sessions = [
        session("", [BOOTS[version]] * boots + SESSIONS[version] * 3, bare, ids=range(at, 999_999))
        for at, version in ((10_000, "1.6"), (20_000, "2.0.1"))
    ]
    found = Guessed(interleaved(sessions))
    assert (found.refused, found.versions) == ([], {"1.6", "2.0.1"})


def test_one_boot_is_enough_where_stations_are_not_told() -> None:
    lines = session("", SESSION_2 * 9, bare)
    old = session("", SESSION_16, bare, ids=range(500, 600))
    boot = session("", [BOOT_16], bare, ids=[600])
    assert Guessed([*lines, *old]).refused != []
    assert Guessed([*lines, *boot, *old]).refused == []


def test_a_few_calls_that_look_like_another_version_are_faults() -> None:
    lines = session("", SESSION_2 * 5, bare)
    fault = json.dumps([2, "x", "Authorize", {"idTag": "A"}])
    found = Guessed([fault, *lines, fault, fault])
    assert found.versions == {"2.0.1"}
    assert [line for line, *_ in found.refused] == [1, len(lines) + 2, len(lines) + 3]


@pytest.mark.parametrize("logger", LOGGERS.values(), ids=list(LOGGERS))
def test_a_station_may_boot_with_another_version(logger: Logger) -> None:
    """It was updated."""
    other = session("CS-2", SESSION_16 * 20, logger)
    lines = session("CS-1", [BOOT_16, *SESSION_16 * 5, BOOT_2, *SESSION_2 * 9], logger)
    found = Guessed(interleaved([lines, other]))
    assert (found.refused, found.versions) == ([], {"1.6", "2.0.1"})


def test_stations_may_come_after_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guess, "MAX_SAMPLED", 20)
    logger = LOGGERS["console"]
    first = session("CS-1", SESSION_2 * 5, logger)
    for logged in (session("CS-2", SESSION_16 * 5, logger), session("CS-2", [BOOT_16], logger)):
        found = Guessed([*first, *logged, *session("CS-1", SESSION_2, logger)])
        assert (found.refused, found.versions) == ([], {"1.6", "2.0.1"})
    # What a station has shown since then counts as well.
    fault, _ = session("CS-2", [SESSION_16[2]], logger, ids=[500])
    found = Guessed([*first, *session("CS-2", SESSION_2 * 5, logger), fault])
    assert [version for _, version, _ in found.refused] == ["2.0.1"]


def test_a_first_call_that_is_faulty_decides_nothing() -> None:
    fault = session(
        "CS-1", [("SignCertificate", {"csr": "x", "certificateType": "V2GCertificate"}, {})], bare
    )
    found = Guessed([fault[0], *session("CS-1", SESSION_16 * 2, bare)])
    assert found.versions == {"1.6"}
    assert [line for line, *_ in found.refused] == [1]


def test_faulty_calls_tell_a_version_too() -> None:
    status = ("StatusNotification", {**STATUS_16, "status": "available", "info": None}, {})
    lines = session("", [status] * 3, bare)
    found = Guessed(lines)
    assert [version for _, version, _ in found.refused] == ["1.6"] * 3
    found = Guessed(lines, ocppj.Policy.lenient())
    assert (found.refused, found.versions) == ([], {"1.6"})


def test_what_tells_nothing_is_of_the_default_version() -> None:
    data = ("DataTransfer", {"vendorId": "v", "data": {"x": 1}}, {"status": "Accepted"})
    found = Guessed(session("", [HEARTBEAT, data], bare))
    assert (found.refused, found.replay.frames) == ([], {"2.0.1": 4})
    assert not found.replay.has_votes
    found = Guessed([])
    assert found.replay.frames == {"2.0.1": 0}


def test_frames_that_only_one_version_has_tell_it() -> None:
    stream = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 0, "v": "1"}]}
    for frame in (
        [6, "1", "NotifyPeriodicEventStream", stream],
        [5, "1", "FormatViolation", "", {}],
    ):
        found = Guessed([json.dumps(frame)])
        assert (found.refused, found.versions) == ([], {"2.1"})


def test_results_are_of_the_version_of_their_call() -> None:
    """Though the line of the answer may name another station, or none."""
    logger = LOGGERS["console"]
    lines = interleaved(
        [
            session("CS-1", SESSION_16 * 4, logger, ids=range(100, 200)),
            session("CS-2", SESSION_2 * 9, logger, ids=range(200, 300)),
        ]
    )
    late = [
        bare("", "", line[line.index("[", 30) :]) if "[3," in line else line
        for line in session("CS-1", SESSION_16, logger, ids=range(300, 400))
    ]
    wrong = [
        '[2,"900","Authorize",{"idTag":"A"}]',
        '[3,"900",{"idTokenInfo":{"status":"Accepted"}}]',
    ]
    found = Guessed([*lines, *late, "2026-01-01T10:00:00 [INFO] CS-1 >> " + wrong[0], wrong[1]])
    assert found.refused == [(len(lines) + len(late) + 2, "1.6", "Authorize")]


def test_a_log_that_breaks_off_is_checked_so_far() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if line := super().readline(size):
                return line
            raise OSError(5, "Input/output error")

    data = "\n".join(session("", SESSION_16, bare)).encode() + b"\n"
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    replay = GuessingReplay(lambda version: Replay(ocppj.Codec(version), counts, print))
    with pytest.raises(LogError, match="Input/output error"):
        replay_all(replay, Log(Broken(data), 1000))
    assert replay.frames == {"1.6": 2 * len(SESSION_16)}


def test_the_sample_is_bounded_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = [(number, b"x" * 100, b"") for number in range(2000)]
    sample, lines = guess.read_sample(iter(logged), lambda: True)
    assert len(sample) == guess.MAX_SAMPLED
    assert list(lines) == logged
    monkeypatch.setattr(guess, "MAX_SAMPLE_SIZE", 250)
    assert len(guess.read_sample(iter(logged), lambda: True)[0]) == 3
    there = iter([True, True, False])
    sample, lines = guess.read_sample(iter(logged), lambda: next(there))
    assert (sample, next(lines)) == (logged[:2], logged[0])
    assert guess.read_sample(iter([]), lambda: True)[0] == []


def test_what_is_kept_of_stations_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guess, "MAX_STATIONS", 8)
    monkeypatch.setattr(guess, "MAX_SAMPLED", 80)
    logger = LOGGERS["console"]
    first = interleaved([session(f"CS-{n}", SESSION_2 * 2, logger) for n in range(4)])
    more = [line for n in range(100) for line in session(f"X-{n}", SESSION_16, logger)]
    found = Guessed([*first, *more])
    assert found.refused == []
    assert len(found.replay._stations) <= 8


def test_calls_that_no_version_takes_are_not_looked_at_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guess, "MAX_SAMPLED", 1)
    monkeypatch.setattr(guess, "MAX_ABSTENTIONS", 10)
    nonsense = session("", [("Nonsense", {}, {})] * 50, bare)[::2]
    found = Guessed([*nonsense, *session("", [BOOT_16, *SESSION_16], bare)])
    [station] = found.replay._stations.values()
    assert station.abstentions == 10
    assert found.versions == {"1.6", "2.0.1"}  # a BootNotification still votes
    assert {action for *_, action in found.refused} == {"(unknown action)"}


# --- the key of a station -------------------------------------------------------------------------


def keys(lines: Iterable[str]) -> list[Any]:
    sample = list(Log(io.BytesIO("\n".join(lines).encode()), 2**20))
    key = station_key(sample)
    return [key(around) for _, _, around in sample]


@pytest.mark.parametrize("logger", LOGGERS.values(), ids=list(LOGGERS))
def test_a_station_has_one_key_and_no_other_has_it(logger: Logger) -> None:
    stations = [f"CS-{n}" for n in range(9)]
    lines = interleaved([session(name, SESSION_16 * 3, logger) for name in stations])
    found: defaultdict[Any, set[str]] = defaultdict(set)
    for line, key in zip(lines, keys(lines), strict=True):
        found[key] |= {name for name in stations if name in line}
    assert sorted(map(sorted, found.values())) == [[name] for name in stations]


def test_what_is_new_with_each_call_is_no_station() -> None:
    lines = [
        f"trace-{number // 2} {line}"
        for number, line in enumerate(session("", SESSION_16 * 4, bare))
    ]
    assert set(keys(lines)) == {None}
    assert set(keys([])) == set()
    assert set(keys(session("", SESSION_16, bare))) == {None}
    calls = session("CS-1", SESSION_16, LOGGERS["python"])[::2]
    assert set(keys(calls)) == {None}  # no answers, and so nothing to compare


def test_dates_and_times_are_no_stations() -> None:
    lines = []
    for number, line in enumerate(session("", SESSION_16 * 20, bare)):
        minute, second = divmod(number // 2 * 31, 60)
        lines.append(f"2026-01-01 10:{minute % 60:02}:{second:02}.{number:03} {line}")
    assert len(set(keys(lines))) == 1


def test_text_around_frames_may_be_anything() -> None:
    noise = random.Random(3)
    lines = [bytes(noise.randrange(256) for _ in range(60)).replace(b"\n", b"") for _ in range(50)]
    data = b"\n".join(line + b' [2,"1","Heartbeat",{}] ' + line for line in lines)
    sample = list(Log(io.BytesIO(data), 2**20))
    key = station_key(sample)
    assert all(key(line) is None for line in (*lines, b"", b"x" * 1_000_000))

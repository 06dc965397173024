"""What is collected of logs: exchanges of stations, latencies, refusals; and its bounds."""

import gc
import io
import json
import tracemalloc
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import ocppj
from ocppj.cli.attribution import station_key
from ocppj.cli.log import Log, LogError
from ocppj.cli.page import history as module
from ocppj.cli.page.history import OTHER_REFUSALS, OTHERS, History, Station
from ocppj.cli.page.session import FAULTY, FIRST, LAST, REFUSED, TOLERATED, VALID, Exchange, Session
from ocppj.cli.replay import Counts, Replay

NOW = {"currentTime": "2026-01-01T00:00:00Z"}
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}}


def line(seconds: float, station: str, *frame: object) -> str:
    return f"2026-01-01T10:00:{seconds:06.3f}Z {station} {json.dumps(frame)}"


def heartbeat(seconds: float, station: str, number: int, latency: float = 0.5) -> list[str]:
    return [
        line(seconds, station, 2, f"{number}", "Heartbeat", {}),
        line(seconds + latency, station, 3, f"{number}", NOW),
    ]


def collect(*texts: str, version: str = "2.0.1", history: History | None = None) -> History:
    """Return the history of a log, as `ocppj check` makes it."""
    made = History() if history is None else history
    sample = list(Log(io.BytesIO("\n".join(texts).encode()), 2**20))
    policy = ocppj.Policy(unknown_field="report", null="accept")

    def on_frame(number: int, frame: Any, action: str, model: str) -> None:
        made.note(number, frame, action, model, version)

    def on_tolerated(*arguments: Any) -> None:
        if any(violation.rule == "unknown_field" for violation in arguments[3]):
            made.tolerate()

    counts: defaultdict[str, Counts] = defaultdict(Counts)
    replay = Replay(
        ocppj.Codec(version, policy=policy), counts, lambda *_: None, on_tolerated, on_frame
    )
    replay.run(made.watch("a.log", sample, station_key(sample)))
    return made


def exchanges(station: Station) -> list[Exchange]:
    assert station.session is not None
    return [exchange for _, exchange in station.session.entries()]


def test_a_call_and_its_answer_are_an_exchange() -> None:
    boot = line(1, "CS-1", 2, "7", "BootNotification", BOOT)
    booted = line(1.25, "CS-1", 3, "7", NOW | {"interval": 300, "status": "Accepted"})
    trigger = line(2, "CS-1", 2, "c1", "TriggerMessage", {"requestedMessage": "Heartbeat"})
    error = line(2.125, "CS-1", 4, "c1", "InternalError", "busy", {})
    found = collect(boot, booted, trigger, error, *heartbeat(3, "CS-2", 7))
    first, second = found.stations
    assert (first.model, first.version, first.counts) == ("v m", "2.0.1", [4, 0, 0])
    assert (first.last or 0) - (first.first or 0) == 1.125
    one, two = exchanges(first)
    assert (one.line, one.sender, one.action) == (1, "charging_station", "BootNotification")
    assert (one.answer, one.latency, one.outcome) == ("result", 0.25, VALID)
    assert (two.sender, two.answer, two.latency) == ("csms", "InternalError", 0.125)
    assert (second.model, [exchange.latency for exchange in exchanges(second)]) == ("", [0.5])
    assert found.latencies["Heartbeat"].count == 1
    assert found.unanswered.total() == found.untimed == 0


def test_both_ends_may_use_an_id() -> None:
    found = collect(
        line(1, "CS-1", 2, "1", "Heartbeat", {}),
        line(3, "CS-1", 2, "1", "ClearCache", {}),
        line(3.5, "CS-1", 3, "1", {"status": "Accepted"}),
        line(5, "CS-1", 3, "1", NOW),
    )
    [station] = found.stations
    assert [(exchange.action, exchange.latency) for exchange in exchanges(station)] == [
        ("Heartbeat", 4.0),
        ("ClearCache", 0.5),
    ]


def test_refused_and_tolerated_frames_are_marked() -> None:
    texts = [
        *heartbeat(0, "CS-1", 9),
        line(1, "CS-1", 2, "1", "Heartbeat", {"x": 1}),
        line(2, "CS-1", 3, "1", {"wrong": NOW}),
        line(3, "CS-1", 2, "2", "Heartbeat", None),
        line(3, "CS-1", 3, "2", NOW),
        line(4, "CS-1", 2, "3", "Nonsense", {}),
        line(5, "CS-1", 4, "3", "NotImplemented", "", {}),
        line(6, "CS-1", 3, "99", {}),
    ]
    found = collect(*texts)
    [station] = found.stations
    _, one, two, three, four = exchanges(station)
    assert (one.outcome, one.answer) == (REFUSED, "result")
    assert one.problem.startswith("FormatViolation: unknown field wrong")
    assert (two.outcome, two.answer) == (VALID, "result")  # accepted silently
    assert (three.action, three.outcome, three.answer) == (
        "(unknown action)",
        REFUSED,
        "NotImplemented",
    )
    assert (four.action, four.is_call, four.answer) == ("(unknown call)", False, "")
    assert station.counts == [6, 1, 2]
    places = {action: refusals.places for (action, *_), refusals in found.refusals.items()}
    assert places == {"Heartbeat": ["a.log:4"], "(unknown action)": ["a.log:7"]}


def test_calls_without_an_answer_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 4)
    calls = [line(n, "CS-1", 2, f"{n}", "Heartbeat", {}) for n in range(10)]
    again = line(11, "CS-1", 2, "9", "Heartbeat", {})
    found = collect(*calls, again, line(12, "CS-1", 3, "9", NOW))
    assert found.unanswered == {"Heartbeat": 10}
    assert found.latencies["Heartbeat"].maximum == 1.0


def test_calls_are_answered_in_their_own_log() -> None:
    call, answer = heartbeat(1, "CS-1", 1)
    found = collect(answer, history=collect(call))
    assert found.unanswered == {"Heartbeat": 1}
    assert found.latencies == {}
    assert found.lines.span == (1, 3)


def test_a_log_that_cannot_be_read_on_leaves_its_beginning() -> None:
    def lines() -> Iterator[tuple[int, bytes, bytes]]:
        yield 1, b"", b"10:00:00.5 "
        raise LogError("Input/output error")

    found = History()
    watched = found.watch("a.log", lines(), lambda _: None)
    next(watched)
    found.note(1, ocppj.Codec("1.6").decode('[2,"1","Heartbeat",{}]'), "Heartbeat", "", "1.6")
    with pytest.raises(LogError):
        next(watched)
    assert found.unanswered == {"Heartbeat": 1}
    assert found.has_fraction


def test_equal_exchanges_in_a_row_are_shown_as_one() -> None:
    texts = [text for n in range(50) for text in heartbeat(n, "CS-1", n, latency=n / 100)]
    [station] = collect(*texts).stations
    [exchange] = exchanges(station)
    assert (exchange.count, exchange.latency, exchange.line) == (
        50,
        pytest.approx(0.49, abs=1e-6),
        1,
    )


def test_a_session_keeps_its_ends_and_faulty_exchanges() -> None:
    session = Session()
    for number in range(1000):
        outcome = REFUSED if number % 50 == 0 else TOLERATED
        session.add(Exchange(number, None, "csms", "Reset", False, outcome=outcome))
    numbers = [number for number, _ in session.entries()]
    assert numbers == [
        *range(FIRST),
        *range(50, 50 * FAULTY + 1, 50),
        *range(1000 - LAST, 1000),
    ]
    assert [exchange.line for _, exchange in session.entries()] == numbers


def log_of(stations: int, calls: int) -> Iterable[str]:
    for number in range(calls):
        for station in range(stations):
            frame = [2, f"{number}", "Heartbeat", {f"field{number}": station} if number % 2 else {}]
            yield line(number % 60, f"CS-{station}", *frame)
            yield line(number % 60, f"CS-{station}", 3, f"{number}", NOW)


def test_stations_sessions_and_refusals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STATIONS", 20)
    monkeypatch.setattr(module, "MAX_SESSIONS", 5)
    monkeypatch.setattr(module, "MAX_GROUPS", 3)
    texts = [text.replace("Heartbeat", "Nonsense") for text in log_of(30, 4)]
    found = collect(*texts)
    assert len(found.stations) == 21
    assert found.stations[-1].key == (OTHERS,)
    assert sum(found.stations[-1].counts) == 10 * 8
    assert found.stations[-1].session is None
    assert sum(station.session is not None for station in found.stations) == 10
    assert len(collect(*log_of(2, 30), version="1.6").refusals) == 0
    names = [line(1, "CS-1", 2, f"{n}", "Reset", {"type": n, "x": 1}) for n in range(3)]
    several = [line(1, "CS-1", 2, f"{n}", f"Bad{'abcdefgh'[n]}", {}) for n in range(8)]
    refusals = collect(*names, *several).refusals
    assert len(refusals) == 4
    assert list(refusals)[-1] == OTHER_REFUSALS
    assert sum(group.count for group in refusals.values()) == 11


def test_memory_does_not_grow_with_the_log() -> None:
    def peak(calls: int) -> int:
        texts = list(log_of(10, calls))
        tracemalloc.start()
        try:
            found = collect(*texts)
            gc.collect()
            size = tracemalloc.get_traced_memory()[0]
            assert found.lines.count == 20 * calls
            return size
        finally:
            tracemalloc.stop()

    peak(10)
    few, many = peak(100), peak(400)
    assert many - few < 6000 * 10  # a list of the frames takes some 200 bytes for each

"""Times of lines, in the formats of many loggers."""

import random

import pytest

from ocppj.cli.page import clock
from ocppj.cli.page.clock import DAY, Clock
from ocppj.cli.page.times import clock_text, day_text, latency_text, width_text

MORNING = 1_773_474_001.0  # 2026-03-14 07:40:01 UTC


@pytest.mark.parametrize(
    ("around", "fraction"),
    [
        (b"2026-03-14T07:40:01Z [INFO] CS-1 >> ", 0),
        (b"2026-03-14 07:40:01,250 INFO  [CS-1] received ", 0.25),
        (b"[2026/03/14:07:40:01.5] ", 0.5),
        (b"2026-03-14T09:40:01.125+02:00 CS-1 ", 0.125),
        (b"2026-03-14 02:10:01-0530 ", 0),
        (b'{"station":"CS-2026","at":"2026-03-14T07:40:01.000001Z","frame":', 0.000001),
        (b"1773474001 CS-1 ", 0),
        (b"1773474001.75 CS-1 ", 0.75),
        (b'{"ts":1773474001250,"id":', 0.25),
        (b"t=1773474001000250 ", 0.00025),
        (b"t=1773474001000000500 ", 0.0000005),
    ],
)
def test_a_time_with_a_date_counts_from_1970(around: bytes, fraction: float) -> None:
    reader = Clock()
    assert reader.read(around) == pytest.approx(MORNING + fraction, abs=1e-9)
    assert reader.has_date
    assert reader.has_fraction is (fraction != 0)


def test_a_time_without_a_date_counts_from_midnight_and_passes_it() -> None:
    reader = Clock()
    times = [b"[23:59:58.5] x", b"[23:59:59] x", b"[00:00:01] x", b"[23:59:59] late", b"[00:00:02]"]
    seconds = [DAY - 1.5, DAY - 1, DAY + 1, 2 * DAY - 1, 2 * DAY + 2]
    assert [reader.read(text) for text in times] == seconds
    assert not reader.has_date


@pytest.mark.parametrize(
    "around",
    [b"", b"CS-1 ", b"10:20 ", b"12:34:56:78 ", b"1:2:3.4.5", b"999999999999 ", b"192.168.1.17 "],
)
def test_other_text_has_no_time(around: bytes) -> None:
    assert Clock().read(around) is None


@pytest.mark.parametrize(
    "text", [b"2026-13-14 00:00:00", b"1969-12-31 00:00:00", b"0000-00-00 00:00:00"]
)
def test_a_date_that_does_not_exist_is_no_time(text: bytes) -> None:
    assert Clock().read(text) is None


def test_the_first_time_decides_on_the_format() -> None:
    reader = Clock()
    assert reader.read(b"no time") is None
    assert reader.read(b"2026-03-14 07:40:01 x") == MORNING
    assert reader.read(b"08:00:00 x") is None
    assert reader.read(b"2026-03-14 07:40:02 x") == MORNING + 1


def test_any_text_has_a_time_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "MAX_DAYS", 3)
    noise = random.Random(5)
    for _ in range(3000):
        reader = Clock()
        text = "".join(noise.choices("0123456789-:.,TZ+ /", k=noise.randrange(60))).encode()
        for part in (text, b"2026-03-14 07:40:01" + text, text + b"1773474001"):
            time = reader.read(part)
            if time is not None:
                assert day_text(time, has_date=reader.has_date)
                assert clock_text(time)
        assert len(reader._days) <= 3


def test_times_have_a_text() -> None:
    assert day_text(MORNING, has_date=True) == "2026-03-14"
    assert day_text(DAY + 1, has_date=False) == "day 2"
    assert clock_text(MORNING + 0.25) == "07:40:01.250"
    assert clock_text(MORNING, "minutes") == "07:40"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "< 1 ms"),
        (0.00014, "< 1 ms"),
        (0.00071, "0.7 ms"),
        (0.0042, "4 ms"),
        (0.9994, "999 ms"),
        (0.9999, "1 s"),
        (1.234, "1.23 s"),
        (120.0, "120 s"),
        (12345.6, "12,346 s"),
    ],
)
def test_latencies_have_a_text(seconds: float, text: str) -> None:
    assert latency_text(seconds) == text
    assert latency_text(0.5, has_fraction=False) == "< 1 s"


def test_widths_have_a_text() -> None:
    widths = (1, 300, 7200, DAY, 2 * DAY)
    assert [*map(width_text, widths)] == ["1 s", "5 min", "2 h", "day", "2 days"]

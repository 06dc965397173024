"""Limits against abuse: frames of a station, and handshakes."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ocppj.aio import CSMS, TappedFrame
from ocppj.aio.rate import TokenBucket
from ocppj.aio.stations import StationLink
from ocppj.aio.throttle import BURST, ThrottledLink
from tests.aio.ends import ENDS, End, until
from tests.aio.wire import HEARTBEAT, UNLOCK, Central, Raw, dial

RATE = 0.5
CAPACITY = int(RATE * BURST)
TRANSFER = [2, "h", "DataTransfer", {"vendorId": "us"}]
TOO_MANY = [4, "h", "GenericError", "more than 0.5 frames a second", {}]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("ocppj.aio.rate.monotonic", lambda: now[0])
    return now


def test_events_per_second(clock: list[float]) -> None:
    bucket = TokenBucket(10, burst=1)
    assert [bucket.take() for _ in range(12)] == [True] * 10 + [False] * 2
    clock[0] += 0.25
    assert not bucket.full
    assert [bucket.take() for _ in range(4)] == [True] * 2 + [False] * 2
    clock[0] += 100
    assert bucket.full
    assert [bucket.take() for _ in range(11)] == [True] * 10 + [False]
    slow = TokenBucket(0.5, burst=1)
    assert [slow.take(), slow.take()] == [True, False]
    clock[0] += 2
    assert slow.take()


async def answers(raw: Raw, number: int) -> list[Any]:
    for _ in range(number):
        raw.send(HEARTBEAT)
    return [await raw.message() for _ in range(number)]


def test_frames_over_the_limit_are_rejected_and_the_rest_is_handled(end: End) -> None:
    shown: list[TappedFrame] = []

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_frames=RATE, tap=shown.append)
        async with end.listen(csms) as server, dial(server) as raw, dial(server, "/CS-2") as other:
            async with asyncio.timeout(5):
                within = [await answers(raw, 1) for _ in range(CAPACITY)]
                assert [one[0][0] for one in within] == [3] * CAPACITY
                assert await answers(raw, 2) == [TOO_MANY] * 2
                raw.send(b'["no frame"')  # dropped: it would be answered otherwise
                raw.send([6, "1", "NotifyPeriodicEventStream", {}])
                assert await answers(raw, 1) == [TOO_MANY]
                assert (await answers(other, 1))[0][0] == 3  # each station has its own limit

    end.run(main())
    ours = [(one.direction, one.outcome) for one in shown if one.station_id == "CS-1"]
    rejected = [("in", "GenericError"), ("out", "GenericError")]
    assert ours[: 2 * CAPACITY] == [("in", ""), ("out", "")] * CAPACITY
    assert sorted(ours[2 * CAPACITY :]) == sorted([*rejected * 3, rejected[0], rejected[0]])


def test_a_station_that_goes_on_is_closed(end: End) -> None:
    handler = Central()

    async def main() -> None:
        csms = CSMS({"2.0.1": handler}, max_frames=RATE)
        async with end.listen(csms) as server, dial(server) as raw:
            for _ in range(CAPACITY * 2 + 20):
                raw.send(TRANSFER)
            kinds = [(await raw.message())[0] for _ in range(CAPACITY * 2)]
            assert kinds == [3] * CAPACITY + [4] * CAPACITY
            assert await raw.close_code() == 1008
            await until(lambda: not csms.stations)
            await handler.gone.wait()

    end.run(main())


def test_a_station_that_goes_on_causes_two_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "ocppj.aio"):
        test_a_station_that_goes_on_is_closed(ENDS["websockets"])
    lines = [one.message for one in caplog.records if "frames a second" in one.message]
    assert lines == [
        "CS-1: more than 0.5 frames a second",
        f"CS-1: more than 0.5 frames a second: {CAPACITY + 1} times",
    ]


def test_a_pause_forgives(end: End, clock: list[float]) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_frames=RATE)
        async with end.listen(csms) as server, dial(server) as raw:
            for _ in range(3):
                for number in range(CAPACITY * 2):
                    answer = (await answers(raw, 1))[0]
                    assert answer[0] == (3 if number < CAPACITY else 4)
                clock[0] += BURST

    end.run(main())


def test_the_answer_to_our_call_counts_over_the_limit(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_frames=RATE)
        async with end.listen(csms) as server, dial(server) as raw:
            for _ in range(CAPACITY + 1):
                await answers(raw, 1)
            station = csms.stations["CS-1"]
            call = asyncio.create_task(station.call(UNLOCK))
            message_id = (await raw.message())[1]
            raw.send([3, "another", {"status": "Unlocked"}])
            raw.send([3, message_id, {"status": "Unlocked"}])
            assert (await call).status.value == "Unlocked"

    end.run(main())


@pytest.mark.parametrize(("rate", "link"), [(None, StationLink), (5, ThrottledLink)])
def test_without_a_limit_nothing_is_paid(rate: float | None, link: type[StationLink]) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_frames=rate)
        async with csms.listen("127.0.0.1") as server, dial(server):
            assert type((await csms.station("CS-1"))._link) is link

    asyncio.run(main())


def test_handshakes_over_the_limit_are_unavailable(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_handshakes=3)
        async with end.listen(csms) as server, AsyncExitStack() as stack:
            statuses = []
            for number in range(8):
                raw = await stack.enter_async_context(dial(server, f"/CS-{number}"))
                statuses.append(raw.status)
                if raw.status == 503:
                    assert int(raw.headers["retry-after"]) > 0
            assert 3 <= statuses.count(101) <= 5
            assert statuses.count(101) + statuses.count(503) == 8
            await asyncio.sleep(0.4)
            async with dial(server, "/CS-9") as raw:
                assert raw.status == 101

    end.run(main())


def test_the_listeners_of_a_csms_share_its_handshakes(clock: list[float]) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_handshakes=1)
        async with csms.listen("127.0.0.1") as one, csms.listen("127.0.0.1") as two:
            async with dial(one) as raw:
                assert raw.status == 101
            async with dial(two) as raw:
                assert raw.status == 503

    asyncio.run(main())


@pytest.mark.parametrize("name", ["max_frames", "max_handshakes"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_limits_are_above_0(name: str, value: float) -> None:
    limits: Any = {name: value}
    with pytest.raises(ValueError, match=f"{name}=.*: use more than 0"):
        CSMS({"2.0.1": Central()}, **limits)

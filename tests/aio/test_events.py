"""Who connects and who leaves."""

import asyncio
from datetime import UTC, datetime

import pytest

from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, Directory, EventsLost, StationEvent
from ocppj.aio import events as module
from ocppj.aio.events import EventHub
from tests.aio.ends import End, until
from tests.aio.wire import UNLOCK, Central, Charger


def test_a_csms_tells_who_connects_and_who_leaves(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        directory: Directory = csms
        events = directory.events()
        async with end.listen(csms) as server:
            for _ in range(2):
                station = ChargingStation("CS-1", {"2.0.1": Charger()})
                before = datetime.now(UTC)
                async with end.connect(station, server):
                    await directory.station("CS-1", timeout=None)
                    info = directory.stations["CS-1"]
                    assert (info.id, info.version, info.node) == ("CS-1", "2.0.1", "")
                    assert before <= info.since <= datetime.now(UTC)
                    assert info.address.startswith("127.0.0.1:")
                    answer = await directory.call("CS-1", UNLOCK)
                    assert answer.status is v201.UnlockStatusEnumType.UNLOCKED
                await until(lambda: not csms.stations)
        seen = [await anext(events) for _ in range(4)]
        assert [event.type for event in seen] == ["connected", "disconnected"] * 2
        assert {(event.station_id, event.version) for event in seen} == {("CS-1", "2.0.1")}
        assert seen[0].generation == seen[1].generation < seen[2].generation
        assert seen[1].reason
        assert not seen[0].reason

    end.run(main())


def event(number: int) -> StationEvent:
    return StationEvent("connected", "CS-1", "2.0.1", "", number, datetime.now(UTC))


def test_a_reader_that_falls_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNREAD", 3)

    async def main() -> None:
        hub = EventHub()
        slow, quick = hub.stream(), hub.stream()
        for number in range(4):
            hub.put(event(number))
            assert (await anext(quick)).generation == number
        with pytest.raises(EventsLost, match="more than 3"):
            await anext(slow)
        hub.put(event(4))
        with pytest.raises(EventsLost):
            await anext(slow)

    asyncio.run(main())


def test_a_stream_ends_after_what_it_has() -> None:
    async def main() -> None:
        hub = EventHub()
        stream = hub.stream()
        hub.put(event(1))
        hub.close()
        assert [one.generation async for one in stream] == [1]
        waiting = asyncio.ensure_future(anext(later := hub.stream()))
        await asyncio.sleep(0)
        later.close()
        with pytest.raises(StopAsyncIteration):
            await waiting

    asyncio.run(main())


def test_nothing_is_kept_for_a_stream_that_nobody_has() -> None:
    hub = EventHub()
    stream = hub.stream()
    assert hub
    del stream
    assert not hub

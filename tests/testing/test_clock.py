"""A clock that is moved by hand."""

import asyncio

import pytest

import ocppj
from ocppj.aio import CSMS, Backoff, ChargingStation
from ocppj.testing import connected, manual_clock
from tests.aio.ends import uvloop
from tests.aio.wire import BOOT, UNLOCK, Central, Charger


def test_time_stands_until_it_is_moved() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with manual_clock() as clock:
            start = loop.time()

            def fire() -> None:
                fired.append(round(loop.time() - start, 3))

            loop.call_later(10, fire)
            loop.call_later(5, lambda: (fire(), loop.call_later(3, fire)))
            cancelled = loop.call_later(1, fire)
            cancelled.cancel()
            await clock.advance(4.9)
            assert fired == []
            assert loop.time() == clock.now == start + 4.9
            await clock.advance(0.1)
            assert fired == [5]
            await clock.advance(100)
            assert fired == [5, 8, 10]  # each at its own time
            with pytest.raises(ValueError, match="does not go back"):
                await clock.advance(-1)
        assert loop.time() < start + 50

    fired: list[float] = []
    asyncio.run(main())


def test_a_call_times_out_without_waiting() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, timeout=30)
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        with manual_clock() as clock:
            async with connected(csms, station) as wire:
                wire.drop(action="UnlockConnector")
                call = asyncio.create_task(csms.call("CS-1", UNLOCK))
                await clock.advance(29.9)
                assert not call.done()
                await clock.advance(0.2)
                with pytest.raises(ocppj.CallTimeout):
                    await call

    asyncio.run(main())


def test_a_station_reconnects_without_waiting() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        backoff = Backoff(minimum=600, random_range=0)
        with manual_clock() as clock:
            async with connected(csms, station, backoff=backoff) as wire:
                wire.cut()
                await clock.advance(599)
                assert not station.connected
                await clock.advance(2)
                assert station.connected
                await station.call(BOOT)

    asyncio.run(main())


def test_other_loops_keep_their_own_time() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"the time of uvloop.*cannot be moved"), manual_clock():
            raise AssertionError

    with asyncio.Runner(loop_factory=uvloop) as runner:
        runner.run(main())

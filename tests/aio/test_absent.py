"""Calls that are kept until their station is back."""

import asyncio
import math
from contextlib import AsyncExitStack
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, Backoff, ChargingStation, Directory
from ocppj.testing import connected
from tests.aio.ends import End, until
from tests.aio.wire import RESET, UNLOCK, Central, Charger, Gate

QUICK = Backoff(minimum=0.01, random_range=0.01)


class Noting(Charger):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_unlock_connector(self, request: Any) -> Any:
        self.seen.append(request.evse_id)
        return super().on_unlock_connector(request)


class NotingGate(Noting, Gate):
    """Answers `Reset` when it may."""

    def __init__(self) -> None:
        Noting.__init__(self)
        Gate.__init__(self)


def unlock(number: int) -> v201.UnlockConnectorRequest:
    return v201.UnlockConnectorRequest(evse_id=number, connector_id=1)


def run(main: Any) -> None:
    End("websockets").run(main)


def nothing_kept(csms: CSMS) -> bool:
    return not (csms._kept._kept or csms._kept._total or csms._stations._arrivals)


def test_calls_are_kept_until_the_station_is_back(end: End) -> None:
    async def main() -> None:
        csms, charger = CSMS({"2.0.1": Central()}), Noting()
        directory: Directory = csms
        station = ChargingStation("CS-1", {"2.0.1": charger})
        async with end.listen(csms) as server:
            kept = [asyncio.create_task(directory.call("CS-1", unlock(n), ttl=10)) for n in (3, 1)]
            with pytest.raises(ocppj.NotConnected):
                await csms.call("CS-1", unlock(0))  # by default none is kept
            async with end.connect(station, server):
                answers = await asyncio.gather(*kept)
                assert [answer.status for answer in answers] == ["Unlocked"] * 2
                await csms.call("CS-1", unlock(2), ttl=1)  # it is there
            assert charger.seen == [3, 1, 2]
        assert nothing_kept(csms)

    end.run(main())


def test_a_call_is_kept_no_longer_than_its_ttl() -> None:
    async def main() -> None:
        csms, charger = CSMS({"2.0.1": Central()}), Noting()
        station = ChargingStation("CS-1", {"2.0.1": charger})
        with pytest.raises(ocppj.NotConnected, match=r"^CS-1 has not connected within 0\.02 s$"):
            await csms.call("CS-1", UNLOCK, ttl=0.02)
        cancelled = asyncio.create_task(csms.call("CS-1", UNLOCK, ttl=10))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert nothing_kept(csms)
        async with connected(csms, station) as wire:
            await csms.call("CS-1", unlock(7))
            assert charger.seen == [7]
            assert len(wire.frames) == 2

    run(main())


def test_a_call_expires_behind_others() -> None:
    async def main() -> None:
        csms, gate = CSMS({"2.0.1": Central()}), NotingGate()
        station = ChargingStation("CS-1", {"2.0.1": gate})
        async with connected(csms, station):
            resetting = asyncio.create_task(csms.call("CS-1", RESET))
            await gate.asked.get()
            with pytest.raises(ocppj.LocalProtocolError, match="UnlockConnector was not sent"):
                await csms.call("CS-1", UNLOCK, ttl=0.02)
            in_time = asyncio.create_task(csms.call("CS-1", unlock(2), ttl=10))
            await asyncio.sleep(0)
            gate.free.release()
            await resetting
            await in_time
            loop = asyncio.get_running_loop()
            with pytest.raises(ocppj.LocalProtocolError, match="it has expired"):
                await csms.stations["CS-1"].call(UNLOCK, expires=loop.time())
            await csms.call("CS-1", unlock(3))  # the turn is free again
        assert gate.seen == [2, 3]
        assert nothing_kept(csms)

    run(main())


def test_a_call_is_not_delivered_twice() -> None:
    """What was in flight when the connection ended fails. What was not sent yet is still kept."""

    async def main() -> None:
        csms, gate = CSMS({"2.0.1": Central()}), NotingGate()
        station = ChargingStation("CS-1", {"2.0.1": gate})
        resetting = asyncio.create_task(csms.call("CS-1", RESET, ttl=10))
        unlocking = asyncio.create_task(csms.call("CS-1", UNLOCK, ttl=10))
        async with connected(csms, station, backoff=QUICK):
            await gate.asked.get()
            await csms.stations["CS-1"].close()
            with pytest.raises(ocppj.ConnectionLost) as failed:
                await resetting
            assert not isinstance(failed.value, ocppj.NotConnected)
            assert (await unlocking).status == "Unlocked"
            await station.call(v201.HeartbeatRequest())
        assert gate.asked.empty()
        assert gate.seen == [1]
        assert nothing_kept(csms)

    run(main())


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.aio.absent.MAX_KEPT", 3)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_waiting=2)
        async with AsyncExitStack() as stack:
            tasks = []
            for name in ("CS-1", "CS-1", "CS-2"):
                task = asyncio.create_task(csms.call(name, UNLOCK, ttl=10))
                stack.callback(task.cancel)
                tasks.append(task)
            await asyncio.sleep(0)
            with pytest.raises(ocppj.LocalProtocolError, match="2 calls are kept for CS-1"):
                await csms.call("CS-1", UNLOCK, ttl=10)
            with pytest.raises(ocppj.LocalProtocolError, match="3 calls are kept already"):
                await csms.call("CS-3", UNLOCK, ttl=10)
        await until(lambda: all(task.done() for task in tasks))
        assert nothing_kept(csms)
        for ttl in (-1, math.nan, math.inf):
            with pytest.raises(ValueError, match="use seconds, 0 or more"):
                await csms.call("CS-1", UNLOCK, ttl=ttl)

    run(main())

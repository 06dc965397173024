"""Which of two connections of one identity stays."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS, ChargingStation
from tests.aio.ends import End, until
from tests.aio.wire import (
    BOOT,
    HEARTBEAT,
    UNLOCK,
    Central,
    Charger,
    dial,
)


@pytest.mark.parametrize(("policy", "stays"), [("ping", 0), ("oldest", 0), ("newest", 1)])
def test_two_live_connections_of_one_identity(end: End, policy: Any, stays: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, duplicates=policy)
        stations = [ChargingStation("CS-1", {"2.0.1": Charger()}) for _ in range(2)]
        async with (
            end.listen(csms) as server,
            end.connect(stations[0], server),
            end.connect(stations[1], server),
        ):
            await stations[stays].call(BOOT)
            await until(lambda: not stations[1 - stays].connected)
            assert (await csms.stations["CS-1"].call(UNLOCK)).status == "Unlocked"

    end.run(main())


@pytest.mark.parametrize(("policy", "new"), [("ping", True), ("oldest", False), ("newest", True)])
def test_a_dead_connection_and_a_new_one_of_one_identity(
    end: End, policy: Any, *, new: bool
) -> None:
    async def main() -> None:
        central = Central()
        csms = CSMS({"2.0.1": central}, duplicates=policy, ping_timeout=0.1)
        async with (
            end.listen(csms, close_timeout=0.1)
            if end.transport == "websockets"
            else (end.listen(csms)) as server,
            dial(server) as dead,
        ):
            old = await csms.station("CS-1")
            call = asyncio.create_task(old.call(UNLOCK))
            await dead.message()
            async with dial(server) as raw:
                if new:
                    raw.send(HEARTBEAT)
                    assert (await raw.message())[:2] == [3, "h"]
                    with pytest.raises(ocppj.ConnectionLost):
                        await call
                    dead.send(HEARTBEAT)  # nobody listens any more
                    assert await dead.close_code() == 1008
                    assert csms.stations["CS-1"] is not old
                    told = [("connect", "CS-1"), ("disconnect", "CS-1"), ("connect", "CS-1")]
                    assert central.events == told
                else:
                    assert await raw.close_code() == 1008
                    assert csms.stations["CS-1"] is old
                    call.cancel()

    end.run(main())


def test_three_new_connections_do_not_replace_a_live_one(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, ping_timeout=0.5)
        first = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.listen(csms) as server, end.connect(first, server):
            seen = await csms.station("CS-1")

            async def intrude() -> int | None:
                async with dial(server) as raw:
                    return await raw.close_code()

            assert await asyncio.gather(*(intrude() for _ in range(3))) == [1008] * 3
            assert csms.stations["CS-1"] is seen
            await first.call(BOOT)

    end.run(main())


def test_one_of_three_new_connections_replaces_a_dead_one(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, ping_timeout=0.1)
        stations = [ChargingStation("CS-1", {"2.0.1": Charger()}) for _ in range(3)]
        async with end.listen(csms) as server, dial(server) as dead:
            old = await csms.station("CS-1")

            async def enter(station: ChargingStation) -> bool:
                async with end.connect(station, server):
                    try:
                        await station.call(BOOT)
                    except ocppj.ConnectionLost:
                        return False
                    await asyncio.sleep(0.2)  # while the others are turned away
                    return True

            entered = await asyncio.gather(*map(enter, stations))
            assert sorted(entered) == [False, False, True]
            assert old.closed
            dead.abort()

    end.run(main())

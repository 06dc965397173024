"""What a CSMS promises beside its connections: handlers, listeners, waiting for a station."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import v16, v201
from ocppj.aio import CSMS, ChargingStation, Station
from tests.aio.ends import End
from tests.aio.wire import (
    BOOT,
    NOW,
    Central,
    Charger,
    dial,
)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["2.0.1", "1.6"], "2.0.1"), (["1.6", "2.0.1"], "1.6"), (["2.1", "1.6"], "1.6")],
)
def test_the_stations_preference_decides_on_the_version(
    memory: End, offered: list[str], chosen: str
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": object(), "1.6": object()})
        station = ChargingStation("CS-1", {name: object() for name in offered})
        async with memory.listen(csms) as server, memory.connect(station, server):
            assert station.version == chosen
            assert (await csms.station("CS-1")).version == chosen

    memory.run(main())


def test_each_version_has_its_own_handlers(memory: End) -> None:
    class Sixteen:
        def on_heartbeat(self, station: Station, request: Any) -> Any:
            return v16.HeartbeatResponse(current_time=NOW)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central(), "1.6": Sixteen()})
        old = ChargingStation("old", {"1.6": object()})
        new = ChargingStation("new", {"2.0.1": object()})
        async with (
            memory.listen(csms) as server,
            memory.connect(old, server),
            memory.connect(new, server),
        ):
            assert await old.call(v16.HeartbeatRequest()) == v16.HeartbeatResponse(current_time=NOW)
            assert (await new.call(v201.HeartbeatRequest())).current_time == NOW

    memory.run(main())


def test_listening_that_is_cancelled_closes_everything(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        listening: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with end.listen(csms) as server:
                listening.set_result(server)
                await asyncio.Event().wait()

        serving = asyncio.create_task(serve())
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.connect(station, await listening):
            await station.call(BOOT)
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert not csms.stations
        with pytest.raises(ocppj.ConnectionLost):
            async with end.connect(station, listening.result()):
                raise AssertionError

    end.run(main())


def test_one_csms_may_listen_twice(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        stations = [ChargingStation(f"CS-{n}", {"2.0.1": Charger()}) for n in range(2)]
        async with end.listen(csms) as first, end.connect(stations[0], first):
            async with end.listen(csms) as second, end.connect(stations[1], second):
                await stations[1].call(BOOT)
                assert set(csms.stations) == {"CS-0", "CS-1"}
            assert set(csms.stations) == {"CS-0"}
            await stations[0].call(BOOT)

    end.run(main())


def test_waiting_for_a_station(memory: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with memory.listen(csms) as server:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(csms.station("CS-1"), 0.01)
                with pytest.raises(ocppj.ConnectionLost, match=r"CS-1 .* within 0\.01 s"):
                    await csms.station("CS-1", timeout=0.01)
            assert not csms._stations._arrivals
            waiting = [asyncio.create_task(csms.station("CS-1", timeout=10)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting.pop().cancel()
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with memory.connect(station, server):
                found = await asyncio.gather(*waiting)
                assert found == [csms.stations["CS-1"]] * 2
                assert await csms.station("CS-1", timeout=0) is found[0]
            assert not csms._stations._arrivals

    memory.run(main())


def test_a_lenient_codec_is_used(end: End) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send([2, "h", "Heartbeat", {"more": 1}])
            assert (await raw.message())[:2] == [3, "h"]
        async with end.listen(CSMS({"2.0.1": Central()})) as server, dial(server) as raw:
            raw.send([2, "h", "Heartbeat", {"more": 1}])
            assert (await raw.message())[0] == 4

    end.run(main())


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="no handlers: pass"):
        CSMS({})
    with pytest.raises(ValueError, match="duplicates='last'"):
        CSMS({"2.0.1": object()}, duplicates="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="which is not offered"):
        CSMS({"2.0.1": object()}, codecs={"1.6": ocppj.Codec("1.6")})
    with pytest.raises(ValueError, match=r"is for 2\.1"):
        CSMS({"2.0.1": object()}, codecs={"2.0.1": ocppj.Codec("2.1")})


class Handler201:
    def on_boot_notification(
        self, station: Station, request: v201.BootNotificationRequest
    ) -> v201.BootNotificationResponse:
        raise NotImplementedError


class Charger201:
    def on_unlock_connector(
        self, request: v201.UnlockConnectorRequest
    ) -> v201.UnlockConnectorResponse:
        raise NotImplementedError


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_handlers_of_another_version_are_an_error_at_construction(version: str) -> None:
    with pytest.raises(TypeError, match=r"Handler201\.on_boot_notification expects ocppj\.v201\."):
        CSMS({"2.0.1": Handler201(), version: Handler201()})
    with pytest.raises(TypeError, match=r"Charger201\.on_unlock_connector expects ocppj\.v201\."):
        ChargingStation("CS-1", {version: Charger201()})
    CSMS({"2.0.1": Handler201()})
    ChargingStation("CS-1", {"2.0.1": Charger201()})

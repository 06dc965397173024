"""Both ends of a connection in memory: what a socket promises, and faults on demand."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import v16, v201
from ocppj.aio import CSMS, Backoff, ChargingStation, basic
from ocppj.testing import Answering, Memory, Wire, connected
from tests.aio.ends import End, until
from tests.aio.wire import BOOT, UNLOCK, Central, Charger

HEARTBEAT = v201.HeartbeatRequest()


def run(main: Any) -> None:
    End("websockets").run(main)


def ends(central: Any = None, charger: Any = None, **options: Any) -> tuple[CSMS, ChargingStation]:
    csms = CSMS({"2.0.1": central or Central()}, **options)
    return csms, ChargingStation("CS-1", {"2.0.1": charger or Charger()}, **options)


def test_each_side_calls_the_other() -> None:
    async def main() -> None:
        csms, station = ends()
        async with connected(csms, station) as wire:
            boot = await station.call(BOOT)
            assert boot.status == "Accepted"
            assert (await csms.call("CS-1", UNLOCK)).status == "Unlocked"
            assert csms.stations["CS-1"].handshake.path == "/CS-1"
            assert csms.stations["CS-1"].version == station.version == "2.0.1"
        assert wire.actions == ["BootNotification"] * 2 + ["UnlockConnector"] * 2
        call, result, unlock, unlocked = wire.frames
        assert call.frame == ocppj.Call(call.message_id, "BootNotification", BOOT)  # type: ignore[arg-type]
        assert result.frame == ocppj.CallResult(call.message_id, boot)  # type: ignore[arg-type]
        assert unlock.payload == {"evseId": 1, "connectorId": 1}
        assert [frame.sender for frame in wire.frames] == [
            "charging_station",
            "csms",
            "csms",
            "charging_station",
        ]
        assert unlocked.data.endswith(b'{"status":"Unlocked"}]')
        assert not csms.stations
        assert not station.connected

    run(main())


def test_many_stations_of_several_versions() -> None:
    async def main() -> None:
        csms = CSMS({"1.6": Answering("1.6", "csms"), "2.0.1": Answering("2.0.1", "csms")})
        old = ChargingStation("old", {"1.6": object()})
        new = ChargingStation("new", {"2.1": object(), "2.0.1": object()})
        async with connected(csms, old, new) as wire:
            await asyncio.gather(old.call(v16.HeartbeatRequest()), new.call(HEARTBEAT))
            assert {name: seen.version for name, seen in csms.stations.items()} == {
                "old": "1.6",
                "new": "2.0.1",
            }
        assert {frame.station_id for frame in wire.frames} == {"old", "new"}

    run(main())


def test_who_may_connect() -> None:
    async def main() -> None:
        csms, station = ends()
        authenticate = basic(lambda name, password: password == b"secret")
        async with connected(csms, station, password="secret", authenticate=authenticate):
            await station.call(BOOT)
        with pytest.raises(ocppj.ConnectionLost, match="HTTP 401"):
            async with connected(csms, station, authenticate=authenticate):
                raise AssertionError
        with pytest.raises(ocppj.ConnectionLost, match="HTTP 404"):
            async with connected(csms, station, known=lambda name: name != "CS-1"):
                raise AssertionError
        other = ChargingStation("CS-1", {"1.6": object()})
        with pytest.raises(ocppj.ConnectionLost, match="supports none"):
            async with connected(csms, other):
                raise AssertionError
        with pytest.raises(ocppj.ConnectionLost, match="no CSMS is listening"):
            async with station.connect("ws://x", transport=Memory()):
                raise AssertionError
        memory = Memory()
        async with csms.listen(transport=memory):
            with pytest.raises(RuntimeError, match="listening already"):
                async with csms.listen(transport=memory):
                    raise AssertionError
        assert not csms.stations

    run(main())


@pytest.mark.parametrize(("policy", "stays"), [("ping", 0), ("oldest", 0), ("newest", 1)])
def test_of_two_connections_of_one_identity(policy: Any, stays: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, duplicates=policy)
        stations = [ChargingStation("CS-1", {"2.0.1": Charger()}) for _ in range(2)]
        async with connected(csms, *stations):
            await stations[stays].call(BOOT)
            await until(lambda: not stations[1 - stays].connected)
            with pytest.raises(ocppj.ConnectionLost, match="1008"):
                await stations[1 - stays].call(BOOT)

    run(main())


def test_of_two_connections_the_older_of_which_says_nothing() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, ping_timeout=0.01)
        memory = Memory()
        old, new = (ChargingStation("CS-1", {"2.0.1": Charger()}) for _ in range(2))
        async with (
            csms.listen(transport=memory),
            old.connect("ws://memory", transport=memory, backoff=None),
        ):
            memory.wire.delay(60, sender="csms")
            call = asyncio.create_task(csms.call("CS-1", UNLOCK))
            async with new.connect("ws://memory", transport=memory, backoff=None):
                await new.call(BOOT)
                with pytest.raises(ocppj.ConnectionLost, match="replaced"):
                    await call
                memory.wire.cut()

    run(main())


def test_what_is_closed_is_closed_on_both_ends() -> None:
    async def main() -> None:
        csms, station = ends()
        async with connected(csms, station):
            seen = csms.stations["CS-1"]
            await seen.close(1001, "maintenance")
            with pytest.raises(ocppj.ConnectionLost, match="received 1001 maintenance"):
                await station.call(BOOT)
            assert seen.end == "closed by us: 1001 maintenance"
            await seen.close()
            assert not await seen.ping(1)

    run(main())


def test_a_message_that_is_too_big_ends_the_connection() -> None:
    async def main() -> None:
        small = {"2.0.1": ocppj.Codec("2.0.1", max_size=1000)}
        csms, station = CSMS({"2.0.1": Central()}, codecs=small), ends()[1]
        async with connected(csms, station):
            with pytest.raises(ocppj.ConnectionLost, match="1009"):
                await station.call(v201.DataTransferRequest(vendor_id="x", data="x" * 1000))

    run(main())


def test_a_handler_may_call_its_peer() -> None:
    class Calling(Central):
        async def on_boot_notification(self, station: Any, request: Any) -> Any:
            await station.call(UNLOCK)
            return super().on_boot_notification(station, request)

    async def main() -> None:
        csms, station = ends(Calling())
        async with connected(csms, station) as wire:
            await station.call(BOOT)
        assert wire.actions == [
            "BootNotification",
            "UnlockConnector",
            "UnlockConnector",
            "BootNotification",
        ]

    run(main())


def test_a_frame_that_is_dropped_times_out() -> None:
    async def main() -> None:
        csms, station = ends(timeout=0.01)
        async with connected(csms, station) as wire:
            wire.drop(action="Heartbeat", message_type=3)
            with pytest.raises(ocppj.CallTimeout):
                await station.call(HEARTBEAT)
            await station.call(HEARTBEAT)
            faults = [(frame.action, frame.fault) for frame in wire.frames]
            assert (
                faults == [("Heartbeat", None), ("Heartbeat", "drop")] + [("Heartbeat", None)] * 2
            )

    run(main())


def test_a_delay_holds_up_what_comes_after() -> None:
    async def main() -> None:
        csms, station = ends(Central(), timeout=5)
        async with connected(csms, station) as wire:
            wire.delay(0.05, sender="csms")
            loop = asyncio.get_running_loop()
            start = loop.time()
            unlock = asyncio.create_task(csms.call("CS-1", UNLOCK))
            await asyncio.sleep(0)
            await station.call(HEARTBEAT)
            assert loop.time() - start > 0.04
            assert (await unlock).status == "Unlocked"

    run(main())


def test_a_duplicate_arrives_twice() -> None:
    async def main() -> None:
        csms, station = ends()
        async with connected(csms, station) as wire:
            wire.duplicate(action="BootNotification", sender="charging_station")
            await station.call(BOOT)
            await station.call(BOOT)
        assert [frame.message_type for frame in wire.frames] == [2, 3, 3, 2, 3]
        assert wire.frames[1].message_id == wire.frames[2].message_id

    run(main())


def test_a_garbled_frame_is_rejected() -> None:
    async def main() -> None:
        csms, station = ends(timeout=0.01)
        async with connected(csms, station) as wire:
            wire.garble(times=2, station_id="CS-1", message_type=2)
            for _ in range(2):
                with pytest.raises(ocppj.CallTimeout):
                    await station.call(HEARTBEAT)
            await station.call(HEARTBEAT)
        answers = [frame.message_id for frame in wire.frames if frame.sender == "csms"]
        assert answers[:2] == ["-1", "-1"]
        assert wire.frames[1].action is None

    run(main())


@pytest.mark.parametrize("now", [True, False])
def test_a_cut_ends_the_connection_and_the_station_reconnects(*, now: bool) -> None:
    async def main() -> None:
        central = Central()
        csms, station = ends(central)
        quick = Backoff(minimum=0.001, random_range=0)
        async with connected(csms, station, backoff=quick) as wire:
            old = csms.stations["CS-1"]
            call = asyncio.create_task(old.call(UNLOCK))
            if now:
                await asyncio.sleep(0)
                wire.cut()
            else:
                wire.cut(sender="charging_station", action="UnlockConnector")
            with pytest.raises(ocppj.ConnectionLost, match="cut"):
                await call
            await station.wait_connected()
            await station.call(BOOT)
            assert csms.stations["CS-1"] is not old
        events = [event for event, _ in central.events]
        assert events == ["connect", "disconnect", "connect", "disconnect"]

    run(main())


def test_wrong_faults() -> None:
    wire: Wire = Memory().wire
    with pytest.raises(TypeError, match="unexpected argument 'acton'"):
        wire.drop(acton="Heartbeat")


def test_what_is_no_frame_is_recorded_too() -> None:
    async def main() -> None:
        csms, station = ends()
        async with connected(csms, station) as wire:
            await csms.stations["CS-1"]._link.transport.send(b"nonsense")
            await until(lambda: len(wire.frames) == 2)
            nonsense = wire.frames[0]
            assert (nonsense.message_type, nonsense.message_id, nonsense.action) == (None,) * 3
            with pytest.raises(ocppj.DecodeError):
                _ = nonsense.frame

    run(main())


def test_an_end_that_is_lost_while_a_frame_is_held_up() -> None:
    async def main() -> None:
        csms, station = ends()
        async with connected(csms, station) as wire:
            wire.delay(0.2, sender="charging_station")
            call = asyncio.create_task(station.call(BOOT))
            await until(lambda: wire.frames)
            wire.cut()
            with pytest.raises(ocppj.ConnectionLost):
                await call
            await asyncio.sleep(0.25)
        assert len(wire.frames) == 1

    run(main())

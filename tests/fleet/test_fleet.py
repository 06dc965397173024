"""Stations at gateways, handlers at workers, commands from anywhere."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import v16, v201
from ocppj.aio import Directory  # noqa: TC001  as users import it
from tests.aio.ends import End, until
from tests.aio.wire import NOW, dial
from tests.fleet.parts import BOOT, UNLOCK, Central, Central16, Wallbox, system
from tests.fleet.server import NatsServer


def test_a_station_is_answered_by_a_worker(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            central, old = Central(), Central16()
            await parts.worker({"2.0.1": central, "1.6": old})
            station = await parts.station(node)
            answer = await station.call(BOOT)
            assert answer.current_time == NOW
            assert central.seen == [("CS-1", BOOT)]
            # Heartbeats need no worker.
            assert (await station.call(v201.HeartbeatRequest())).current_time > NOW
            older = await parts.station(node, "CS 2.ä", {"1.6": object()})
            boot = v16.BootNotificationRequest(charge_point_model="M", charge_point_vendor="V")
            assert (await older.call(boot)).interval == 60
            assert old.seen == [("CS 2.ä", boot)]
            with pytest.raises(ocppj.CallFailed, match="NotSupported"):
                await older.call(v16.AuthorizeRequest(id_tag="A"))

    end.run(main())


def test_a_command_reaches_a_station(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            directory: Directory = fleet  # what `CSMS` has in common with it
            wallbox = Wallbox()
            await parts.station(node, handlers=wallbox)
            station = await directory.station("CS-1")
            answer = await station.call(UNLOCK)
            assert answer == v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)
            assert (await directory.call("CS-1", UNLOCK)).status.value == "Unlocked"
            assert wallbox.seen == [UNLOCK, UNLOCK]
            found = fleet.stations["CS-1"]
            assert found.node == node.gateway.node
            assert found.generation == node.gateway.generation("CS-1") == station.generation
            assert (found.version, found.address[:10]) == ("2.0.1", "127.0.0.1:")
            with pytest.raises(ocppj.CallFailed, match="NotSupported"):
                await station.call(v201.GetLocalListVersionRequest())

    end.run(main())


def test_a_worker_calls_the_station_whose_call_it_handles(
    nats: NatsServer, prefix: str, end: End
) -> None:
    class Asker:
        async def on_boot_notification(self, station: Any, request: Any) -> Any:
            answer = await station.call(UNLOCK)
            assert answer.status is v201.UnlockStatusEnumType.UNLOCKED
            return v201.BootNotificationResponse(
                current_time=NOW, interval=1, status=v201.RegistrationStatusEnumType.ACCEPTED
            )

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker(Asker())
            station = await parts.station(node)
            assert (await station.call(BOOT)).interval == 1

    end.run(main())


def test_events(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, other = await parts.gateway(), await parts.gateway(duplicates="newest")
            fleet = await parts.fleet()
            events = fleet.events()
            async with dial(node.server, "/CS-1"):
                first = await anext(events)
                assert (first.type, first.station_id) == ("connected", "CS-1")
                assert first.node == node.gateway.node
                assert first.generation == fleet.stations["CS-1"].generation
            second = await anext(events)
            assert (second.type, second.generation) == ("disconnected", first.generation)
            assert second.reason
            assert not fleet.stations
            async with dial(other.server, "/CS-1"):
                assert (await anext(events)).type == "connected"
                node.gateway._stations._duplicates = "newest"
                async with dial(node.server, "/CS-1"):
                    moved = await anext(events)
                    assert (moved.type, moved.node) == ("moved", node.gateway.node)
                    assert set(fleet.nodes) == {node.gateway.node, other.gateway.node}
            await until(lambda: not fleet.stations)

    end.run(main())


def test_an_absent_station_is_known_at_once(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            with pytest.raises(ocppj.ConnectionLost, match="CS-1 is not connected"):
                await fleet.station("CS-1")
            with pytest.raises(ocppj.ConnectionLost, match="is not connected"):
                await fleet.call("CS-1", UNLOCK)
            async with dial(node.server, "/CS-1"):
                station = await fleet.station("CS-1", timeout=5)
            await until(lambda: not fleet.stations)
            with pytest.raises(ocppj.ConnectionLost):
                await station.call(UNLOCK)
            with pytest.raises(ocppj.ConnectionLost):
                await fleet.station("CS-1", timeout=0.05)
            with pytest.raises(ocppj.ConnectionLost):
                await fleet.station("\ud800")

    end.run(main())


def test_a_fleet_is_asked_without_being_followed(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        from ocppj.fleet import Fleet  # noqa: PLC0415  after the skip

        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.station(node)
            fleet = Fleet(await parts.broker())
            assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
            with pytest.raises(ocppj.ConnectionLost):
                await fleet.station("CS-2")

    end.run(main())


@pytest.mark.parametrize("count", [1, 3])
def test_each_call_goes_to_one_worker(nats: NatsServer, prefix: str, end: End, count: int) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            workers = [Central() for _ in range(count)]
            for central in workers:
                await parts.worker(central)
            stations = [await parts.station(node, f"CS-{n}") for n in range(20)]
            await asyncio.gather(*(station.call(BOOT) for station in stations for _ in range(5)))
            seen = [one for central in workers for one in central.seen]
            assert len(seen) == 100
            assert all(central.seen for central in workers)

    end.run(main())

"""Draining, readiness, and how many handshakes a node takes."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import quote

import pytest

from ocppj.aio import ChargingStation
from ocppj.fleet import Gateway
from tests.aio.ends import End, until
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, UNLOCK, Central, Wallbox, system
from tests.fleet.server import NatsServer
from tests.fleet.test_answers import ACCEPTED, BOOT_FRAME, Slow
from tests.fleet.test_hostile import Box


def test_a_node_drains(nats: NatsServer, prefix: str, end: End) -> None:
    """No new stations; answers still go out; stations are closed at a rate and go elsewhere."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, other = await parts.gateway(), await parts.gateway()
            fleet = await parts.fleet()
            slow = Slow()
            await parts.worker(slow)
            stations = [await parts.station(node, f"CS-{n}") for n in range(10)]
            call = asyncio.create_task(stations[0].call(BOOT))
            await until(lambda: slow.asked)
            assert node.gateway.ready
            loop = asyncio.get_running_loop()
            with pytest.raises(ValueError, match="rate=0"):
                await node.gateway.drain(rate=0)
            start = loop.time()
            draining = asyncio.create_task(node.gateway.drain(rate=40))
            await asyncio.sleep(0)
            assert not node.gateway.ready
            assert other.gateway.ready
            with pytest.raises(ConnectionError):
                await asyncio.open_connection("127.0.0.1", node.server.port)
            await until(lambda: len(node.gateway.stations) == 1)
            assert loop.time() - start > 9 / 40
            assert stations[0].connected  # it waits for its answer
            assert not draining.done()
            slow.free.set()
            assert await call == ACCEPTED
            await draining
            assert not node.gateway.stations
            await until(lambda: not fleet.stations)
            await until(lambda: not fleet.nodes[node.gateway.node].ready)
            assert not any(station.connected for station in stations)

    end.run(main())


def test_stations_are_closed_as_going_away(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            async with dial(node.server) as raw:
                draining = asyncio.create_task(node.gateway.drain())
                assert await raw.close_code() == 1001
                raw.abort()
                await draining

    end.run(main())


def test_a_station_that_drains_is_at_another_node(nats: NatsServer, prefix: str, end: End) -> None:
    """Under a balancer: the station connects again, and is called where it is."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, other = await parts.gateway(), await parts.gateway()
            fleet = await parts.fleet()
            events = fleet.events()
            async with contextlib.AsyncExitStack() as stack:
                wallbox = ChargingStation("CS-1", {"2.0.1": Wallbox()})
                await stack.enter_async_context(end.connect(wallbox, node.server))
                await until(lambda: node.gateway.generation("CS-1"))
                await node.gateway.drain()
                assert not wallbox.connected
                again = ChargingStation("CS-1", {"2.0.1": Wallbox()})
                await stack.enter_async_context(end.connect(again, other.server))
                await until(lambda: "CS-1" in fleet.stations)
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
            seen = [await anext(events) for _ in range(3)]
            assert [one.type for one in seen] == ["connected", "disconnected", "connected"]

    end.run(main())


def test_too_many_handshakes(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(max_handshakes=5)
            statuses: list[int] = []
            async with contextlib.AsyncExitStack() as stack:
                for number in range(12):
                    raw = await stack.enter_async_context(dial(node.server, f"/CS-{number}"))
                    statuses.append(raw.status)
                    if raw.status == 503:
                        assert int(raw.headers["retry-after"]) > 0
            assert 5 <= statuses.count(101) <= 7
            assert statuses.count(101) + statuses.count(503) == 12
            await asyncio.sleep(0.3)
            async with dial(node.server, "/CS-13") as raw:
                assert raw.status == 101

    end.run(main())


@pytest.mark.parametrize("name", ["x" * 600, "ä" * 100, "%20" * 300])
def test_an_identity_that_fits_into_no_subject(
    nats: NatsServer, prefix: str, end: End, name: str
) -> None:
    """OCPP 1.6 has no limit; NATS would close the connection of the whole node."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker()
            path = "/" + quote(name, safe="%")
            async with dial(node.server, path, subprotocol="ocpp1.6") as raw:
                assert raw.status == 404
            async with dial(node.server) as raw:
                raw.send(BOOT_FRAME)
                assert (await raw.message())[0] == 3

    end.run(main())


@pytest.mark.parametrize(
    "limits",
    [
        {"deadline": 0},
        {"lease": -1},
        {"max_in_flight": 0},
        {"max_commands": 0},
        {"max_handshakes": -1},
        {"max_frames": 0},
        {"max_waiting": -1},
        {"max_handling": 0},
        {"duplicates": "none"},
        {"versions": []},
        {"versions": ["3.0"]},
        {"handlers": {"2.1": object()}},
    ],
)
def test_settings_that_make_no_sense(limits: dict[str, Any]) -> None:
    versions = limits.pop("versions", ["1.6"])
    with pytest.raises(ValueError, match=r"use|offered|unknown"):
        Gateway(versions, Box(), **limits)


def test_a_gateway_in_an_asgi_application(nats: NatsServer, prefix: str) -> None:
    """On one port with other routes: the gateway enters the fleet as a context manager."""
    uvicorn = pytest.importorskip("uvicorn")
    end = End("websockets")

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            central = Central()
            await parts.worker(central)
            fleet = await parts.fleet()
            async with Gateway(["2.0.1"], await parts.broker()) as gateway:
                config = uvicorn.Config(
                    gateway.asgi(), port=0, log_level="error", ws="websockets-sansio"
                )
                server = uvicorn.Server(config)
                serving = asyncio.create_task(server.serve())
                await until(lambda: server.started)
                port = server.servers[0].sockets[0].getsockname()[1]
                station = ChargingStation("CS-1", {"2.0.1": Wallbox()})
                async with station.connect(f"ws://127.0.0.1:{port}", backoff=None):
                    assert await station.call(BOOT)
                    await until(lambda: fleet.stations)
                    assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
                server.should_exit = True
                await serving

    end.run(main())

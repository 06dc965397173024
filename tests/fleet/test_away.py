"""The broker goes away and returns."""

import asyncio
import shutil
import time

import pytest

import ocppj
from ocppj import v201
from tests.aio.ends import End, until
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, UNLOCK, Central, system
from tests.fleet.server import NatsServer
from tests.fleet.test_nodes import asks


@pytest.mark.parametrize("store", ["kept", "lost"])
def test_the_broker_is_away(
    own_nats: NatsServer, prefix: str, end: End, store: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway()
            central = Central()
            await parts.worker(central)
            fleet = await parts.fleet()
            station = await parts.station(node)
            remote = await fleet.station("CS-1")
            await station.call(BOOT)
            assert node.gateway.ready

            own_nats.stop()
            await until(lambda: not node.gateway.ready)
            # Stations stay connected; what needs no worker goes on.
            await station.call(v201.HeartbeatRequest())
            with pytest.raises(ocppj.CallFailed, match="InternalError"):
                await station.call(BOOT)
            start = time.perf_counter()
            with pytest.raises(ocppj.ConnectionLost):
                await remote.call(UNLOCK)
            with pytest.raises(ocppj.ConnectionLost):
                await fleet.call("CS-1", UNLOCK)
            assert time.perf_counter() - start < 0.5
            # A station may still enter.
            async with dial(node.server, "/CS-2") as raw:
                assert (await asks(raw))[0] == 3
                assert not node.gateway.generation("CS-2")
                if store == "lost":
                    shutil.rmtree(own_nats.store)
                own_nats.start()
                await until(lambda: node.gateway.ready)
                await until(lambda: node.gateway.generation("CS-2"))
                await until(lambda: set(fleet.stations) == {"CS-1", "CS-2"})
                await station.call(BOOT)
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
            await until(lambda: set(fleet.stations) == {"CS-1"})
            assert len(central.seen) == 2

    end.run(main())
    caplog.clear()


def test_calls_that_wait_when_the_broker_goes(
    own_nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    """The station is told at once, and repeats its call; the worker's answer is dropped."""

    class Slow:
        def __init__(self) -> None:
            self.asked = 0
            self.free = asyncio.Event()

        async def on_boot_notification(self, station: object, request: object) -> object:
            self.asked += 1
            await self.free.wait()
            return Central().on_boot_notification(station, request)

    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway()
            slow = Slow()
            await parts.worker(slow)
            station = await parts.station(node)
            call = asyncio.create_task(station.call(BOOT))
            await until(lambda: slow.asked)
            own_nats.stop()
            with pytest.raises(ocppj.CallFailed, match="InternalError"):
                await call
            slow.free.set()
            own_nats.start()
            await until(lambda: node.gateway.ready)
            await station.call(BOOT)
            assert slow.asked == 2

    end.run(main())
    caplog.clear()


def test_a_broker_that_hangs(
    own_nats: NatsServer,
    prefix: str,
    end: End,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is given up after two pings; until then calls end at their deadline."""
    monkeypatch.setattr("ocppj.fleet.connection.PING_INTERVAL", 0.2)

    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway(deadline=0.5)
            await parts.worker()
            station = await parts.station(node)
            own_nats.freeze()
            with pytest.raises(ocppj.CallFailed, match="InternalError"):
                await station.call(BOOT)
            await station.call(v201.HeartbeatRequest())
            await until(lambda: not node.gateway.ready)
            own_nats.thaw()
            await until(lambda: node.gateway.ready)
            await station.call(BOOT)

    end.run(main())
    caplog.clear()

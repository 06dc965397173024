"""A deadline is a time by the sender's clock. What happens where the receiver's clock differs.

Nothing is handled later after its deadline than the clocks differ. What a clock that is ahead drops
is explained.
"""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj.fleet.subjects import headers
from tests.aio.ends import End
from tests.fleet.parts import BOOT, UNLOCK, Central, Wallbox, system
from tests.fleet.server import NatsServer
from tests.fleet.test_contract import command

BOOT_FRAME = [
    2,
    "1",
    "BootNotification",
    {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
]


def set_clock(monkeypatch: pytest.MonkeyPatch, module: str, ahead: float) -> None:
    """Set the clock of a worker (`worker`) or of a node that gets commands (`commands`)."""
    clock = SimpleNamespace(time=lambda: time.time() + ahead)
    monkeypatch.setattr(f"ocppj.fleet.{module}.time", clock)


def in_ms(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def test_a_worker_that_is_ahead_handles_less_and_says_why(
    nats: NatsServer,
    prefix: str,
    end: End,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, central = await parts.gateway(deadline=1), Central()
            await parts.worker(central)
            station = await parts.station(node)
            set_clock(monkeypatch, "worker", 0.5)
            await station.call(BOOT)
            set_clock(monkeypatch, "worker", 60)
            with pytest.raises(ocppj.CallFailed, match="repeat it later"):
                await station.call(BOOT)
            assert len(central.seen) == 1

    end.run(main())
    assert "s after its deadline: is this clock ahead" in caplog.text
    caplog.clear()


def test_a_worker_that_is_behind_handles_nothing_later_than_that(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            central, broker = Central(), await parts.broker()
            await parts.worker(central)
            set_clock(monkeypatch, "worker", -60)
            subject = broker.subjects.up("2.0.1", "CS-1", "BootNotification")
            for age, handled in ((61, 0), (50, 1)):
                values = headers({"Ocpp-Deadline": str(in_ms(-age))})
                asked = broker.request(subject, json.dumps(BOOT_FRAME).encode(), values, 0.3)
                await asyncio.wait([asked])
                assert len(central.seen) == handled

    end.run(main())


def test_a_node_that_is_ahead_sends_less_and_says_why(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, wallbox, fleet = await parts.gateway(), Wallbox(), await parts.fleet()
            await parts.station(node, handlers=wallbox)
            set_clock(monkeypatch, "commands", 5)
            await fleet.call("CS-1", UNLOCK, 30)
            set_clock(monkeypatch, "commands", 60)
            with pytest.raises(ocppj.CallTimeout, match=r"CS-1: not sent: .* s after its deadline"):
                await fleet.call("CS-1", UNLOCK, 30)
            assert wallbox.seen == [UNLOCK]

    end.run(main())


def test_a_node_that_is_behind_sends_nothing_later_than_that(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, wallbox, client = await parts.gateway(), Wallbox(), await parts.plain()
            await parts.station(node, handlers=wallbox)
            set_clock(monkeypatch, "commands", -60)
            for age, wanted in ((61, "timeout"), (50, "result")):
                status, _ = await command(
                    client,
                    prefix,
                    {"evseId": 1, "connectorId": 1},
                    action="UnlockConnector",
                    timeout=5,
                    deadline=in_ms(-age),
                )
                assert status == wanted
            assert wallbox.seen == [UNLOCK]

    end.run(main())


def test_waiting_is_limited_by_the_time_out_whatever_the_clock_says(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Wallbox):
        async def on_unlock_connector(self, request: Any) -> Any:
            asked.set()
            await release.wait()
            return super().on_unlock_connector(request)

    asked, release = asyncio.Event(), asyncio.Event()

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, wallbox, fleet = await parts.gateway(), Slow(), await parts.fleet()
            await parts.station(node, handlers=wallbox)
            set_clock(monkeypatch, "commands", -60)
            first = asyncio.create_task(fleet.call("CS-1", UNLOCK))
            await asked.wait()
            with pytest.raises(ocppj.CallTimeout):
                await fleet.call("CS-1", UNLOCK, 0.2)  # in the station's queue until then
            release.set()
            await first
            await fleet.call("CS-1", UNLOCK)
            assert wallbox.seen == [UNLOCK, UNLOCK]

    end.run(main())

"""A station's call is answered by a worker, or by an error: nothing is acknowledged by nobody."""

import asyncio
import json
import time
from typing import Any

import pytest
from nats.aio.msg import Msg

import ocppj
from ocppj import v201
from ocppj.fleet import Worker
from ocppj.fleet.subjects import headers
from tests.aio.ends import End, until
from tests.aio.wire import NOW, dial
from tests.fleet.parts import BOOT, UNLOCK, Central, system
from tests.fleet.server import NatsServer

BOOT_FRAME = [
    2,
    "1",
    "BootNotification",
    {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
]
ACCEPTED = v201.BootNotificationResponse(
    current_time=NOW, interval=1, status=v201.RegistrationStatusEnumType.ACCEPTED
)


class Slow:
    """Answers when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = asyncio.Event()

    async def on_boot_notification(self, station: Any, request: Any) -> Any:
        self.asked += 1
        await self.free.wait()
        return ACCEPTED


def test_no_worker(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker({"1.6": object()})
            async with dial(node.server) as raw:
                start = time.perf_counter()
                for _ in range(20):
                    raw.send(BOOT_FRAME)
                    answer = await raw.message()
                    assert answer[:3] == [4, "1", "InternalError"]
                assert time.perf_counter() - start < 1
                raw.send([2, "2", "Heartbeat", {}])
                assert (await raw.message())[0] == 3

    end.run(main())
    assert caplog.text.count("no worker for OCPP 2.0.1") == 1
    caplog.clear()


def test_the_deadline_passes(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(deadline=0.1)
            slow = Slow()
            await parts.worker(slow)
            async with dial(node.server) as raw:
                raw.send(BOOT_FRAME)
                assert (await raw.message())[:3] == [4, "1", "InternalError"]
                slow.free.set()
                raw.send(BOOT_FRAME)
                assert (await raw.message())[0] == 3  # and not the late answer, once more
                raw.send([2, "9", "Heartbeat", {}])
                assert (await raw.message())[1] == "9"

    end.run(main())
    assert "no worker has answered within 0.1 s" in caplog.text
    caplog.clear()


WRONG = {
    "nothing": b"",
    "not JSON": b"{",
    "another id": [3, "2", {"currentTime": "2026-01-01T00:00:00Z", "interval": 1}],
    "not valid": [3, "1", {"status": "Accepted"}],
    "another payload": [3, "1", {"status": "Unlocked"}],
    "a call": [2, "1", "Heartbeat", {}],
    "a SEND": [6, "1", "NotifyPeriodicEventStream", {}],
    "no such code": [4, "1", "Broken", "", {}],
    "details no object": [4, "1", "InternalError", "", []],
    "deep": b'[3,"1",' + b"[" * 10_000,
    "large": b'[3,"1",{"x":"' + b"x" * 200_000 + b'"}]',
    "no UTF-8": b'[3,"1",{"status":"\xff"}]',
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_worker_says_is_checked(
    nats: NatsServer, prefix: str, end: End, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        data = WRONG[case] if isinstance(WRONG[case], bytes) else json.dumps(WRONG[case]).encode()

        async def handle(message: Msg) -> None:
            await message.respond(data)

        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            await client.subscribe(f"{prefix}.up.*.*.*", "workers", cb=handle)
            await client.flush()
            async with dial(node.server) as raw:
                for _ in range(3):
                    raw.send(BOOT_FRAME)
                    answer = await raw.message()
                    assert answer == [4, "1", "InternalError", "", {}]

    end.run(main())
    assert caplog.text.count("ERROR") == 1
    assert "3 times" in caplog.text
    caplog.clear()


def test_more_calls_than_the_node_takes(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(max_in_flight=1)
            slow = Slow()
            await parts.worker(slow)
            async with dial(node.server) as raw, dial(node.server, "/CS-2") as other:
                raw.send(BOOT_FRAME)
                await until(lambda: slow.asked)
                other.send(BOOT_FRAME)
                assert (await other.message())[:3] == [4, "1", "GenericError"]
                assert node.gateway.in_flight == 1
                slow.free.set()
                assert (await raw.message())[0] == 3
                other.send(BOOT_FRAME)
                assert (await other.message())[0] == 3
                assert node.gateway.in_flight == 0

    end.run(main())
    caplog.clear()


def test_more_calls_than_a_worker_takes(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            slow = Slow()
            worker = await parts.worker(slow, max_handling=1)
            async with dial(node.server) as raw, dial(node.server, "/CS-2") as other:
                raw.send(BOOT_FRAME)
                await until(lambda: slow.asked)
                other.send(BOOT_FRAME)
                assert (await other.message())[:3] == [4, "1", "GenericError"]
                assert worker.handling == 1
                slow.free.set()
                assert (await raw.message())[0] == 3

    end.run(main())
    caplog.clear()


def test_more_calls_than_the_broker_takes(
    nats: NatsServer,
    prefix: str,
    end: End,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker()
            async with dial(node.server) as raw:
                monkeypatch.setattr("ocppj.fleet.client.MAX_PENDING", -1)
                raw.send(BOOT_FRAME)
                assert (await raw.message())[:3] == [4, "1", "GenericError"]
                monkeypatch.undo()
                raw.send(BOOT_FRAME)
                assert (await raw.message())[0] == 3

    end.run(main())
    caplog.clear()


def test_a_worker_leaves_after_what_it_has_begun(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            slow, other = Slow(), Central()
            worker = await parts.worker(slow)
            station = await parts.station(node)
            call = asyncio.create_task(station.call(BOOT))
            await until(lambda: slow.asked)
            leaving = asyncio.create_task(worker.leave())
            await parts.worker(other)
            second = await parts.station(node, "CS-2")
            await second.call(BOOT)  # by the other one
            assert len(other.seen) == 1
            assert not leaving.done()
            slow.free.set()
            assert await call == ACCEPTED
            await leaving
            await station.call(BOOT)
            assert (slow.asked, len(other.seen)) == (1, 2)

    end.run(main())


def test_workers_come_and_go_under_traffic(nats: NatsServer, prefix: str, end: End) -> None:
    """No call is lost while workers join and leave."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker()
            stations = [await parts.station(node, f"CS-{n}") for n in range(10)]
            done = False

            async def talk(station: Any) -> int:
                times = 0
                while not done:
                    await station.call(BOOT)
                    times += 1
                return times

            talks = [asyncio.create_task(talk(station)) for station in stations]
            broker = await parts.broker()
            for _ in range(10):
                async with Worker({"2.0.1": Central()}, broker):
                    await asyncio.sleep(0.02)
            done = True
            assert min(await asyncio.gather(*talks)) > 0

    end.run(main())


def test_a_handler_that_does_not_end_is_given_up(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            slow = Slow()
            worker = await parts.worker(slow, grace=0.05)
            async with dial(node.server) as raw:
                raw.send(BOOT_FRAME)
                await until(lambda: slow.asked)
                await worker.leave()
                assert (await raw.message())[:3] == [4, "1", "InternalError"]

    end.run(main())
    assert "1 handlers have not finished within 0.05 s" in caplog.text
    caplog.clear()


def test_what_a_handler_raises_reaches_the_log_alone(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    class Bad:
        def on_boot_notification(self, station: Any, request: Any) -> Any:
            raise ValueError("secret")

        async def on_heartbeat(self, station: Any, request: Any) -> Any:
            raise ocppj.CallRefused("SecurityError", "no", {"a": 1})

        def on_status_notification(self, station: Any, request: Any) -> Any:
            return "nonsense"

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(heartbeat=False)
            await parts.worker(Bad())
            async with dial(node.server) as raw:
                for _ in range(5):
                    raw.send(BOOT_FRAME)
                    assert await raw.message() == [4, "1", "InternalError", "", {}]
                raw.send([2, "1", "Heartbeat", {}])
                assert await raw.message() == [4, "1", "SecurityError", "no", {"a": 1}]
                status = {
                    "timestamp": "2026-01-01T00:00:00Z",
                    "connectorStatus": "Available",
                    "evseId": 1,
                    "connectorId": 1,
                }
                raw.send([2, "1", "StatusNotification", status])
                assert await raw.message() == [4, "1", "InternalError", "", {}]

    end.run(main())
    assert caplog.text.count("ValueError: secret") == 1
    caplog.clear()


def test_a_call_that_comes_late_is_not_handled(
    nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            central = Central()
            await parts.worker(central)
            broker = await parts.broker()
            subject = broker.subjects.up("2.0.1", "CS-1", "BootNotification")
            data = json.dumps(BOOT_FRAME).encode()
            late = headers({"Ocpp-Deadline": str(int(time.time() * 1000) - 1)})
            with pytest.raises(TimeoutError):
                await broker.request(subject, data, late, timeout=0.05)
            assert not central.seen
            await broker.request(subject, data, b"", timeout=5)
            assert central.seen

    end.run(main())
    assert "after its deadline" in caplog.text
    caplog.clear()


def test_a_lenient_gateway_needs_no_lenient_worker(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        lenient = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(codecs={"2.0.1": lenient})
            central = Central()
            await parts.worker(central)
            async with dial(node.server) as raw:
                boot = {
                    "reason": "powerup",
                    "chargingStation": {"model": "M" * 60, "vendorName": "V", "x": 1},
                }
                long_id = "i" * 50
                raw.send([2, long_id, "BootNotification", boot])
                answer = await raw.message()
                assert answer[:2] == [3, long_id]
                ((_, request),) = central.seen
                assert request.charging_station.model == "M" * 60
                assert request.reason is v201.BootReasonEnumType.POWER_UP

    end.run(main())


def test_local_handlers(nats: NatsServer, prefix: str, end: End) -> None:
    class Local:
        def __init__(self) -> None:
            self.told: list[str] = []

        def on_connect(self, station: Any) -> None:
            self.told.append("connect")

        async def on_disconnect(self, station: Any) -> None:
            self.told.append("disconnect")

        def on_heartbeat(self, station: Any, request: Any) -> Any:
            return v201.HeartbeatResponse(current_time=NOW)

        async def on_authorize(self, station: Any, request: Any) -> Any:
            assert (await station.call(UNLOCK)).status.value == "Unlocked"
            info = v201.IdTokenInfoType(status=v201.AuthorizationStatusEnumType.ACCEPTED)
            return v201.AuthorizeResponse(id_token_info=info)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            local = Local()
            node = await parts.gateway(handlers={"2.0.1": local})
            central = Central()
            await parts.worker(central)
            station = await parts.station(node)
            assert (await station.call(v201.HeartbeatRequest())).current_time == NOW
            token = v201.IdTokenType(id_token="A", type="Central")
            await station.call(v201.AuthorizeRequest(id_token=token))
            await station.call(BOOT)
            assert len(central.seen) == 1
            assert local.told == ["connect"]
        assert local.told == ["connect", "disconnect"]

    end.run(main())


def test_hooks_of_a_worker(nats: NatsServer, prefix: str, end: End) -> None:
    class Hooked:
        def __init__(self) -> None:
            self.told: list[tuple[str, str, int]] = []

        def on_connect(self, station: Any) -> None:
            self.told.append(("connect", station.id, station.generation))

        async def on_disconnect(self, station: Any) -> None:
            self.told.append(("disconnect", station.id, station.generation))

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            hooked = Hooked()
            for _ in range(3):  # one of them is told
                await parts.worker(hooked)
            async with dial(node.server):
                await until(lambda: hooked.told)
                generation = node.gateway.generation("CS-1")
            await until(lambda: len(hooked.told) == 2)
            assert hooked.told == [
                ("connect", "CS-1", generation),
                ("disconnect", "CS-1", generation),
            ]

    end.run(main())

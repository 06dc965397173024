"""`Relay`: a station between its primary and mirrors."""

import asyncio
import logging
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, Backoff, ChargingStation, Relay
from ocppj.aio.backlog import Backlog
from tests.aio.ends import End, until
from tests.aio.wire import BOOT, HEARTBEAT, NOW, UNLOCK, Central, Charger, dial, frame, password

SOON = Backoff(minimum=0.02, random_range=0.0)


class Listener(Central):
    """A CSMS's handlers that keep what they are asked, and answer when they may."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.free = asyncio.Event()
        if not held:
            self.free.set()

    async def on_boot_notification(self, station: Any, request: Any) -> Any:
        self.asked.append("boot")
        await self.free.wait()
        return super().on_boot_notification(station, request)

    async def on_heartbeat(self, station: Any, request: Any) -> Any:
        self.asked.append("heartbeat")
        await self.free.wait()
        return v201.HeartbeatResponse(current_time=NOW.replace(year=2030))

    async def on_data_transfer(self, station: Any, request: Any) -> Any:
        self.asked.append(request.message_id)
        await self.free.wait()
        return super().on_data_transfer(station, request)


@asynccontextmanager
async def relayed(end: End, primary: Any, *mirrors: Any, **options: Any) -> Any:
    """Yield the relay, its server, the primary CSMS and those of the mirrors."""
    async with AsyncExitStack() as stack:
        systems = [CSMS({"2.0.1": handler}) for handler in (primary, *mirrors)]
        urls = []
        for csms in systems:
            server = await stack.enter_async_context(end.listen(csms))
            urls.append(f"ws://127.0.0.1:{server.port}/ocpp")
        relay = Relay(urls[0], urls[1:], transport=end.transport, backoff=SOON, **options)
        server = await stack.enter_async_context(relay.listen("127.0.0.1", transport=end.transport))
        yield relay, server, *systems


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_station_talks_to_its_primary_and_mirrors_get_copies(end: End) -> None:
    async def main() -> None:
        primary, one, two = Central(), Listener(), Listener()
        async with relayed(end, primary, one, two) as (relay, server, csms, *_):
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server):
                await station.call(BOOT)
                answer = await station.call(v201.HeartbeatRequest())
                assert answer.current_time == NOW  # the mirrors say otherwise
                answer = await csms.call("CS-1", UNLOCK)
                assert answer.status == "Unlocked"
                await until(lambda: one.asked == two.asked == ["boot", "heartbeat"])
                await until(lambda: [mirror.sent for mirror in relay.mirrors] == [2, 2])
                assert [mirror.connections for mirror in relay.mirrors] == [1, 1]
                assert relay.stations == ["CS-1"]
            await asyncio.gather(*(handler.gone.wait() for handler in (primary, one, two)))
            assert relay.stations == []
        assert [mirror.dropped for mirror in relay.mirrors] == [0, 0]

    end.run(main())


def test_calls_of_a_mirror_never_reach_the_station(end: End) -> None:
    async def main() -> None:
        async with (
            relayed(end, Central(), Listener()) as (relay, server, csms, mirror),
            dial(server) as raw,
        ):
            await mirror.station("CS-1")
            with pytest.raises(ocppj.CallFailed, match="only mirrors") as failed:
                await mirror.call("CS-1", UNLOCK)
            assert failed.value.error_code == "NotSupported"
            calling = asyncio.create_task(csms.call("CS-1", UNLOCK))
            message = await raw.message()  # the first that comes is that of the primary
            raw.send([3, message[1], {"status": "Unlocked"}])
            assert (await calling).status == "Unlocked"
            assert relay.mirrors[0].refused == 1
            assert relay.mirrors[0].sent == 0  # nor does it get answers

    end.run(main())


def test_frames_pass_unchanged_whatever_they_are(end: End) -> None:
    async def main() -> None:
        mirror = Listener()
        async with (
            relayed(end, Central(), mirror) as (relay, server, *_),
            dial(server) as raw,
        ):
            raw.send(b"nonsense")
            assert (await raw.message())[1:3] == ["-1", "RpcFrameworkError"]
            raw.send(b'[2, "h" ,"Heartbeat",{}]')
            assert await raw.message() == [3, "h", {"currentTime": "2026-01-02T03:04:05Z"}]
            await until(lambda: mirror.asked == ["heartbeat"])
            assert relay.mirrors[0].sent == 1  # not the nonsense

    end.run(main())


def test_a_slow_mirror_loses_the_oldest_frames_and_stalls_nobody(
    end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        slow, fast = Listener(held=True), Listener()
        async with relayed(end, Central(), slow, fast, max_waiting=3) as (relay, server, *_):
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server):
                await station.call(BOOT)
                await until(lambda: slow.asked == ["boot"])
                for number in range(10):
                    request = v201.DataTransferRequest(vendor_id="us", message_id=str(number))
                    await station.call(request)
                    await until(lambda number=number: len(fast.asked) == number + 2)
                assert slow.asked == ["boot"]  # one call at a time
                assert [mirror.dropped for mirror in relay.mirrors] == [7, 0]
                slow.free.set()
                await until(lambda: slow.asked == ["boot", "7", "8", "9"])
        lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert len(lines) == 2
        assert "7 frames for ws://127.0.0.1" in lines[1]

    end.run(main())


def test_a_mirror_that_returns_gets_the_boot_first(end: End) -> None:
    async def main() -> None:
        mirror = Listener()
        async with relayed(end, Central(), mirror) as (relay, server, _, other):
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server):
                await station.call(BOOT)
                await until(lambda: mirror.asked == ["boot"])
                await (await other.station("CS-1")).close(1001)
                await mirror.gone.wait()
                await until(lambda: mirror.asked == ["boot", "boot"])
                await station.call(v201.HeartbeatRequest())
                await until(lambda: mirror.asked == ["boot", "boot", "heartbeat"])
        assert relay.mirrors[0].dropped == 0
        assert relay.mirrors[0].connections == 0

    end.run(main())


def test_a_mirror_that_is_not_there_does_not_matter(end: End, unused_port: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as upper:
            url = f"ws://127.0.0.1:{upper.port}/ocpp"
            dead = f"ws://127.0.0.1:{unused_port}/ocpp"
            relay = Relay(url, [dead], transport=end.transport, backoff=SOON, max_waiting=2)
            async with relay.listen("127.0.0.1", transport=end.transport) as server:
                station = ChargingStation("CS-1", {"2.0.1": Charger()})
                async with end.connect(station, server):
                    for _ in range(5):
                        await station.call(v201.HeartbeatRequest())
        assert (relay.mirrors[0].sent, relay.mirrors[0].dropped) == (0, 5)

    end.run(main())


def test_station_and_primary_end_together(end: End) -> None:
    async def main() -> None:
        primary = Central()
        async with relayed(end, primary) as (_, server, csms):
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server, backoff=SOON):
                await (await csms.station("CS-1")).close(1001, "restart")
                await until(lambda: not station.connected)
                await station.wait_connected()
                await station.call(v201.HeartbeatRequest())
            await until(lambda: not csms.stations)
            async with dial(server) as raw:
                await csms.station("CS-1")
                await (await csms.station("CS-1")).close(1001, "restart")
                assert await raw.close_code() == 1013

    end.run(main())


def test_without_a_primary_a_station_is_sent_away(end: End, unused_port: int) -> None:
    async def main() -> None:
        relay = Relay(f"ws://127.0.0.1:{unused_port}/ocpp", transport=end.transport)
        async with relay.listen("127.0.0.1", transport=end.transport) as server:
            async with dial(server) as raw:
                assert await raw.close_code() == 1013
            assert relay.stations == []
            async with dial(server, subprotocol="soap") as raw:
                assert await raw.close_code() == 1002

    end.run(main())


def test_only_the_primary_gets_the_password(end: End) -> None:
    async def main() -> None:
        async with relayed(end, Central(), Listener()) as (_, server, csms, mirror):
            headers = password("CS-1", b"secret")
            async with dial(server, headers=headers):
                found = (await csms.station("CS-1")).handshake.headers
                assert found["authorization"] == headers["Authorization"]
                assert "authorization" not in (await mirror.station("CS-1")).handshake.headers

    end.run(main())


def test_of_two_connections_the_one_that_answers_stays(end: End) -> None:
    async def main() -> None:
        async with relayed(end, Central(), ping_timeout=0.1) as (_, server, csms):
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server):
                async with dial(server) as raw:
                    assert await raw.close_code() == 1008
                await station.call(v201.HeartbeatRequest())
            await until(lambda: not csms.stations)
            async with dial(server):  # answers no ping
                await csms.station("CS-1")
                async with end.connect(station, server):
                    await until(lambda: station.connected)
                    await station.call(v201.HeartbeatRequest())

    end.run(main())


def test_a_station_that_floods_is_closed(end: End) -> None:
    async def main() -> None:
        async with relayed(end, Central(), max_waiting=1) as (_, server, csms):
            async with dial(server) as raw:
                raw.send(HEARTBEAT)
                await raw.message()
                raw.writer.write(frame(b'[2,"h","Heartbeat",{}]') * 50)
                assert await raw.close_code() == 1013
            await until(lambda: not csms.stations)

    end.run(main())


@pytest.mark.parametrize(
    ("urls", "options", "problem"),
    [
        (["http://a"], {}, "'http://a' is not a CSMS URL"),
        (["ws://a", "ftp://b"], {}, "'ftp://b' is not a CSMS URL"),
        (["ws://a", "ws://a"], {}, "a URL is given twice"),
        (["ws://a"], {"max_waiting": 0}, "max_waiting=0: use 1 or more"),
        (["ws://a"], {"versions": []}, "no version is offered"),
        (["ws://a"], {"versions": ["3"]}, "3"),
        (["ws://a"], {"transport": "carrier"}, "unknown transport 'carrier'"),
    ],
)
def test_wrong_arguments_are_rejected(urls: list[str], options: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Relay(urls[0], urls[1:], **options)


def test_an_backlog_is_bounded_in_frames_and_bytes() -> None:
    async def main() -> None:
        backlog = Backlog(3, 10)
        assert backlog.put(b"x" * 20)  # one may be larger
        assert not backlog.put(b"a")
        backlog.drop_oldest()
        assert all(backlog.put(b"abc") for _ in range(3))
        assert not backlog.put(b"")
        assert await backlog.get() == b"abc"
        assert not backlog.put(b"12345")
        assert backlog.put(b"1234")
        assert b"1234" in backlog
        assert len(backlog) == 3
        backlog.finish()
        assert [await backlog.get() for _ in range(4)] == [b"abc", b"abc", b"1234", None]
        waiting = Backlog(1, 1)
        asyncio.get_running_loop().call_soon(waiting.put, b"late")
        assert await waiting.get() == b"late"

    asyncio.run(main())

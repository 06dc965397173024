"""One identity, one connection, across nodes; nodes that die, are cut off and come back."""

import asyncio
import signal
import subprocess
import sys
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.fleet.membership import Membership
from tests.aio.ends import End, until
from tests.aio.wire import PING, Raw, dial
from tests.fleet.parts import BOOT, UNLOCK, Central, Listening, system
from tests.fleet.proxy import proxy
from tests.fleet.server import NatsServer


async def close_code(raw: Raw) -> int | None:
    return await asyncio.wait_for(raw.close_code(), 5)


async def claimed(node: Listening, name: str = "CS-1") -> int:
    await until(lambda: node.gateway.generation(name))
    return node.gateway.generation(name)


async def asks(raw: Raw) -> Any:
    """Return the answer to a Heartbeat: the connection is open."""
    raw.send([2, "h", "Heartbeat", {}])
    return await asyncio.wait_for(raw.message(), 5)


async def pongs(raw: Raw) -> None:
    """Answer pings until the connection ends."""
    while True:
        kind, data = await raw.receive()
        if kind == PING:
            raw.send(data, 10)


def test_a_connection_that_answers_a_ping_stays(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, other = await parts.gateway(), await parts.gateway()
            station = await parts.station(node)  # a library that answers pings
            generation = await claimed(node)
            async with dial(other.server, "/CS-1") as raw:
                assert await close_code(raw) == 1008
            assert station.connected
            assert await claimed(node) == generation
            assert not other.gateway.stations
            fleet = await parts.fleet()
            assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"

    end.run(main())


def test_the_newest_wins_after_the_older_one_fails_a_ping(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(ping_timeout=0.1)
            other = await parts.gateway()
            async with dial(node.server, "/CS-1") as dead:  # it answers no pings
                first = await claimed(node)
                station = await parts.station(other)
                assert await claimed(other) > first
                assert await close_code(dead) == 1008
                assert not node.gateway.stations
                assert not node.gateway.generation("CS-1")
                assert station.connected
                fleet = await parts.fleet()
                assert fleet.stations["CS-1"].node == other.gateway.node
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"

    end.run(main())


@pytest.mark.parametrize("setting", ["newest", "oldest"])
def test_settings(nats: NatsServer, prefix: str, end: End, setting: Any) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(duplicates=setting)
            other = await parts.gateway(duplicates=setting)
            async with dial(node.server, "/CS-1") as first:
                await claimed(node)
                async with dial(other.server, "/CS-1") as second:
                    loser, winner = (first, second) if setting == "newest" else (second, first)
                    assert await close_code(loser) == 1008
                    assert (await asks(winner))[0] == 3

    end.run(main())


def test_many_connections_of_one_identity_at_once(nats: NatsServer, prefix: str, end: End) -> None:
    """However they race, one is left, and the fleet knows which."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            nodes = [await parts.gateway(duplicates="newest") for _ in range(3)]
            fleet = await parts.fleet()
            opened: list[Raw] = []

            async def connect(node: Listening) -> None:
                async with dial(node.server, "/CS-1") as raw:
                    opened.append(raw)
                    assert await raw.close_code() in {1008, None}
                    opened.remove(raw)

            tasks = [asyncio.create_task(connect(nodes[n % 3])) for n in range(12)]
            await until(
                lambda: len(opened) == 1 and all(len(n.gateway.stations) < 2 for n in nodes)
            )
            await until(lambda: sum(len(node.gateway.stations) for node in nodes) == 1)
            (holder,) = (node for node in nodes if node.gateway.stations)
            generation = await claimed(holder)
            await until(lambda: fleet.stations["CS-1"].generation == generation)
            assert fleet.stations["CS-1"].node == holder.gateway.node
            opened[0].abort()
            await asyncio.gather(*tasks, return_exceptions=True)

    end.run(main())


def test_a_command_named_a_generation_and_never_reaches_a_later_connection(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(duplicates="newest")
            other = await parts.gateway()
            fleet = await parts.fleet()
            async with dial(node.server, "/CS-1"):
                await claimed(node)
                station = await fleet.station("CS-1", timeout=5)
                async with dial(other.server, "/CS-1") as raw:
                    generation = await claimed(other)
                    with pytest.raises(ocppj.ConnectionLost):
                        await station.call(UNLOCK)
                    await until(lambda: fleet.stations["CS-1"].generation == generation)
                    later = await fleet.station("CS-1")
                    call = asyncio.create_task(later.call(v201.ClearCacheRequest()))
                    asked = await raw.message()
                    assert asked[2] == "ClearCache"  # and no UnlockConnector before it
                    raw.send([3, asked[1], {"status": "Accepted"}])
                    await call

    end.run(main())


def test_a_node_that_was_cut_off_cannot_harm_the_new_connection(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with proxy(nats.port) as way, system(nats.url, prefix, end) as parts:
            from ocppj.fleet import connect  # noqa: PLC0415  after the skip

            broker = await parts._stack.enter_async_context(connect(way.url, prefix=prefix))
            cut_off = await parts.gateway(broker=broker, lease=1)
            other = await parts.gateway()
            fleet = await parts.fleet()
            events = fleet.events()
            async with dial(cut_off.server, "/CS-1") as old, dial(cut_off.server, "/CS-2") as kept:
                await claimed(cut_off)
                await claimed(cut_off, "CS-2")
                await until(lambda: len(fleet.stations) == 2)
                way.cut()
                await until(lambda: not cut_off.gateway.ready)
                await until(lambda: not fleet.stations)  # within the lease
                # Its stations are not told: they stay, and their Heartbeats go on.
                assert (await asks(old))[0] == 3
                station = await parts.station(other)  # newest wins: nobody answers for the old one
                generation = await claimed(other)
                way.heal()
                await until(lambda: cut_off.gateway.ready)
                assert await close_code(old) == 1008
                assert station.connected
                assert other.gateway.generation("CS-1") == generation
                await until(lambda: len(fleet.stations) == 2)
                assert fleet.stations["CS-1"].generation == generation
                assert fleet.stations["CS-2"].node == cut_off.gateway.node
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
                assert (await asks(kept))[0] == 3
                seen = [await anext(events) for _ in range(6)]
                assert [one.type for one in seen if one.station_id == "CS-1"] == [
                    "connected",
                    "disconnected",
                    "connected",
                ]

    end.run(main())


NODE = """
import asyncio, sys
from ocppj.fleet import Gateway, connect
async def main(url, prefix, lease):
    async with connect(url, prefix=prefix) as broker:
        gateway = Gateway(["2.0.1"], broker, lease=float(lease), ping_timeout=0.3)
        async with gateway.listen("127.0.0.1") as server:
            print(server.port, flush=True)
            await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""


class NodeProcess:
    """A gateway in a process of its own."""

    def __init__(self, url: str, prefix: str, lease: float = 1.0) -> None:
        command = [sys.executable, "-c", NODE, url, prefix, str(lease)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def test_a_node_that_is_killed(nats: NatsServer, prefix: str, end: End) -> None:
    """Its stations are absent within the lease; they are back at another node, callable, once."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            loop = asyncio.get_running_loop()
            doomed = await asyncio.to_thread(NodeProcess, nats.url, prefix)
            fleet = await parts.fleet()
            async with dial(doomed, "/CS-1"), dial(doomed, "/CS-2"):
                await until(lambda: len(fleet.stations) == 2)
                other = await parts.gateway()
                start = loop.time()
                doomed.kill()
                await until(lambda: not fleet.stations)
                assert loop.time() - start < 2
                events = fleet.events()
                await parts.station(other)
                event = await anext(events)
                assert (event.type, event.node) == ("connected", other.gateway.node)
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
                assert set(fleet.stations) == {"CS-1"}
                with pytest.raises(ocppj.ConnectionLost):
                    await fleet.station("CS-2")

    end.run(main())


def test_a_command_that_is_faster_than_the_node(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fleet hears of a station before the node listens to it: the command waits."""
    serve = Membership._serve

    def late(self: Membership, station: Any) -> None:
        asyncio.get_running_loop().call_later(0.04, serve, self, station)

    monkeypatch.setattr(Membership, "_serve", late)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            fleet = await parts.fleet()
            station = asyncio.create_task(parts.station(await parts.gateway()))
            await until(lambda: "CS-1" in fleet.stations)
            assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
            await station

    end.run(main())


def test_a_node_that_was_suspended(nats: NatsServer, prefix: str, end: End) -> None:
    """What it gets when it goes on is of the time before: no command is executed."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            frozen = await asyncio.to_thread(NodeProcess, nats.url, prefix)
            try:
                fleet = await parts.fleet()
                async with dial(frozen, "/CS-1") as raw, dial(frozen, "/CS-2") as kept:
                    await until(lambda: len(fleet.stations) == 2)
                    old = await fleet.station("CS-2")
                    frozen.signal(signal.SIGSTOP)
                    with pytest.raises(ocppj.CallTimeout):
                        await old.call(UNLOCK, timeout=0.1)
                    other = await parts.gateway(ping_timeout=0.1)
                    station = await parts.station(other)
                    await until(lambda: set(fleet.stations) == {"CS-1"})
                    frozen.signal(signal.SIGCONT)
                    assert await close_code(raw) == 1008
                    assert station.connected
                    await until(lambda: len(fleet.stations) == 2)
                    assert (await asks(kept))[1] == "h"  # no UnlockConnector came before
                    assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
            finally:
                frozen.kill()

    end.run(main())


def test_a_command_that_waited_in_a_node_that_was_suspended(
    nats: NatsServer, prefix: str, end: End
) -> None:
    """It is not sent after its time-out, also where it does not say when it was sent."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            frozen = await asyncio.to_thread(NodeProcess, nats.url, prefix, 10)
            client = await parts.plain()
            fleet = await parts.fleet()
            try:
                async with dial(frozen, "/CS-1") as raw:
                    await until(lambda: fleet.stations)
                    frozen.signal(signal.SIGSTOP)
                    headers = {"Ocpp-Action": "ClearCache", "Ocpp-Timeout": "0.2"}
                    reply = asyncio.create_task(
                        client.request(f"{prefix}.call.CS-1", b"{}", 5, headers=headers)
                    )
                    await asyncio.sleep(1.5)  # less than the lease
                    frozen.signal(signal.SIGCONT)
                    found = (await reply).headers
                    assert found
                    assert found["Ocpp-Status"] == "timeout"
                    assert (await asks(raw))[1] == "h"  # no ClearCache came before
                    headers["Ocpp-Timeout"] = "1.2"  # shorter than that; but this one is new

                    async def later() -> Any:
                        # It counts as old until the broker has answered the node's ping.
                        while True:
                            reply = await client.request(
                                f"{prefix}.call.CS-1", b"{}", 5, headers=headers
                            )
                            if reply.headers["Ocpp-Status"] != "timeout":
                                return reply.headers["Ocpp-Status"]

                    async with asyncio.timeout(1.2):
                        status = asyncio.create_task(later())
                        asked = await raw.message()
                        raw.send([3, asked[1], {"status": "Accepted"}])
                        assert await status == "result"
            finally:
                frozen.kill()

    end.run(main())


def test_a_station_moves_under_traffic(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            nodes = [await parts.gateway() for _ in range(2)]
            central = Central()
            await parts.worker(central)
            fleet = await parts.fleet()
            generations = []
            for number in range(6):
                node = nodes[number % 2]
                async with end.connect(
                    ocppj.aio.ChargingStation("CS-1", {"2.0.1": object()}), node.server
                ) as station:
                    await station.call(BOOT)
                    generations.append(await claimed(node))
                    await until(lambda n=generations[-1]: fleet.stations["CS-1"].generation == n)
            assert generations == sorted(set(generations))
            await until(lambda: not fleet.stations)

    end.run(main())

"""What the nodes of a fleet sum up, and the page's statistics of it."""

import asyncio
import gc
from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj.aio.summary import Summary
from ocppj.fleet import Fleet, summaries
from tests.aio.ends import End, until
from tests.aio.test_metrics import Counting
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, UNLOCK, system
from tests.fleet.server import NatsServer

LENIENT = {"2.0.1": ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())}
BOOTING = (
    b'[2,"0","BootNotification",{"reason":"PowerUp",'
    b'"chargingStation":{"vendorName":"V","model":"M"},"x":1}]'
)
FRAMES = (b'[2,"1","Heartbeat",{"x":1}]', b'[2,"2","Heartbeat",[]]', b'[2,"3","Nope",{}]')


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "SECONDS", 0.2)


async def asked(*nodes: Any) -> None:
    """Wait until nodes have heard that somebody wants summaries."""
    for node in nodes:
        await until(lambda node=node: node.gateway._summaries._publishing)


def summed(found: list[Summary]) -> Any:
    refused: Counter[str] = Counter()
    violations: Counter[str] = Counter()
    for one in found:
        refused.update(one.refused)
        for model, rules in one.violations.items():
            violations[model] += rules["unknown_field"]
    calls = sum(sum(one.latencies) for one in found)
    return sum(x.received for x in found), sum(x.sent for x in found), calls, refused, violations


@pytest.mark.usefixtures("soon")
def test_each_node_sums_up_what_its_stations_do(nats: NatsServer, prefix: str, end: End) -> None:
    counting = Counting()

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            first = await parts.gateway(codecs=LENIENT, metrics=counting)
            second = await parts.gateway(codecs=LENIENT)
            await parts.worker()
            fleet = await parts.fleet()
            station = await parts.station(first, "CS-1")
            stream = fleet.summaries()
            await asked(first)
            await station.call(BOOT)
            await fleet.call("CS-1", UNLOCK)
            await asked(first, second)
            async with dial(second.server, "/CS-2") as raw:
                for frame in (*FRAMES, BOOTING, FRAMES[0]):
                    raw.send(frame)
                    await raw.message()
            found: dict[str, list[Summary]] = {}
            while len(found) < 2 or min(map(len, found.values())) < 4:
                one = await anext(stream)
                found.setdefault(one.node, []).append(one)
            assert set(found) == {first.gateway.node, second.gateway.node}
            assert summed(found[first.gateway.node]) == (2, 2, 2, {}, {})
            refused = {"Heartbeat": 1, "unknown": 1}
            # The model is known once the station has said it.
            violations = {"unknown": 2, "V M": 1}
            assert summed(found[second.gateway.node]) == (5, 5, 3, refused, violations)
            for before, after in pairwise(found[first.gateway.node]):
                assert 0.19 < after.start - before.start < 0.21
            assert counting.told  # the metrics of the user go on
            del stream
            gc.collect()

    end.run(main())


@pytest.mark.usefixtures("soon")
def test_nothing_is_counted_while_nobody_asks(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summaries, "LEASE", 0.5)
    monkeypatch.setattr(summaries, "RENEW", 0.1)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            await parts.station(node)
            link = node.gateway.stations["CS-1"]._link
            assert link.endpoint.metrics is None
            for _ in range(2):
                stream = fleet.summaries()
                await asked(node)
                for _ in range(4):  # longer than the lease
                    await anext(stream)
                await until(lambda: link.endpoint.metrics is node.gateway.summarizer)
                async with dial(node.server, "/CS-2") as raw:  # enters while they are counted
                    raw.send(FRAMES[1])
                    await raw.message()
                    while not (await anext(stream)).refused:
                        pass
                    frames = node.gateway.frames("CS-1")
                    await fleet.call("CS-1", UNLOCK)
                    assert (await anext(frames)).action == "UnlockConnector"
                    del frames
                    await fleet.call("CS-1", UNLOCK)
                    del stream
                    gc.collect()
                    other = node.gateway.stations["CS-2"]._link
                    await until(node.gateway._summaries._publishing.done)
                    assert link.endpoint.metrics is other.endpoint.metrics is None
                await until(lambda: "CS-2" not in node.gateway.stations)
                node.gateway._summaries._publishing = None

    end.run(main())


JUNK = [
    b"",
    b"\xff",
    b"{}",
    b'{"node":"n","start":1,"received":-1,"sent":0,"latencies":[],"refused":{},"violations":{}}',
    msgspec.json.encode(Summary("n", 1e300, 0, 0, [0] * 16, {}, {})),
    msgspec.json.encode(Summary("n", 1.0, 0, 0, [0] * 15, {}, {})),
    msgspec.json.encode(Summary("n", 1.0, 0, 0, [0] * 16, {"A": 2**60}, {})),
]


def test_what_is_not_a_summary_is_skipped(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            fleet = await parts.fleet()
            stream = fleet.summaries()
            plain = await parts.plain()
            good = Summary("n", 1.0, 1, 2, [0] * 16, {}, {})
            for payload in (*JUNK, msgspec.json.encode(good)):
                await plain.publish(f"{prefix}.summary.n", payload)
            await plain.flush()
            assert await anext(stream) == good

    end.run(main())


def test_summaries_need_the_context_of_the_fleet(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            fleet = Fleet(await parts.broker())
            with pytest.raises(ocppj.LocalProtocolError, match="async with"):
                fleet.summaries()
            async with fleet:
                stream = fleet.summaries()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    end.run(main())


@pytest.mark.usefixtures("soon")
def test_the_broker_may_be_away(own_nats: NatsServer, prefix: str, end: End, caplog: Any) -> None:
    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            stream = fleet.summaries()
            await anext(stream)
            own_nats.stop()
            await until(lambda: not node.gateway.broker.connected)
            await asyncio.sleep(0.5)
            own_nats.start()
            await until(lambda: node.gateway.ready)
            stream._unread.clear()
            assert (await anext(stream)).node == node.gateway.node

    end.run(main())
    assert "a summary is lost" in caplog.text


@pytest.mark.usefixtures("soon")
def test_the_statistics_of_the_page_are_those_of_all_nodes(
    nats: NatsServer, prefix: str, end: End
) -> None:
    pytest.importorskip("httpx")
    pytest.importorskip("starlette")
    from tests.fleet.test_web import web  # noqa: PLC0415  after the skip

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            nodes = [await parts.gateway(codecs=LENIENT), await parts.gateway(codecs=LENIENT)]
            await parts.worker()
            fleet = await parts.fleet()
            async with web(fleet) as client:
                await asked(*nodes)
                for number, node in enumerate(nodes):
                    station = await parts.station(node, f"A-{number}")
                    await station.call(BOOT)
                    async with dial(node.server, f"/B-{number}") as raw:
                        for frame in FRAMES:
                            raw.send(frame)
                            await raw.message()
                while True:
                    found = (await client.get("/statistics")).json()
                    if sum(row["received"] for row in found["series"]) == 8:
                        break
                    await asyncio.sleep(0.05)
                assert sum(row["sent"] for row in found["series"]) == 8
                assert sum(row["refused"] for row in found["series"]) == 4
                assert found["refused"] == {"Heartbeat": 2, "unknown": 2}
                assert found["violations"] == {"unknown": {"unknown_field": 2}}
                assert any(row["p99"] for row in found["series"])

    end.run(main())

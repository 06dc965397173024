"""Frames of one station of a fleet, for whoever looks."""

import asyncio
import gc
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj.aio import TappedFrame
from ocppj.fleet import taps
from ocppj.fleet.taps import ShownFrame
from tests.aio.ends import End, until
from tests.aio.test_viewers import read
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, UNLOCK, Wallbox, system
from tests.fleet.server import NatsServer

AUTHORIZE = b'[2,"%d","Authorize",{"idToken":{"idToken":"SECRET","type":"Central"}}]'
HEARTBEAT = b'[2,"%d","Heartbeat",{}]'


def rows(frames: list[TappedFrame]) -> list[Any]:
    return [(one.direction, one.message_type, one.action, one.outcome) for one in frames]


async def looked_at(node: Any, station_id: str = "CS-1") -> None:
    """Wait until a node shows the frames of a station."""
    await until(lambda: station_id in node.gateway._taps._leases)


def test_the_frames_of_a_station_are_shown_without_secrets(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
            node = await parts.gateway(codecs={"2.0.1": codec})
            await parts.worker()
            fleet = await parts.fleet()
            station = await parts.station(node)
            first, second = fleet.frames("CS-1"), fleet.frames("CS-1")
            await looked_at(node)
            await station.call(BOOT)
            await fleet.call("CS-1", UNLOCK)
            async with dial(node.server, "/CS-2") as raw:
                other = fleet.frames("CS-2")
                await looked_at(node, "CS-2")
                for frame in (AUTHORIZE % 1, b'[2,"2","Heartbeat",{"x":"SECRET"}]', b"[3,"):
                    raw.send(frame)
                    await raw.message()
                seen = await read(other, 6)
            assert rows(seen) == [
                ("in", 2, "Authorize", ""),
                ("out", 4, "Authorize", "NotSupported"),
                ("in", 2, "Heartbeat", ""),
                ("out", 3, "Heartbeat", ""),
                ("in", None, None, "RpcFrameworkError"),
                ("out", 4, None, "RpcFrameworkError"),
            ]
            hidden = msgspec.json.decode(seen[0].data)
            assert hidden[3]["idToken"] == {"idToken": "***", "type": "Central"}
            assert [(one.rule, one.path) for one in seen[2].violations] == [
                ("unknown_field", "$.x")
            ]
            assert seen[2].violations[0].value is None
            assert seen[4].data == bytes(3)
            for stream in (first, second):
                assert rows(await read(stream, 4)) == [
                    ("in", 2, "BootNotification", ""),
                    ("out", 3, "BootNotification", ""),
                    ("out", 2, "UnlockConnector", ""),
                    ("in", 3, "UnlockConnector", ""),
                ]
                assert stream.lost == 0

    end.run(main())


def test_a_viewer_sees_a_station_that_connects_and_moves(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            nodes = [await parts.gateway(), await parts.gateway()]
            fleet = await parts.fleet()
            stream = fleet.frames("CS-1")
            for node in nodes:
                await looked_at(node)
            for number, node in enumerate(nodes):
                async with dial(node.server, "/CS-1") as raw:
                    raw.send(HEARTBEAT % number)
                    await raw.message()
                    asked, _ = await read(stream, 2)
                    assert asked.data == HEARTBEAT % number
                await until(lambda node=node: not node.gateway.stations)

    end.run(main())


def test_a_node_shows_nothing_soon_after_nobody_looks(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taps, "LEASE", 0.3)
    monkeypatch.setattr(taps, "RENEW", 0.1)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            await parts.station(node, handlers=Wallbox())
            link = node.gateway.stations["CS-1"]._link
            before = type(link)
            heard = len(fleet._broker._client.callbacks)
            stream = fleet.frames("CS-1")
            await looked_at(node)
            await asyncio.sleep(0.5)  # longer than the lease: it is renewed
            await fleet.call("CS-1", UNLOCK)
            assert len(await read(stream, 2)) == 2
            assert type(link) is not before
            del stream
            gc.collect()
            await until(lambda: not node.gateway._taps._leases)
            assert type(link) is before
            assert not fleet._taps._watched
            assert len(fleet._broker._client.callbacks) == heard

    end.run(main())


def test_the_broker_may_be_away_for_a_while(own_nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            async with dial(node.server, "/CS-1") as raw:
                stream = fleet.frames("CS-1")
                await looked_at(node)
                own_nats.stop()
                await until(lambda: not node.gateway.broker.connected)
                raw.send(HEARTBEAT % 1)
                assert (await raw.message())[1] == "1"
                own_nats.start()
                await until(lambda: node.gateway.ready and fleet._broker.connected)
                raw.send(HEARTBEAT % 2)
                seen = await read(stream, 1)
                assert (seen[0].data, stream.lost) == (HEARTBEAT % 2, 2)

    end.run(main())


def test_a_station_that_floods_is_not_slowed_and_frames_are_counted(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taps, "BYTES_PER_SECOND", 8 * taps.OVERHEAD)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            async with dial(node.server, "/CS-1") as raw:
                stream = fleet.frames("CS-1")
                await looked_at(node)
                for number in range(100):
                    raw.send(HEARTBEAT % number)
                for number in range(100):
                    assert (await raw.message())[1] == str(number)
                shown = await read(stream, 15)
                await asyncio.sleep(0.3)
                raw.send(HEARTBEAT % 100)
                while shown[-1].data != HEARTBEAT % 100:
                    shown += await read(stream, 1)
                assert 200 - 2 <= len(shown) - 1 + stream.lost <= 200
                assert stream.lost > 100

    end.run(main())


def test_leases_are_bounded_and_other_subjects_ask_for_nothing(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(taps, "MAX_LEASES", 5)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            plain = await parts.plain()
            for code in ("%zz", "%41", "a%2", "x" * 600, *map(str, range(50))):
                await plain.publish(f"{prefix}.tap.{code}", b"\xff")
            await plain.flush()
            await looked_at(node, "4")
            await asyncio.sleep(0.1)
            assert sorted(node.gateway._taps._leases) == ["0", "1", "2", "3", "4"]
            assert len(node.gateway._stations.viewers._viewers) == 5

    end.run(main())
    assert len([one for one in caplog.records if one.name == "ocppj.fleet"]) == 1


JUNK = [
    b"",
    b"\xff",
    b"[" * 10_000,
    b"{}",
    b'{"time":1e300,"direction":"in","size":1}',
    b'{"time":1,"direction":"up","size":1}',
    b'{"time":1,"direction":"in","size":1e15}',
    b'{"time":1,"direction":"in","size":-1}',
    b'{"time":1,"direction":"in","size":1,"lost":-1}',
]


def test_what_is_not_a_frame_is_skipped(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            fleet = await parts.fleet()
            stream = fleet.frames("CS 1")
            plain = await parts.plain()
            good = msgspec.json.encode(ShownFrame(time=1.0, direction="in", size=0, lost=3))
            for payload in (*JUNK, good):
                await plain.publish(f"{prefix}.frame.CS%201", payload)
            await plain.flush()
            expected = TappedFrame(1.0, "CS 1", "in", b"", None, None, "", ())
            assert (await read(stream, 1), stream.lost) == ([expected], 3)

    end.run(main())


def test_frames_need_the_context_of_the_fleet(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            broker = await parts.broker()
            fleet = ocppj.fleet.Fleet(broker)
            with pytest.raises(ocppj.LocalProtocolError, match="async with"):
                fleet.frames("CS-1")
            async with fleet:
                stream = fleet.frames("CS-1")
                with pytest.raises(ValueError, match="token"):
                    fleet.frames("x" * 1000)
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    end.run(main())

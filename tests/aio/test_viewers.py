"""The frames of one station, while somebody looks: `CSMS.frames`."""

import asyncio
import gc
import json
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS, ChargingStation, FrameStream, TappedFrame, viewers
from ocppj.aio.stations import StationLink
from ocppj.aio.throttle import ThrottledLink

from .conftest import End
from .ends import until
from .test_metrics import Counting
from .test_tap import RESET, Central, Charger, rows
from .wire import dial

HEARTBEAT = b'[2,"%d","Heartbeat",{}]'


async def read(stream: FrameStream, number: int) -> list[TappedFrame]:
    return [await anext(stream) for _ in range(number)]


def test_both_directions_are_shown_from_the_moment_on_that_somebody_looks(end: End) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(HEARTBEAT % 1)
            await raw.message()
            stream = csms.frames("CS-1")
            raw.send(b'[2,"2","Heartbeat",{"x":1}]')
            answer = await raw.message()
            raw.send(b'[2,"3","Nope",{}]')
            await raw.message()
            raw.send(b'[2,"4","Authorize",{"idToken":{"idToken":"A","type":"Central"}}]')
            await raw.message()
            call = asyncio.create_task(csms.call("CS-1", RESET))
            asked = await raw.message()
            raw.send([3, asked[1], {"status": "Accepted"}])
            await call
            seen = await read(stream, 8)
            assert rows(seen) == [
                ("in", 2, "Heartbeat", ""),
                ("out", 3, "Heartbeat", ""),
                ("in", 2, None, "NotImplemented"),
                ("out", 4, None, "NotImplemented"),
                ("in", 2, "Authorize", ""),
                ("out", 4, "Authorize", "SecurityError"),
                ("out", 2, "Reset", ""),
                ("in", 3, "Reset", ""),
            ]
            assert [one.rule for one in seen[0].violations] == ["unknown_field"]
            assert [json.loads(seen[at].data) for at in (1, 6)] == [answer, asked]

    end.run(main())


@pytest.mark.parametrize(("limit", "cls"), [(None, StationLink), (100, ThrottledLink)])
def test_a_station_pays_only_while_somebody_looks(memory: End, limit: Any, cls: type) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, max_frames=limit)
        charger = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with memory.listen(csms) as server, memory.connect(charger, server):
            link = (await csms.station("CS-1"))._link
            before = (type(link), link.endpoint, link.transport)
            assert before[0] is cls
            first, second = csms.frames("CS-1"), csms.frames("CS-1")
            assert isinstance(link, cls)
            assert type(link) is not cls
            await csms.call("CS-1", RESET)
            assert rows(await read(first, 2)) == rows(await read(second, 2))
            del first
            gc.collect()
            await csms.call("CS-1", RESET)
            assert len(await read(second, 2)) == 2
            del second
            gc.collect()
            await csms.call("CS-1", RESET)  # at the first frame that nobody wants
            assert (type(link), link.endpoint, link.transport) == before
            await csms.call("CS-1", RESET)
            csms.frames("CS-2")
            assert list(csms._stations.viewers._viewers) == ["CS-2"]

    memory.run(main())


def test_a_station_may_connect_later_and_again(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        stream = csms.frames("CS-1")
        async with end.listen(csms) as server:
            for number in range(2):
                async with dial(server) as raw:
                    raw.send(HEARTBEAT % number)
                    await raw.message()
                    assert [frame.data for frame in await read(stream, 1)] == [HEARTBEAT % number]
                    await anext(stream)
                await until(lambda: not csms.stations)
            assert not csms._stations.viewers._shown
        stream.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    end.run(main())


def test_metrics_and_tap_go_on(memory: End) -> None:
    tapped: list[TappedFrame] = []
    metrics = Counting()

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, tap=tapped.append, metrics=metrics)
        charger = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with memory.listen(csms) as server, memory.connect(charger, server):
            await csms.call("CS-1", RESET)
            stream = csms.frames("CS-1")
            await csms.call("CS-1", RESET)
            seen = await read(stream, 2)
            assert rows(seen) == rows(tapped[2:]) == rows(tapped[:2])
            assert [one.data for one in seen] == [one.data for one in tapped[2:]]

    memory.run(main())
    assert len(tapped) == 4
    assert [what[0] for what in metrics.told].count("frame") == 4


def frame(data: bytes) -> TappedFrame:
    return TappedFrame(0.0, "CS-1", "in", data, 2, "Heartbeat", "", ())


def test_a_reader_that_does_not_read_loses_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(viewers, "MAX_UNREAD", 3)
        monkeypatch.setattr(viewers, "MAX_UNREAD_BYTES", 100)
        stream = FrameStream()
        for _ in range(5):
            stream.put(frame(b"x"))
        assert stream.lost == 2
        await read(stream, 3)
        stream.put(frame(b"x" * 100))
        stream.put(frame(b"x"))
        assert stream.lost == 3
        await read(stream, 1)
        stream.put(frame(b"x"))
        assert (stream.lost, len(await read(stream, 1))) == (3, 1)

    asyncio.run(main())

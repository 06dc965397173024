"""How a station connects and reconnects."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, Backoff, ChargingStation
from tests.aio.ends import End
from tests.aio.wire import (
    BOOT,
    UNLOCK,
    Central,
    Charger,
    Raw,
)


def test_one_station_connects_once(memory: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with memory.listen(csms) as server:
            async with memory.connect(station, server):
                with pytest.raises(ocppj.LocalProtocolError, match="already"):
                    async with memory.connect(station, server):
                        raise AssertionError
                await station.call(BOOT)
            async with memory.connect(station, server):
                await station.call(BOOT)
        for url in ("127.0.0.1:9", "http://127.0.0.1:9", ""):
            with pytest.raises(ValueError, match="ws://"):
                async with station.connect(url, transport=memory.transport):
                    raise AssertionError

    memory.run(main())


def test_a_station_connects_again(end: End) -> None:
    quick = Backoff(minimum=0.01, random_range=0.01, repeat_times=2)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with contextlib.AsyncExitStack() as stack:
            async with end.listen(csms) as server:
                await stack.enter_async_context(end.connect(station, server, backoff=quick))
                await station.call(BOOT)
            with pytest.raises(ocppj.ConnectionLost):
                await station.call(BOOT)
            await asyncio.sleep(0.05)  # some attempts fail
            for _ in range(2):
                async with csms.listen("127.0.0.1", server.port, transport=end.transport):
                    await station.wait_connected()
                    await station.call(BOOT)
                    seen = csms.stations["CS-1"]
                    assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    end.run(main())


def test_a_station_reconnects_after_any_error(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        quick = Backoff(minimum=0.01, random_range=0.01)
        async with end.listen(csms) as server, end.connect(station, server, backoff=quick):
            attach, failures = station._attach, iter([ValueError("odd"), OSError("odd")])

            def failing(*args: Any) -> Any:
                for error in failures:
                    raise error
                return attach(*args)

            monkeypatch.setattr(station, "_attach", failing)
            await (await csms.station("CS-1")).close()
            await station.wait_connected()
            await station.call(BOOT)
            assert next(failures, None) is None

    end.run(main())


def test_giving_up_while_connecting_leaves_nothing(end: End) -> None:
    async def main() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()
        gone = asyncio.Event()

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await answer.wait()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: none\r\n\r\n"
            )
            await Raw(reader, writer).ended()
            writer.close()
            gone.set()

        server = await asyncio.start_server(late, "127.0.0.1")
        address = SimpleNamespace(port=server.sockets[0].getsockname()[1])
        station = ChargingStation("CS-1", {"2.0.1": Charger()})

        async def connect() -> None:
            async with end.connect(station, address):
                raise AssertionError

        dialling = asyncio.create_task(connect())
        await asked.wait()
        dialling.cancel()
        await asyncio.sleep(0)
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await gone.wait()
        server.close()

    end.run(main())


def test_back_off_doubles_up_to_a_limit() -> None:
    waits = Backoff(minimum=10, random_range=0, repeat_times=2).waits()
    assert [next(waits) for _ in range(5)] == [10, 20, 40, 40, 40]
    first = next(Backoff(minimum=1, random_range=2).waits())
    assert 1 <= first <= 3

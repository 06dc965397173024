"""Peers that send more than they should: more frames, more pieces, more control frames."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from time import perf_counter, thread_time

import pytest

from ocppj.aio import CSMS
from ocppj.aio.fairness import MAX_CONTROL_FRAMES, MAX_FRAGMENTS
from tests.integration.conftest import End, until
from tests.integration.wire import (
    HEARTBEAT,
    PING,
    PONG,
    TEXT,
    Central,
    Raw,
    dial,
    frame,
)

FLOODERS = 8
FLOODS = {
    "pings": frame(b"", PING),
    "empty": frame(b""),
    "garbage": frame(b"["),
    "calls": frame(b'[2,"1","Heartbeat",{}]'),
}
SLOW = 0.1
"""Seconds of processor time that an answer may take beside a flood; without fair shares it was a
second or more."""


@contextmanager
def flooded(raws: list[Raw], data: bytes) -> Iterator[None]:
    """Send the same without end on all connections, and read what comes back."""
    over = threading.Event()

    def send(sock: socket.socket) -> None:
        while not over.is_set():
            try:
                sock.sendall(data * (65536 // len(data)))
            except TimeoutError:
                pass
            except OSError:
                return

    def receive(sock: socket.socket) -> None:
        while not over.is_set():
            try:
                if not sock.recv(65536):
                    return
            except TimeoutError:
                pass
            except OSError:
                return

    threads, socks = [], []
    for raw in raws:
        raw.writer.transport.pause_reading()
        sock = raw.writer.get_extra_info("socket").dup()
        sock.settimeout(0.1)
        socks.append(sock)
        threads += [threading.Thread(target=work, args=(sock,)) for work in (send, receive)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for sock in socks:
            sock.close()


async def answered(raw: Raw) -> None:
    """Wait for an answer; answer the pings that come before it."""
    while True:
        kind, data = await raw.receive()
        if kind == TEXT:
            return
        assert kind == PING
        raw.send(data, PONG)


@pytest.mark.parametrize("flood", FLOODS)
def test_eight_that_flood_delay_nobody_else(end: End, flood: str) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(end.listen(csms))
            good = await stack.enter_async_context(dial(server, "/good"))
            raws = [
                await stack.enter_async_context(dial(server, f"/bad-{n}")) for n in range(FLOODERS)
            ]
            with flooded(raws, FLOODS[flood]):
                for _ in range(50):
                    start = thread_time()
                    good.send(HEARTBEAT)
                    await answered(good)
                    assert thread_time() - start < SLOW
                    await asyncio.sleep(0.005)

    end.run(main())


def test_a_station_that_answers_pings_stays_beside_a_flood(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        pings = {"ping_interval": 2.0, "ping_timeout": 2.0}
        async with (
            end.listen(csms, **pings) as server,
            dial(server, "/good") as good,
            dial(server, "/bad") as bad,
        ):
            with flooded([bad], FLOODS["garbage"]), suppress(TimeoutError):
                async with asyncio.timeout(4.5):
                    await answered(good)
            assert "good" in csms.stations

    end.run(main())


@pytest.mark.parametrize("more", [0, 1])
def test_a_message_has_a_limited_number_of_fragments(end: End, more: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            whole = b'[2,"h","Heartbeat",{}]'
            empty = frame(b"", 0, fin=False) * (MAX_FRAGMENTS - 2 + more)
            raw.writer.write(frame(whole, fin=False) + empty + frame(b"", 0))
            if more:
                assert await raw.close_code() == 1009
            else:
                assert (await raw.message())[:2] == [3, "h"]

    end.run(main())


@pytest.mark.parametrize("kind", [PING, PONG])
def test_a_limited_number_of_control_frames_is_read_in_a_second(end: End, kind: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            start = perf_counter()
            for _ in range(4):
                raw.writer.write(frame(b"", kind) * MAX_CONTROL_FRAMES)
            raw.send(HEARTBEAT)
            pongs = 0
            while (await raw.receive())[0] == PONG:
                pongs += 1
            assert pongs == (4 * MAX_CONTROL_FRAMES if kind == PING else 0)
            assert 1 < perf_counter() - start < 5

    end.run(main())


@pytest.mark.parametrize("data", [b"\x83\x80\0\0\0\0", b"\x81\x02[]", frame(b"x" * 200, PING)])
def test_what_is_no_websocket_is_logged_once_at_most(
    end: End, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            for _ in range(20):
                raw.writer.write(data * 1000)
                await asyncio.sleep(0)
            await raw.ended()

    with caplog.at_level(logging.WARNING):
        end.run(main())
    assert len(caplog.records) <= 2, caplog.text


def test_a_station_that_calls_and_is_gone_is_no_news(
    end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            for n in range(2000):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            await raw.message()
            raw.abort()
            await until(lambda: not csms.stations)

    with caplog.at_level(logging.WARNING):
        end.run(main())
    assert not caplog.records

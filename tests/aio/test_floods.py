"""Peers that send more than they should: more frames, more pieces, more control frames."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from time import perf_counter, thread_time
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS
from ocppj.aio.fairness import MAX_CONTROL_FRAMES, MAX_FRAGMENTS
from tests.aio.ends import End, until
from tests.aio.test_hostile import unsent
from tests.aio.wire import (
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
    """Send the same frame endlessly on all connections, and read the answers."""
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


NOISE = os.urandom(50_000).hex()
"""Can be compressed to half its size."""


class Amplifier(Central):
    def on_data_transfer(self, station: Any, request: Any) -> v201.DataTransferResponse:
        status = v201.DataTransferStatusEnumType.ACCEPTED
        return v201.DataTransferResponse(status=status, data=NOISE)


def deflated(payload: bytes) -> bytes:
    """Return a compressed text frame."""
    packer = zlib.compressobj(wbits=-12)
    data = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
    head, *rest = frame(data)
    return bytes([head | 0x40, *rest])


def test_what_is_kept_for_a_station_that_does_not_read_is_bounded(end: End) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1")
        csms = CSMS({"2.0.1": Amplifier()}, codecs={"2.0.1": codec})
        call = b'[2,"1","DataTransfer",{"vendorId":"us","data":"%s"}]'
        headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        async with end.listen(csms) as server, dial(server, headers=headers, buffer=4096) as raw:
            if end.transport == "websockets":  # which alone has compression
                assert "permessage-deflate" in raw.headers["sec-websocket-extensions"]
                data = deflated(call % (b"x" * (codec.max_size - len(call))))
            else:
                data = frame(call % b"")
            raw.writer.write(data)
            await raw.receive()  # imports and caches are there
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            raw.writer.write(data * 300)
            seen = csms.stations["CS-1"]
            await until(lambda: unsent(seen))
            await asyncio.sleep(0.2)
            kept = tracemalloc.get_traced_memory()[0] - before - 300 * len(data)
            tracemalloc.stop()
            assert kept < 2 * codec.max_size

    end.run(main())


@pytest.mark.parametrize(
    "data",
    [b"\x83\x80\0\0\0\0", b"\x81\x02[]", frame(b"x" * 200, PING), frame(b" " * 1001)],
    ids=["opcode", "mask", "ping", "size"],
)
def test_a_peer_that_breaks_the_protocol_is_logged_at_most_once(
    end: End, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", max_size=1000)
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server) as raw:
            for _ in range(20):
                if raw.writer.is_closing():  # asyncio would log what this end writes
                    break
                raw.writer.write(data * 1000)
                await asyncio.sleep(0)
            await raw.ended()

    with caplog.at_level(logging.WARNING):
        end.run(main())
    assert len(caplog.records) <= 2, caplog.text


def test_a_peer_that_breaks_the_protocol_in_each_read_is_logged_at_most_once(
    end: End, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", max_size=1000)
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        too_large = frame(b" " * 1001)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.writer.write(frame(b'[2,"h","Heartbeat",{}]') + too_large[:500])
            for _ in range(20):
                await asyncio.sleep(0.001)
                if raw.writer.is_closing():
                    break
                raw.writer.write(too_large[500:] + too_large[:500])
            await raw.ended()

    with caplog.at_level(logging.WARNING):
        end.run(main())
    assert len([one for one in caplog.records if one.name != "asyncio"]) <= 1, caplog.text


def test_a_station_that_calls_and_vanishes_is_not_logged(
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


FULL = """
import asyncio, os, resource, sys
from datetime import UTC, datetime
from ocppj import v201
from ocppj.aio import CSMS

class Handler:
    def on_heartbeat(self, station, request):
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))

async def main():
    async with CSMS({"2.0.1": Handler()}).listen("127.0.0.1", transport=sys.argv[1]) as server:
        over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        free = os.dup(0)
        os.close(free)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 8, hard))
        print(server.port, flush=True)
        await over

loop = None
if sys.argv[2] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop
with asyncio.Runner(loop_factory=loop) as runner:
    runner.run(main())
"""


def test_without_file_descriptors_new_connections_are_closed(end: End) -> None:
    pytest.importorskip("resource")
    loop = "uvloop" if end.loop else "asyncio"
    command = [sys.executable, "-c", FULL, end.transport, loop]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as program:

        async def main() -> None:
            port = await asyncio.to_thread(program.stdout.readline)
            server = SimpleNamespace(port=int(port))
            async with dial(server, "/good") as good:
                many = [
                    (await asyncio.open_connection("127.0.0.1", server.port))[1] for _ in range(50)
                ]
                end_at = perf_counter() + 1.5
                while perf_counter() < end_at:
                    good.send(HEARTBEAT)
                    await answered(good)
                for writer in many:
                    writer.close()
                    await writer.wait_closed()
                await until_connected(server)

        try:
            end.run(main())
            _, err = program.communicate(b"\n", timeout=10)
        finally:
            program.kill()
    lines = err.decode().splitlines()
    assert len(lines) <= 1, lines
    assert all("new connections are closed" in line for line in lines)


async def until_connected(server: Any) -> None:
    """Connect, as soon as connections are accepted again."""
    while True:
        try:
            async with dial(server, "/new"):
                return
        except (ConnectionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.05)

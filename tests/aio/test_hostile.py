"""Peers that vanish, talk nonsense, do not read, or take for ever."""

import asyncio
import gc
import signal
import subprocess
import sys
import tracemalloc
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, Station
from tests.aio.ends import End, until
from tests.aio.wire import (
    BINARY,
    BOOT,
    HEARTBEAT,
    PING,
    PONG,
    TEXT,
    UNLOCK,
    Central,
    Charger,
    Raw,
    dial,
    frame,
)
from tests.conftest import interruptible

BIG = v201.DataTransferRequest(vendor_id="us", data="x" * 500_000)
LARGE = {"2.0.1": ocppj.Codec("2.0.1", max_size=2**20)}
QUICK = {"ping_interval": 0.1, "ping_timeout": 0.1}


def test_a_station_that_vanishes_fails_its_calls_at_once(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            seen = await csms.station("CS-1")
            calls = [asyncio.create_task(seen.call(UNLOCK)) for _ in range(3)]
            await raw.message()
            raw.abort()
            for call in calls:
                with pytest.raises(ocppj.ConnectionLost):
                    await call
            assert seen._link.session.pending is None
            assert not csms.stations

    end.run(main())


def test_a_csms_that_vanishes_fails_the_stations_call_at_once(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        links: list[asyncio.StreamWriter] = []
        async with end.listen(csms) as server:

            async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                there, back = await asyncio.open_connection("127.0.0.1", server.port)
                links.extend((writer, back))
                await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

            async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    while data := await reader.read(2**16):
                        writer.write(data)
                except ConnectionError:
                    pass

            middle = await asyncio.start_server(relay, "127.0.0.1")
            address = SimpleNamespace(port=middle.sockets[0].getsockname()[1])
            async with end.connect(station, address):
                await station.call(BOOT)
                call = asyncio.create_task(station.call(v201.HeartbeatRequest()))
                await asyncio.sleep(0)
                for link in links:
                    link.transport.abort()
                with pytest.raises(ocppj.ConnectionLost):
                    await call
            middle.close()

    end.run(main())


def test_a_station_that_vanishes_while_it_is_sent_to(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, codecs=LARGE)
        async with end.listen(csms) as server, dial(server, buffer=4096) as raw:
            seen = await csms.station("CS-1")
            while True:  # until the call cannot even be sent
                call = asyncio.create_task(seen.call(BIG, timeout=30))
                await asyncio.sleep(0.01)
                if unsent(seen):
                    break
                call.cancel()
                await asyncio.wait([call])
            await asyncio.sleep(0)
            raw.abort()
            with pytest.raises(ocppj.ConnectionLost):
                await call

    end.run(main())


def unsent(station: Station) -> int:
    """Return how many bytes wait for the peer."""
    transport: Any = station._link.transport
    wire = getattr(transport, "_ws", None)
    found = transport._socket.transport if wire is None else wire.underlying_transport
    size: int = found.get_write_buffer_size()
    return size


GARBAGE = [b"", b"\x00\xff", b"[", b"{}", b"[2]", b"null", b'[2,"' + b"x" * 5000, b"[" * 5000]


def test_garbage_is_answered_or_dropped_and_the_connection_lives(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            for data in GARBAGE:
                for kind in (TEXT, BINARY):
                    raw.send(data, kind)
            raw.send([3, "none", {}])
            raw.send([4, "none", "GenericError", "", {}])
            raw.send(HEARTBEAT, BINARY)
            while (answer := await raw.message())[:2] != [3, "h"]:
                assert answer[0] == 4

    end.run(main())


@pytest.mark.parametrize("kind", [TEXT, BINARY])
@pytest.mark.parametrize("padding", [0, 125, 126, 2000])
def test_a_message_may_come_in_pieces(end: End, padding: int, kind: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            data = b'[2,"h","Heartbeat",{}]' + b" " * padding
            for _ in range(2):
                raw.writer.write(
                    frame(data[:5], kind, fin=False)
                    + frame(b"there?" * 20, PING)
                    + frame(b"", 0, fin=False)
                    + frame(data[5:], 0)
                )
                assert await raw.receive() == (PONG, b"there?" * 20)
                assert (await raw.message())[:2] == [3, "h"]
            raw.writer.write(frame(data, kind))
            assert (await raw.message())[:2] == [3, "h"]

    end.run(main())


@pytest.mark.parametrize("size", [22, 125])
def test_a_call_in_a_control_frame_is_not_handled(end: End, size: int) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            data = b'[2,"h","Heartbeat",{}]'.ljust(size)
            for kind in (PING, PONG):
                raw.writer.write(frame(data, kind))
            raw.writer.write(frame(b'[2,"last","Heartbeat",{}]'))
            assert await raw.receive() == (PONG, data)
            assert (await raw.message())[:2] == [3, "last"]

    end.run(main())


@pytest.mark.parametrize("pieces", [1, 2, 100])
def test_a_message_that_is_too_big_ends_the_connection(end: End, pieces: int) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", max_size=10_000)
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server, "/other") as other:
            async with dial(server) as raw:
                size = 10_000 // pieces + 1
                for n in range(pieces):
                    kind = 0 if n else TEXT
                    raw.writer.write(frame(b" " * size, kind, fin=n == pieces - 1))
                raw.send(HEARTBEAT)
                assert await raw.close_code() == 1009
            other.send(HEARTBEAT)
            assert (await other.message())[:2] == [3, "h"]

    end.run(main())


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x02[]",  # not masked
        b"\x83\x80\x00\x00\x00\x00",  # no such kind
        b"\x09\x80\x00\x00\x00\x00",  # a ping in pieces
        b"\x81\xff" + b"\xff" * 8,  # a length of 2**64 - 1
    ],
)
def test_data_that_is_not_a_websocket_ends_the_connection(end: End, data: bytes) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server:
            async with dial(server) as raw:
                raw.writer.write(data)
                assert await raw.close_code() in (1002, 1009)
            async with dial(server, "/other") as raw:
                raw.send(HEARTBEAT)
                assert (await raw.message())[:2] == [3, "h"]

    end.run(main())


def test_a_close_without_a_code_is_answered_with_one(end: End) -> None:
    async def main() -> None:
        async with end.listen(CSMS({"2.0.1": Central()})) as server, dial(server) as raw:
            raw.writer.write(frame(b"", 8))
            kind, data = await raw.receive()
            assert (kind, data) in [(8, b""), (8, (1000).to_bytes(2))]

    end.run(main())


def test_a_handshake_that_is_never_finished_ends(end: End) -> None:
    option = "open_timeout" if end.transport == "websockets" else "websocket_handshake_timeout"

    async def main() -> None:
        async with end.listen(CSMS({"2.0.1": Central()}), **{option: 0.1}) as server:
            for said in (b"", b"GET /CS-1 HTTP/1.1\r\nHost: x\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(said)
                await Raw(reader, writer).ended()
                writer.close()

    end.run(main())


def test_bytes_of_an_unfinished_frame_are_not_a_sign_of_life(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        options = {"close_timeout": 0.1} if end.transport == "websockets" else {}
        async with end.listen(csms, **QUICK, **options) as server, dial(server) as raw:
            ended = asyncio.create_task(raw.ended())
            data = frame(b"x" * 120)
            for n in range(len(data)):
                raw.writer.write(data[n : n + 1])
                await asyncio.sleep(0.05)
                if not csms.stations:
                    break
            assert not csms.stations
            await ended

    end.run(main())


class Amplifier(Central):
    """Answers little with much."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = 0

    def on_data_transfer(self, station: Any, request: Any) -> v201.DataTransferResponse:
        self.handled += 1
        status = v201.DataTransferStatusEnumType.ACCEPTED
        return v201.DataTransferResponse(status=status, data="x" * 100_000)


def test_a_station_that_does_not_read_stalls_nobody_and_costs_little(end: End) -> None:
    async def main() -> None:
        central = Amplifier()
        csms = CSMS({"2.0.1": central}, codecs=LARGE)
        asked = 300
        async with (
            end.listen(csms) as server,
            dial(server, "/bad", buffer=2**16) as raw,
            dial(server, "/good") as good,
        ):
            bad = await csms.station("bad")
            for n in range(asked):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            calls = [asyncio.create_task(bad.call(BIG, timeout=0.2)) for _ in range(3)]
            for n in range(20):
                good.send([2, str(n), "Heartbeat", {}])
                assert (await good.message())[:2] == [3, str(n)]
            for call in calls:
                with pytest.raises(ocppj.CallTimeout):
                    await call
            good.send([2, "last", "Heartbeat", {}])
            assert (await good.message())[:2] == [3, "last"]
            assert central.handled < asked
            assert unsent(bad) < LARGE["2.0.1"].max_size + 600_000  # a call and an answer more
            if end.transport == "picows":
                assert len(bad._link.transport._held) < asked  # type: ignore[attr-defined]
            # And when it reads again, all is answered.
            answers = 0
            while answers < asked:
                if (await raw.message())[0] == 3:
                    answers += 1
            assert central.handled == asked

    end.run(main())


@pytest.mark.parametrize("flood", [False, True])
def test_a_station_that_does_not_read_is_dropped(end: End, *, flood: bool) -> None:
    async def main() -> None:
        central = Amplifier()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms, **QUICK) as server, dial(server, buffer=4096) as raw:
            seen = await csms.station("CS-1")
            for n in range(300):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            pings = frame(b"x" * 125, PING) * 1000
            while flood and not central.gone.is_set():
                raw.writer.write(pings)
                assert unsent(seen) < 300_000
                await asyncio.sleep(0)
                if raw.writer.transport.get_write_buffer_size() > 2**20:
                    break
            await central.gone.wait()
            assert not csms.stations

    end.run(main())


def test_closing_does_not_wait_for_a_station_that_does_not_read(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"ocppj.aio.{end.transport}.CLOSE_TIMEOUT", 0.2)

    async def main() -> None:
        csms = CSMS({"2.0.1": Amplifier()})
        async with end.listen(csms) as server, dial(server, buffer=4096) as raw:
            seen = await csms.station("CS-1")
            for n in range(300):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            await until(lambda: unsent(seen))
            async with asyncio.timeout(2):
                await server.close()

    end.run(main())


@pytest.mark.parametrize(
    "end", ["picows", "picows-uvloop"], indirect=True
)  # `websockets` stops reading
def test_messages_before_a_station_may_enter_are_kept_within_limits(end: End) -> None:
    async def main() -> None:
        enter = asyncio.Event()

        async def known(name: str) -> bool:
            await enter.wait()
            return True

        async with (
            end.listen(CSMS({"2.0.1": Central()}), known=known) as server,
            dial(server, "/few") as few,
            dial(server, "/many") as many,
        ):
            few.send(HEARTBEAT)
            for n in range(17):
                many.send([2, str(n), "Heartbeat", {}])
            assert await many.close_code() == 1008
            enter.set()
            assert (await few.message())[:2] == [3, "h"]

    end.run(main())


def test_a_thousand_reconnects_leave_nothing(end: End) -> None:
    async def main() -> None:
        central = Central()
        central.events = deque(maxlen=1)  # type: ignore[assignment]
        csms = CSMS({"2.0.1": central}, duplicates="newest")

        async def come_and_go(n: int) -> None:
            async with dial(server, f"/CS-{n % 40}") as raw:
                seen = await csms.station(f"CS-{n % 40}")
                if n % 3 == 1:
                    raw.send(HEARTBEAT)
                    await raw.message()
                elif n % 3 == 2:
                    call = asyncio.create_task(seen.call(UNLOCK))
                    await raw.message()
                    raw.abort()
                    await asyncio.wait([call])
                    assert isinstance(call.exception(), ocppj.ConnectionLost)

        async def crowd(many: int) -> int:
            for first in range(0, many, 20):
                await asyncio.gather(*(come_and_go(n) for n in range(first, first + 20)))
            await until(lambda: not csms.stations)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        async with end.listen(csms) as server:
            tasks = len(asyncio.all_tasks())
            tracemalloc.start()
            before = await crowd(200)
            after = await crowd(800)
            tracemalloc.stop()
            assert after - before < 160_000  # 200 bytes each: less than anything of ours
            await until(lambda: len(asyncio.all_tasks()) <= tasks)

            def forgotten() -> bool:
                gc.collect()
                return not [it for it in gc.get_objects() if type(it) is Station]

            await until(forgotten)

    end.run(main())


PROGRAM = """
import asyncio, sys
from ocppj.aio import CSMS, ChargingStation

class Handler:
    async def on_connect(self, station):
        print("connected", flush=True)
        await asyncio.Event().wait()

    def on_disconnect(self, station):
        print("disconnected", flush=True)

async def main():
    async with CSMS({"2.0.1": Handler()}).listen("127.0.0.1", transport=sys.argv[1]) as server:
        station = ChargingStation("CS-1", {"2.0.1": object()})
        url = f"ws://127.0.0.1:{server.port}"
        async with station.connect(url, transport=sys.argv[1]):
            await asyncio.Event().wait()

loop = None
if sys.argv[2] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop
with asyncio.Runner(loop_factory=loop) as runner:
    runner.run(main())
"""


def test_an_interrupted_program_closes_its_connections(end: End) -> None:
    loop = "uvloop" if end.loop else "asyncio"
    command = [sys.executable, "-X", "dev", "-c", PROGRAM, end.transport, loop]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options["preexec_fn"] = interruptible
    with subprocess.Popen(command, **options) as program:  # type: ignore[call-overload]
        try:
            assert program.stdout.readline() == "connected\n"
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=15)
        finally:
            program.kill()
    assert out == "disconnected\n"
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "never retrieved" not in err
    assert "ResourceWarning" not in err

"""Good stations beside eight that flood: `python -m benchmarks.flood`, about two minutes.

A CSMS listens in a process of its own; eight stations in another process send one kind of frame as
fast as it is taken, read all that comes back, and connect again when they are thrown out. Meanwhile
ten good stations send a Heartbeat every 50 ms. One that is due while the last one is not answered
waits, and its wait counts; one that is not answered in the end counts with its age.
"""

import argparse
import asyncio
import select
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from statistics import quantiles
from time import perf_counter
from typing import Any, Final

from benchmarks.page import environment, machine, publish, table

__all__ = ["KINDS", "frame"]

LIBRARIES: Final = ("ocppj", "websockets", "picows", "aiofastnet", "uvloop")
ENDS: Final = [
    (transport, loop) for transport in ("websockets", "picows") for loop in ("asyncio", "uvloop")
]
FLOODERS: Final = 8
GOOD: Final = 10
PAUSE: Final = 0.05
PING_TIMEOUT: Final = 2.0
TEXT, PING, PONG = 0x81, 0x89, 0x8A


def frame(payload: bytes, head: int = TEXT) -> bytes:
    """Return a frame as a client sends it, with a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        return bytes([head, size | 0x80]) + bytes(4) + payload
    if size < 2**16:
        return struct.pack("!BBH", head, 126 | 0x80, size) + bytes(4) + payload
    return struct.pack("!BBQ", head, 127 | 0x80, size) + bytes(4) + payload


def _deflated(payload: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-12)
    return packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]


def _transfer(size: int) -> bytes:
    return b'[2,"1","DataTransfer",{"vendorId":"us","data":"%s"}]' % (b"x" * size)


KINDS: Final[dict[str, bytes]] = {
    "nothing": b"",
    "pings": frame(b"", PING),
    "pongs": frame(b"", PONG),
    "empty fragments": frame(b"", 0x00),
    "empty messages": frame(b""),
    "garbage": frame(b"["),
    "unknown actions": frame(b'[2,"1","A",{}]'),
    "Heartbeat": frame(b'[2,"1","Heartbeat",{}]'),
    "DataTransfer, 60 kB": frame(_transfer(60_000)),
    "DataTransfer, 60 kB, deflated": frame(_deflated(_transfer(60_000)), TEXT | 0x40),
}
"""Kind of flood -> the frame that is sent again and again."""


def _connect(port: int, name: str, *, deflate: bool) -> socket.socket:
    """Return a socket after the handshake; a server that stands still may take its time."""
    lines = [
        f"GET /{name} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp2.0.1",
        *(["Sec-WebSocket-Extensions: permessage-deflate"] if deflate else []),
    ]
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1) or b"\r\n\r\n"
    sock.settimeout(0)
    return sock


def _flood(
    port: int, name: str, kind: str, connected: threading.Semaphore, go: threading.Event
) -> None:
    """Send frames of one kind without end."""
    first = frame(b"", 0x01) if kind == "empty fragments" else b""
    one = KINDS[kind]
    data = one * max(1, 65536 // max(1, len(one)))
    while True:
        with suppress(OSError), _connect(port, name, deflate="deflated" in kind) as sock:
            connected.release()
            go.wait()
            left = memoryview(first + data)
            while True:
                readable, writable, _ = select.select([sock], [sock], [])
                if readable and not sock.recv(65536):
                    break
                if writable:
                    left = left[sock.send(left) :] or memoryview(data)


def _play(port: int, kind: str) -> None:
    """Connect, say so, and flood on the next line of input."""
    connected, go = threading.Semaphore(0), threading.Event()
    for number in range(FLOODERS):
        arguments = (port, f"bad-{number}", kind, connected, go)
        threading.Thread(target=_flood, args=arguments, daemon=True).start()
    for _ in range(FLOODERS):
        connected.acquire()
    print("connected", flush=True)
    sys.stdin.readline()
    go.set()
    sys.stdin.read()


async def _serve(transport: Any) -> None:
    from ocppj import v201  # noqa: PLC0415  only one of the processes needs it
    from ocppj.aio import CSMS  # noqa: PLC0415  only one of the processes needs it

    class Handler:
        def on_heartbeat(self, *_: Any) -> v201.HeartbeatResponse:
            return v201.HeartbeatResponse(current_time=datetime.now(UTC))

        def on_data_transfer(self, *_: Any) -> v201.DataTransferResponse:
            return v201.DataTransferResponse(status=v201.DataTransferStatusEnumType.ACCEPTED)

    csms = CSMS({"2.0.1": Handler()}, duplicates="newest")
    pings = {"ping_interval": PING_TIMEOUT, "ping_timeout": PING_TIMEOUT}
    async with csms.listen("127.0.0.1", transport=transport, **pings) as server:
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def _process(*arguments: str) -> Iterator[Any]:
    command = [sys.executable, "-m", "benchmarks.flood", *arguments]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def _measure(
    port: int, goods: list[socket.socket], seconds: float
) -> tuple[list[float], int]:
    """Return the seconds that each answer took, and how often a good station was thrown out."""
    found = await asyncio.gather(
        *(_good(port, number, sock, seconds) for number, sock in enumerate(goods))
    )
    return [one for times, _ in found for one in times], sum(ended for _, ended in found)


async def _good(
    port: int, number: int, sock: socket.socket, seconds: float
) -> tuple[list[float], int]:
    loop = asyncio.get_running_loop()
    call = frame(b'[2,"1","Heartbeat",{}]')
    found: list[float] = []
    ended = 0
    due = perf_counter() + PAUSE * number / GOOD
    end = due + seconds
    while due < end:
        await asyncio.sleep(max(0, due - perf_counter()))
        try:
            async with asyncio.timeout(max(0, end - perf_counter())):
                await loop.sock_sendall(sock, call)
                await _answered(loop, sock)
        except TimeoutError:
            break
        except ConnectionError:
            ended += 1
            sock.close()
            sock = await asyncio.to_thread(_connect, port, f"good-{number}", deflate=False)
        else:
            found.append(perf_counter() - due)
            due += PAUSE
    while due < end:
        found.append(end - due)
        due += PAUSE
    sock.close()
    return found, ended


async def _answered(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Wait for the answer; let pings pass and answer them."""
    while True:
        head = await _exactly(loop, sock, 2)
        payload = await _exactly(loop, sock, head[1])
        if head[0] == PING:
            await loop.sock_sendall(sock, frame(payload, PONG))
        elif head[0] == TEXT:
            return


async def _exactly(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(sock, size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


def run(transport: str, loop: str, kind: str, seconds: float) -> dict[str, float]:
    """Return the latencies of the good stations in ms, and how often one was thrown out."""
    with _process("--serve", transport, loop) as server:
        port = int(server.stdout.readline())
        with _process("--play", str(port), kind) as player:
            player.stdout.readline()
            goods = [_connect(port, f"good-{n}", deflate=False) for n in range(GOOD)]
            if kind != "nothing":
                player.stdin.write("\n")
                player.stdin.flush()
            found, ended = asyncio.run(_measure(port, goods, seconds))
    waited = [1e3 * one for one in found]
    cuts = quantiles(waited, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(waited), "ended": ended}


def _cell(one: dict[str, float]) -> str:
    cell = " / ".join(f"{one[name]:,.1f}" for name in ("p50", "p99", "max"))
    return f"{cell}, {one['ended']:.0f} x out" if one["ended"] else cell


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="for each kind and end")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--print", action="store_true", help="write nothing")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--play", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        transport, loop = given.serve
        _run_on(loop, lambda: _serve(transport))
        return
    if given.play:
        _play(int(given.play[0]), given.play[1])
        return
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in given.kinds:
        for transport, loop in ENDS:
            if "deflated" in kind and transport == "picows":
                continue
            one = run(transport, loop, kind, given.seconds)
            print(f"{kind}, {transport} on {loop}: {_cell(one)}", file=sys.stderr)
            found.setdefault(kind, {})[f"{transport}, {loop}"] = one
    names = [f"{transport}, {loop}" for transport, loop in ENDS]
    rows = [
        [kind, *(_cell(ends[name]) if name in ends else "" for name in names)]
        for kind, ends in found.items()
    ]
    shown = table(["eight send", *names], rows)
    if given.print:
        print(shown)
        return
    figures = {"environment": environment(*LIBRARIES), "flooders": FLOODERS, "floods": found}
    publish(
        "flood",
        figures,
        "# Good stations beside eight that flood",
        machine(figures["environment"]),
        "Round trips of a Heartbeat in ms: p50 / p99 / max. `python -m benchmarks.flood`.",
        shown,
    )


def _run_on(loop: str, main: Callable[[], Any]) -> None:
    factory = None
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415  only one of the processes needs it

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


if __name__ == "__main__":
    main()

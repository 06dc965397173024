"""A CSMS on mobilityhouse/ocpp, plain and accelerated: `python -m benchmarks.dropin`.

Each side runs in its own process, with the same handlers. First, messages go through
`route_message` on a connection that does nothing. Then stations in another process send them over
loopback WebSockets, each the next one after the answer.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from time import perf_counter, process_time
from typing import Any, Final

import websockets
from ocpp import messages
from ocpp.routing import on

from benchmarks import sections
from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.page import environment, machine, publish
from ocppj.catalog import Version
from ocppj.integrations.mobilityhouse import accelerate

__all__ = ["main"]

MESSAGES: Final = {
    entry.name: entry
    for entry in ENTRIES
    if entry.name in ("Heartbeat", "MeterValues", "TransactionEvent")
}
SIDES: Final = {
    "threads": "mobilityhouse/ocpp",
    "plain": "without its threads",
    "accelerated": "`Accelerated`",
    "floor": "one fixed answer",
}
WAYS: Final = ("route_message", "loopback")
SECONDS: Final = 0.4
STATIONS: Final = 8


def csms(side: str, version: str) -> type[Any]:
    """Return the charge point class of a side; the handlers are the same."""
    if side == "floor":
        return Floor
    package: Any = import_module(Version.named(version).package.replace("ocppj", "ocpp"))
    results = package.call_result

    class CSMS(package.ChargePoint):
        @on("Heartbeat")
        async def heartbeat(self, **_: Any) -> Any:
            return results.Heartbeat(current_time="2026-03-14T09:31:24Z")

        @on("MeterValues")
        async def meter_values(self, **_: Any) -> Any:
            return results.MeterValues()

        @on("TransactionEvent")
        async def transaction_event(self, **_: Any) -> Any:
            return results.TransactionEvent(total_cost=4.85, id_token_info={"status": "Accepted"})

    if side != "accelerated":
        messages.ASYNC_VALIDATION = side == "threads"
        return CSMS
    return accelerate(CSMS)


class Floor:
    """Gives one fixed answer: the remaining cost is that of WebSockets and stations."""

    def __init__(self, _: str, socket: Any) -> None:
        self.socket = socket

    async def start(self) -> None:
        while await self.socket.recv():
            await self.route_message("")

    async def route_message(self, _: str) -> None:
        await self.socket.send('[3,"b6f3c8d2-4a1e-4f7b-9c25-7d0e8a91f301",{}]')


class Nowhere:
    """A connection that only checks what is sent."""

    sent = 0

    async def send(self, text: str) -> None:
        assert text.startswith("[3,")
        self.sent += 1


async def route(side: str, entry: Entry) -> float:
    """Return messages per second through `route_message`."""
    point = csms(side, entry.version)("station", Nowhere())
    text = frame_text(entry)
    for _ in range(20):
        await point.route_message(text)
    best, number = 0.0, 10
    until = perf_counter() + SECONDS
    while (start := perf_counter()) < until:
        for _ in range(number):
            await point.route_message(text)
        best = max(best, number / (perf_counter() - start))
    return best


async def serve(side: str, entry: Entry) -> None:
    """Serve until the standard input is closed; print the port, and then the seconds it took."""
    kind = csms(side, entry.version)

    async def station(socket: Any) -> None:
        with suppress(websockets.ConnectionClosed):
            await kind("station", socket).start()

    async with websockets.serve(station, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        start = process_time()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(process_time() - start)


async def stations(port: int, entry: Entry) -> int:
    """Return how many messages stations got answered."""
    text = frame_text(entry)
    until = perf_counter() + SECONDS * 2

    async def station() -> int:
        done = 0
        async with websockets.connect(f"ws://127.0.0.1:{port}", compression=None) as socket:
            while perf_counter() < until:
                await socket.send(text)
                assert str(await socket.recv()).startswith("[3,")
                done += 1
        return done

    return sum(await asyncio.gather(*(station() for _ in range(STATIONS))))


def _process(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks.dropin", "--side", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def routed(side: str, entry: Entry) -> float:
    """Measure `route_message` in a new process."""
    text, _ = _process(side, entry.name, "route_message").communicate()
    return float(text)


def looped(side: str, entry: Entry) -> float:
    """Measure a server in a new process."""
    with _process(side, entry.name, "loopback") as server:
        assert server.stdin is not None
        assert server.stdout is not None
        count = asyncio.run(stations(int(server.stdout.readline()), entry))
        server.stdin.close()
        return count / float(server.stdout.readline())


MEASURES: Final[dict[str, Callable[[str, Entry], float]]] = {
    "route_message": routed,
    "loopback": looped,
}


def measure(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return way -> message -> side -> messages per second, the best of interleaved rounds."""
    rates: dict[str, Any] = {}
    for way in WAYS:
        for name, entry in MESSAGES.items():
            found: dict[str, list[float]] = {side: [] for side in SIDES}
            if way == "route_message":
                del found["floor"]
            for _ in range(rounds):
                for side, each in found.items():
                    each.append(MEASURES[way](side, entry))
            rates.setdefault(way, {})[name] = {
                side: round(max(each)) for side, each in found.items()
            }
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.dropin", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        side, name, way = arguments.side
        if way == "loopback":
            asyncio.run(serve(side, MESSAGES[name]))
        else:
            print(asyncio.run(route(side, MESSAGES[name])))
        return
    figures = {
        "environment": environment("ocppj", "msgspec", "ocpp", "jsonschema", "websockets"),
        "rounds": arguments.rounds,
        "sides": SIDES,
        "labels": {name: one.label for name, one in MESSAGES.items()},
        "rates": measure(arguments.rounds),
    }
    publish(
        "dropin",
        figures,
        "# A CSMS on mobilityhouse/ocpp, with and without `Accelerated`",
        machine(figures["environment"]),
        f"Messages per second. Each side is a process with the same handlers; best of "
        f"{arguments.rounds} interleaved rounds; `python -m benchmarks.dropin`. "
        f"`route_message`: on a connection that does nothing. `loopback`: {STATIONS} stations "
        "in another process send over WebSockets, each the next message after the answer; "
        "seconds are the server's processor time, since both share the machine. The last "
        "column is the ratio of `Accelerated` to mobilityhouse/ocpp: with the threads in which it "
        "validates by default, and without them (`ASYNC_VALIDATION = False`). `one fixed answer` "
        "is a CSMS that decodes nothing.",
        sections.dropin(figures),
    )


if __name__ == "__main__":
    main()

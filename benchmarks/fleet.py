"""A fleet on NATS beside one process without a broker: `python -m benchmarks.fleet [PART ...]`.

Real processes, a real nats-server with JetStream, loopback. The stations, played by this process,
send frames that were made beforehand. What is measured:

- throughput: TransactionEvents per second of 200 stations that never pause, in one run with
  mobilityhouse/ocpp in one process without a broker, and the processor time of each process;
- latency that the broker adds at 2,000 frames per second from 2,000 stations, and memory of a
  gateway for each station;
- commands from another process to a station, and to one that is absent;
- takeover: `kill -9` of one of two gateways with 2,000 stations, until all are back at the other;
- connections: what 2,000 stations cost that connect at once, and afterwards while they are silent;
- handled: what a TransactionEvent costs that a worker answers, and stored: a MeterValues that is
  acknowledged when JetStream has stored it, and handled by a worker afterwards.

`benchmarks.scale` reckons with these figures. Parts that are not named keep their last results.
"""

import argparse
import asyncio
import json
import os
import resource
from contextlib import ExitStack
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from benchmarks import inputs, sections
from benchmarks.load import CORES, closed, frame_of, mixed
from benchmarks.page import RESULTS, environment, machine, publish
from benchmarks.parts import (
    PREFIX,
    UNLOCK,
    Alone,
    Nats,
    Part,
    chain,
    join,
    nats_server,
    pids_of,
    started,
    watched,
)
from ocppj import v201
from ocppj.aio import Backoff, ChargingStation
from ocppj.fleet import Fleet, connect

__all__ = ["main"]

LIBRARIES: Final = ("ocppj", "nats-py", "picows", "uvloop", "ocpp")
FLEET: Final = "ocppj, gateway, broker and worker"
SIDES: Final = {
    "mobilityhouse/ocpp, one process": "mobilityhouse/ocpp on websockets",
    "ocppj on picows, one process": "ocppj on picows",
}
"""Side -> its name in `benchmarks.gateways`."""


class Callee(WSListener):
    """A station that answers each call at once."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        call = msgspec.json.decode(frame.get_payload_as_bytes())
        answer = [3, call[1], {"status": "Unlocked"}]
        transport.send(WSMsgType.TEXT, msgspec.json.encode(answer))


def throughput(seconds: float, rounds: int) -> dict[str, Any]:
    """Return side -> medians of TransactionEvents per second, us for each, and cores in use."""
    event = frame_of("TransactionEvent")
    found: dict[str, list[tuple[float, dict[str, float]]]] = {}

    def measure(side: str, port: int, pids: dict[str, int]) -> None:
        work = watched(closed(port, event, seconds), seconds, {**pids, "stations": os.getpid()})
        found.setdefault(side, []).append(uvloop.run(work))

    for _ in range(rounds):
        for side, name in SIDES.items():
            one = Alone(name)
            try:
                measure(side, one.port, {"process": one.pid})
            finally:
                one.stop()
        with ExitStack() as stack:
            nats, worker, gateway = chain(stack)
            measure(FLEET, gateway.port, pids_of(nats, worker, gateway))
    return {
        side: {
            "rate": median(rate for rate, _ in runs),
            "cores": median(sum(cores.values()) for _, cores in runs),
            "microseconds": {
                who: median(cores[who] / rate * 1e6 for rate, cores in runs) for who in runs[0][1]
            },
        }
        for side, runs in found.items()
    }


def latency(count: int, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return latencies with and without the broker, memory per station, and what a frame costs."""
    found: dict[str, list[tuple[Any, dict[str, float]]]] = {"without": [], "with": []}

    def measure(side: str, gateway: Alone, pids: dict[str, int]) -> None:
        work = watched(mixed(gateway, count, rate, seconds), seconds, pids)
        found[side].append(uvloop.run(work))

    for _ in range(rounds):
        one = Alone("ocppj on picows")
        try:
            measure("without", one, {"process": one.pid})
        finally:
            one.stop()
        with ExitStack() as stack:
            nats, worker, gateway = chain(stack)
            measure("with", gateway, pids_of(nats, worker, gateway))
    return {
        "rate": rate,
        "sides": {
            side: {
                name: median(getattr(result, name) for result, _ in runs)
                for name in ("stations", "answered", "p50", "p99", "memory")
            }
            for side, runs in found.items()
        },
        "microseconds": {
            who: median(cores[who] / result.answered * 1e6 for result, cores in runs)
            for runs in found.values()
            for who in runs[0][1]
        },
    }


def commands() -> dict[str, Any]:
    """Return the latencies of commands from another process, in ms."""

    async def call(port: int, nats: Nats, stack: ExitStack) -> Any:
        for number in range(100):
            await join(port, number, Callee())
        await asyncio.sleep(0.5)
        caller = await asyncio.to_thread(started, stack, "caller", nats)
        return await asyncio.to_thread(caller.answer)

    with ExitStack() as stack:
        nats = stack.enter_context(nats_server())
        gateway = started(stack, "gateway", nats)
        found = uvloop.run(call(gateway.port, nats, stack))
    return {
        name: {"p50": median(values), "p99": quantiles(values, n=100)[98], "max": max(values)}
        for name, values in found.items()
    }


def takeover(count: int) -> dict[str, Any]:
    """Kill one of two gateways; return when all its stations are back and callable."""

    class Wallbox:
        def on_unlock_connector(self, _: Any) -> v201.UnlockConnectorResponse:
            return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)

    async def run(url: str, doomed: Part, other: Part) -> dict[str, Any]:
        ports = [doomed.port, other.port]
        stations = [ChargingStation(f"S{n}", {"2.0.1": Wallbox()}) for n in range(count)]
        tasks = [
            asyncio.create_task(stay(station, ports, number % 2))
            for number, station in enumerate(stations)
        ]
        async with connect(url, prefix=PREFIX) as broker, Fleet(broker) as fleet:
            while len(fleet.stations) < count:  # noqa: ASYNC110  no event tells of it
                await asyncio.sleep(0.05)
            dead = fleet.stations["S0"].node
            start = perf_counter()
            ports[0] = other.port
            doomed.stop()
            back: dict[str, float] = {}
            while len(back) < count:
                await asyncio.sleep(0.1)
                found = fleet.stations.values()
                names = [one.id for one in found if one.node != dead and one.id not in back]
                calls = (fleet.call(name, UNLOCK, 5) for name in names)
                answers = await asyncio.gather(*calls, return_exceptions=True)
                for name, answer in zip(names, answers, strict=True):
                    if not isinstance(answer, BaseException):
                        back[name] = perf_counter() - start
            moved = [seconds for number in range(0, count, 2) if (seconds := back[f"S{number}"])]
            result = {
                "moved": len(moved),
                "p50": median(moved),
                "all": max(moved),
                "connected": len(fleet.stations),
                "nodes": len({one.node for one in fleet.stations.values()}),
            }
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return result

    with ExitStack() as stack:
        nats = stack.enter_context(nats_server())
        doomed, other = started(stack, "gateway", nats), started(stack, "gateway", nats)
        return uvloop.run(run(nats.url, doomed, other))


async def stay(station: ChargingStation, ports: list[int], which: int) -> None:
    """Keep a station connected to whichever port is its own at the time."""
    backoff = Backoff(minimum=1, random_range=1, repeat_times=2)
    waits = backoff.waits()
    while True:
        try:
            url = f"ws://127.0.0.1:{ports[which]}"
            options: dict[str, Any] = {"transport": "picows", "ping_interval": None}
            async with station.connect(url, backoff=None, **options):
                waits = backoff.waits()
                while station.connected:  # noqa: ASYNC110  no event tells of it
                    await asyncio.sleep(0.2)
        except OSError:
            pass
        await asyncio.sleep(next(waits))


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=2000.0, help="frames per second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--dry", action="store_true", help="write no results")
    parser.add_argument("parts", nargs="*", metavar="PART", help="all by default")
    given = parser.parse_args()
    count, seconds, rounds = given.stations, given.seconds, given.rounds
    parts = {
        "throughput": lambda: throughput(seconds, rounds),
        "latency": lambda: latency(count, given.rate, seconds, rounds),
        "commands": commands,
        "takeover": lambda: takeover(count),
        "connections": lambda: inputs.connections(count, seconds),
        "handled": lambda: inputs.carried("gateway", "TransactionEvent", seconds),
        "stored": lambda: inputs.carried("storing", "MeterValues", seconds),
    }
    if unknown := set(given.parts) - set(parts):
        parser.error(f"{min(unknown)} is not a part: use {', '.join(parts)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    known = environment(*LIBRARIES) | {"cores": str(len(CORES))}
    measured = {part: parts[part]() for part in given.parts or parts}
    if given.dry:
        print(json.dumps(measured, indent=1))
        return
    figures = {**_last(), "environment": known, **measured}
    publish(
        "fleet",
        figures,
        "# A fleet on NATS",
        machine(figures["environment"]),
        "Gateway, worker, nats-server 2.9 and the stations are processes on one machine; uvloop, "
        "picows, no compression, handlers that do nothing. `python -m benchmarks.fleet`.",
        sections.fleet(figures),
    )


def _last() -> dict[str, Any]:
    """Return the committed results."""
    path = RESULTS / "fleet.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


if __name__ == "__main__":
    main()

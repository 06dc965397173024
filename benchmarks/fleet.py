"""A fleet on NATS beside one process without a broker: `python -m benchmarks.fleet`.

Real processes, a real nats-server with JetStream, loopback. The stations, played by this process,
send frames that were made beforehand. What is measured:

- TransactionEvents per second of 200 stations that never pause, in one run with mobilityhouse/ocpp
  in one process without a broker;
- the latency that the broker adds at 2,000 frames per second from 2,000 stations;
- a command from another process to a station, and to one that is absent;
- memory of a gateway for each of 2,000 stations;
- `kill -9` of one of two gateways with 2,000 stations: when all are back at the other one.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, Final

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks import sections
from benchmarks.gateways import ocppj_handler, resident
from benchmarks.load import CORES, Gateway, closed, frame_of, mixed
from benchmarks.page import environment, machine, publish
from ocppj import v201
from ocppj.aio import Backoff, ChargingStation
from ocppj.errors import ConnectionLost
from ocppj.fleet import Fleet, Worker, connect
from ocppj.fleet import Gateway as FleetGateway

__all__ = ["main"]

LIBRARIES: Final = ("ocppj", "nats-py", "picows", "uvloop", "ocpp")
PREFIX: Final = "bench"
UNLOCK: Final = v201.UnlockConnectorRequest(evse_id=1, connector_id=1)
ABSENT: Final = 200
COMMANDS: Final = 1000


@contextmanager
def nats_server() -> Iterator[tuple[str, int]]:
    """Run a nats-server on loopback with a store of its own; yield its address and process id."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    program = shutil.which("nats-server", path=path)
    if program is None:
        raise SystemExit("there is no nats-server on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"nats://127.0.0.1:{port}", process.pid
        finally:
            process.kill()
            process.wait()


class Part(Gateway):
    """A process of the fleet: `python -m benchmarks.fleet ROLE URL`."""

    def __init__(self, role: str, url: str) -> None:
        command = [sys.executable, "-m", "benchmarks.fleet", role, url]
        self.process = self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._ask(""))

    def cpu(self) -> float:
        """Return the processor time that it has used, in seconds."""
        return cpu(self._process.pid)

    def answer(self) -> Any:
        """Return what it writes in the end."""
        stdout = self._process.stdout
        assert stdout
        return json.loads(stdout.readline())


def cpu(pid: int) -> float:
    """Return the processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def gateway_role(url: str) -> None:
    """Hold stations until there is nothing more to be read."""
    async with connect(url, prefix=PREFIX) as broker:
        gateway = FleetGateway(["2.0.1"], broker, heartbeat=False, ping_timeout=1.0)
        listen: dict[str, Any] = {"transport": "picows", "ping_interval": None}
        async with gateway.listen("127.0.0.1", 0, **listen) as server:
            await serve_lines(server.port)


async def worker_role(url: str) -> None:
    """Answer stations until there is nothing more to be read."""
    async with (
        connect(url, prefix=PREFIX) as broker,
        Worker({"2.0.1": ocppj_handler()}, broker, stored=False),
    ):
        await serve_lines(0)


async def caller_role(url: str) -> None:
    """Call stations one after the other, then absent ones; write the latencies in ms."""
    async with connect(url, prefix=PREFIX) as broker, Fleet(broker) as fleet:
        print(0, flush=True)
        names = list(fleet.stations)
        stations = [await fleet.station(names[n % len(names)]) for n in range(COMMANDS)]
        present, absent = [], []
        for station in stations:
            start = perf_counter()
            await station.call(UNLOCK)
            present.append((perf_counter() - start) * 1e3)
        for number in range(ABSENT):
            start = perf_counter()
            try:
                await fleet.call(f"absent-{number}", UNLOCK)
            except ConnectionLost:
                absent.append((perf_counter() - start) * 1e3)
        print(json.dumps([present, absent]), flush=True)


ROLES: Final[dict[str, Callable[[str], Awaitable[None]]]] = {
    "gateway": gateway_role,
    "worker": worker_role,
    "caller": caller_role,
}


async def serve_lines(port: int) -> None:
    """Write the port, then the resident memory for each line that is read."""
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(resident(), flush=True)


class Callee(WSListener):
    """A station that answers each call at once."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        call = msgspec.json.decode(frame.get_payload_as_bytes())
        answer = [3, call[1], {"status": "Unlocked"}]
        transport.send(WSMsgType.TEXT, msgspec.json.encode(answer))


async def callees(port: int, count: int) -> list[WSTransport]:
    """Connect stations that can be called."""
    found = []
    for number in range(count):
        transport, _ = await ws_connect(
            Callee,
            f"ws://127.0.0.1:{port}/S{number}",
            extra_headers={"Sec-WebSocket-Protocol": "ocpp2.0.1"},
        )
        found.append(transport)
    await asyncio.sleep(0.5)
    return found


def throughput(seconds: float, rounds: int) -> dict[str, Any]:
    """Return side -> TransactionEvents per second, the median of interleaved rounds."""
    event = frame_of("TransactionEvent")
    found: dict[str, list[float]] = {}
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for side in ("mobilityhouse/ocpp, one process", "ocppj on picows, one process"):
            name = {"m": "mobilityhouse/ocpp on websockets", "o": "ocppj on picows"}[side[0]]
            one = Gateway(name)
            try:
                found.setdefault(side, []).append(uvloop.run(closed(one.port, event, seconds)))
            finally:
                one.stop()
        with ExitStack() as stack:
            url, server = stack.enter_context(nats_server())
            worker = started(stack, "worker", url)
            gateway = started(stack, "gateway", url)
            before = [worker.cpu(), gateway.cpu(), cpu(server), time.process_time()]
            rate = uvloop.run(closed(gateway.port, event, seconds))
            after = [worker.cpu(), gateway.cpu(), cpu(server), time.process_time()]
            frames = rate * (seconds + 0.5)
            for who, start, end in zip(
                ("worker", "gateway", "nats-server", "stations"), before, after, strict=True
            ):
                times.setdefault(who, []).append((end - start) / frames * 1e6)
            found.setdefault("ocppj, gateway, broker and worker", []).append(rate)
    return {
        "rates": {side: median(rates) for side, rates in found.items()},
        "microseconds": {who: median(values) for who, values in times.items()},
    }


def started(stack: ExitStack, role: str, url: str) -> Part:
    """Start a process that ends with the context."""
    part = Part(role, url)
    stack.callback(part.stop)
    return part


def latency(count: int, rate: float, seconds: float, rounds: int) -> dict[str, Any]:
    """Return latencies with and without the broker at one rate, and memory per station."""
    found: dict[str, list[Any]] = {"without": [], "with": []}
    for _ in range(rounds):
        one = Gateway("ocppj on picows")
        try:
            found["without"].append(uvloop.run(mixed(one, count, rate, seconds)))
        finally:
            one.stop()
        with ExitStack() as stack:
            url, _ = stack.enter_context(nats_server())
            started(stack, "worker", url)
            gateway = started(stack, "gateway", url)
            found["with"].append(uvloop.run(mixed(gateway, count, rate, seconds)))
    return {
        side: {
            name: median(getattr(result, name) for result in results)
            for name in ("stations", "answered", "p50", "p99", "memory")
        }
        for side, results in found.items()
    }


def commands() -> dict[str, Any]:
    """Return the latencies of commands from another process, in ms."""

    async def call(port: int, url: str, stack: ExitStack) -> Any:
        stations = await callees(port, 100)
        caller = await asyncio.to_thread(started, stack, "caller", url)
        found = await asyncio.to_thread(caller.answer)
        for station in stations:
            station.disconnect()
        return found

    with ExitStack() as stack:
        url, _ = stack.enter_context(nats_server())
        gateway = started(stack, "gateway", url)
        present, absent = uvloop.run(call(gateway.port, url, stack))
    assert len(absent) == ABSENT
    return {
        name: {"p50": median(values), "p99": quantiles(values, n=100)[98], "max": max(values)}
        for name, values in (("present", present), ("absent", absent))
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
            while len(fleet.stations) < count:  # noqa: ASYNC110
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
        url, _ = stack.enter_context(nats_server())
        doomed, other = started(stack, "gateway", url), started(stack, "gateway", url)
        return uvloop.run(run(url, doomed, other))


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
                while station.connected:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except OSError:
            pass
        await asyncio.sleep(next(waits))


def main() -> None:
    """Measure and print, or write; or play a role in it."""
    if len(sys.argv) == 3 and sys.argv[1] in ROLES:
        uvloop.run(ROLES[sys.argv[1]](sys.argv[2]))  # type: ignore[arg-type]
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--dry", action="store_true", help="write no results")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = {
        "environment": environment(*LIBRARIES),
        "cores": len(CORES),
        "throughput": throughput(given.seconds, given.rounds),
        "rate": given.rate,
        "latency": latency(given.stations, given.rate, given.seconds, given.rounds),
        "commands": commands(),
        "takeover": takeover(given.stations),
    }
    if given.dry:
        print(json.dumps(figures, indent=1))
        return
    publish(
        "fleet",
        figures,
        "# A fleet on NATS",
        machine(figures["environment"]),
        f"Gateway, worker, nats-server 2.9 and the stations are processes on one machine with "
        f"{len(CORES)} cores; uvloop, picows, no compression, handlers that do nothing. "
        "`python -m benchmarks.fleet`.",
        sections.fleet(figures),
    )


if __name__ == "__main__":
    main()

"""Central systems under load, side by side: `python -m benchmarks.load`.

One process listens and another simulates the stations, each on its own core. The stations send
prepared frames, and only check that the answers are results. Two loads:

- closed loop: 200 stations, each of which sends its next frame when the last one is answered;
- mixed traffic: many stations (2,000 by default), each of which sends Heartbeat,
  StatusNotification, MeterValues and TransactionEvent in turn, at a fixed total rate. If a frame is
  due while the last one is still pending, its wait counts. A frame that is never answered counts
  with its age. Latencies are exact to 12 %.

The pace and the latencies are those of `ocppj load`. Its stations are not: they decode and encode,
and cost as much as the system that is measured.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks import sections
from benchmarks.corpus import ENTRIES, frame_text
from benchmarks.gateways import SIDES
from benchmarks.page import environment, machine, publish
from ocppj.cli.demo.load import allow_files, at_rate
from ocppj.cli.page.series import Latencies

__all__ = ["Result", "closed", "mixed"]

LIBRARIES: Final = (
    "ocppj",
    "msgspec",
    "websockets",
    "picows",
    "uvloop",
    "ocpp",
    "starlette",
    "uvicorn",
    "httptools",
)
CLOSED_STATIONS: Final = 200
METER_VALUES: Final = [
    2,
    "1",
    "MeterValues",
    {
        "evseId": 1,
        "meterValue": [
            {
                "timestamp": "2026-11-22T10:00:00Z",
                "sampledValue": [
                    {"value": 1234.5, "measurand": "Energy.Active.Import.Register"},
                    {"value": 7.2, "measurand": "Power.Active.Import", "phase": "L1"},
                ],
            }
        ],
    },
]


def frame_of(name: str) -> bytes:
    """Return a frame of OCPP 2.0.1 by its action."""
    if name == "MeterValues":
        return json.dumps(METER_VALUES, separators=(",", ":")).encode()
    entries = (entry for entry in ENTRIES if entry.version == "2.0.1" and entry.name == name)
    return frame_text(next(entries)).encode()


MIX: Final = ("Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent")


class Gateway:
    """A process that listens."""

    def __init__(self, side: str) -> None:
        command = [sys.executable, "-m", "benchmarks.gateways", side]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        _pin(self._process.pid, 0)
        self.port = int(self._ask(""))

    def _ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(line)
        stdin.flush()
        return stdout.readline()

    def memory(self) -> int:
        """Return its resident memory in KiB."""
        return int(self._ask("\n").split()[0])

    def cpu_time(self) -> float:
        """Return the CPU time that it has used, in seconds."""
        return float(self._ask("\n").split()[1])

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Those of the machine, before a process is given one: a child would have its parent's alone."""


def _pin(pid: int, core: int) -> None:
    if len(CORES) > 1:
        os.sched_setaffinity(pid, {CORES[core]})


class Client(WSListener):
    """A station that sends a frame when it is told, and notes how long the answer took."""

    def __init__(self, *, endless: bytes | None = None) -> None:
        self.answered = 0
        self.wrong = 0
        self.latencies = Latencies()
        self._endless = endless
        self._due: deque[tuple[float, bytes]] = deque()
        self._wire: Any = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._wire = transport
        if self._endless is not None:
            transport.send(WSMsgType.TEXT, self._endless)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.answered += 1
        if not frame.get_payload_as_bytes().startswith(b"[3,"):
            self.wrong += 1
        if self._endless is not None:
            transport.send(WSMsgType.TEXT, self._endless)
            return
        since, _ = self._due.popleft()
        self.latencies.add(perf_counter() - since)
        if self._due:
            transport.send(WSMsgType.TEXT, self._due[0][1])

    def give_up(self) -> None:
        """Count the frames that are not answered with their age."""
        for since, _ in self._due:
            self.latencies.add(perf_counter() - since)

    def give(self, frame: bytes) -> None:
        """Send a frame, or keep it until the one before is answered."""
        self._due.append((perf_counter(), frame))
        if len(self._due) == 1:
            self._wire.send(WSMsgType.TEXT, frame)


async def _stations(port: int, clients: Iterable[Client]) -> list[Client]:
    made = []
    for number, client in enumerate(clients):
        await ws_connect(
            lambda client=client: client,  # type: ignore[misc]
            f"ws://127.0.0.1:{port}/S{number}",
            extra_headers={"Sec-WebSocket-Protocol": "ocpp2.0.1"},
            websocket_handshake_timeout=60,
        )
        made.append(client)
    return made


async def closed(port: int, frame: bytes, seconds: float) -> float:
    """Return round trips per second of stations that never pause."""
    clients = (Client(endless=frame) for _ in range(CLOSED_STATIONS))
    stations = await _stations(port, clients)
    await asyncio.sleep(0.5)
    before, start = sum(one.answered for one in stations), perf_counter()
    await asyncio.sleep(seconds)
    after, end = sum(one.answered for one in stations), perf_counter()
    assert not any(one.wrong for one in stations), "not all answers were results"
    return (after - before) / (end - start)


class Result(NamedTuple):
    """Mixed traffic: frames per second, latencies in ms, memory per station in KiB."""

    stations: int
    offered: float
    answered: float
    p50: float
    p99: float
    memory: float


async def mixed(gateway: Gateway, count: int, rate: float, seconds: float) -> Result:
    """Return the result of a load of `rate` frames per second, from `count` stations."""
    empty = gateway.memory()
    stations = await _stations(gateway.port, (Client() for _ in range(count)))
    frames = [frame_of(name) for name in MIX]
    for station in stations:  # the first frame of a connection is not like the others
        station.give(frames[0])
    while any(not station.answered for station in stations):  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0.05)
    memory = (gateway.memory() - empty) / count
    waited = Latencies()
    for station in stations:
        station.latencies = waited

    def give(number: int) -> None:
        turn, index = divmod(number, count)
        stations[index].give(frames[(index + turn) % len(frames)])

    start = perf_counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await at_rate(rate, give)
    answered = waited.count / (perf_counter() - start)
    for station in stations:
        station.give_up()
    assert not any(station.wrong for station in stations), "not all answers were results"
    p50, p99 = (1e3 * waited.quantile(share) for share in (0.5, 0.99))
    return Result(count, rate, answered, p50, p99, memory)


def run_closed(rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return action -> side -> round trips per second, the median of interleaved rounds."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for action in ("Heartbeat", "TransactionEvent"):
            for side in SIDES:
                gateway = Gateway(side)
                try:
                    rate = uvloop.run(closed(gateway.port, frame_of(action), seconds))
                finally:
                    gateway.stop()
                found.setdefault(action, {}).setdefault(side, []).append(rate)
    return {
        action: {side: median(rates) for side, rates in sides.items()}
        for action, sides in found.items()
    }


def run_mixed(
    count: int, rates: Iterable[float], rounds: int, seconds: float
) -> dict[str, list[Result]]:
    """Return side -> for each rate the medians of interleaved rounds."""
    found: dict[str, list[Result]] = {side: [] for side in SIDES}
    for rate in rates:
        runs: dict[str, list[Result]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, results in runs.items():
                gateway = Gateway(side)
                try:
                    results.append(uvloop.run(mixed(gateway, count, rate, seconds)))
                finally:
                    gateway.stop()
        for side, results in runs.items():
            found[side].append(Result(*map(median, zip(*results, strict=True))))
    return found


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--rates", type=float, nargs="+", default=[500.0, 5000.0, 20000.0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    allow_files(given.stations)
    _pin(0, 1)
    loops = run_closed(given.rounds, given.seconds)
    traffic = run_mixed(given.stations, given.rates, given.rounds, given.seconds)
    figures = {
        "environment": environment(*LIBRARIES),
        "closed_stations": CLOSED_STATIONS,
        "closed": loops,
        "mix": MIX,
        "mixed": {side: [one._asdict() for one in ones] for side, ones in traffic.items()},
    }
    publish(
        "load",
        figures,
        "# Endpoints under load",
        machine(figures["environment"]),
        "One process listens on one core, one plays the stations on another; uvloop, no "
        "compression, handlers that do nothing; uvicorn with httptools and its default WebSocket "
        "implementation. `python -m benchmarks.load`.",
        sections.load(figures),
    )


if __name__ == "__main__":
    main()

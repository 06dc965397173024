"""Stations that count, while parts of their fleet are killed: `python -m tests.fleet.chaos`.

Each station numbers its TransactionEvents and sends the next one when the last is acknowledged;
one that is not, it repeats, with the same message id. Now and then it sends a StatusNotification,
which is stored.
Meanwhile, in turn, a worker is killed, a gateway is killed, and the broker is stopped and started.

Each worker appends what it handles to a file before it answers. In the end the files are compared
with what the stations know to be acknowledged: nothing is lost, and each station's events arrive in
order. Repeats are allowed; they are counted.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ocppj import v201
from ocppj.fleet import Gateway, Worker, connect, journal
from tests.fleet.server import NatsServer

PREFIX = "chaos"
STORED = ("StatusNotification",)
GATEWAYS, WORKERS = 2, 2
ANSWER = 30.0
"""Seconds that a station waits for an answer, as real ones do."""


ACK_WAIT = 5
"""Seconds after which what a killed worker had of the stored frames goes to another one."""


class Result(NamedTuple):
    """Numbers of events."""

    sent: int
    acknowledged: int
    seen: int
    lost: int
    repeated: int
    out_of_order: int
    stored: int
    stored_lost: int
    faults: int

    @property
    def good(self) -> bool:
        return not self.lost and not self.out_of_order and not self.stored_lost


async def gateway(url: str, port: str) -> None:
    """Hold stations until killed."""
    async with connect(url, prefix=PREFIX) as broker:
        options: dict[str, Any] = {"stored": STORED, "journal_size": 2**26, "lease": 3.0}
        node = Gateway(["2.0.1"], broker, ping_timeout=1.0, deadline=10.0, **options)
        async with node.listen("127.0.0.1", int(port), transport="picows"):
            await asyncio.Event().wait()


async def worker(url: str, path: str) -> None:
    """Handle events until killed; what was handled is in a file before it is answered."""
    journal.ACK_WAIT = ACK_WAIT  # type: ignore[misc]
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Handler:
        def note(self, kind: str, station: str, number: int) -> None:
            os.write(file, f"{time.monotonic_ns()} {kind} {station} {number}\n".encode())

        def on_transaction_event(self, station: Any, request: Any) -> Any:
            self.note("event", station.id, request.seq_no)
            return v201.TransactionEventResponse()

        def on_status_notification(self, station: Any, request: Any) -> Any:
            self.note("stored", station.id, request.connector_id)
            return v201.StatusNotificationResponse()

    async with connect(url, prefix=PREFIX) as broker, Worker({"2.0.1": Handler()}, broker):
        await asyncio.Event().wait()


ROLES = {"gateway": gateway, "worker": worker}


def start(role: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fleet.chaos", role, *arguments]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


class Line(WSListener):
    """A station's connection: one call at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[list[Any]] | None = None
        self.transport: Any = None
        self.ended = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT and self.answer is not None and not self.answer.done():
            self.answer.set_result(json.loads(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError())


class Station:
    """Sends numbered events until it is told to stop."""

    def __init__(self, name: str, ports: list[int], rate: float) -> None:
        self.name = name
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.stored: set[int] = set()
        self._ports = itertools.cycle(ports)
        self._pause = 1 / rate
        self._line: Line | None = None
        for _ in range(random.randrange(len(ports))):
            next(self._ports)

    async def run(self, stop: asyncio.Event) -> None:
        for number in itertools.count():
            await self._call(self._event(number), str(number), stop)
            if stop.is_set():
                break
            self.acknowledged.add(number)
            if number % 5 == 0:
                await self._call(self._status(number), f"s{number}", stop)
                if not stop.is_set():
                    self.stored.add(number)
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))
        if self._line is not None:
            self._line.transport.disconnect()

    def _event(self, number: int) -> bytes:
        payload = {
            "eventType": "Updated",
            "timestamp": "2026-11-24T10:00:00Z",
            "triggerReason": "MeterValuePeriodic",
            "seqNo": number,
            "transactionInfo": {"transactionId": self.name},
        }
        return json.dumps([2, str(number), "TransactionEvent", payload]).encode()

    def _status(self, number: int) -> bytes:
        payload = {
            "timestamp": "2026-11-24T10:00:00Z",
            "connectorStatus": "Occupied",
            "evseId": 1,
            "connectorId": number,
        }
        return json.dumps([2, f"s{number}", "StatusNotification", payload]).encode()

    async def _call(self, frame: bytes, message_id: str, stop: asyncio.Event) -> None:
        """Send a frame until it is acknowledged."""
        while not stop.is_set():
            try:
                if self._line is None or self._line.ended:
                    self._line = await self._connect()
                line = self._line
                line.answer = asyncio.get_running_loop().create_future()
                line.transport.send(WSMsgType.TEXT, frame)
                self.sent += 1
                async with asyncio.timeout(ANSWER):
                    answer = await line.answer
            except (OSError, TimeoutError):
                self._drop()
            else:
                if answer[:2] == [3, message_id]:
                    return
                assert answer[:2] == [4, message_id], answer
            await asyncio.sleep(random.uniform(0.2, 1))

    def _drop(self) -> None:
        if self._line is not None and self._line.transport is not None:
            self._line.transport.disconnect(graceful=False)
        self._line = None

    async def _connect(self) -> Line:
        line = Line()
        try:
            await ws_connect(
                lambda: line,
                f"ws://127.0.0.1:{next(self._ports)}/{self.name}",
                extra_headers={"Sec-WebSocket-Protocol": "ocpp2.0.1"},
                websocket_handshake_timeout=5,
            )
        except Exception as error:
            raise ConnectionError from error
        return line


async def storm(folder: Path, count: int, seconds: float, every: float, rate: float) -> Result:
    """Run it all; return the numbers."""
    nats = NatsServer(folder)
    ports = [free_port() for _ in range(GATEWAYS)]
    files = itertools.count()

    def new_worker() -> subprocess.Popen[bytes]:
        return start("worker", nats.url, str(folder / f"seen-{next(files)}"))

    gateways = [start("gateway", nats.url, str(port)) for port in ports]
    workers = [new_worker() for _ in range(WORKERS)]
    stations = [Station(f"CS-{n}", ports, rate) for n in range(count)]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(station.run(stop)) for station in stations]
    faults = 0
    end = time.monotonic() + seconds
    try:
        await asyncio.sleep(min(3.0, every))
        for what in itertools.cycle(("worker", "gateway", "broker")):
            if time.monotonic() > end:
                break
            faults += 1
            if what == "worker":
                place = random.randrange(WORKERS)
                kill(workers[place])
                workers[place] = new_worker()
            elif what == "gateway":
                place = random.randrange(GATEWAYS)
                kill(gateways[place])
                gateways[place] = start("gateway", nats.url, str(ports[place]))
            else:
                how = random.choice((signal.SIGTERM, signal.SIGKILL))
                await asyncio.to_thread(nats.stop, how)
                await asyncio.sleep(0.5)
                await asyncio.to_thread(nats.start)
            await asyncio.sleep(every)
        stop.set()
        await asyncio.wait(tasks, timeout=ANSWER + 10)
        await settled(folder, {(one.name, n) for one in stations for n in one.stored})
    finally:
        for process in (*gateways, *workers):
            kill(process)
        nats.stop()
        for task in tasks:
            task.cancel()
    return compare(folder, stations, faults)


async def settled(folder: Path, wanted: set[tuple[str, int]]) -> None:
    """Wait until workers have handled what was stored; those that were killed had some of it."""
    deadline = time.monotonic() + 90  # more than JetStream waits for them
    while time.monotonic() < deadline and wanted - set(seen(folder)[1]):  # noqa: ASYNC110
        await asyncio.sleep(0.5)


def seen(folder: Path) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the events and the stored frames that workers have handled, in order."""
    lines = []
    for path in folder.glob("seen-*"):
        for line in path.read_text().splitlines():
            moment, kind, station, number = line.split()
            lines.append((int(moment), kind, station, int(number)))
    lines.sort()
    events = [(station, number) for _, kind, station, number in lines if kind == "event"]
    return events, [(station, number) for _, kind, station, number in lines if kind == "stored"]


def compare(folder: Path, stations: list[Station], faults: int) -> Result:
    events, stored = seen(folder)
    first: dict[str, list[int]] = defaultdict(list)
    known = set()
    for station, number in events:
        if (station, number) not in known:
            known.add((station, number))
            first[station].append(number)
    acknowledged = {(one.name, number) for one in stations for number in one.acknowledged}
    kept = {(one.name, number) for one in stations for number in one.stored}
    return Result(
        sent=sum(station.sent for station in stations),
        acknowledged=len(acknowledged),
        seen=len(events),
        lost=len(acknowledged - known),
        repeated=len(events) - len(known),
        out_of_order=sum(numbers != sorted(numbers) for numbers in first.values()),
        stored=len(kept),
        stored_lost=len(kept - set(stored)),
        faults=faults,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        asyncio.run(ROLES[sys.argv[1]](*sys.argv[2:]))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=6.0, help="seconds between faults")
    parser.add_argument("--rate", type=float, default=1.0, help="events a second, of a station")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(
            storm(Path(folder), given.stations, given.seconds, given.every, given.rate)
        )
    print(" ".join(f"{name}={value}" for name, value in result._asdict().items()))
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())

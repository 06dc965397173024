"""Stations that count, while parts of their fleet are killed: `python -m tests.fleet.chaos`.

Two gateways, two workers, a nats-server and a caller, all under traffic. In turn a worker is
killed, a gateway is killed, and the broker is stopped and started, then killed and started. The
next fault comes when each station has had a new event acknowledged and has answered a command.

Each worker notes in a file what it has handled, before it answers. In the end the files are
compared with what stations know to be acknowledged, and what stations have got of commands with
what the caller knows to be answered.
"""

import argparse
import asyncio
import itertools
import random
import resource
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from ocppj import v201
from ocppj.errors import OcppError
from ocppj.fleet import Fleet, Gateway, Worker, connect, journal
from tests.aio.ends import until
from tests.fleet.counting import TITLE, Notes, Row, Station, compared
from tests.fleet.server import NatsServer, free_port

PREFIX = "chaos"
WORK = {"TransactionEvent": 0.1, "StatusNotification": 0.4}
"""Seconds that a handler needs, at most, before it notes a frame, and again after it."""

KILLED = ("worker", "gateway", "broker", "broker -9")
FROZEN = ("worker frozen", "gateway frozen", "broker frozen")
"""Not killed, but suspended until all are back, or for two leases if it is the broker."""

PINGS = 'ping_interval: "2s"\nping_max: 2'
"""The broker gives up a frozen client sooner than by `docs/snippets/nats-server.conf`."""

MESSAGE_ID: ContextVar[str] = ContextVar("MESSAGE_ID")


class Settings(NamedTuple):
    """A storm.

    Attributes:
        stations: how many.
        rounds: how often each fault happens.
        faults: in each round.
        pause: seconds between the calls of a station, on average.
        back_off: seconds before a station connects again: the first time at least, and at most.
        deadline: seconds that a gateway waits for a worker.
        lease: of nodes, in seconds.
        ack_wait: seconds after which a stored frame goes to another worker.
    """

    stations: int = 500
    rounds: int = 3
    faults: tuple[str, ...] = KILLED
    pause: float = 1.0
    back_off: tuple[float, float] = (1.0, 8.0)
    deadline: float = 10.0
    lease: float = 5.0
    ack_wait: int = 10


class Fault(NamedTuple):
    """What was done to the fleet.

    Attributes:
        name: of what was killed.
        back: seconds until each station was back: an event acknowledged, a command answered.
        held: connections of all nodes that were alive then.
    """

    name: str
    back: float
    held: int


class Result(NamedTuple):
    """What was counted in a storm."""

    stations: int
    rows: list[Row]
    faults: list[Fault]

    @property
    def good(self) -> bool:
        wrong = sum(row.lost + row.out_of_order + row.other_id for row in self.rows)
        wrong += sum(row.repeated for row in self.rows if row.action == "UnlockConnector")
        return not wrong and all(fault.held == self.stations for fault in self.faults)

    def __str__(self) -> str:
        lines = [f"{f'{self.stations} stations':20}{TITLE}", *map(str, self.rows)]
        lines.append(f"{'killed':20}{'s until back':>13}{'connections':>13}")
        lines += [f"{name:20}{back:>13.1f}{held:>13}" for name, back, held in self.faults]
        return "\n".join(lines)


async def gateway(url: str, port: str, deadline: str, lease: str) -> None:
    """Hold stations until killed."""
    async with connect(url, prefix=PREFIX) as broker:
        node = Gateway(
            ["2.0.1"],
            broker,
            stored=["StatusNotification"],
            journal_size=2**26,
            deadline=float(deadline),
            lease=float(lease),
            ping_timeout=1.0,
        )
        async with node.listen("127.0.0.1", int(port), transport="picows"):
            await forever()


class CountingWorker(Worker):
    """A worker whose handlers know the message id."""

    def _serve(self, responder: Any, session: Any, call: Any, *others: Any) -> None:
        MESSAGE_ID.set(call.message_id)
        super()._serve(responder, session, call, *others)


class Handler:
    """Takes a while to handle a frame, and a while to answer it."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def _handle(self, action: str, station: Any, number: int) -> None:
        await asyncio.sleep(random.uniform(0, WORK[action]))
        self._notes.add(time.monotonic_ns(), action, station.id, number, MESSAGE_ID.get())
        await asyncio.sleep(random.uniform(0, WORK[action]))

    async def on_transaction_event(self, station: Any, request: Any) -> Any:
        await self._handle("TransactionEvent", station, request.seq_no)
        return v201.TransactionEventResponse()

    async def on_status_notification(self, station: Any, request: Any) -> Any:
        await self._handle("StatusNotification", station, request.connector_id)
        return v201.StatusNotificationResponse()


async def worker(url: str, path: str, ack_wait: str) -> None:
    """Handle events until killed."""
    handlers = {"2.0.1": Handler(Notes(Path(path)))}
    with patch.object(journal, "ACK_WAIT", int(ack_wait)):
        async with connect(url, prefix=PREFIX) as broker, CountingWorker(handlers, broker):
            await forever()


async def forever() -> None:
    print("ready", flush=True)
    await asyncio.Event().wait()


ROLES: dict[str, Callable[..., Awaitable[None]]] = {"gateway": gateway, "worker": worker}


class Part:
    """A process of the fleet, which can be killed and started again."""

    def __init__(self, role: str, *arguments: Callable[[], object]) -> None:
        self._role = role
        self._arguments = arguments
        self._process: Process | None = None

    async def start(self) -> None:
        arguments = [str(argument()) for argument in self._arguments]
        command = [sys.executable, "-m", "tests.fleet.chaos", self._role, *arguments]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL)
        assert self._process.stdout
        assert await self._process.stdout.readline() == b"ready\n", f"{command} has ended"

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.returncode is None, f"a {self._role} has ended by itself"
            process.kill()
            await process.wait()

    def send_signal(self, number: int) -> None:
        assert self._process
        self._process.send_signal(number)

    async def thaw(self) -> None:
        self.send_signal(signal.SIGCONT)


async def nothing() -> None:
    """Mend what is whole again already."""


class Caller:
    """Sends numbered commands, and knows which were answered."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._numbers = itertools.count()
        self.sent = 0
        self.answered: list[tuple[str, int]] = []

    async def command(self, station: str) -> bool:
        """Return whether a station has answered a command."""
        number = next(self._numbers)
        self.sent += 1
        request = v201.UnlockConnectorRequest(evse_id=1, connector_id=number)
        try:
            await self._fleet.call(station, request, 5)
        except OcppError:  # of which `ConnectionLost` and `CallTimeout` are some
            return False
        self.answered.append((station, number))
        return True

    async def reach(self, station: str) -> None:
        """Send commands to a station until it has answered one."""
        while not await self.command(station):  # noqa: ASYNC110  it may take any time
            await asyncio.sleep(0.2)

    async def run(self, stations: list[Station], stop: asyncio.Event) -> None:
        """Command any station, then the next."""
        while not stop.is_set():
            await self.command(random.choice(stations).name)
            await asyncio.sleep(0.01)

    def compared(self, stations: list[Station]) -> Row:
        got = Counter((one.name, number) for one in stations for number in one.commands)
        return Row(
            "UnlockConnector",
            sent=self.sent,
            acknowledged=len(self.answered),
            seen=got.total(),
            lost=sum(not got[key] for key in self.answered),
            repeated=got.total() - len(got),
            out_of_order=0,
            other_id=0,
        )


class Storm:
    """A fleet, its stations and its faults."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._nats = NatsServer(folder, PINGS)
        files = itertools.count()
        self._workers = [
            Part(
                "worker",
                lambda: self._nats.url,
                lambda: folder / f"seen-{next(files)}",
                lambda: settings.ack_wait,
            )
            for _ in range(2)
        ]
        self._gateways = {
            port: Part(
                "gateway",
                lambda: self._nats.url,
                lambda port=port: port,
                lambda: settings.deadline,
                lambda: settings.lease,
            )
            for port in (free_port(), free_port())
        }
        self._stations = [
            Station(f"CS-{number}", [*self._gateways], settings.pause, settings.back_off)
            for number in range(settings.stations)
        ]

    async def run(self) -> Result:
        """Return what was counted when it is over."""
        stop = asyncio.Event()
        async with self._fleet() as fleet:
            caller = Caller(fleet)
            async with asyncio.TaskGroup() as group:
                for station in self._stations:
                    group.create_task(station.run(stop))
                group.create_task(caller.run(self._stations, stop))
                names = self._settings.faults * self._settings.rounds
                faults = [await self._fault(name, fleet, caller) for name in names]
                stop.set()
            await self._handled()
        rows = [
            self._compared("TransactionEvent", ordered=True),
            self._compared("StatusNotification", ordered=False),
            caller.compared(self._stations),
        ]
        return Result(len(self._stations), rows, faults)

    def _compared(self, action: str, *, ordered: bool) -> Row:
        return compared(action, self._stations, self._folder, ordered=ordered)

    @asynccontextmanager
    async def _fleet(self) -> AsyncIterator[Fleet]:
        async with AsyncExitStack() as stack:
            stack.callback(self._nats.stop)
            for part in (*self._workers, *self._gateways.values()):
                stack.push_async_callback(part.kill)
            await asyncio.gather(*(part.start() for part in self._gateways.values()))
            await asyncio.gather(*(part.start() for part in self._workers))
            broker = await stack.enter_async_context(connect(self._nats.url, prefix=PREFIX))
            yield await stack.enter_async_context(Fleet(broker))

    async def _fault(self, name: str, fleet: Fleet, caller: Caller) -> Fault:
        await self._back(caller)  # so that there is traffic through all parts
        start, nodes = time.monotonic(), set(fleet.nodes)
        mend = await self._break(name)
        await self._back(caller)
        back = time.monotonic() - start
        await mend()
        if name == "gateway":
            await until(lambda: nodes != set(fleet.nodes))
        await until(lambda: len(fleet.nodes) == len(self._gateways))
        return Fault(name, back, await self._held(fleet))

    async def _break(self, name: str) -> Callable[[], Awaitable[None]]:
        """Kill or freeze a part; return what makes the fleet whole again."""
        what, _, how = name.partition(" ")
        if what == "broker":
            await asyncio.to_thread(self._stop_broker, how)
            return nothing
        part = random.choice(self._workers)
        if what == "gateway":  # the one with most stations
            ((port, _),) = Counter(one.port for one in self._stations).most_common(1)
            part = self._gateways[port]
        if how == "frozen":
            part.send_signal(signal.SIGSTOP)
            return part.thaw
        await part.kill()
        return part.start

    def _stop_broker(self, how: str) -> None:
        if how == "frozen":
            self._nats.freeze()
            time.sleep(2 * self._settings.lease)
            self._nats.thaw()
        else:
            self._nats.stop(signal.SIGKILL if how == "-9" else signal.SIGTERM)
            self._nats.start()

    async def _back(self, caller: Caller) -> None:
        """Wait until each station is back."""

        async def back(station: Station) -> None:
            await station.another()
            await caller.reach(station.name)

        await asyncio.gather(*map(back, self._stations))

    async def _held(self, fleet: Fleet) -> int:
        """Return how many connections the nodes have, once each knows who has left it."""

        def held() -> int:
            return sum(node.stations for node in fleet.nodes.values())

        try:
            async with asyncio.timeout(3 * self._settings.lease):
                await until(lambda: held() == len(self._stations))
        except TimeoutError:
            pass  # the result says what is wrong
        return held()

    async def _handled(self) -> None:
        """Wait until what was stored is handled; workers that were killed had some of it."""
        try:
            async with asyncio.timeout(self._settings.ack_wait * 5):
                while self._compared("StatusNotification", ordered=False).lost:  # noqa: ASYNC110  no event tells of it
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pass  # as above


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        asyncio.run(ROLES[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]
        return 0
    default = Settings()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stations", type=int, default=default.stations)
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument("--faults", nargs="+", choices=KILLED + FROZEN, default=KILLED)
    parser.add_argument("--pause", type=float, default=default.pause, help="seconds between calls")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    settings = Settings(given.stations, given.rounds, tuple(given.faults), given.pause)
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(Storm(Path(folder), settings).run())
    print(result)
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())

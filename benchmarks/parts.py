"""The processes of a fleet on this machine, for `benchmarks.fleet`, and what they use.

`python -m benchmarks.parts ROLE URL` plays a role. It prints its port (0 if it does not listen),
then its resident memory for each line on standard input, and ends with standard input.
"""

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

import uvloop
from picows import WSListener, ws_connect

from benchmarks.gateways import ocppj_handler
from benchmarks.load import Gateway
from ocppj import v201
from ocppj.errors import ConnectionLost
from ocppj.fleet import Broker, Fleet, Worker, connect
from ocppj.fleet import Gateway as FleetGateway

__all__ = [
    "COUNTERS",
    "PREFIX",
    "UNLOCK",
    "Alone",
    "Nats",
    "Part",
    "chain",
    "cpu",
    "join",
    "nats_server",
    "pids_of",
    "resident",
    "started",
    "watched",
]

PREFIX: Final = "bench"
UNLOCK: Final = v201.UnlockConnectorRequest(evse_id=1, connector_id=1)
COUNTERS: Final = ("in_msgs", "out_msgs", "in_bytes", "out_bytes")
"""What a nats-server counts, of all its clients."""

COMMANDS: Final = 1000
ABSENT: Final = 200
SAMPLING: Final = 0.1  # seconds

T = TypeVar("T")


class Nats(NamedTuple):
    """A nats-server: its address, the port of its monitoring, and its process id."""

    url: str
    monitor: int
    pid: int

    def traffic(self) -> dict[str, int]:
        """Return the numbers of messages and bytes so far, in both directions."""
        connection = HTTPConnection("127.0.0.1", self.monitor)
        connection.request("GET", "/varz")
        found = json.load(connection.getresponse())
        connection.close()
        return {name: int(found[name]) for name in COUNTERS}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def nats_server() -> Iterator[Nats]:
    """Run a nats-server with JetStream on loopback, with a store of its own."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    program = shutil.which("nats-server", path=path)
    if program is None:
        raise SystemExit("there is no nats-server on this machine")
    port, monitor = _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "-a", "127.0.0.1", "-p", str(port), "-m", str(monitor)]
        process = subprocess.Popen([*command, "-js", "-sd", folder], stderr=subprocess.DEVNULL)
        try:
            for number in (port, monitor):
                while True:
                    try:
                        socket.create_connection(("127.0.0.1", number)).close()
                        break
                    except OSError:
                        time.sleep(0.05)
            yield Nats(f"nats://127.0.0.1:{port}", monitor, process.pid)
        finally:
            process.kill()
            process.wait()


class Alone(Gateway):
    """A central system in one process, as `benchmarks.load` starts it."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid


class Part(Alone):
    """A process that plays a role of a fleet, on any core."""

    def __init__(self, role: str, url: str) -> None:
        command = [sys.executable, "-m", "benchmarks.parts", role, url]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._ask(""))

    def answer(self) -> Any:
        """Return what it writes in the end."""
        stdout = self._process.stdout
        assert stdout
        return json.loads(stdout.readline())


def started(stack: ExitStack, role: str, nats: Nats) -> Part:
    """Start a process that ends with the context."""
    part = Part(role, nats.url)
    stack.callback(part.stop)
    return part


def chain(stack: ExitStack, role: str = "gateway") -> tuple[Nats, Part, Part]:
    """Start a broker, a worker and a gateway."""
    nats = stack.enter_context(nats_server())
    gateway = started(stack, role, nats)  # first, since it makes the stream that the worker reads
    return nats, started(stack, "worker", nats), gateway


def pids_of(nats: Nats, worker: Part, gateway: Part) -> dict[str, int]:
    """Return who -> process id."""
    return {"gateway": gateway.pid, "worker": worker.pid, "nats-server": nats.pid}


async def join(
    port: int, number: int, listener: WSListener, tls: ssl.SSLContext | None = None
) -> None:
    """Connect a station."""
    await ws_connect(
        lambda: listener,
        f"ws{'s' if tls else ''}://127.0.0.1:{port}/S{number}",
        extra_headers={"Sec-WebSocket-Protocol": "ocpp2.0.1"},
        websocket_handshake_timeout=60,
        ssl_context=tls,
    )


def resident(pid: int | str = "self") -> int:
    """Return the resident memory of a process in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def cpu(pid: int) -> float:
    """Return the processor time of a process in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def watched(
    work: Awaitable[T], seconds: float, pids: Mapping[str, int]
) -> tuple[T, dict[str, float]]:
    """Return what `work` returns, and how many cores each process used in its last seconds."""
    samples: list[tuple[float, dict[str, float]]] = []

    def sample() -> None:
        samples.append((perf_counter(), {who: cpu(pid) for who, pid in pids.items()}))

    async def sample_often() -> None:
        while True:
            sample()
            await asyncio.sleep(SAMPLING)

    sampling = asyncio.create_task(sample_often())
    result = await work
    sampling.cancel()
    sample()
    end, last = samples[-1]
    start, first = min(samples, key=lambda one: abs(end - seconds - one[0]))
    return result, {who: (last[who] - first[who]) / (end - start) for who in pids}


@asynccontextmanager
async def _gateway(
    broker: Broker, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[int]:
    gateway = FleetGateway(["2.0.1"], broker, heartbeat=False, ping_timeout=1.0, **options)
    listen: dict[str, Any] = {"transport": "picows", "ping_interval": None, "ssl": tls}
    async with gateway.listen("127.0.0.1", 0, **listen) as server:
        yield server.port


async def gateway_role(broker: Broker) -> None:
    """Hold stations."""
    async with _gateway(broker) as port:
        await _serve_lines(port)


def _server_tls() -> ssl.SSLContext:
    """Return the context of a server with a certificate of ECDSA P-256."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        command = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=localhost"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-keyout", f"{folder}/key", "-out", f"{folder}/certificate"]
        subprocess.run(command, check=True, capture_output=True)
        tls.load_cert_chain(f"{folder}/certificate", f"{folder}/key")
    return tls


async def secure_role(broker: Broker) -> None:
    """Hold stations that connect by TLS."""
    async with _gateway(broker, _server_tls()) as port:
        await _serve_lines(port)


async def storing_role(broker: Broker) -> None:
    """Hold stations, and answer MeterValues once they are stored."""
    async with _gateway(broker, stored=["MeterValues"]) as port:
        await _serve_lines(port)


async def worker_role(broker: Broker) -> None:
    """Answer stations."""
    async with Worker({"2.0.1": ocppj_handler()}, broker):
        await _serve_lines(0)


async def caller_role(broker: Broker) -> None:
    """Call stations one after the other, then absent ones; write the latencies in ms."""
    async with Fleet(broker) as fleet:
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
        print(json.dumps({"present": present, "absent": absent}), flush=True)


async def fleet_role(broker: Broker) -> None:
    """Write what it takes to know all stations: microseconds of processor time, and KiB."""
    before, memory = time.process_time(), resident()
    async with Fleet(broker):
        spent = (time.process_time() - before) * 1e6
        print(0, flush=True)
        print(json.dumps({"microseconds": spent, "memory": resident() - memory}), flush=True)


ROLES: Final[Mapping[str, Callable[[Broker], Awaitable[None]]]] = {
    "gateway": gateway_role,
    "secure": secure_role,
    "storing": storing_role,
    "worker": worker_role,
    "caller": caller_role,
    "fleet": fleet_role,
}


async def _serve_lines(port: int) -> None:
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(resident(), flush=True)


async def main(role: str, url: str) -> None:
    """Play a role."""
    async with connect(url, prefix=PREFIX) as broker:
        await ROLES[role](broker)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))

"""`ocppj gateway`, `worker`, `stations` and `call`."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocppj.cli.main import main
from tests.conftest import interruptible
from tests.fleet.server import NatsServer

HANDLERS = """
from datetime import datetime, UTC
from ocppj import v201

class Handler:
    def on_boot_notification(self, station, request):
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC), interval=60, status="Accepted"
        )
    def on_status_notification(self, station, request):
        return v201.StatusNotificationResponse()
    def on_heartbeat(self, station, request: v201.HeartbeatRequest):
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))

handlers = {"2.0.1": Handler()}
wrong = {"3.0": Handler()}
def known(station_id):
    return station_id != "CS-unknown"
"""
STATION = """
import asyncio, sys
from ocppj import v201
from ocppj.aio import ChargingStation, Backoff

class Wallbox:
    def on_unlock_connector(self, request):
        return v201.UnlockConnectorResponse(status="Unlocked")
    def on_reset(self, request):
        import ocppj
        raise ocppj.CallRefused("SecurityError", "not by you", {"a": 1})

async def main(url, names):
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(one(url, name))

async def one(url, name):
    station = ChargingStation(name, {"2.0.1": Wallbox()})
    async with station.connect(url, backoff=Backoff(0.1, 0.2, 1)):
        print(name, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[1], sys.argv[2:]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "handlers_here.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OCPPJ_NATS", raising=False)
    return tmp_path


class Program:
    """A command in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=interruptible,
        )

    def line(self) -> str:
        stdout = self.process.stdout
        assert stdout
        found = stdout.readline().rstrip()
        assert found, self.end()
        return found

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End it; return its status and what it wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@contextmanager
def program(*arguments: str) -> Iterator[Program]:
    made = Program(*arguments)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def ocppj(*arguments: str) -> Any:
    return program("-m", "ocppj", *arguments)


def broker(nats: NatsServer, prefix: str) -> list[str]:
    return ["--nats", nats.url, "--prefix", prefix]


def until(condition: Any, seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    assert main(["stations", "--json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_fleet(
    nats: NatsServer, prefix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = broker(nats, prefix)
    with ExitStack() as stack:
        gateway = stack.enter_context(
            ocppj("gateway", "--port=0", "--name=one", "--known=handlers_here:known", *options)
        )
        node, _, url = gateway.line().partition(": listening at ")
        assert node.startswith("node one-")
        worker = stack.enter_context(ocppj("worker", "handlers_here:handlers", *options))
        assert worker.line() == "worker for OCPP 2.0.1: ready"
        stations = stack.enter_context(program("-c", STATION, url, "CS-1", "CS-2"))
        assert {stations.line(), stations.line()} == {"CS-1", "CS-2"}
        found = until(lambda: len(rows := listed(capsys, *options)) == 2 and rows)
        assert [row["id"] for row in found] == ["CS-1", "CS-2"]
        assert {row["node"] for row in found} == {node.removeprefix("node ")}
        assert main(["stations", *options]) == 0
        table = capsys.readouterr().out.splitlines()
        assert table[0].split() == ["station", "OCPP", "node", "since", "address"]
        assert table[1].split()[:2] == ["CS-1", "2.0.1"]

        follow = stack.enter_context(ocppj("stations", "--follow", *options))
        assert [follow.line().split()[0] for _ in range(3)] == ["station", "CS-1", "CS-2"]

        unlock = ["call", "CS-1", "UnlockConnector", '{"evseId":1,"connectorId":1}', *options]
        assert main(unlock) == 0
        assert json.loads(capsys.readouterr().out) == {"status": "Unlocked"}
        failures = {
            ("CS-9", "ClearCache"): (1, "CS-9 is not connected"),
            ("CS-1", "UnlockConnector", '{"evseId":"x"}'): (2, "at $.evseId"),
            ("CS-1", "UnlockConnector", "{"): (2, "not JSON"),
            ("CS-1", "Nonsense"): (2, "no action 'Nonsense'"),
            ("CS-1", "Heartbeat"): (2, "is not sent by a CSMS"),
            ("CS-1", "Reset", '{"type":"Immediate"}'): (
                1,
                'CS-1 answered with an error: SecurityError: not by you {"a": 1}',
            ),
            ("CS-1", "ClearCache", "\udcff"): (2, "UTF-8"),
        }
        for arguments, (status, text) in failures.items():
            assert main(["call", *arguments, *options]) == status, arguments
            assert text in capsys.readouterr().err

        status, errors = gateway.end()  # drains
        assert status == 0, errors
        marks = [follow.line().split()[1:3] for _ in range(2)]
        assert sorted(marks) == [["-", "CS-1"], ["-", "CS-2"]]
        assert listed(capsys, *options) == []
        assert follow.end(signal.SIGINT)[0] == 130
        assert worker.end()[0] == 0


def test_several_processes_on_one_port(
    nats: NatsServer, prefix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = broker(nats, prefix)
    with ExitStack() as stack:
        gateway = stack.enter_context(ocppj("gateway", "--port", "0", "--processes", "2", *options))
        nodes, urls = zip(*(gateway.line().split(": listening at ") for _ in range(2)), strict=True)
        assert len(set(nodes)) == 2
        assert len(set(urls)) == 1
        names = [f"CS-{number}" for number in range(30)]
        stations = stack.enter_context(program("-c", STATION, urls[0], *names))
        assert {stations.line() for _ in names} == set(names)
        rows = until(lambda: len(rows := listed(capsys, *options)) == 30 and rows)
        assert {f"node {row['node']}" for row in rows} == set(nodes)
        # One that ends is started again; its stations are back soon.
        children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        again, _, url = gateway.line().partition(": listening at ")
        assert url == urls[0]
        assert again not in nodes
        until(lambda: len(listed(capsys, *options)) == 30)
        status, errors = gateway.end()
        assert status == 0
        assert "ended with status -9: it is started again" in errors


def test_one_process_without_a_broker(folder: Path) -> None:
    """The embedded default. It needs no nats-py."""
    block = "import sys; sys.modules['nats'] = None; from ocppj.cli.main import main; "
    run = block + "sys.exit(main(sys.argv[1:]))"
    arguments = ["gateway", "--port", "0", "--handlers", "handlers_here:handlers"]
    with program("-c", run, *arguments) as gateway:
        name, _, url = gateway.line().partition(": listening at ")
        assert name == "one process, no broker"
        with program("-c", STATION, url, "CS-1") as station:
            assert station.line() == "CS-1"
        assert gateway.end()[0] == 0


def test_without_nats_py(folder: Path) -> None:
    block = "import sys; sys.modules['nats'] = None; from ocppj.cli.main import main; "
    run = block + "sys.exit(main(sys.argv[1:]))"
    with program("-c", run, "stations", "--nats", "nats://127.0.0.1:9") as client:
        _, errors = client.process.communicate()
        assert client.process.returncode == 2
        assert errors == "ocppj: nats is not installed: pip install 'ocppj[nats]'\n"


def problem(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what is written of a command that cannot be run."""
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_the_broker_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["gateway", "--port", "0"],
        ["worker", "handlers_here:handlers"],
        ["stations"],
        ["call", "CS-1", "ClearCache"],
    ):
        found = problem(capsys, *command, "--nats", "nats://user:hidden@127.0.0.1:9")
        assert found.startswith("ocppj: cannot connect to NATS at nats://127.0.0.1:9: ")
        assert "hidden" not in found
        assert found.count("\n") == 1


def test_jetstream_is_off(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = NatsServer(tmp_path, jetstream=False)
    try:
        assert "JetStream is not enabled" in problem(capsys, "stations", "--nats", server.url)
    finally:
        server.stop()


def test_credentials(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = NatsServer(tmp_path, "authorization { user: a, password: b }")
    try:
        assert "credentials rejected" in problem(capsys, "stations", "--nats", server.url)
        found = problem(capsys, "stations", "--nats", server.url, "--nats-creds", "nowhere")
        assert "cannot read the credentials" in found
        right = server.url.replace("//", "//a:b@")
        assert main(["stations", "--nats", right]) == 0
    finally:
        server.stop()


def test_tls(
    tmp_path: Path, folder: Path, certificates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = f'cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key"'
    server = NatsServer(tmp_path, f"tls {{ {names} }}")
    url = f"tls://localhost:{server.port}"
    try:
        assert "TLS failed" in problem(capsys, "stations", "--nats", url)
        assert main(["stations", "--nats", url, "--nats-ca", f"{certificates}/ca.pem"]) == 0
        capsys.readouterr()
        found = problem(capsys, "stations", "--nats", url, "--nats-ca", "nowhere")
        assert "certificates for the broker cannot be used" in found
    finally:
        server.stop()


def test_an_old_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = {"version": "2.8.4", "headers": True, "jetstream": True, "max_payload": 100}
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"INFO " + json.dumps(info).encode() + b"\r\n")
                while data := connection.recv(4096):
                    if b"PING" in data:
                        connection.sendall(b"PONG\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"nats://127.0.0.1:{listener.getsockname()[1]}"
        assert "nats-server 2.8.4 is too old" in problem(capsys, "stations", "--nats", url)
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["gateway"], "nobody would answer: give --nats URL, or --handlers"),
        (["gateway", "--handlers", "handlers_here"], "use MODULE:NAME"),
        (["gateway", "--handlers", "nowhere:x"], "No module named 'nowhere'"),
        (["gateway", "--handlers", "handlers_here:nothing"], "has no attribute 'nothing'"),
        (["gateway", "--handlers", "handlers_here:wrong"], "unknown OCPP version '3.0'"),
        (["gateway", "--handlers", "handlers_here:Handler"], "say for which version"),
        (
            ["gateway", "--handlers", "handlers_here:handlers", "-V", "1.6"],
            "no handler for OCPP 1.6",
        ),
        (["gateway", "--handlers", "handlers_here:Handler", "-V", "1.6"], "expects"),
        (["gateway", "--processes", "0"], "use 1 to 256"),
        (["gateway", "--port", "70000"], "use 0 to 65535"),
        (["gateway", "--max-handshakes", "0"], "not a number above 0"),
        (["worker", "handlers_here:handlers"], "--nats"),
        (
            ["worker", "handlers_here:handlers", "--max-handling", "0"],
            "not a number of calls: use 1 to 1000000",
        ),
        (["call", "CS-1", "Reset", "--timeout", "-1"], "not a number of seconds above 0"),
    ],
)
def test_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert text in problem(capsys, *arguments)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--stored", "MeterValues,Nonsense"], "no action 'Nonsense'"),
        (["--stored", "BootNotification"], "is not empty"),
        (["--host", "not an address"], "cannot listen"),
        (["--tls-cert", "nowhere"], "nowhere"),
        (["--known", "handlers_here:nothing"], "has no attribute"),
        (["--prefix", "a.b"], "prefix='a.b'"),
    ],
)
def test_a_gateway_that_cannot_start(
    nats: NatsServer,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    text: str,
) -> None:
    assert text in problem(capsys, "gateway", "--port=0", "--nats", nats.url, *options)


def test_a_port_that_is_taken(
    nats: NatsServer, prefix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        for processes in ("1", "2"):
            options = ["--port", port, "--processes", processes, *broker(nats, prefix)]
            assert "cannot listen on 127.0.0.1" in problem(capsys, "gateway", *options)


def test_the_environment_names_the_broker(
    nats: NatsServer,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OCPPJ_NATS", nats.url)
    assert main(["stations", "--prefix", "nobody"]) == 0
    assert capsys.readouterr().out.splitlines() == ["station  OCPP  node  since  address"]

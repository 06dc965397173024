"""`ocppj gateway --http --record` and `ocppj web`."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from ocppj.aio import ChargingStation
from ocppj.cli.main import main
from tests.web.conftest import BOOT, Charger

httpx = pytest.importorskip("httpx")

HANDLERS = """
from datetime import datetime, UTC
from ocppj import v201

class Handler:
    def on_boot_notification(self, station, request: v201.BootNotificationRequest):
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC), interval=60, status="Accepted"
        )

handlers = {"2.0.1": Handler()}
"""


GATEWAY = ("gateway", "--handlers", "handlers_web:handlers", "--port", "0")
COMMAND = (sys.executable, "-m", "ocppj")


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    addresses: int = 2,
    status: int | None = 0,
    command: Sequence[str] = COMMAND,
    rest: list[str] | None = None,
) -> Iterator[list[str]]:
    """Run a command; yield the addresses that it prints. On SIGTERM it ends with a status.

    What it prints at its end is added to `rest`.
    """
    (folder / "handlers_web.py").write_text(HANDLERS)
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        cwd=folder,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    found: list[str] = []
    try:
        while len(found) < addresses:
            line = process.stdout.readline()
            assert line, "the command has ended"
            found += re.findall(r"(?:ws|http)://[^\s;]+", line)
        yield found
        process.send_signal(signal.SIGTERM)
        if rest is not None:
            rest.append(process.communicate(timeout=15)[0])
        assert process.wait(15) == status or status is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_gateway_serves_the_api_and_records_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("command commanding-token-4\n")

    async def use(ws: str, http: str) -> None:
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with station.connect(ws, backoff=None):
            await station.call(BOOT)
            async with httpx.AsyncClient(base_url=http, verify=False) as client:
                assert (await client.get("/stations")).status_code == 401
                client.headers["authorization"] = "Bearer commanding-token-4"
                (row,) = (await client.get("/stations")).json()["stations"]
                assert (row["id"], row["model"]) == ("CS-1", "Fast")
                path = "/stations/CS-1/calls/UnlockConnector"
                answer = await client.post(path, json={"evseId": 1, "connectorId": 1})
                assert answer.json() == {"status": "Unlocked"}
                assert (await client.get("/readyz")).text == "ready\n"
                text = (await client.get("/metrics")).text
                assert 'ocppj_connections{version="2.0.1"} 1.0' in text
                assert 'action="BootNotification",direction="in",outcome=""} 1.0' in text
                del client.headers["authorization"]
                assert (await client.get("/metrics")).status_code == 401

    pytest.importorskip("prometheus_client")
    arguments = ["--handlers", "handlers_web:handlers", "--port", "0", "--record", "frames.jsonl"]
    http = ["--http", "0", "--http-tokens", "tokens"]
    with running(tmp_path, "gateway", *arguments, *http) as (ws, address):
        asyncio.run(use(ws, address))
    assert main(["check", str(tmp_path / "frames.jsonl")]) == 0
    assert "UnlockConnector" in capsys.readouterr().out


def test_a_demonstration_serves_the_page_and_metrics(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")

    async def use(ws: str, http: str) -> None:
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with (
            station.connect(ws, backoff=None),
            httpx.AsyncClient(base_url=http, verify=False) as client,
        ):
            await station.call(BOOT)
            (row,) = (await client.get("/stations")).json()["stations"]
            assert (row["id"], row["model"]) == ("CS-1", "Fast")
            assert 'ocppj_connections{version="2.0.1"} 1.0' in (await client.get("/metrics")).text
            assert "<title>" in (await client.get("/")).text

    options = ("csms", "--port", "0", "--http", "0")
    with running(tmp_path, *options, status=None) as (ws, address):
        asyncio.run(use(ws, address))


BLOCK = """
import sys

for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None
from ocppj.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


def test_a_gateway_needs_neither_nats_nor_prometheus_to_serve_the_page(tmp_path: Path) -> None:
    async def use(http: str) -> None:
        async with httpx.AsyncClient(base_url=http, verify=False) as client:
            assert (await client.get("/stations")).status_code == 200
            answer = await client.get("/metrics")
            assert answer.status_code == 404
            assert "prometheus" in answer.json()["detail"]

    block = (sys.executable, "-c", BLOCK, "nats,prometheus_client")
    with running(tmp_path, *GATEWAY, "--http", "0", command=block) as (_, address):
        asyncio.run(use(address))


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_opentelemetry_instrument_traces_a_command(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.instrumentation.auto_instrumentation")
    program = shutil.which("opentelemetry-instrument", path=Path(sys.executable).parent)
    assert program is not None

    async def use(ws: str, http: str) -> None:
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with (
            station.connect(ws, backoff=None),
            httpx.AsyncClient(base_url=http, verify=False) as client,
        ):
            await station.call(BOOT)
            path = "/stations/CS-1/calls/UnlockConnector"
            headers = {"traceparent": TRACEPARENT}
            answer = await client.post(path, json={"evseId": 1, "connectorId": 1}, headers=headers)
            assert answer.json() == {"status": "Unlocked"}

    command = [program, "--traces_exporter", "console", "--metrics_exporter", "none"]
    command += ["--logs_exporter", "none", sys.executable, "-m", "ocppj"]
    rest: list[str] = []
    with running(tmp_path, *GATEWAY, "--http", "0", command=command, rest=rest) as (ws, address):
        asyncio.run(use(ws, address))
    decoder, text, spans = json.JSONDecoder(), "".join(rest), {}
    while (at := text.find("{")) >= 0:
        span, end = decoder.raw_decode(text, at)
        text = text[end:]
        spans[span["name"]] = span
    assert spans["BootNotification"]["kind"] == "SpanKind.SERVER"
    assert spans["BootNotification"]["attributes"]["ocpp.station.id"] == "CS-1"
    unlock = spans["UnlockConnector"]
    assert unlock["context"]["trace_id"] == "0x" + TRACEPARENT.split("-")[1]
    assert unlock["parent_id"] == "0x" + TRACEPARENT.split("-")[2]


def lines(path: Path) -> int:
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_a_csms_and_a_station_record_the_same_frames(tmp_path: Path) -> None:
    arguments = ("--record", "csms.jsonl")
    with running(tmp_path, "csms", "--port", "0", *arguments, addresses=1, status=None) as (ws,):
        command = [sys.executable, "-m", "ocppj", "station", "--url", ws, "--id", "CS-1", "--once"]
        scripted = subprocess.Popen([*command, "--record", "station.jsonl"], cwd=tmp_path)
        try:
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if all(lines(tmp_path / name) >= 4 for name in ("csms.jsonl", "station.jsonl")):
                    break
                time.sleep(0.05)
        finally:
            scripted.kill()
            scripted.wait()
    ours, theirs = (
        [msgspec.json.decode(line) for line in (tmp_path / name).read_bytes().splitlines()]
        for name in ("csms.jsonl", "station.jsonl")
    )
    assert [row["frame"] for row in ours[:4]] == [row["frame"] for row in theirs[:4]]
    assert [row["direction"] for row in ours[:2]] == ["in", "out"]
    assert [row["direction"] for row in theirs[:2]] == ["out", "in"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*GATEWAY, "--http", "0.0.0.0:0"), "give --http-tokens FILE"),
        ((*GATEWAY, "--http", "0", "--http-tokens", "missing"), "No such file"),
        ((*GATEWAY, "--http", "x"), "'x' is not a port: use 0 to 65535"),
        ((*GATEWAY, "--record", "no/such/folder"), "No such file"),
        ((*GATEWAY, "--http", "0", "--processes", "2"), "need one process"),
        (("csms", "--record", "no/such/folder"), "No such file"),
        (("csms", "--port", "0", "--http", "0.0.0.0:0"), "give --http-tokens FILE"),
        (("station", "--url", "ws://x", "--id", "a", "--record", "no/such"), "No such file"),
        (("web", "--nats", "nats://127.0.0.1:1"), "cannot connect to NATS"),
    ],
)
def test_what_cannot_be_served_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    problem: str,
) -> None:
    (tmp_path / "handlers_web.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) == 2
    assert problem in capfd.readouterr().err

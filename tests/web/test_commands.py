"""`ocppj gateway --http --record` and `ocppj web`."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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


@contextmanager
def running(
    folder: Path, *arguments: str, addresses: int = 2, status: int | None = 0
) -> Iterator[list[str]]:
    """Run a command; yield the addresses that it prints. On SIGTERM it ends with a status."""
    (folder / "handlers_here.py").write_text(HANDLERS)
    process = subprocess.Popen(
        [sys.executable, "-m", "ocppj", *arguments],
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

    arguments = ["--handlers", "handlers_here:handlers", "--port", "0", "--record", "frames.jsonl"]
    http = ["--http", "0", "--http-tokens", "tokens"]
    with running(tmp_path, "gateway", *arguments, *http) as (ws, address):
        asyncio.run(use(ws, address))
    assert main(["check", str(tmp_path / "frames.jsonl")]) == 0
    assert "UnlockConnector" in capsys.readouterr().out


def test_a_csms_and_a_station_record_the_same_frames(tmp_path: Path) -> None:
    arguments = ("--record", "csms.jsonl")
    with running(tmp_path, "csms", "--port", "0", *arguments, addresses=1, status=None) as (ws,):
        command = [sys.executable, "-m", "ocppj", "station", "--url", ws, "--id", "CS-1", "--once"]
        scripted = subprocess.Popen([*command, "--record", "station.jsonl"], cwd=tmp_path)
        try:
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if len((tmp_path / "csms.jsonl").read_bytes().splitlines()) >= 4:
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


GATEWAY = ("gateway", "--handlers", "handlers_here:handlers", "--port", "0")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*GATEWAY, "--http", "0.0.0.0:0"), "give --http-tokens FILE"),
        ((*GATEWAY, "--http", "0", "--http-tokens", "missing"), "No such file"),
        ((*GATEWAY, "--http", "x"), "'x' is not a port: use 0 to 65535"),
        ((*GATEWAY, "--record", "no/such/folder"), "No such file"),
        ((*GATEWAY, "--http", "0", "--processes", "2"), "need one process"),
        (("csms", "--record", "no/such/folder"), "No such file"),
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
    (tmp_path / "handlers_here.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    assert main(list(arguments)) == 2
    assert problem in capfd.readouterr().err

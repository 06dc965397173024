"""`ocppj gateway --http --record` and `ocppj web`."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
def running(folder: Path, *arguments: str) -> Iterator[list[str]]:
    """Run a command; yield the addresses that it prints."""
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
        while len(found) < 2:
            line = process.stdout.readline()
            assert line, "the command has ended"
            found += re.findall(r"(?:ws|http)://\S+", line)
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
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


GATEWAY = ("gateway", "--handlers", "handlers_here:handlers", "--port", "0")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((*GATEWAY, "--http", "0.0.0.0:0"), "give --http-tokens FILE"),
        ((*GATEWAY, "--http", "0", "--http-tokens", "missing"), "No such file"),
        ((*GATEWAY, "--http", "x"), "'x' is not a port: use 0 to 65535"),
        ((*GATEWAY, "--record", "no/such/folder"), "No such file"),
        ((*GATEWAY, "--http", "0", "--processes", "2"), "need one process"),
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

"""Each test of an endpoint runs on each transport, and has to leave nothing behind."""

import asyncio
import gc
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocppj.aio import CSMS, ChargingStation, TransportName

LIMIT = 20.0
"""Seconds for a test; one that waits for ever fails."""


@dataclass(frozen=True)
class End:
    """A transport, and the event loop to run it on."""

    transport: TransportName
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a test; no task may be left, and nothing that the loop would have to report."""
        problems: list[dict[str, Any]] = []

        async def guarded() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: problems.append(context))
            async with asyncio.timeout(LIMIT):
                await main
                await settled()

        with asyncio.Runner(loop_factory=self.loop) as runner:
            runner.run(guarded())
        gc.collect()
        # That a peer refuses a certificate is told to the loop too.
        assert [what for what in problems if not refused(what)] == []

    def listen(self, csms: CSMS, **options: Any) -> Any:
        return csms.listen("127.0.0.1", transport=self.transport, **options)

    def connect(self, station: ChargingStation, server: Any, **options: Any) -> Any:
        scheme = "wss" if "ssl" in options else "ws"
        url = f"{scheme}://127.0.0.1:{server.port}/ocpp"
        return station.connect(url, transport=self.transport, **{"backoff": None, **options})


def refused(problem: dict[str, Any]) -> bool:
    failed = isinstance(problem.get("exception"), ssl.SSLError)
    return failed or "SSL handshake" in problem["message"]


async def settled() -> None:
    """Wait until no task but this one is left."""
    while len(left := asyncio.all_tasks()) > 1:
        await asyncio.wait(left - {asyncio.current_task()}, return_when=asyncio.FIRST_COMPLETED)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def uvloop() -> asyncio.AbstractEventLoop:
    module = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = module.new_event_loop()
    return loop


ENDS = {
    "websockets": End("websockets"),
    "websockets-uvloop": End("websockets", uvloop),
    "picows": End("picows"),
    "picows-uvloop": End("picows", uvloop),
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> End:
    found = ENDS[request.param]
    pytest.importorskip(found.transport)
    return found


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, a server and stations: `CS-1` by common name, `CS-2` by DNS name."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command here")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *key,
        "-subj",
        "/CN=authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    names = {
        "server": ("localhost", "IP:127.0.0.1"),
        "first": ("CS-1", "DNS:charger"),
        "second": ("charger", "DNS:CS-2"),
    }
    for name, (common, alternative) in names.items():
        openssl(
            "req",
            "-x509",
            *key,
            "-subj",
            f"/CN={common}",
            "-addext",
            f"subjectAltName={alternative}",
            "-addext",
            "basicConstraints=critical,CA:false",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        )
    return folder


def context(folder: Path, name: str | None, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(folder / "ca.pem"))
    if name is not None:
        made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made

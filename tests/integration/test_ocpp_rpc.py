"""`ocpp-rpc` for Node.js in strict mode, as a station and as a CSMS, over real connections.

It is installed with npm where `OCPPJ_NODE` says, else in a folder for temporary files.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS, ChargingStation
from tests.aio.ends import End
from tests.conftest import VERSIONS
from tests.integration.exchanges import DOWN, UP, Exchange, calls, decoded, handler, requests

PACKAGE = "ocpp-rpc@2.2.1"
DRIVER = Path(__file__).with_name("ocpp_rpc.js")
each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="session")
def modules() -> Path:
    """The folder of `ocpp-rpc`. Skips without node, npm or the package."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node or no npm here")
    default = Path(tempfile.gettempdir()) / f"ocppj-{PACKAGE}"
    folder = Path(os.environ.get("OCPPJ_NODE") or default)
    installed = folder / "node_modules"
    if not (installed / ".package-lock.json").exists():  # which npm writes at the end
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", PACKAGE]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm cannot install {PACKAGE}: {error}")
    return installed


class Theirs:
    """Their end, in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[list[Any]] = []

    async def until(self, kind: str) -> list[Any]:
        """Return the next event of a kind; keep the others."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            event: list[Any] = json.loads(line)
            if event[0] == kind:
                return event
            self.events.append(event)
        raise AssertionError(self.events)

    def told(self, kind: str) -> list[tuple[str, Any]]:
        return [(event[1], event[2]) for event in self.events if event[0] == kind]


@asynccontextmanager
async def driver(
    modules: Path, version: str, mine: list[Exchange], theirs: list[Exchange], **more: Any
) -> AsyncIterator[Theirs]:
    """Run the driver; it makes the calls `theirs`, and answers `mine`."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(DRIVER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(modules)},
    )
    assert process.stdin is not None
    answers = {action: answer for action, _, answer in mine}
    told = {"protocol": f"ocpp{version}", "calls": theirs, "answers": answers, **more}
    process.stdin.write(json.dumps(told).encode())
    process.stdin.close()
    peer = Theirs(process)
    try:
        yield peer
        await peer.until("closed")
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert peer.told("answered") == [(action, answer) for action, _, answer in theirs]
    assert peer.told("asked") == requests(mine)
    assert {event[0] for event in peer.events} <= {"answered", "asked"}


@each_version
def test_their_station_and_our_csms(end: End, version: str, modules: Path) -> None:
    async def main() -> None:
        ours, asked = handler(version, UP[version])
        csms = CSMS({version: ours})
        async with end.listen(csms) as server:
            url = f"ws://127.0.0.1:{server.port}/ocpp"
            exchanges = (DOWN[version], UP[version])
            async with driver(modules, version, *exchanges, role="client", url=url) as peer:
                seen = await csms.station("CS-1")
                await calls(version, seen, DOWN[version])
                codec = ocppj.Codec(version)
                with pytest.raises(ocppj.CallFailed, match="NotSupported: no such thing"):
                    await seen.call(decoded(codec, [2, "1", "ClearCache", {}], "ClearCache"))
                await peer.until("done")
                await seen.close()
        assert asked == requests(UP[version])

    end.run(main())


@each_version
def test_our_station_and_their_csms(end: End, version: str, modules: Path) -> None:
    async def main() -> None:
        ours, asked = handler(version, DOWN[version])
        async with driver(modules, version, UP[version], DOWN[version], role="server") as peer:
            _, port = await peer.until("port")
            station = ChargingStation("CS-1", {version: ours})
            async with end.connect(station, SimpleNamespace(port=port)):
                await calls(version, station, UP[version])
                await peer.until("done")
        assert asked == requests(DOWN[version])

    end.run(main())

"""The two ends of a connection, on each transport and event loop."""

import asyncio
import gc
import ssl
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from ocppj.aio import CSMS, ChargingStation, TransportName
from ocppj.testing import Memory
from tests.aio.wire import Central, Charger

LIMIT = 20.0
"""Seconds for a test; one that waits for ever fails."""


@dataclass(frozen=True)
class End:
    """A transport, and the event loop to run it on."""

    transport: TransportName | Literal["asgi"]
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
        # A rejected certificate is reported to the loop too, and so is that hypercorn cancels the
        # tasks of its connections.
        assert [what for what in problems if not (refused(what) or ended(what))] == []

    def listen(self, csms: CSMS, **options: Any) -> Any:
        return csms.listen("127.0.0.1", transport=self.transport, **options)

    def connect(self, station: ChargingStation, server: Any, **options: Any) -> Any:
        scheme = "wss" if "ssl" in options else "ws"
        url = f"{scheme}://127.0.0.1:{server.port}/ocpp"
        return station.connect(url, transport=self.transport, **{"backoff": None, **options})


@dataclass(frozen=True)
class MemoryEnd(End):
    """Both ends in memory: for tests of what does not depend on a transport."""

    transport: Literal["memory"] = "memory"  # type: ignore[assignment]

    @asynccontextmanager
    async def listen(self, csms: CSMS, **options: Any) -> Any:
        memory = Memory()
        async with csms.listen(transport=memory, **options) as server:
            server.memory = memory  # type: ignore[attr-defined]
            yield server

    def connect(self, station: ChargingStation, server: Any, **options: Any) -> Any:
        options = {"backoff": None, **options}
        return station.connect("ws://memory/ocpp", transport=server.memory, **options)


def refused(problem: dict[str, Any]) -> bool:
    failed = isinstance(problem.get("exception"), ssl.SSLError)
    return failed or "SSL handshake" in problem["message"]


def ended(problem: dict[str, Any]) -> bool:
    cancelled = isinstance(problem.get("exception"), asyncio.CancelledError)
    return cancelled and "StreamReaderProtocol.connection_made" in problem["message"]


async def settled() -> None:
    """Wait until no task but this one is left."""
    while len(left := asyncio.all_tasks()) > 1:
        await asyncio.wait(left - {asyncio.current_task()}, return_when=asyncio.FIRST_COMPLETED)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    while not condition():  # noqa: ASYNC110  no event tells of it
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
MEMORY = MemoryEnd()


def context(folder: Path, name: str | None, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(folder / "ca.pem"))
    if name is not None:
        made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


@asynccontextmanager
async def pair(end: End, central: Any = None, charger: Any = None, **options: Any) -> Any:
    """A CSMS and a station that is connected to it: `(csms, its view of the station, station)`."""
    csms = CSMS({"2.0.1": central or Central()}, **options)
    station = ChargingStation("CS-1", {"2.0.1": charger or Charger()})
    async with end.listen(csms) as server, end.connect(station, server):
        yield csms, await csms.station("CS-1"), station

"""Runs `ocppj load`: many simulated stations in one process.

Owns what the stations do and when. What they say is the business of `Charger` and its dialect.
"""

import argparse
import asyncio
import gc
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from ocppj.aio import Backoff, ChargingStation
from ocppj.aio.transport import load
from ocppj.cli.demo import screen as screens
from ocppj.cli.demo.charger import Charger
from ocppj.cli.demo.dialects import DIALECTS
from ocppj.cli.demo.figures import Figures
from ocppj.cli.demo.messages import handler, request
from ocppj.cli.demo.screen import Screen
from ocppj.cli.demo.station import check_url
from ocppj.cli.options import FAILED, OK, UNUSABLE
from ocppj.cli.terminal import LiveLine, json_text, print_error, print_lines, print_text
from ocppj.codec import Codec
from ocppj.errors import CallFailed, CallTimeout, ConnectionLost, DecodeError

__all__ = ["allow_files", "at_rate", "run"]

TICK: Final = 0.02
"""Seconds between two timers that measure the lag."""

PAUSE: Final = 0.001
"""Seconds between two looks at what is due."""

GIVEN: Final = ("scenario", "version", "stations", "transport")
SHOW: Final = 0.5
"""Seconds between two live lines."""

STORM_PAUSE: Final = 10.0
BACKOFF: Final = Backoff(minimum=0.5, random_range=1.0, repeat_times=4)
SPARE_FILES: Final = 64
CLOSING: Final = 10.0
"""Seconds in which all stations have to close their connections at the end."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
    """
    load(arguments.transport)
    try:
        check_url(arguments.url)
        allow_files(arguments.stations)
        # Before the load, not after it: the file has to be writable.
        if arguments.html is not None:
            Path(arguments.html).write_text("", encoding="utf-8")
        figures = Figures()
        stations = _Stations(arguments, figures)
    except ValueError as error:
        print_error(str(error))
        return UNUSABLE
    except OSError as error:
        print_error(f"{arguments.html}: {error.strerror or error}")
        return UNUSABLE
    status = screens.run(lambda: _measure(stations, figures))
    if arguments.html is not None:
        title = f"{arguments.stations:,} stations, OCPP {arguments.version}, {arguments.scenario}"
        Path(arguments.html).write_text(figures.page(title), encoding="utf-8")
    if arguments.json:
        summary = {name: getattr(arguments, name) for name in GIVEN}
        summary |= {"rate": stations.rate, **figures.summary()}
        print_text(f"{json_text(summary, 2)}\n")
    else:
        print_lines(*figures.text())
    return status


def allow_files(connections: int) -> None:
    """Raise the limit of open files for a number of connections.

    Raises:
        ValueError: the system does not allow that many.
    """
    try:
        import resource  # noqa: PLC0415  not on Windows, which has no such limit
    except ImportError:
        return
    count = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ValueError(f"{count} open files are needed, but {hard} allowed: see `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def at_rate(rate: float, act: Callable[[int], None]) -> None:
    """Call a function with 0, 1, 2, ... without end.

    Args:
        rate: calls per second. What a stall has delayed is made up for.
        act: the function.
    """
    begun, start = 0, perf_counter()
    while True:
        due = int((perf_counter() - start) * rate)
        for number in range(begun, due):
            act(number)
        begun = due
        await asyncio.sleep(PAUSE)


async def _measure(stations: "_Stations", figures: Figures) -> int:
    screen, live = Screen(), LiveLine()
    async with AsyncExitStack() as stack:
        stack.callback(gc.unfreeze)
        stack.push_async_callback(stations.close)
        stack.callback(figures.freeze)
        stack.callback(live.clear)
        for work in (stations.run(screen), _show(figures, live)):
            task = asyncio.create_task(work)
            screen.watch(task)
            stack.callback(task.cancel)
        await screen.ended
    return FAILED if figures.errors else OK


async def _show(figures: Figures, live: LiveLine) -> None:
    due = perf_counter()
    while True:
        for _ in range(int(SHOW / TICK)):
            due += TICK
            await asyncio.sleep(due - perf_counter())
            late = max(perf_counter() - due, 0)
            figures.lag.add(late)
            due += late
        live.show(figures.line())


class _Simulated:
    """One station: connects, and again when it has to."""

    def __init__(self, station: ChargingStation, charger: Charger) -> None:
        self.station = station
        self.charger = charger
        self.drop = asyncio.Event()

    async def live(self, figures: Figures, url: str, **options: Any) -> None:
        waits = BACKOFF.waits()
        while True:
            try:
                async with self.station.connect(url, backoff=BACKOFF, **options):
                    waits = BACKOFF.waits()
                    await self.drop.wait()
            except ConnectionLost:
                figures.error("cannot connect")
                await asyncio.sleep(next(waits))
            self.drop.clear()


class _Stations:
    """All stations, and the scenario."""

    def __init__(self, arguments: argparse.Namespace, figures: Figures) -> None:
        self._arguments = arguments
        self._figures = figures
        self._codec = Codec(arguments.version)
        storm = arguments.scenario == "storm"
        self.rate = arguments.rate or (STORM_PAUSE if storm else arguments.stations / 60)
        self._dialect = DIALECTS[arguments.version]
        _, start = self._dialect.csms.start(1, "LOAD", 1)
        self._token = start.get("idTag") or start["idToken"]
        self._stations: list[_Simulated] = []
        self._tasks: set[asyncio.Task[None]] = set()
        ChargingStation(f"{arguments.prefix}0", {arguments.version: object()})

    def _make(self, number: int, screen: Screen) -> _Simulated:
        arguments, dialect = self._arguments, self._dialect.station
        charger = Charger({arguments.version: (self._codec, dialect)}, arguments.pace, screen.watch)
        hooks = {"on_connect": charger.connected, "on_disconnect": charger.disconnected}
        station = ChargingStation(
            f"{arguments.prefix}{number}",
            {arguments.version: handler(self._codec, dialect.answers, dialect, charger, **hooks)},
            codecs={arguments.version: self._codec},
            metrics=self._figures,
        )
        return _Simulated(station, charger)

    async def run(self, screen: Screen) -> None:
        """Connect all stations, run the scenario, and end the run."""
        arguments = self._arguments
        ramp_up = arguments.ramp_up or arguments.stations / 200
        options = {"transport": arguments.transport, "password": arguments.password}
        start = perf_counter()
        for number in range(arguments.stations):
            await asyncio.sleep(
                max(start + ramp_up * number / arguments.stations - perf_counter(), 0)
            )
            one = self._make(number + 1, screen)
            self._stations.append(one)
            self._start(one.live(self._figures, arguments.url, **options), screen)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(ramp_up, 1)):  # for those that have just begun
                await self._all_connected()
        failed = self._figures.errors
        gc.freeze()  # a full collection of thousands of stations would stop them all
        self._figures.reset()
        self._figures.ramping_up = False
        for _ in range(failed if self._figures.connected_count < arguments.stations else 0):
            self._figures.error("during the ramp-up")
        with suppress(TimeoutError):
            async with asyncio.timeout(arguments.duration):
                scenario = self._storm if arguments.scenario == "storm" else self._steady
                await scenario(screen)
        screen.end()

    def _start(self, work: Any, screen: Screen) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        screen.watch(task)

    async def _all_connected(self) -> None:
        while self._figures.connected_count < self._arguments.stations:  # noqa: ASYNC110  many
            await asyncio.sleep(TICK)

    async def _storm(self, _screen: Screen) -> None:
        while True:
            for one in self._stations:
                self._drop(one)
            await asyncio.sleep(self.rate)
            await self._all_connected()

    async def _steady(self, screen: Screen) -> None:
        stations = self._stations
        await at_rate(self.rate, lambda n: self._act(stations[n % len(stations)], screen))

    def _act(self, one: _Simulated, screen: Screen) -> None:
        match self._arguments.scenario:
            case "session":
                started = one.charger.start(None, self._token)
                self._figures.started += started
                self._figures.skipped += not started
            case "idle":
                self._start(self._heartbeat(one.station), screen)
            case _:
                self._drop(one)

    def _drop(self, one: _Simulated) -> None:
        if one.station.connected:
            self._figures.closing(one.station.id)
            one.drop.set()

    async def _heartbeat(self, station: ChargingStation) -> None:
        with suppress(CallFailed, CallTimeout, DecodeError):  # they are counted
            await station.call(request(self._codec, "Heartbeat", {}))

    async def close(self) -> None:
        """Close all connections."""
        for one in self._stations:
            one.charger.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING)

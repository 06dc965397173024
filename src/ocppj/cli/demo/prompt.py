"""The commands that the demonstration CSMS accepts at its prompt or in a script.

Owns their names and arguments, and how lines are read from stdin.
"""

import asyncio
import os
import sys
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Thread
from typing import Final, NamedTuple

import msgspec

from ocppj.aio import Station
from ocppj.cli.demo.central import Central
from ocppj.cli.demo.dialect import CSMSDialect
from ocppj.cli.demo.dialects import DIALECTS
from ocppj.cli.demo.messages import Payload, request
from ocppj.cli.demo.screen import Screen
from ocppj.errors import OcppError

__all__ = ["CommandError", "Prompt", "stdin_lines"]

WAIT_TIMEOUT: Final = 60.0
"""Timeout of wait-for in seconds."""

MAX_SECONDS: Final = 10**6
BLOCK: Final = 4096
"""Maximum number of bytes read from stdin at once."""


class CommandError(Exception):
    """A command is not valid, or has failed; the text says why."""


class Prompt:
    """Runs commands, one at a time.

    Args:
        central: the CSMS.
        screen: for their output.
    """

    def __init__(self, central: Central, screen: Screen) -> None:
        self._central = central
        self._screen = screen

    async def run(self, line: str) -> None:
        """Run a line: a command, a comment or blank.

        Raises:
            CommandError: the command is not valid, or has failed.
        """
        name, _, rest = line.strip().partition(" ")
        if not name or name.startswith("#"):
            return
        command = COMMANDS.get(name)
        if command is None:
            raise CommandError(f"unknown command: {name}; try help")
        maximum = len(command.usage.split())
        minimum = sum(not word.startswith("[") for word in command.usage.split())
        words = rest.split(None, max(maximum - 1, 0))
        if not minimum <= len(words) <= maximum:
            raise CommandError(f"usage: {name} {command.usage}".rstrip())
        try:
            await command.run(self, *words)
        except OcppError as error:
            raise CommandError(str(error)) from error

    def _station(self, station_id: str) -> tuple[Station, CSMSDialect]:
        station = self._central.csms.stations.get(station_id)
        if station is None:
            raise CommandError(f"{station_id} is not connected")
        return station, DIALECTS[station.version].csms

    async def _call(self, station: Station, action: str, payload: Payload | msgspec.Raw) -> None:
        # The traffic shows the response.
        await station.call(request(self._central.codecs[station.version], action, payload))

    async def stations(self) -> None:
        """Show the connected stations."""
        for station in self._central.csms.stations.values():
            ongoing = self._central.transactions(station.id)
            transactions = ", ".join(map(str, ongoing)) or "no transaction"
            self._screen.write(f"{station.id}  OCPP {station.version}  {transactions}")
        if not self._central.csms.stations:
            self._screen.write("no station is connected")

    async def start(self, station_id: str, connector: str = "1", card: str = "DEMO") -> None:
        """Start a transaction."""
        station, csms = self._station(station_id)
        remote_id = next(self._central.remote_ids)
        await self._call(station, *csms.start(_number(connector), card, remote_id))

    async def stop(self, station_id: str, transaction: str = "") -> None:
        """Stop a transaction."""
        station, csms = self._station(station_id)
        ongoing = self._central.transactions(station_id)
        if not transaction and not ongoing:
            raise CommandError(f"{station_id} has no transaction")
        try:
            message = csms.stop(transaction or ongoing[-1])
        except ValueError:
            raise CommandError(f"not a number: {transaction}") from None
        await self._call(station, *message)

    async def trigger(self, station_id: str, message: str) -> None:
        """Request a message."""
        station, _ = self._station(station_id)
        await self._call(station, "TriggerMessage", {"requestedMessage": message})

    async def unlock(self, station_id: str, evse: str = "1", connector: str = "1") -> None:
        """Unlock a connector."""
        station, csms = self._station(station_id)
        await self._call(station, *csms.unlock(_number(evse), _number(connector)))

    async def reset(self, station_id: str) -> None:
        """Reset a station."""
        station, csms = self._station(station_id)
        await self._call(station, *csms.reset())

    async def call(self, station_id: str, action: str, payload: str = "{}") -> None:
        """Call a station."""
        station, _ = self._station(station_id)
        # A payload that is not JSON could break out of the frame.
        try:
            msgspec.json.decode(payload)
        except msgspec.DecodeError as error:
            raise CommandError(f"not JSON: {error}") from error
        await self._call(station, action, msgspec.Raw(payload.encode()))

    async def wait(self, seconds: str) -> None:
        """Wait."""
        try:
            pause = float(seconds)
        except ValueError:
            pause = -1
        if not 0 <= pause <= MAX_SECONDS:
            raise CommandError(f"not a number of seconds: {seconds}")
        await asyncio.sleep(pause)

    async def wait_for(self, station_id: str, action: str, text: str = "") -> None:
        """Wait for a call of a station."""
        if not any(action in codec.features for codec in self._central.codecs.values()):
            raise CommandError(f"unknown action: {action}")
        try:
            await self._central.wait_for(station_id, action, text, WAIT_TIMEOUT)
        except TimeoutError:
            raise CommandError(
                f"{station_id} has not sent {action} within {WAIT_TIMEOUT:g} s"
            ) from None

    async def help(self) -> None:
        """Show the commands."""
        for name, command in COMMANDS.items():
            self._screen.write(f"{f'{name} {command.usage}':36} {command.text}")

    async def quit(self) -> None:
        """End the run."""
        self._screen.end()


class Command(NamedTuple):
    """A command. Arguments in brackets are optional."""

    run: Callable[..., Awaitable[None]]
    usage: str
    text: str


COMMANDS: Final = {
    "stations": Command(Prompt.stations, "", "list connected stations and their transactions"),
    "start": Command(
        Prompt.start, "ID [CONNECTOR] [TOKEN]", "start a transaction (2.x: on an EVSE)"
    ),
    "stop": Command(Prompt.stop, "ID [TRANSACTION]", "stop a transaction, by default the latest"),
    "trigger": Command(Prompt.trigger, "ID MESSAGE", "request a message"),
    "unlock": Command(Prompt.unlock, "ID [EVSE] [CONNECTOR]", "unlock (1.6: a connector)"),
    "reset": Command(Prompt.reset, "ID", "reset at once"),
    "call": Command(Prompt.call, "ID ACTION [JSON]", "call a station with any payload"),
    "wait": Command(Prompt.wait, "SECONDS", "pause"),
    "wait-for": Command(
        Prompt.wait_for,
        "ID ACTION [TEXT]",
        "wait for a call with TEXT in its payload, also one since the last wait-for",
    ),
    "help": Command(Prompt.help, "", "list the commands"),
    "quit": Command(Prompt.quit, "", "end"),
}


def _number(text: int | str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"not a number: {text}") from None


async def stdin_lines() -> AsyncIterator[str]:
    """Yield the lines of stdin as they arrive, from a terminal, a pipe or a file."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    try:
        number = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return

    def read() -> None:
        # In a thread, as an event loop cannot watch a file. Without `sys.stdin`: the thread would
        # hold its lock while it reads, and Python could not exit.
        decoder = getincrementaldecoder("utf-8")("replace")
        partial = ""
        while block := _block(number):
            *lines, partial = (partial + decoder.decode(block)).split("\n")
            for line in lines:
                loop.call_soon_threadsafe(queue.put_nowait, line)
        if partial:
            loop.call_soon_threadsafe(queue.put_nowait, partial)
        loop.call_soon_threadsafe(queue.put_nowait, None)

    Thread(target=_until_loop_closed(read), daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line


def _block(number: int) -> bytes:
    try:
        return os.read(number, BLOCK)
    except OSError:
        return b""


def _until_loop_closed(read: Callable[[], None]) -> Callable[[], None]:
    def reading() -> None:
        try:
            read()
        except RuntimeError:
            return  # the loop is closed

    return reading

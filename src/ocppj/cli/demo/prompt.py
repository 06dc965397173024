"""The commands of the demonstration CSMS.

Owns their names and arguments, and where lines of them come from.
"""

import asyncio
import os
import sys
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Thread
from typing import Any, Final, NamedTuple

import msgspec

from ocppj.aio import Station
from ocppj.cli.demo.central import Central
from ocppj.cli.demo.messages import request
from ocppj.cli.demo.screen import Screen
from ocppj.errors import OcppError

__all__ = ["CommandError", "Prompt", "stdin_lines"]

WAIT_TIMEOUT: Final = 60.0
"""Seconds that wait-for waits."""

MAX_SECONDS: Final = 10**6
BLOCK: Final = 4096


class CommandError(Exception):
    """A command that cannot be done; the text says why."""


class Prompt:
    """Runs commands, one after the other.

    Args:
        central: the CSMS.
        screen: for what they have to say.
    """

    def __init__(self, central: Central, screen: Screen) -> None:
        self._central = central
        self._screen = screen

    async def run(self, line: str) -> None:
        """Run a line.

        Raises:
            CommandError: it is no command, or it has failed.
        """
        name, _, rest = line.strip().partition(" ")
        if not name or name.startswith("#"):
            return
        command = COMMANDS.get(name)
        if command is None:
            raise CommandError(f"no such command: {name}; try help")
        maximum = len(command.usage.split())
        minimum = sum(not word.startswith("[") for word in command.usage.split())
        words = rest.split(None, max(maximum - 1, 0))
        if not minimum <= len(words) <= maximum:
            raise CommandError(f"usage: {name} {command.usage}".rstrip())
        try:
            await command.run(self, *words)
        except OcppError as error:
            raise CommandError(str(error)) from error

    def _station(self, station_id: str) -> Station:
        station = self._central.csms.stations.get(station_id)
        if station is None:
            raise CommandError(f"{station_id} is not connected")
        return station

    async def _call(
        self, station: Station, action: str, payload: dict[str, Any] | msgspec.Raw
    ) -> None:
        # What comes back is seen in the traffic.
        await station.call(request(self._central.codecs[station.version], action, payload))

    async def stations(self) -> None:
        """Show who is connected."""
        for station in self._central.csms.stations.values():
            going = ", ".join(map(str, self._central.transactions(station.id))) or "no transaction"
            self._screen.write(f"{station.id}  OCPP {station.version}  {going}")
        if not self._central.csms.stations:
            self._screen.write("no station is connected")

    async def start(self, station_id: str, connector: str = "1", card: str = "DEMO") -> None:
        """Start a transaction."""
        station, number = self._station(station_id), _number(connector)
        if station.version == "1.6":
            payload: dict[str, Any] = {"connectorId": number, "idTag": card}
            await self._call(station, "RemoteStartTransaction", payload)
            return
        payload = {
            "evseId": number,
            "idToken": {"idToken": card, "type": "Central"},
            "remoteStartId": self._central.number(),
        }
        await self._call(station, "RequestStartTransaction", payload)

    async def stop(self, station_id: str, transaction: str = "") -> None:
        """Stop a transaction."""
        station, going = self._station(station_id), self._central.transactions(station_id)
        if not transaction and not going:
            raise CommandError(f"{station_id} has no transaction")
        chosen = transaction or going[-1]
        if station.version == "1.6":
            payload = {"transactionId": _number(chosen)}
            await self._call(station, "RemoteStopTransaction", payload)
        else:
            await self._call(station, "RequestStopTransaction", {"transactionId": chosen})

    async def trigger(self, station_id: str, message: str) -> None:
        """Ask for a message."""
        await self._call(self._station(station_id), "TriggerMessage", {"requestedMessage": message})

    async def unlock(self, station_id: str, evse: str = "1", connector: str = "1") -> None:
        """Unlock a connector."""
        station = self._station(station_id)
        payload = {"evseId": _number(evse), "connectorId": _number(connector)}
        if station.version == "1.6":
            payload = {"connectorId": payload["evseId"]}
        await self._call(station, "UnlockConnector", payload)

    async def reset(self, station_id: str) -> None:
        """Reset a station."""
        station = self._station(station_id)
        reset_type = "Soft" if station.version == "1.6" else "Immediate"
        await self._call(station, "Reset", {"type": reset_type})

    async def call(self, station_id: str, action: str, payload: str = "{}") -> None:
        """Call a station."""
        station = self._station(station_id)
        # Checked before it is put into a frame: it must not break out of it.
        try:
            msgspec.json.decode(payload)
        except msgspec.DecodeError as error:
            raise CommandError(f"no JSON: {error}") from error
        await self._call(station, action, msgspec.Raw(payload.encode()))

    async def wait(self, seconds: str) -> None:
        """Wait."""
        try:
            pause = float(seconds)
        except ValueError:
            pause = -1
        if not 0 <= pause <= MAX_SECONDS:
            raise CommandError(f"no number of seconds: {seconds}")
        await asyncio.sleep(pause)

    async def wait_for(self, station_id: str, action: str, text: str = "") -> None:
        """Wait for a call of a station."""
        if not any(action in codec.features for codec in self._central.codecs.values()):
            raise CommandError(f"no such action: {action}")
        try:
            await self._central.wait_for(station_id, action, text, WAIT_TIMEOUT)
        except TimeoutError:
            raise CommandError(f"{station_id} has not sent it in {WAIT_TIMEOUT:g} s") from None

    async def help(self) -> None:
        """Show the commands."""
        for name, command in COMMANDS.items():
            self._screen.write(f"{f'{name} {command.usage}':36} {command.text}")

    async def quit(self) -> None:
        """End the run."""
        self._screen.end()


class Command(NamedTuple):
    """A command; what is in brackets in its usage may be left out."""

    run: Callable[..., Awaitable[None]]
    usage: str
    text: str


COMMANDS: Final = {
    "stations": Command(Prompt.stations, "", "who is connected, and their transactions"),
    "start": Command(
        Prompt.start, "ID [CONNECTOR] [TOKEN]", "start a transaction (2.x: on an EVSE)"
    ),
    "stop": Command(Prompt.stop, "ID [TRANSACTION]", "stop a transaction; the latest by default"),
    "trigger": Command(Prompt.trigger, "ID MESSAGE", "ask for a message"),
    "unlock": Command(Prompt.unlock, "ID [EVSE] [CONNECTOR]", "unlock (1.6: a connector)"),
    "reset": Command(Prompt.reset, "ID", "reset, at once"),
    "call": Command(Prompt.call, "ID ACTION [JSON]", "call a station with any payload"),
    "wait": Command(Prompt.wait, "SECONDS", "do nothing"),
    "wait-for": Command(
        Prompt.wait_for,
        "ID ACTION [TEXT]",
        "wait for a call with TEXT in it, since the last such wait",
    ),
    "help": Command(Prompt.help, "", "this list"),
    "quit": Command(Prompt.quit, "", "end"),
}


def _number(text: int | str) -> int:
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"no number: {text}") from None


async def stdin_lines() -> AsyncIterator[str]:
    """Yield the lines of stdin as they come, whatever it is: a terminal, a pipe or a file."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    try:
        number = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return

    def read() -> None:
        # A thread, for a loop cannot watch a file; not `sys.stdin`, whose lock it would hold for
        # ever, and Python could not end.
        decoder = getincrementaldecoder("utf-8")("replace")
        waiting = ""
        while block := _block(number):
            *whole, waiting = (waiting + decoder.decode(block)).split("\n")
            for line in whole:
                loop.call_soon_threadsafe(queue.put_nowait, line)
        if waiting:
            loop.call_soon_threadsafe(queue.put_nowait, waiting)
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

"""Runs `ocppj csms`: the demonstration CSMS listens and runs commands."""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from hmac import compare_digest
from pathlib import Path

from ocppj.aio import Authenticate, Tap, basic
from ocppj.aio.transport import load
from ocppj.catalog import VERSIONS
from ocppj.cli.demo import screen as screens
from ocppj.cli.demo.central import Central
from ocppj.cli.demo.prompt import CommandError, Prompt, stdin_lines
from ocppj.cli.demo.recording import RecordingError, recording
from ocppj.cli.demo.screen import Screen
from ocppj.cli.demo.traffic import Traffic
from ocppj.cli.fleet.service import Unusable
from ocppj.cli.fleet.telemetry import watched
from ocppj.cli.options import FAILED, UNUSABLE
from ocppj.cli.terminal import print_error
from ocppj.codec import Codec

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
    """
    load(arguments.transport)
    path, script = arguments.script, ""
    try:
        if path is not None:
            script = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        print_error(f"{path}: {getattr(error, 'strerror', None) or error}")
        return UNUSABLE
    try:
        with recording(arguments.record) as tap:
            return screens.run(lambda: _serve(arguments, script.splitlines(), tap))
    except (RecordingError, Unusable) as error:
        print_error(str(error))
        return UNUSABLE


async def _serve(arguments: argparse.Namespace, script: list[str], tap: Tap | None) -> int:
    screen = Screen(prompt=_interactive())
    seen = watched(arguments, [Codec(version.name) for version in VERSIONS], tap)
    central = Central(lenient=arguments.lenient, tap=seen.tap, metrics=seen.metrics)
    transport = load(arguments.transport)
    traffic = Traffic(transport, central.codecs.values(), screen, note=central.note)
    host, port, authenticate = arguments.host, arguments.port, _authenticate(arguments.password)
    listening = central.csms.listen(host, port, transport=traffic, authenticate=authenticate)
    async with AsyncExitStack() as stack:
        stack.enter_context(screen.show_log())
        try:
            server = await stack.enter_async_context(listening)
        except OSError as error:
            print_error(f"cannot listen on {host}, port {port}: {error.strerror or error}")
            return UNUSABLE
        address = screens.address(host, server.port)
        screen.write(f"listening at {address}; help lists the commands")
        if seen.monitor is not None:
            from ocppj.cli.fleet.site import site  # noqa: PLC0415  needs the extra web

            beside = site(arguments, central.csms, seen, say=screen.write)
            await stack.enter_async_context(beside)
        prompt = Prompt(central, screen)
        commands = asyncio.create_task(_run_commands(prompt, screen, arguments.script, script))
        screen.watch(commands)
        stack.callback(commands.cancel)
        return await screen.ended


def _interactive() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _authenticate(password: str | None) -> Authenticate | None:
    if password is None:
        return None
    secret = password.encode()
    return basic(lambda _station_id, given: compare_digest(given, secret))


async def _run_commands(prompt: Prompt, screen: Screen, path: str, script: list[str]) -> None:
    for number, line in enumerate(script, 1):
        try:
            await prompt.run(line)
        except CommandError as error:
            print_error(f"{path}, line {number}: {error}")
            screen.end(FAILED)
        if screen.ended.done():
            return
    async for line in stdin_lines():
        try:
            await prompt.run(line)
        except CommandError as error:
            screen.write(str(error), "red")
        screen.ask()
    if _interactive():
        screen.end()

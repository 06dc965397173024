"""Runs `ocppj relay`: a `Relay`, with reports about its mirrors."""

import argparse
import asyncio
from contextlib import AsyncExitStack

from ocppj.aio import Relay
from ocppj.aio.transport import load, shown
from ocppj.cli.demo import screen as screens
from ocppj.cli.demo.screen import Screen
from ocppj.cli.options import UNUSABLE
from ocppj.cli.terminal import print_error

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
    """
    load(arguments.transport)
    try:
        relay = Relay(
            arguments.to,
            arguments.mirrors,
            versions=arguments.versions,
            transport=arguments.transport,
        )
    except ValueError as error:
        print_error(str(error))
        return UNUSABLE
    return screens.run(lambda: _serve(relay, arguments))


async def _serve(relay: Relay, arguments: argparse.Namespace) -> int:
    screen = Screen()
    host, port = arguments.host, arguments.port
    async with AsyncExitStack() as stack:
        stack.enter_context(screen.show_log())
        stack.enter_context(screen.end_on_sigterm())
        listening = relay.listen(host, port, transport=arguments.transport)
        try:
            server = await stack.enter_async_context(listening)
        except OSError as error:
            print_error(f"cannot listen on {host}, port {port}: {error.strerror or error}")
            return UNUSABLE
        screen.write(f"listening at {screens.address(host, server.port)}")
        stack.callback(_report, relay, screen)
        if arguments.report is not None:
            reports = asyncio.create_task(_reports(relay, screen, arguments.report))
            screen.watch(reports)
            stack.callback(reports.cancel)
        return await screen.ended


async def _reports(relay: Relay, screen: Screen, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        _report(relay, screen)


def _report(relay: Relay, screen: Screen) -> None:
    for mirror in relay.mirrors:
        screen.write(
            f"{shown(mirror.url)}: {mirror.sent:,} sent, {mirror.dropped:,} dropped, "
            f"{mirror.refused:,} calls refused, {mirror.connections:,} connected"
        )

"""Runs `ocppj station`: connects the simulated station to a CSMS."""

import argparse
import asyncio
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

from ocppj.aio import Backoff, ChargingStation, Outbox, Tap
from ocppj.aio.transport import load
from ocppj.cli.demo import screen as screens
from ocppj.cli.demo.charger import Charger
from ocppj.cli.demo.delivery import Delivery, OutboxError
from ocppj.cli.demo.dialects import DIALECTS
from ocppj.cli.demo.messages import handler
from ocppj.cli.demo.recording import RecordingError, recording
from ocppj.cli.demo.screen import Screen
from ocppj.cli.demo.traffic import Traffic
from ocppj.cli.options import ALL_VERSIONS, FAILED, UNUSABLE
from ocppj.cli.terminal import print_error
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost

__all__ = ["check_url", "run"]

BACKOFF: Final = Backoff(minimum=1.0, random_range=1.0)


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
    """
    load(arguments.transport)
    try:
        with recording(arguments.record) as tap:
            return screens.run(lambda: _serve(arguments, tap))
    except (OutboxError, RecordingError) as error:
        print_error(str(error))
        return UNUSABLE


async def _serve(arguments: argparse.Namespace, tap: Tap | None) -> int:
    screen = Screen()
    codecs = {name: Codec(name) for name in dict.fromkeys(arguments.versions or ALL_VERSIONS)}
    dialects = {name: (codec, DIALECTS[name].station) for name, codec in codecs.items()}
    traffic = Traffic(load(arguments.transport), codecs.values(), screen, station_id=arguments.id)
    async with AsyncExitStack() as stack:
        delivery = outbox = None
        if arguments.outbox is not None:
            delivery = Delivery(arguments.outbox, codecs, traffic.show_kept)
            outbox = delivery.outbox
            stack.push_async_callback(outbox.close)
        charger = Charger(dialects, arguments.pace, screen.watch, delivery)
        hooks = {"on_connect": charger.connected, "on_disconnect": charger.disconnected}
        handlers = {
            name: handler(codec, dialect.answers, dialect, charger, **hooks)
            for name, (codec, dialect) in dialects.items()
        }
        try:
            station = ChargingStation(arguments.id, handlers, codecs=codecs, tap=tap, outbox=outbox)
            check_url(arguments.url)
        except ValueError as error:
            print_error(str(error))
            return UNUSABLE
        stack.enter_context(screen.show_log())
        stack.callback(charger.close)
        if outbox is not None and (count := await outbox.count()):
            traffic.show_status(station.id, f"messages to deliver: {count}")
        for attempt, wait in enumerate(BACKOFF.waits(), 1):
            traffic.show_status(station.id, f"connecting to {arguments.url}")
            connecting = station.connect(
                arguments.url, transport=traffic, password=arguments.password, backoff=BACKOFF
            )
            try:
                await stack.enter_async_context(connecting)
                break
            except ConnectionLost as error:
                if arguments.once and attempt == arguments.attempts:
                    print_error(f"{error}; gave up after {attempt} attempts")
                    return FAILED
                traffic.show_status(station.id, f"{error}; retrying in {wait:.1f} s", "red")
            await asyncio.sleep(wait)
        if arguments.once:
            once = asyncio.create_task(_once(charger, outbox, screen))
            stack.callback(once.cancel)
        return await screen.ended


def check_url(url: str) -> None:
    """Raise `ValueError` if a URL is not that of a CSMS."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url} is not the URL of a CSMS: use one such as ws://127.0.0.1:9000")


async def _once(charger: Charger, outbox: Outbox | None, screen: Screen) -> None:
    await charger.charged.wait()
    if outbox is not None:
        await outbox.join()
    screen.end()

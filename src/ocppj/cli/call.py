"""`ocppj call`: a command to a station of a fleet, which `ocppj.cli.fleet.client` sends."""

import argparse
from typing import Final

from ocppj.cli import broker
from ocppj.cli.options import Commands

__all__ = ["add", "run"]

NOTES: Final = f"""\
For example: ocppj call CS-1 UnlockConnector '{{"evseId": 1, "connectorId": 1}}'

The payload is checked by the node that holds the station. The station's response is written to
stdout as JSON.

{broker.NOTES}

Exit status: 0 the station has responded, 1 it has not: it is not connected, answered with an error
or not in time, 2 wrong usage, or the payload is not valid, or the broker cannot be used, 130
Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("call", run, "send a command to a station of a fleet", notes=NOTES)
    parser.add_argument("station", metavar="STATION", help="identity, such as CS-1")
    parser.add_argument("action", metavar="ACTION", help="such as Reset")
    parser.add_argument(
        "payload", metavar="JSON", nargs="?", default="{}", help="payload; {} by default"
    )
    broker.add_broker(parser)
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="time to wait for the response; 30 by default",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj call`."""
    from ocppj.cli.fleet import client  # noqa: PLC0415  needs asyncio, which is slow to load

    return client.call(arguments)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds

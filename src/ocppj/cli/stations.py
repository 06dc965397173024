"""`ocppj stations`: which stations a fleet has, which `ocppj.cli.fleet.client` finds out."""

import argparse
from typing import Final

from ocppj.cli import broker
from ocppj.cli.options import Commands

__all__ = ["add", "run"]

NOTES: Final = f"""\
A line for each station that is connected: identity, OCPP version, node, since when, address. With
--follow, a line for each change after that: "+" connected, "-" disconnected, ">" moved to another
node. With --json, each line is a JSON object.

{broker.NOTES}

Exit status: 0 success, 2 wrong usage, or the broker cannot be used, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("stations", run, "list the stations of a fleet", notes=NOTES)
    broker.add_broker(parser)
    parser.add_argument("--json", action="store_true", help="write JSON, a line for each station")
    parser.add_argument("--follow", action="store_true", help="go on with the changes")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj stations`."""
    from ocppj.cli.fleet import client  # noqa: PLC0415  needs asyncio, which is slow to load

    return client.list_stations(arguments)

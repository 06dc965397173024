"""`ocppj web`: command API and operator's page of a fleet, which `ocppj.cli.fleet.web` runs."""

import argparse
from typing import Final

from ocppj.cli import broker, http
from ocppj.cli.options import Commands

__all__ = ["add", "run"]

DEFAULT: Final = http.Address(http.LOOPBACK, 8080)

NOTES: Final = f"""\
Lists and commands all stations of a fleet, and shows their frames and statistics, which the
gateways send as long as this command runs.

{http.NOTES}

{broker.NOTES}

Exit status: 0 after SIGTERM, 2 wrong usage, or the broker cannot be used, or cannot listen, 130
Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("web", run, "serve command API and page of a fleet", notes=NOTES)
    broker.add_broker(parser)
    http.add_http(parser, default=DEFAULT)


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj web`."""
    from ocppj.cli.fleet import web  # noqa: PLC0415  needs asyncio, which is slow to load

    return web.run(arguments)

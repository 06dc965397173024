"""`ocppj csms`: a demonstration CSMS, which `ocppj.cli.demo.csms` runs."""

import argparse
from typing import Final

from ocppj.cli import http
from ocppj.cli.options import Commands, add_address, add_record, add_transport

__all__ = ["add", "run"]

NOTES: Final = f"""\
Any station may connect to ws://HOST:PORT/ID with OCPP 1.6, 2.0.1 or 2.1. With port 0 the system
chooses a port. The traffic is written to stdout, a line for each frame: time, station, "<-" for
received or "->" for sent, type, action, and the values in the payload.

Commands are read from FILE, then from stdin, one per line; each starts when the previous one has
finished. "help" lists them, "quit" ends the CSMS. Blank lines and lines that begin with # are
skipped. If a command from FILE fails, the CSMS ends; if one from stdin fails, it goes on. It also
goes on at the end of FILE, and at the end of stdin unless that is a terminal.

{http.NOTES}

Exit status: 0 after "quit", 1 a command from FILE failed, 2 wrong usage, or cannot listen, 130
Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("csms", run, "run a demonstration CSMS", notes=NOTES)
    add_address(parser)
    add_transport(parser)
    add_record(parser)
    http.add_http(parser)
    parser.add_argument("--script", metavar="FILE", help="commands to run first")
    parser.add_argument("--lenient", action="store_true", help="tolerate and show violations")
    parser.add_argument(
        "--password", metavar="TEXT", help="required of stations (HTTP Basic authentication)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj csms`."""
    from ocppj.cli.demo import csms  # noqa: PLC0415  needs asyncio, which is slow to load

    return csms.run(arguments)

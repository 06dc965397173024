"""`ocppj csms`: a demonstration CSMS; `ocppj.cli.demo.csms` runs it."""

import argparse
from typing import Final

from ocppj.cli.options import Commands, add_transport

__all__ = ["add", "run"]

MAX_PORT: Final = 65535

NOTES: Final = """\
Any station is let in, at ws://HOST:PORT/ and its identity, with OCPP 1.6, 2.0.1 or 2.1. Port 0 lets
the system choose one. The traffic is written to stdout: time, station, "<-" received or "->" sent,
kind of frame, action, and the values in the payload.

Commands are read from FILE, then from stdin, line by line, each when the one before is done; "help"
lists them. Blank lines and lines that begin with # are skipped. A line of FILE that fails ends the
run; one from stdin does not. At the end of FILE, and of a stdin that is no terminal, the CSMS goes
on; "quit" ends it.

Exit status: 0 after quit; 1 a line of FILE failed; 2 wrong usage, or cannot listen; 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("csms", run, "run a demonstration CSMS", notes=NOTES)
    parser.add_argument("--host", default="127.0.0.1", help="address; 127.0.0.1 by default")
    parser.add_argument("--port", type=_port, default=9000, help="9000 by default")
    add_transport(parser)
    parser.add_argument("--script", metavar="FILE", help="commands to begin with")
    parser.add_argument(
        "--lenient", action="store_true", help="tolerate and show faults of stations"
    )
    parser.add_argument(
        "--password", metavar="TEXT", help="that stations have to give (HTTP Basic)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj csms`."""
    from ocppj.cli.demo import csms  # noqa: PLC0415  needs asyncio, which is slow to load

    return csms.run(arguments)


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use 0 to {MAX_PORT}")
    return port

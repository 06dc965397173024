"""`ocppj station`: a simulated charging station; `ocppj.cli.demo.station` runs it."""

import argparse
from typing import Final

from ocppj.catalog import VERSIONS
from ocppj.cli.options import Commands, add_transport

__all__ = ["add", "run"]

ATTEMPTS: Final = 5
"""To connect for the first time, with --once."""

NOTES: Final = """\
The station has two connectors (OCPP 2.x: EVSEs). It charges when it is started remotely: some meter
values, each for a minute of charging at 11 kW, unless it is stopped before. It takes the first of
its versions that the CSMS speaks, and connects again when the connection is lost. Without --once it
tries to connect for ever.

Exit status: 0 after --once; 1 given up connecting, with --once; 2 wrong usage; 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    known = [version.name for version in reversed(VERSIONS)]
    parser = commands.add("station", run, "run a simulated charging station", notes=NOTES)
    parser.add_argument("--url", required=True, help="of the CSMS, without the identity")
    parser.add_argument("--id", required=True, help="identity, such as CS-1")
    parser.add_argument(
        "-V",
        "--version",
        action="append",
        choices=known,
        dest="versions",
        help=f"OCPP version, preferred first; may be repeated; {', '.join(known)} by default",
    )
    parser.set_defaults(known=known, attempts=ATTEMPTS)
    add_transport(parser)
    parser.add_argument("--password", metavar="TEXT", help="for HTTP Basic authentication")
    once = f"end after one charging session, or when {ATTEMPTS} attempts to connect have failed"
    parser.add_argument("--once", action="store_true", help=once)
    parser.add_argument(
        "--pace",
        type=_pace,
        default=5.0,
        metavar="SECONDS",
        help="between meter values; 5 by default",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj station`."""
    from ocppj.cli.demo import station  # noqa: PLC0415  needs asyncio, which is slow to load

    return station.run(arguments)


def _pace(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: use seconds above 0")
    return seconds

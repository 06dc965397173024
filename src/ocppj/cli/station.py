"""`ocppj station`: a simulated charging station, which `ocppj.cli.demo.station` runs."""

import argparse
from typing import Final

from ocppj.cli.options import Commands, add_record, add_transport, add_versions, seconds

__all__ = ["add", "run"]

ATTEMPTS: Final = 5
"""Maximum number of attempts to connect for the first time, with --once."""

NOTES: Final = """\
The station has two connectors (OCPP 2.x: EVSEs). A remote start begins a charging session: a few
meter values, each for a minute at 11 kW; a remote stop ends it early. The station uses the first of
its versions that the CSMS supports. When the connection is lost it connects again. Without --once
it runs until Ctrl-C.

With --outbox, transactions and their meter values are kept in FILE until the CSMS has acknowledged
them. A session goes on without a connection. If the process dies, start it again with the same FILE
to send the rest; a session that it did not end is not resumed. One process at a time can use FILE.

Exit status: 0 after --once, 1 could not connect with --once, 2 wrong usage or a FILE that cannot be
used, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("station", run, "run a simulated charging station", notes=NOTES)
    parser.add_argument("--url", required=True, help="URL of the CSMS, without the identity")
    parser.add_argument("--id", required=True, help="identity of the station, such as CS-1")
    add_versions(parser)
    parser.set_defaults(attempts=ATTEMPTS)
    add_transport(parser)
    add_record(parser)
    parser.add_argument(
        "--outbox",
        metavar="FILE",
        help="keep in FILE what has to arrive, see below",
    )
    parser.add_argument("--password", metavar="TEXT", help="for HTTP Basic authentication")
    once = f"end after one charging session, or after {ATTEMPTS} failed attempts to connect"
    parser.add_argument("--once", action="store_true", help=once)
    parser.add_argument(
        "--pace",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="time between meter values; 5 by default",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj station`."""
    from ocppj.cli.demo import station  # noqa: PLC0415  needs asyncio, which is slow to load

    return station.run(arguments)

"""`ocppj relay`: copies the traffic of stations to mirrors, which `ocppj.cli.demo.relay` runs."""

import argparse
from typing import Final

from ocppj.cli.options import Commands, add_address, add_transport, add_versions, seconds

__all__ = ["add", "run"]

NOTES: Final = """\
Stations connect to ws://HOST:PORT/ID. Each is connected to URL/ID of the CSMS, with the password
that it sends; frames pass unchanged. Mirrors get its calls, without the password. What they answer
is dropped; what they call is answered with an error. A mirror that is slow or not there loses
frames and delays nobody.

At the end, and every SECONDS with --report, a line for each mirror is written to stdout: frames
sent, frames dropped, calls refused, and open connections.

Exit status: 0 after SIGTERM, 2 wrong usage, or cannot listen, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    text = "relay stations to a CSMS, and copy their calls to others"
    parser = commands.add("relay", run, text, notes=NOTES)
    parser.add_argument("--to", required=True, metavar="URL", help="URL of the CSMS")
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        dest="mirrors",
        help="URL of a CSMS that only listens, may be repeated",
    )
    add_address(parser)
    add_versions(parser)
    add_transport(parser)
    parser.add_argument(
        "--report", type=seconds, metavar="SECONDS", help="time between reports; none by default"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj relay`."""
    from ocppj.cli.demo import relay  # noqa: PLC0415  needs asyncio, which is slow to load

    return relay.run(arguments)

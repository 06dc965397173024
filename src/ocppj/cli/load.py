"""`ocppj load`: simulated stations by the thousand, which `ocppj.cli.demo.load` runs."""

import argparse
from functools import partial
from importlib.util import find_spec
from typing import Final

from ocppj.cli.options import (
    TRANSPORTS,
    Commands,
    add_transport,
    add_version,
    positive,
    seconds,
    whole_number,
)

__all__ = ["SCENARIOS", "add", "run"]

MAX_STATIONS: Final = 100_000

SCENARIOS: Final = ("session", "idle", "reconnect", "storm")

NOTES: Final = """\
The stations connect evenly within the ramp-up, boot and report their connectors. Then, until the
duration is over:

  session    RATE charging sessions start each second. A session is what `ocppj station` does:
             status, start, five meter values, stop.
  idle       RATE Heartbeats are sent each second.
  reconnect  RATE stations each second close their connection and connect again at once.
  storm      all stations close their connections and connect again at once; when all are back,
             again, RATE seconds later at the earliest.

RATE is a sixtieth of the stations by default (storm: 10). What is measured begins after the
ramp-up. Latencies run from a call to its answer, and are exact to 12 %. "lag" is by how much the
timers of this process were late: if it comes near the latencies, this process is the bottleneck,
not the CSMS. Run it on cores of its own.

--json writes one JSON object to stdout, with times in milliseconds. --html writes a page with
charts, which loads nothing.

Exit status: 0 every call was answered with a result, 1 one was not, or a station could not connect,
2 wrong usage, or FILE cannot be written, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("load", run, "load a CSMS with simulated stations", notes=NOTES)
    parser.add_argument("--url", required=True, help="URL of the CSMS, without the identity")
    parser.add_argument(
        "--stations",
        type=partial(_count, highest=MAX_STATIONS),
        default=100,
        metavar="COUNT",
        help="number of stations; 100 by default",
    )
    parser.add_argument(
        "--prefix", default="LOAD-", help="beginning of their identities; LOAD- by default"
    )
    parser.add_argument("--password", metavar="TEXT", help="for HTTP Basic authentication")
    add_version(parser)
    parser.add_argument(
        "--scenario", choices=SCENARIOS, default=SCENARIOS[0], help="what the stations do"
    )
    parser.add_argument("--rate", type=positive, help="see below")
    for name, default, text in (
        ("ramp-up", None, "time in which the stations connect; 1 for 200 stations by default"),
        ("duration", 60.0, "time to measure; 60 by default"),
        ("pace", 1.0, "time between meter values; 1 by default"),
    ):
        parser.add_argument(
            f"--{name}", type=seconds, default=default, metavar="SECONDS", help=text
        )
    add_transport(parser, "picows" if find_spec("picows") else TRANSPORTS[0])
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--html", metavar="FILE", help="write a page with charts")


def _count(text: str, highest: int) -> int:
    return whole_number(text, 1, highest, "a number of stations")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj load`."""
    from ocppj.cli.demo import load  # noqa: PLC0415  needs asyncio, which is slow to load

    return load.run(arguments)

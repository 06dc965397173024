"""`ocppj worker`: answers the stations of a fleet, which `ocppj.cli.fleet.worker` runs."""

import argparse
from typing import Final

from ocppj.cli import broker
from ocppj.cli.options import Commands, add_versions, whole_number

__all__ = ["add", "run"]

MAX_HANDLING: Final = 1_000_000

NOTES: Final = f"""\
MODULE:NAME is a mapping of OCPP versions to handler objects, as for `ocppj.aio.CSMS`; one handler
object (then --version says for which version); or a function or class that returns either. MODULE
is looked for in the current folder first. Any number of workers may run, on any machines.

{broker.NOTES}

On SIGTERM the worker takes no more calls, and ends when it has answered those that it has.

Exit status: 0 after SIGTERM, 2 wrong usage, or the broker cannot be used, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("worker", run, "answer the stations of a fleet", notes=NOTES)
    parser.add_argument("handlers", metavar="MODULE:NAME", help="the handlers")
    broker.add_broker(parser)
    add_versions(parser, "those of the mapping")
    parser.add_argument(
        "--max-handling",
        type=_count,
        default=1000,
        metavar="N",
        help="calls that are handled at a time; 1000 by default",
    )
    parser.add_argument(
        "--no-stored", action="store_true", help="leave stored frames to other workers"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj worker`."""
    from ocppj.cli.fleet import worker  # noqa: PLC0415  needs asyncio, which is slow to load

    return worker.run(arguments)


def _count(text: str) -> int:
    return whole_number(text, 1, MAX_HANDLING, "a number of calls")

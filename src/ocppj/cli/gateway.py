"""`ocppj gateway`: holds stations for a fleet, or alone, which `ocppj.cli.fleet.gateway` runs."""

import argparse
from typing import Final

from ocppj.cli import broker, http
from ocppj.cli.options import (
    Commands,
    add_address,
    add_policy,
    add_record,
    add_transport,
    add_versions,
    positive,
    whole_number,
)

__all__ = ["add", "run"]

MAX_PROCESSES: Final = 256

NOTES: Final = f"""\
With --nats, workers answer the stations' calls: see `ocppj worker`. --handlers names what is
answered here. Without --nats, --handlers answers everything: one process, no broker.

MODULE:NAME is a mapping of OCPP versions to handler objects; one handler object (then --version
says for which version); or a function or class that returns either. MODULE is looked for in the
current folder first. --known and --authenticate name functions as for `ocppj.aio.CSMS.listen`.
Without them every station may connect.

{broker.NOTES}

{http.NOTES}

On SIGTERM no more stations are accepted; those that are connected get their answers and are closed,
--drain of them per second. With --processes several processes listen on one port, each a node.

Exit status: 0 after SIGTERM, 1 it cannot go on, 2 wrong usage, or the broker cannot be used, or
cannot listen, 130 Ctrl-C."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("gateway", run, "hold stations for a fleet of workers", notes=NOTES)
    add_address(parser)
    add_transport(parser)
    add_versions(parser, "those of the handlers, or all,")
    add_policy(parser)
    broker.add_broker(parser, required=False)
    http.add_http(parser)
    add_record(parser)
    parser.add_argument("--handlers", metavar="MODULE:NAME", help="what is answered here")
    parser.add_argument("--known", metavar="MODULE:NAME", help="tells whether there is a station")
    parser.add_argument(
        "--authenticate", metavar="MODULE:NAME", help="tells whether a station is who it claims"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate and key of this server")
    parser.add_argument(
        "--stored",
        type=_names,
        default=(),
        metavar="ACTIONS",
        help="actions that are answered when they are stored, with commas between them",
    )
    parser.add_argument(
        "--duplicates",
        choices=("ping", "newest", "oldest"),
        default="ping",
        help="which of two connections of one station stays; ping by default",
    )
    parser.add_argument("--name", help="beginning of the node's id; the host's name by default")
    parser.add_argument(
        "--max-handshakes", type=positive, metavar="N", help="handshakes per second; no limit"
    )
    parser.add_argument(
        "--drain",
        type=positive,
        default=100.0,
        metavar="N",
        help="stations closed per second on SIGTERM; 100 by default",
    )
    parser.add_argument(
        "--processes",
        type=_processes,
        default=1,
        metavar="N",
        help="processes that listen on the port; 1 by default",
    )
    parser.add_argument(
        "--shared-port", action="store_true", help="other processes listen on this port too"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj gateway`."""
    from ocppj.cli.fleet import gateway  # noqa: PLC0415  needs asyncio, which is slow to load

    return gateway.run(arguments)


def _processes(text: str) -> int:
    return whole_number(text, 1, MAX_PROCESSES, "a number of processes")


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))

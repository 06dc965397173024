"""The arguments of `ocppj csms` and `ocppj station`.

Owns what can be asked for. Loads asyncio and a WebSocket library only when one of them is run.
"""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from ocppj.catalog import VERSIONS
from ocppj.cli.terminal import print_error

__all__ = ["add_csms", "add_station"]

UNUSABLE: Final = 2
TRANSPORTS: Final = ("websockets", "picows")
MAX_PORT: Final = 65535
ATTEMPTS: Final = 5
"""To connect for the first time, with --once."""

CSMS_NOTES: Final = """\
Any station is let in, at ws://HOST:PORT/ and its identity, with OCPP 1.6, 2.0.1 or 2.1. Port 0 lets
the system choose one. The traffic is written to stdout: time, station, "<-" received or "->" sent,
kind of frame, action, and the values in the payload.

Commands are read from FILE, then from stdin, line by line, each when the one before is done; "help"
lists them. Blank lines and lines that begin with # are skipped. A line of FILE that fails ends the
run; one from stdin does not. At the end of FILE, and of a stdin that is no terminal, the CSMS goes
on; "quit" ends it.

Exit status: 0 after quit; 1 a line of FILE failed; 2 wrong usage, or cannot listen; 130 Ctrl-C."""

STATION_NOTES: Final = """\
The station has two connectors (OCPP 2.x: EVSEs). It charges when it is started remotely: some meter
values, each for a minute of charging at 11 kW, unless it is stopped before. It takes the first of
its versions that the CSMS speaks, and connects again when the connection is lost. Without --once it
tries to connect for ever.

Exit status: 0 after --once; 1 given up connecting, with --once; 2 wrong usage; 130 Ctrl-C."""


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to {MAX_PORT}")
    return port


def _pace(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: use seconds above 0")
    return seconds


def _runner(module: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        try:
            status: int = import_module(f"ocppj.cli.demo.{module}").run(arguments)
        except ModuleNotFoundError as error:
            if error.name != arguments.transport:
                raise
            print_error(str(error))
            return UNUSABLE
        return status

    return run


def _add_shared(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=TRANSPORTS[0],
        help=f"WebSocket library; {TRANSPORTS[0]} by default",
    )


def add_csms(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `ocppj csms` with the function that makes commands."""
    csms = command("csms", _runner("csms"), "run a demonstration CSMS", epilog=CSMS_NOTES)
    csms.add_argument("--host", default="127.0.0.1", help="address; 127.0.0.1 by default")
    csms.add_argument("--port", type=_port, default=9000, help="9000 by default")
    _add_shared(csms)
    csms.add_argument("--script", metavar="FILE", help="commands to begin with")
    csms.add_argument("--lenient", action="store_true", help="tolerate and show faults of stations")
    csms.add_argument("--password", metavar="TEXT", help="that stations have to give (HTTP Basic)")


def add_station(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `ocppj station` with the function that makes commands."""
    known = [version.name for version in reversed(VERSIONS)]
    text = "run a simulated charging station"
    station = command("station", _runner("station"), text, epilog=STATION_NOTES)
    needed: dict[str, Any] = {"required": True}
    station.add_argument("--url", help="of the CSMS, without the identity", **needed)
    station.add_argument("--id", help="identity, such as CS-1", **needed)
    station.add_argument(
        "-V",
        "--version",
        action="append",
        choices=known,
        dest="versions",
        help=f"OCPP version, preferred first; may be repeated; {', '.join(known)} by default",
    )
    station.set_defaults(known=known, attempts=ATTEMPTS)
    _add_shared(station)
    station.add_argument("--password", metavar="TEXT", help="for HTTP Basic authentication")
    once = f"end after one charging session, or when {ATTEMPTS} attempts to connect have failed"
    station.add_argument("--once", action="store_true", help=once)
    station.add_argument(
        "--pace",
        type=_pace,
        default=5.0,
        metavar="SECONDS",
        help="between meter values; 5 by default",
    )

"""What commands share: exit statuses, common options, and how a command is added."""

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from ocppj.catalog import VERSIONS, Version
from ocppj.cli.guess import VERSION_ORDER
from ocppj.cli.terminal import printable
from ocppj.policy import Policy

__all__ = [
    "ALL_VERSIONS",
    "AUTO",
    "EXTRAS",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "PIPE_CLOSED",
    "TRANSPORTS",
    "UNUSABLE",
    "Commands",
    "add_address",
    "add_policy",
    "add_record",
    "add_transport",
    "add_version",
    "add_versions",
    "port_number",
    "positive",
    "seconds",
    "whole_number",
]

OK, FAILED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""Exit statuses. `FAILED`: a frame was refused, or the command failed. `UNUSABLE`: wrong usage, or
something cannot be read, written or loaded. `INTERRUPTED` and `PIPE_CLOSED` are those that a shell
reports for SIGINT and SIGPIPE."""

AUTO: Final = "auto"
"""As a version: guess it."""

ALL_VERSIONS: Final = [version.name for version in reversed(VERSIONS)]
"""The newest first, as a station or a CSMS prefers them."""

TRANSPORTS: Final = ("websockets", "picows")
"""The values of `ocppj.aio.transport.TransportName`, which cannot be imported without asyncio."""

EXTRAS: Final = {
    "websockets": "websockets",
    "picows": "picows",
    "nats": "nats",
    "starlette": "web",
    "uvicorn": "web",
}
"""Optional package -> extra of ocppj that installs it."""

MAX_PORT: Final = 65535

READERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": msgspec.json.decode,
}


class Commands:
    """The commands of `ocppj`.

    Args:
        parser: the parser of `ocppj`.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(
        self, name: str, run: Callable[[argparse.Namespace], int], text: str, *, notes: str
    ) -> argparse.ArgumentParser:
        """Add a command and return its parser, to which options can be added.

        Args:
            name: what users type.
            run: runs the command and returns the exit status.
            text: what the command does: lower case, no full stop.
            notes: printed unchanged below the options: at most 100 columns, exit statuses last.
        """
        parser = self._subparsers.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=notes,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=run)
        return parser


def add_version(parser: argparse.ArgumentParser, *, auto: bool = False) -> None:
    """Add `--version`, the OCPP version.

    Args:
        parser: of the command.
        auto: whether to allow `AUTO`, which is then the default.
    """
    default = AUTO if auto else VERSION_ORDER[0]
    names = ", ".join(version.name for version in VERSIONS) + (f" or {AUTO}" if auto else "")
    parser.add_argument(
        "-V",
        "--version",
        type=_version_or_auto if auto else _version,
        default=default,
        metavar="VERSION",
        help=f"OCPP version: {names}; {default} by default",
    )


def _version(text: str) -> str:
    try:
        return Version.named(text).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _version_or_auto(text: str) -> str:
    try:
        return AUTO if text == AUTO else _version(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'{error}, or "{AUTO}"') from None


def add_versions(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Add `--version` for commands of several versions: `versions`, `None` if it is not given.

    Args:
        parser: of the command.
        default: what is used without it; all versions by default.
    """
    parser.add_argument(
        "-V",
        "--version",
        action="append",
        choices=ALL_VERSIONS,
        dest="versions",
        help=f"OCPP version, may be repeated; {default or ', '.join(ALL_VERSIONS)} by default",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add `--lenient`, `--repair` and `--policy FILE`, which exclude each other."""
    parser.set_defaults(policy=Policy.strict())
    options = parser.add_mutually_exclusive_group()
    presets = (
        ("lenient", Policy.lenient(), "tolerate and show all violations but missing fields"),
        (
            "repair",
            Policy.repair(),
            "tolerate and show only violations with an unambiguous meaning",
        ),
    )
    for name, policy, text in presets:
        options.add_argument(
            f"--{name}", dest="policy", action="store_const", const=policy, help=text
        )
    text = "tolerate the violations that a TOML or JSON file names"
    options.add_argument("--policy", type=_policy, metavar="FILE", help=text)


def _policy(path: str) -> Policy:
    file = Path(path)
    read = READERS.get(file.suffix.lower())
    try:
        if read is None:
            raise ValueError(f"use a file that ends in {' or '.join(READERS)}")  # noqa: TRY301  as below
        settings = read(file.read_bytes().decode("utf-8-sig"))
        if not isinstance(settings, dict):
            raise TypeError("not a mapping of rules to settings")  # noqa: TRY301  one handler for all
        return Policy.of(settings)
    except RecursionError:
        problem = "nested too deep"
    except (OSError, TypeError, ValueError, msgspec.DecodeError) as error:
        problem = (isinstance(error, OSError) and error.strerror) or str(error)
    raise argparse.ArgumentTypeError(printable(f"{path}: {problem}"))


def add_transport(parser: argparse.ArgumentParser, default: str = TRANSPORTS[0]) -> None:
    """Add `--transport`."""
    parser.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=default,
        help=f"WebSocket library; {default} by default",
    )


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add `--record`: see `ocppj.cli.demo.recording`."""
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write the frames to FILE, without tokens and passwords; FILE.1 and so on are older",
    )


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add `--host` and `--port`, to listen on."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 127.0.0.1 by default"
    )
    parser.add_argument(
        "--port", type=port_number, default=9000, help="port to listen on; 9000 by default"
    )


def port_number(text: str) -> int:
    """Return the value of an option that is a port."""
    return whole_number(text, 0, MAX_PORT, "a port")


def whole_number(text: str, lowest: int, highest: int, what: str) -> int:
    """Return the value of an option that is a whole number within bounds."""
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}: use {lowest} to {highest}")
    return int(text)


def positive(text: str, what: str = "a number") -> float:
    """Return the value of an option that is a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} above 0")
    return number


def seconds(text: str) -> float:
    """Return the value of an option that is a number of seconds above 0."""
    return positive(text, "a number of seconds")

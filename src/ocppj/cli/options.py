"""What commands share: how one is added, exit statuses, options and their values.

Knows argparse, and nothing of what commands do.
"""

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
    "AUTO",
    "EXTRAS",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "PIPE_CLOSED",
    "TRANSPORTS",
    "UNUSABLE",
    "Commands",
    "add_policy",
    "add_transport",
    "add_version",
]

OK, FAILED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""Exit statuses. FAILED: a frame was refused, or the command could not do its work. UNUSABLE: wrong
usage, or something that cannot be read, written or loaded. The others are a shell's for SIGINT and
SIGPIPE."""

AUTO: Final = "auto"
"""The version that `ocppj check` guesses."""

TRANSPORTS: Final = ("websockets", "picows")
"""`ocppj.aio.transport.TransportName`, which this module cannot import without asyncio."""

EXTRAS: Final = {"websockets": "websockets", "picows": "picows"}
"""Optional package -> the extra of ocppj that installs it."""

READERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": msgspec.json.decode,
}


class Commands:
    """Commands of the parser of `ocppj`.

    Args:
        parser: to which they are added.
    """

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(
        self, name: str, run: Callable[[argparse.Namespace], int], text: str, *, notes: str
    ) -> argparse.ArgumentParser:
        """Add a command and return its parser, for options.

        Args:
            name: what users type.
            run: runs it and returns the exit status.
            text: what it does, lower case, no full stop.
            notes: printed below the options as they are, in at most 100 columns; the last
                paragraph has the exit statuses.
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
    """Add `--version`, of OCPP.

    Args:
        parser: of the command.
        auto: whether the version can be guessed; then it is by default.
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


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add `--lenient`, `--repair` and `--policy FILE`, of which one may be given."""
    parser.set_defaults(policy=Policy.strict())
    options = parser.add_mutually_exclusive_group()
    presets = (
        ("lenient", Policy.lenient(), "tolerate and show all faults but missing fields"),
        ("repair", Policy.repair(), "tolerate and show only faults that are unambiguous"),
    )
    for name, policy, text in presets:
        options.add_argument(
            f"--{name}", dest="policy", action="store_const", const=policy, help=text
        )
    text = "tolerate what a TOML or JSON file says"
    options.add_argument("--policy", type=_policy, metavar="FILE", help=text)


def _policy(path: str) -> Policy:
    file = Path(path)
    read = READERS.get(file.suffix.lower())
    try:
        if read is None:
            raise ValueError(f"use a file that ends in {' or '.join(READERS)}")  # noqa: TRY301
        settings = read(file.read_bytes().decode("utf-8-sig"))
        if not isinstance(settings, dict):
            raise TypeError("no mapping of rules to settings")  # noqa: TRY301
        return Policy.of(settings)
    except RecursionError:
        problem = "nested too deep"
    except (OSError, TypeError, ValueError, msgspec.DecodeError) as error:
        problem = (isinstance(error, OSError) and error.strerror) or str(error)
    raise argparse.ArgumentTypeError(printable(f"{path}: {problem}"))


def add_transport(parser: argparse.ArgumentParser) -> None:
    """Add `--transport`."""
    parser.add_argument(
        "--transport",
        choices=TRANSPORTS,
        default=TRANSPORTS[0],
        help=f"WebSocket library; {TRANSPORTS[0]} by default",
    )

"""The command line: `ocppj COMMAND`.

A command is a module of `ocppj.cli`, named as users type it, with two functions, and a row in
`COMMANDS`:

- `add(commands)` adds the command with its options to the parser: see `options.Commands.add`.
- `run(arguments)` runs it and returns one of the exit statuses of `ocppj.cli.options`.

All these modules are imported for every command, so they must not load asyncio. Code that needs it
goes into another module, which `run` imports. `run` need not handle Ctrl-C, errors of writing to
stdout, or a missing package in `options.EXTRAS`: `main` does, and says how to install the package.
Write output with `ocppj.cli.terminal`, which escapes it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from ocppj import BACKEND, __version__
from ocppj.cli import (
    call,
    check,
    csms,
    decode,
    features,
    gateway,
    load,
    relay,
    station,
    stations,
    web,
    worker,
)
from ocppj.cli.options import EXTRAS, INTERRUPTED, PIPE_CLOSED, UNUSABLE, Commands
from ocppj.cli.terminal import print_error

__all__ = ["COMMANDS", "Command", "main", "parser"]


class Command(Protocol):
    """What the module of a command has."""

    def add(self, commands: Commands, /) -> None:
        """Add the command."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Run the command and return the exit status."""


COMMANDS: Final[tuple[Command, ...]] = (
    check,
    decode,
    features,
    csms,
    station,
    load,
    relay,
    gateway,
    worker,
    stations,
    call,
    web,
)
"""In the order of `ocppj --help`."""

NOTES: Final = """
Exit status: 0 success; 1 a frame was refused, or the command failed; 2 wrong usage, or something
cannot be read, written or loaded; 130 Ctrl-C; 141 the output was closed. See `ocppj COMMAND --help`
for each command."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    name = f"ocppj {__version__} ({BACKEND} backend)"
    made = argparse.ArgumentParser(
        prog="ocppj",
        description=f"{name}: check logs of OCPP-J frames, decode frames, list actions, and "
        "try them with a CSMS and a charging station.",
        epilog=NOTES,
        allow_abbrev=False,
    )
    made.add_argument(
        "--version", action="version", version=name, help="show version and backend, and exit"
    )
    commands = Commands(made)
    for command in COMMANDS:
        command.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        argv: the arguments; those of the process by default.
    """
    try:
        try:
            status = _run(argv)
        except SystemExit as error:  # argparse has written why
            status = error.code if isinstance(error.code, int) else UNUSABLE
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        _drop_output()
        print_error(f"cannot write: {error.strerror or error}")
        return UNUSABLE
    return status


def _run(argv: Sequence[str] | None) -> int:
    main_parser = parser()
    arguments = main_parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        main_parser.print_help(sys.stderr)
        return UNUSABLE
    try:
        status: int = arguments.run(arguments)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        print_error(f"{package} is not installed: pip install 'ocppj[{EXTRAS[package]}]'")
        return UNUSABLE
    return status


def _drop_output() -> None:
    """Discard buffered output, or the interpreter would report an error when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

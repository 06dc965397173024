"""The command line: `ocppj check`, `decode`, `features`, `csms`, `station`.

Owns arguments, files, output and exit status. What a peer has sent never reaches a terminal raw.
"""

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from ocppj import BACKEND, __version__
from ocppj.catalog import VERSIONS, Version
from ocppj.cli import check
from ocppj.cli.demo.arguments import add_csms, add_station
from ocppj.cli.log import MAX_PREFIX_SIZE, find_frame
from ocppj.cli.report import AUTO, OK, REFUSED, UNUSABLE
from ocppj.cli.sources import SAMPLES, SILENCE, Stdin
from ocppj.cli.terminal import (
    format_table,
    inline_json,
    json_text,
    outline,
    print_error,
    print_lines,
    print_text,
    printable,
)
from ocppj.cli.versions import VERSION_ORDER
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.frames import CallResult
from ocppj.policy import Policy, Violation

__all__ = ["main"]

INTERRUPTED, PIPE_CLOSED = 130, 141
SENDERS: Final = {"csms": "CSMS", "charging_station": "charging station", "both": "both"}

READERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": msgspec.json.decode,
}

MAIN_NOTES: Final = """
Exit status: 0 all good; 1 a frame was refused; 2 wrong usage, something that cannot be read or
written, or no frame at all; 130 Ctrl-C; 141 the output was closed. `ocppj COMMAND --help` has what
is particular to a command."""

DECODE_NOTES: Final = """\
Without FRAME one is read from stdin, if something is piped in; - waits for it.

Exit status: 0 the frame was taken, 1 it was refused, 2 wrong usage or no frame."""

FEATURES_NOTES: Final = "Exit status: 0; 2 wrong usage."


def run_decode(arguments: argparse.Namespace) -> int:
    """Run `ocppj decode`."""
    codec, action = Codec(arguments.version, policy=arguments.policy), arguments.action
    if action is not None and not any(
        feature.name == action and feature.response_type
        for profile in codec.profiles
        for feature in profile.features
    ):
        print_error(f"no response belongs to the action {action!r} in OCPP {codec.version}")
        return UNUSABLE
    text = arguments.frame
    if text in (None, "-"):
        stdin = Stdin()
        if text is None and not (stdin.is_redirected and stdin.waits(SILENCE)):
            print_error("no frame: give it as an argument or pipe it in")
            return UNUSABLE
        try:
            data = _read(stdin)
        except (OSError, ValueError) as error:
            print_error(f"{stdin.name}: {error}")
            return UNUSABLE
    else:
        data = os.fsencode(text)
    data = find_frame(data.strip())
    try:
        head = codec.peek(data)
        frame = codec.decode(data, {head.message_id: action} if action else None)
    except DecodeError as error:
        print_lines(*_format_refusal(error, codec, data))
        return REFUSED
    print_lines(*outline("", frame))
    if frame.violations:
        print_lines("tolerated", *map(_format_violation, frame.violations))
    if isinstance(getattr(frame, "payload", None), msgspec.Raw):
        print_lines(
            "hint: --action ACTION, that of the call which it answers, gives the payload its type"
        )
    return OK


def _read(stdin: Stdin) -> bytes:
    """Read a frame; one that is too large need not be whole."""
    limit = MAX_SIZE + MAX_PREFIX_SIZE
    lines, size = [], 0
    with stdin.open() as stream:
        stdin.announce(print_error)
        while size < limit and (line := stream.readline(limit)):
            lines.append(line)
            size += len(line)
    return b"".join(lines)


def _format_violation(violation: Violation) -> str:
    value = "absent" if violation.rule == "missing" else inline_json(violation.value)
    return f"  {violation.rule}: {violation.path}: {value}"


def _format_refusal(error: DecodeError, codec: Codec, data: bytes) -> Iterator[str]:
    reply = error.reply()
    yield f"refused by OCPP {codec.version}"
    yield f"  error code: {error.error_code}"
    yield f"  description: {error.error_description}"
    yield f"  path: {error.path or '-'}"
    yield f"  reply: {reply.decode() if reply else 'none'}"
    for version in VERSION_ORDER:
        try:
            Codec(version, policy=codec.policy).decode(data)
        except DecodeError:
            continue
        if version != codec.version and error.message_type != CallResult.message_type:
            yield f"hint: OCPP {version} takes it: --version {version}"


def run_features(arguments: argparse.Namespace) -> int:
    """Run `ocppj features`."""
    codec = Codec(arguments.version)
    rows = [(feature, profile.name) for profile in codec.profiles for feature in profile.features]
    if arguments.json:
        features = [
            {
                "action": feature.name,
                "block": block,
                "sender": feature.sender,
                "answered": feature.response_type is not None,
            }
            for feature, block in rows
        ]
        print_text(json_text({"version": codec.version, "features": features}, indent=2) + "\n")
        return OK
    cells = [
        (
            feature.name,
            block,
            SENDERS[feature.sender] + ("" if feature.response_type else " (SEND)"),
        )
        for feature, block in rows
    ]
    print_lines(*format_table([("action", "block", "sender"), *cells], 3), "")
    print_lines(f"OCPP {codec.version}: {len(rows)} actions in {len(codec.profiles)} blocks")
    return OK


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


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    known = ", ".join(version.name for version in VERSIONS)
    known_as = f"ocppj {__version__} ({BACKEND} backend)"
    main_parser = argparse.ArgumentParser(
        prog="ocppj",
        description=f"{known_as}: check logs of OCPP-J frames, look at frames and actions, "
        "try them out with a CSMS and a charging station.",
        epilog=MAIN_NOTES,
        allow_abbrev=False,
    )
    main_parser.add_argument("--version", action="version", version=known_as)
    commands = main_parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: object, text: str, **options: Any) -> argparse.ArgumentParser:
        subparser = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )
        subparser.set_defaults(run=run)
        return subparser

    checking = command("check", check.run, "check logs of frames", epilog=check.NOTES)
    _add_version(checking, _version_or_auto, f"{known} or {AUTO}", AUTO)
    _add_policy(checking)
    samples = "; ".join(f"{name}: {shipped.text}" for name, shipped in SAMPLES.items())
    checking.add_argument(
        "--sample", choices=SAMPLES, help=f"check a log that ships with ocppj ({samples})"
    )
    checking.add_argument(
        "--strict-lines", action="store_true", help="refuse lines without a frame"
    )
    checking.add_argument("--json", action="store_true", help="write one JSON object")
    checking.add_argument("--all", action="store_true", help="list every refused frame")
    checking.add_argument("files", nargs="*", metavar="FILE", help="a log; - is stdin")

    decode = command("decode", run_decode, "show one frame, typed", epilog=DECODE_NOTES)
    _add_version(decode, _version, known)
    _add_policy(decode)
    decode.add_argument("--action", metavar="ACTION", help="the call that a result answers")
    decode.add_argument("frame", nargs="?", metavar="FRAME", help="the frame; else read from stdin")

    listing = "list the actions of a version"
    features = command("features", run_features, listing, epilog=FEATURES_NOTES)
    _add_version(features, _version, known)
    features.add_argument("--json", action="store_true", help="write one JSON object")

    add_csms(command)
    add_station(command)
    return main_parser


def _add_version(
    command: argparse.ArgumentParser,
    parse: Callable[[str], str],
    known: str,
    default: str = VERSION_ORDER[0],
) -> None:
    command.add_argument(
        "-V",
        "--version",
        type=parse,
        default=default,
        metavar="VERSION",
        help=f"OCPP version: {known}; {default} by default",
    )


def _add_policy(command: argparse.ArgumentParser) -> None:
    command.set_defaults(policy=Policy.strict())
    options = command.add_mutually_exclusive_group()
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        argv: the arguments; those of the process by default.
    """
    try:
        try:
            status = _run(argv)
        except SystemExit as error:  # argparse has said why
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
    status: int = arguments.run(arguments)
    return status


def _drop_output() -> None:
    """Let what is still buffered go nowhere, or the interpreter would complain when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

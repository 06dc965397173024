"""The command line: `ocppj check`, `decode`, `features`, `csms`, `station`.

Owns arguments, files, output and exit status. What a peer has sent never reaches a terminal raw.
"""

import argparse
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from ocppj import BACKEND, __version__
from ocppj.catalog import VERSIONS, Version
from ocppj.codec import MAX_SIZE, Codec
from ocppj.demo.arguments import add_csms, add_station
from ocppj.errors import DecodeError
from ocppj.frames import CallResult
from ocppj.log import (
    MAX_PENDING,
    NO_ACTION,
    PREFIX_SIZE,
    UNKNOWN_ACTION,
    UNKNOWN_CALL,
    UNKNOWN_MODEL,
    find,
)
from ocppj.policy import Policy, Violation
from ocppj.report import (
    AUTO,
    EXAMPLES,
    MAX_MODELS,
    OK,
    OTHER_MODELS,
    REFUSED,
    SAMPLE,
    SAMPLE_FRAMES,
    UNUSABLE,
    VERSION_ORDER,
    Report,
    open_log,
)
from ocppj.terminal import Progress, complain, outline, plain, quoted, say, say_json, table

__all__ = ["main"]

LISTED: Final = 50
INTERRUPTED, PIPE_CLOSED = 130, 141
SENDERS: Final = {"csms": "CSMS", "charging_station": "charging station", "both": "both"}

READERS: Final[dict[str, Callable[[str], Any]]] = {
    ".toml": tomllib.loads,
    ".json": msgspec.json.decode,
}

CHECK_NOTES: Final = f"""\
Each line of a log holds one frame. A time stamp, a level, a name or an arrow before it are
skipped, and so are blank lines; a line in which no frame can be seen is refused. Results are
validated against the calls that they answer, found by message id within the file (of calls
without an answer, the last {MAX_PENDING:,} are kept). Without FILE and with nothing piped in, a
sample log is checked.

--version auto guesses the version of each file: the one that takes most of the first
{SAMPLE_FRAMES:,} frames; if several do, the one that tolerates most of the others; if several do,
the first of {", ".join(VERSION_ORDER)}.

--lenient, --repair and --policy FILE let frames pass that break the schema, and count what was
wrong with them by rule and by station model, which is that of the latest BootNotification of the
file. Such frames are not refused. FILE is TOML (.toml) or JSON (.json): rule = "reject", "report"
or "accept" (take it and do not count it); preset = "strict" (the default), "lenient" or "repair",
on which the rules stand; zone = "+01:00" or "Europe/Berlin", that of timestamps without one.

--json writes one object:
  ocppj       this package's version
  backend     "cython" or "python"
  files       of each file: file, version, frames, refused, bytes; with "auto" also sampled (how
              many frames were looked at), accepted (version -> how many of them it takes) and,
              unless all is strict, tolerated (version -> how many others it lets pass)
  actions     action -> calls, sends, results, errors, refused; what has no action is under
              "{NO_ACTION}", "{UNKNOWN_ACTION}" or "{UNKNOWN_CALL}"
  totals      frames, calls, sends, results, errors, refused, unknown_calls (results and errors
              to a call that is not in the file), bytes, seconds, frames_per_second
  violations  what was tolerated: frames (how many had a fault), count (of their faults), models
              (station model -> rule -> count, examples; "{UNKNOWN_MODEL}" before the first
              BootNotification, "{OTHER_MODELS}" beyond {MAX_MODELS} models); up to {EXAMPLES}
              examples, each of another kind of place: file, line, action, path, value (as JSON, in
              a string, shortened; null where a field is missing)
  refused     the first {LISTED} refused frames, all with --all: file, line, action, error_code,
              description, path (null where the fault is not in the payload)
  unreadable  of each file that cannot be read: file, problem

Exit status: 0 all good, 1 a frame was refused, 2 wrong usage, a file that cannot be read, or no
frames at all."""


def _piped() -> bool:
    """Tell whether stdin is a pipe, a socket or a file: no terminal, not /dev/null, not closed."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def _length(paths: Iterable[str | None]) -> int:
    """Return how many bytes are to be read, as far as is known."""
    total = 0
    for path in paths:
        try:
            found = os.fstat(sys.stdin.fileno()) if path == "-" else Path(path or "").stat()
        except (AttributeError, OSError, ValueError):
            continue
        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def run_check(arguments: argparse.Namespace) -> int:
    """Run `ocppj check`."""
    paths: list[str | None] = list(arguments.files)
    if not paths:
        paths = ["-"] if _piped() else [None]
    if paths == [None]:
        notice = f"no file given and nothing piped in: this is the sample {SAMPLE} of ocppj"
        (complain if arguments.json else say)(notice)
    limit = sys.maxsize if arguments.all else LISTED
    progress = Progress(_length(paths))
    report = Report(arguments.version, arguments.policy, limit, progress, as_json=arguments.json)
    try:
        for path in paths:
            report.check(path)
        report.close()
    finally:
        progress.clear()
    return report.status


def run_decode(arguments: argparse.Namespace) -> int:
    """Run `ocppj decode`."""
    codec, action = Codec(arguments.version, policy=arguments.policy), arguments.action
    if action is not None and not any(
        feature.name == action and feature.response_type
        for profile in codec.profiles
        for feature in profile.features
    ):
        complain(f"no response belongs to the action {action!r} in OCPP {codec.version}")
        return UNUSABLE
    text = arguments.frame
    if text in (None, "-"):
        if text is None and not _piped():
            complain("no frame: give it as an argument or pipe it in")
            return UNUSABLE
        try:
            with open_log("-") as stream:
                data = stream.read(MAX_SIZE + PREFIX_SIZE)
        except (OSError, ValueError) as error:
            complain(f"<stdin>: {error}")
            return UNUSABLE
    else:
        data = os.fsencode(text)
    data = find(data.strip())
    try:
        head = codec.peek(data)
        frame = codec.decode(data, {head.message_id: action} if action else None)
    except DecodeError as error:
        say(*_refusal(error, codec, data))
        return REFUSED
    say(*outline("", frame))
    if frame.violations:
        say("tolerated", *map(_tolerated, frame.violations))
    if isinstance(getattr(frame, "payload", None), msgspec.Raw):
        say("hint: --action ACTION, that of the call which it answers, gives the payload its type")
    return OK


def _tolerated(violation: Violation) -> str:
    value = "absent" if violation.rule == "missing" else quoted(violation.value)
    return f"  {violation.rule}: {violation.path}: {value}"


def _refusal(error: DecodeError, codec: Codec, data: bytes) -> Iterator[str]:
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
        say_json({"version": codec.version, "features": features})
        return OK
    cells = [
        (
            feature.name,
            block,
            SENDERS[feature.sender] + ("" if feature.response_type else " (SEND)"),
        )
        for feature, block in rows
    ]
    say(*table([("action", "block", "sender"), *cells], 3), "")
    say(f"OCPP {codec.version}: {len(rows)} actions in {len(codec.profiles)} blocks")
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
    raise argparse.ArgumentTypeError(plain(f"{path}: {problem}"))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    known = ", ".join(version.name for version in VERSIONS)
    main_parser = argparse.ArgumentParser(
        prog="ocppj",
        description=f"ocppj {__version__} ({BACKEND} backend): check logs of OCPP-J frames, look "
        "at frames and actions, try them out with a CSMS and a charging station.",
        allow_abbrev=False,
    )
    commands = main_parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: object, text: str, **options: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            allow_abbrev=False,
            **options,
        )
        made.set_defaults(run=run)
        return made

    raw = argparse.RawDescriptionHelpFormatter
    check = command(
        *("check", run_check, "check logs of frames"), epilog=CHECK_NOTES, formatter_class=raw
    )
    _add_version(check, _version_or_auto, f"{known} or {AUTO}")
    _add_policy(check)
    check.add_argument("--json", action="store_true", help="write one JSON object")
    check.add_argument("--all", action="store_true", help="list every refused frame")
    check.add_argument("files", nargs="*", metavar="FILE", help="a log; - is stdin")

    decode = command("decode", run_decode, "show one frame, typed")
    _add_version(decode, _version, known)
    _add_policy(decode)
    decode.add_argument("--action", metavar="ACTION", help="the call that a result answers")
    decode.add_argument("frame", nargs="?", metavar="FRAME", help="the frame; else read from stdin")

    features = command("features", run_features, "list the actions of a version")
    _add_version(features, _version, known)
    features.add_argument("--json", action="store_true", help="write one JSON object")

    add_csms(command)
    add_station(command)
    return main_parser


def _add_version(command: argparse.ArgumentParser, kind: Callable[[str], str], known: str) -> None:
    command.add_argument(
        *("-V", "--version"),
        type=kind,
        default=VERSION_ORDER[0],
        metavar="VERSION",
        help=f"OCPP version: {known}; {VERSION_ORDER[0]} by default",
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
        complain(f"cannot write: {error.strerror or error}")
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

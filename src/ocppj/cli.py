"""The command line: `ocppj check`, `ocppj decode`, `ocppj features`.

Owns arguments, files, output and exit status. What a peer has sent never reaches a terminal raw.
"""

import argparse
import json
import os
import stat
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, astuple, fields
from datetime import datetime
from enum import Enum
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TextIO

import msgspec

from ocppj import BACKEND, __version__
from ocppj.catalog import VERSIONS, Version
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.frames import CallResult
from ocppj.log import (
    MAX_PENDING,
    NO_ACTION,
    PREFIX_SIZE,
    SAMPLE_FRAMES,
    UNKNOWN_ACTION,
    UNKNOWN_CALL,
    Check,
    Counts,
    Log,
    LogError,
    acceptance,
    find,
    take,
)
from ocppj.schema import CustomData

__all__ = ["main"]

OK, REFUSED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

AUTO: Final = "auto"
VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""The first is the default; where guesses tie, the first of them is taken."""

SAMPLE: Final = "session-2.0.1.jsonl"
LISTED: Final = 50
LONG_INPUT: Final = 8 * 2**20
BUFFER_SIZE: Final = 2**18
NO_ACTIONS: Final = (NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL)
SENDERS: Final = {"csms": "CSMS", "charging_station": "charging station", "both": "both"}

CHECK_NOTES: Final = f"""\
Each line of a log holds one frame. A time stamp, a level, a name or an arrow before it are
skipped, and so are blank lines; a line in which no frame can be seen is refused. Results are
validated against the calls that they answer, found by message id within the file (of calls
without an answer, the last {MAX_PENDING:,} are kept). Without FILE and with nothing piped in, a
sample log is checked.

--version auto guesses the version of each file: the one that takes most of the first
{SAMPLE_FRAMES:,} frames; if several do, the first of {", ".join(VERSION_ORDER)}.

--json writes one object:
  ocppj       this package's version
  backend     "cython" or "python"
  files       of each file: file, version, frames, refused, bytes; with "auto" also sampled (how
              many frames were looked at) and accepted (version -> how many of them it takes)
  actions     action -> calls, sends, results, errors, refused; what has no action is under
              "{NO_ACTION}", "{UNKNOWN_ACTION}" or "{UNKNOWN_CALL}"
  totals      frames, calls, sends, results, errors, refused, unknown_calls (results and errors
              to a call that is not in the file), bytes, seconds, frames_per_second
  refused     the first {LISTED} refused frames, all with --all: file, line, action, error_code,
              description, path (null where the fault is not in the payload)
  unreadable  of each file that cannot be read: file, problem

Exit status: 0 all good, 1 a frame was refused, 2 wrong usage or a file that cannot be read."""


def plain(text: str) -> str:
    """Escape what could act on a terminal: control characters, marks of direction, and so on."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def say(*lines: str) -> None:
    """Write lines to stdout."""
    _write(sys.stdout, "".join(f"{plain(line)}\n" for line in lines))


def say_json(value: object) -> None:
    """Write a value to stdout as JSON."""
    # ASCII, and so without control characters but for DEL, which JSON lets stand.
    say(*json.dumps(value, indent=2).replace("\x7f", "\\u007f").split("\n"))


def complain(problem: str) -> None:
    """Write a line to stderr."""
    _write(sys.stderr, f"ocppj: {plain(problem)}\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by the shell: `>&-`
        return
    if not text.isascii():
        encoding = stream.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def table(rows: Sequence[Sequence[str]], texts: int) -> Iterator[str]:
    """Yield the lines of a table; the columns after the first `texts` are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = (c.ljust(w) if i < texts else c.rjust(w) for i, (c, w) in enumerate(cells))
        yield "  ".join(padded).rstrip()


class Progress:
    """A bar on stderr, by bytes read. Silent unless stderr is a terminal and the input long."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = -1
        self.active = total >= LONG_INPUT and sys.stderr is not None and sys.stderr.isatty()

    def watch(
        self, frames: Iterable[tuple[int, bytes]], log: Log, done: int
    ) -> Iterator[tuple[int, bytes]]:
        """Pass frames on and draw the bar; `done` bytes were read before this log."""
        for count, item in enumerate(frames):
            if count % 1024 == 0:
                self._show(min(100 * (done + log.size) // self._total, 100))
            yield item

    def _show(self, percent: int) -> None:
        if percent != self._shown:
            self._shown = percent
            sys.stderr.write(f"\r[{'#' * (percent * 2 // 5):.<40}] {percent:3}%")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away, to make room for other output."""
        if self._shown >= 0:
            self._shown = -1
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _piped() -> bool:
    """Tell whether stdin is a pipe, a socket or a file: no terminal, not /dev/null, not closed."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def _open(path: str | None) -> AbstractContextManager[IO[bytes]]:
    """Open a file; `-` is stdin, `None` the sample."""
    if path is None:
        return (resources.files("ocppj") / "samples" / SAMPLE).open("rb")
    if path != "-":
        return Path(path).open("rb", buffering=BUFFER_SIZE)
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("stdin is closed")
    return nullcontext(sys.stdin.buffer)


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


class Report:
    """What is said of logs. Refused frames are listed as they are met, the rest comes at the end.

    Args:
        version: of the logs; `AUTO` to guess that of each.
        limit: how many refused frames are listed.
        as_json: keep what is to be listed, for `json`.
        progress: the bar that listing has to make room for.
    """

    def __init__(self, version: str, limit: int, progress: Progress, *, as_json: bool) -> None:
        self._version = version
        self._limit = limit
        self._progress = progress
        self._as_json = as_json
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._files: list[dict[str, Any]] = []
        self._refused: list[dict[str, Any]] = []
        self._unreadable: list[dict[str, str]] = []
        self._refusals = self._frames = self._bytes = 0
        self._seconds = 0.0

    @property
    def status(self) -> int:
        """The exit status."""
        if self._unreadable:
            return UNUSABLE
        return REFUSED if self._refusals else OK

    def check(self, path: str | None) -> None:
        """Check a log."""
        name = {None: SAMPLE, "-": "<stdin>", "": "''"}.get(path) or str(path)
        try:
            source = _open(path)
        except (OSError, ValueError) as error:
            self._skip(name, error)
            return
        with source as stream:
            self._check(name, Log(stream, MAX_SIZE))

    def _check(self, name: str, log: Log) -> None:
        def refuse(line: int, action: str, error: DecodeError) -> None:
            self._refusals += 1
            if self._refusals <= self._limit:
                self._list(name, line, action, error)

        refused = self._refusals
        frames = iter(log)
        entry: dict[str, Any] = {"file": name, "version": self._version}
        try:
            if self._version == AUTO:
                sample = take(frames)
                accepted = acceptance(sample, VERSION_ORDER)
                entry["version"] = max(accepted, key=accepted.__getitem__)
                entry |= {"sampled": len(sample), "accepted": accepted}
                frames = chain(sample, frames)
            if self._progress.active:
                frames = self._progress.watch(frames, log, self._bytes)
            check = Check(Codec(entry["version"]), self._counts, refuse)
            started = time.perf_counter()
            try:
                check.run(frames)
            finally:
                self._seconds += time.perf_counter() - started
        except LogError as error:
            self._skip(name, error)
        before, self._frames = self._frames, sum(sum(astuple(c)) for c in self._counts.values())
        self._bytes += log.size
        entry |= {"frames": self._frames - before, "refused": self._refusals - refused}
        self._files.append(entry | {"bytes": log.size})

    def _skip(self, name: str, error: Exception) -> None:
        problem = (isinstance(error, OSError) and error.strerror) or str(error)
        self._unreadable.append({"file": name, "problem": problem})
        self._progress.clear()
        complain(f"{name}: {problem}")

    def _list(self, name: str, line: int, action: str, error: DecodeError) -> None:
        code, description = error.error_code, error.error_description
        if self._as_json:
            known = None if action in NO_ACTIONS else action
            self._refused.append(
                {"file": name, "line": line, "action": known, "error_code": code}
                | {"description": description, "path": error.path}
            )
        else:
            self._progress.clear()
            say(f"{name}:{line}: {action}: {code}: {description}")

    def close(self) -> None:
        """Write the rest."""
        self._progress.clear()
        if self._as_json:
            say_json(self._everything())
        elif self._files:
            say(*self._summary())

    def _everything(self) -> dict[str, Any]:
        unknown = self._counts.get(UNKNOWN_CALL, Counts())
        order = sorted(self._counts, key=lambda action: (action in NO_ACTIONS, action))
        rows = {action: asdict(self._counts[action]) for action in order}
        sums = {f.name: sum(row[f.name] for row in rows.values()) for f in fields(Counts)}
        return {
            "ocppj": __version__,
            "backend": BACKEND,
            "files": self._files,
            "actions": rows,
            "totals": {
                "frames": self._frames,
                **sums,
                "unknown_calls": unknown.results + unknown.errors,
                "bytes": self._bytes,
                "seconds": round(self._seconds, 6),
                "frames_per_second": round(self._frames / max(self._seconds, 1e-9)),
            },
            "refused": self._refused,
            "unreadable": self._unreadable,
        }

    def _summary(self) -> Iterator[str]:
        everything = self._everything()
        totals = everything["totals"]
        if self._refusals > self._limit:
            yield f"and {self._refusals - self._limit:,} more refused frames: --all lists them"
        if self._refusals:
            yield ""
        columns = [f.name for f in fields(Counts) if f.name != "sends" or totals["sends"]]
        rows = [*everything["actions"].items(), ("total", totals)]
        if self._frames:
            cells = [(name, *(f"{row[column]:,}" for column in columns)) for name, row in rows]
            yield from table([("action", *columns), *cells], 1)
            yield ""
        for file in self._files:
            yield f"{file['file']}: OCPP {file['version']}{_reason(file)}: " + _result(file)
        if totals["unknown_calls"]:
            yield f"answers to a call that is not in the log: {totals['unknown_calls']:,}"
        yield (
            f"{_result(totals)}, {totals['bytes']:,} bytes in {totals['seconds']:.3f} s: "
            f"{totals['frames_per_second']:,} frames per second"
        )
        misread = self._refusals - everything["actions"].get(NO_ACTION, {"refused": 0})["refused"]
        if self._version != AUTO and misread > self._frames - self._refusals:
            yield "hint: if this is not the version of the log, --version auto guesses it"


def _result(counts: Mapping[str, int]) -> str:
    frames, refused = counts["frames"], counts["refused"]
    return f"{frames:,} frame{'s' * (frames != 1)}, {refused:,} refused"


def _reason(file: Mapping[str, Any]) -> str:
    if "accepted" not in file:
        return ""
    taken = ", ".join(f"{version} takes {count:,}" for version, count in file["accepted"].items())
    return f" (guessed: of the first {file['sampled']:,} frames {taken})"


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
    report = Report(arguments.version, limit, progress, as_json=arguments.json)
    try:
        for path in paths:
            report.check(path)
        report.close()
    finally:
        progress.clear()
    return report.status


def outline(name: str, value: object, depth: int = 0) -> Iterator[str]:
    """Yield a value as lines of `name: value`, what is within it further to the right."""
    start = f"{'  ' * depth}{name}"
    if isinstance(value, msgspec.Struct):
        yield f"{start}{type(value).__name__}"
        for field in value.__struct_fields__:
            item = getattr(value, field)
            if item is not None:
                yield from outline(f"{field}: ", item, depth + 1)
    elif isinstance(value, dict) and value:
        yield f"{start}{'CustomData' if isinstance(value, CustomData) else 'object'}"
        for key, item in value.items():
            yield from outline(f"{key if key.isidentifier() else _quoted(key)}: ", item, depth + 1)
    elif isinstance(value, list) and value:
        yield f"{start}list of {len(value)}"
        for item in value:
            yield from outline("- ", item, depth + 1)
    else:
        yield f"{start}{_scalar(value)}"


def _scalar(value: object) -> str:
    match value:
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case msgspec.Raw():
            return bytes(value).decode()
        case _:
            return _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def run_decode(arguments: argparse.Namespace) -> int:
    """Run `ocppj decode`."""
    codec, action = Codec(arguments.version), arguments.action
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
            with _open("-") as stream:
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
    if isinstance(getattr(frame, "payload", None), msgspec.Raw):
        say("hint: --action ACTION, that of the call which it answers, gives the payload its type")
    return OK


def _refusal(error: DecodeError, codec: Codec, data: bytes) -> Iterator[str]:
    reply = error.reply()
    yield f"refused by OCPP {codec.version}"
    yield f"  error code: {error.error_code}"
    yield f"  description: {error.error_description}"
    yield f"  path: {error.path or '-'}"
    yield f"  reply: {reply.decode() if reply else 'none'}"
    for version in VERSION_ORDER:
        try:
            Codec(version).decode(data)
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


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    known = ", ".join(version.name for version in VERSIONS)
    main_parser = argparse.ArgumentParser(
        prog="ocppj",
        description=f"ocppj {__version__} ({BACKEND} backend): check and explain OCPP-J frames.",
        allow_abbrev=False,
    )
    commands = main_parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: object, text: str, **options: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=text, description=f"{text}.".capitalize(), allow_abbrev=False, **options
        )
        made.set_defaults(run=run)
        return made

    raw = argparse.RawDescriptionHelpFormatter
    check = command(
        *("check", run_check, "check logs of frames"), epilog=CHECK_NOTES, formatter_class=raw
    )
    _add_version(check, _version_or_auto, f"{known} or {AUTO}")
    check.add_argument("--json", action="store_true", help="write one JSON object")
    check.add_argument("--all", action="store_true", help="list every refused frame")
    check.add_argument("files", nargs="*", metavar="FILE", help="a log; - is stdin")

    decode = command("decode", run_decode, "show one frame, typed")
    _add_version(decode, _version, known)
    decode.add_argument("--action", metavar="ACTION", help="the call that a result answers")
    decode.add_argument("frame", nargs="?", metavar="FRAME", help="the frame; else read from stdin")

    features = command("features", run_features, "list the actions of a version")
    _add_version(features, _version, known)
    features.add_argument("--json", action="store_true", help="write one JSON object")
    return main_parser


def _add_version(command: argparse.ArgumentParser, kind: Callable[[str], str], known: str) -> None:
    command.add_argument(
        *("-V", "--version"),
        type=kind,
        default=VERSION_ORDER[0],
        metavar="VERSION",
        help=f"OCPP version: {known}; {VERSION_ORDER[0]} by default",
    )


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

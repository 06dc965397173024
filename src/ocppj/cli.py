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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, fields
from datetime import datetime
from enum import Enum
from importlib import resources
from itertools import chain
from typing import IO, Any, Final

import msgspec

from ocppj import BACKEND, __version__
from ocppj.catalog import VERSIONS, Version
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.log import (
    MAX_PENDING,
    NO_ACTION,
    PREFIX_SIZE,
    UNKNOWN_ACTION,
    UNKNOWN_CALL,
    Check,
    Counts,
    Log,
    LogError,
    find,
)

__all__ = ["main"]

OK, REFUSED, UNUSABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

AUTO: Final = "auto"
VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""The first is the default; where guesses tie, the first of them is taken."""

GUESS_FRAMES: Final = 1000
GUESS_BYTES: Final = 4 * 2**20
SAMPLE: Final = "session-2.0.1.jsonl"
LISTED: Final = 50
LONG_INPUT: Final = 8 * 2**20
BUFFER_SIZE: Final = 2**18
SENDERS: Final = {"csms": "CSMS", "charging_station": "charging station", "both": "both"}

CHECK_NOTES: Final = f"""\
Each line of a log holds one frame. A time stamp, a level, a name or an arrow before it are
skipped, and so are blank lines; a line in which no frame can be seen is refused. Results are
validated against the calls that they answer, found by message id within the file (of calls
without an answer, the last {MAX_PENDING:,} are kept). Without FILE and with nothing piped in, a
sample log is checked.

--version auto guesses the version of each file: the one that takes most of the first
{GUESS_FRAMES:,} frames; if several do, the first of {", ".join(VERSION_ORDER)}.

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


def complain(problem: str) -> None:
    """Write a line to stderr."""
    _write(sys.stderr, f"ocppj: {plain(problem)}\n")


def _write(stream: IO[str] | None, text: str) -> None:
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
        return open(path, "rb", buffering=BUFFER_SIZE)  # noqa: PTH123: Path("") would be "."
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("stdin is closed")
    return nullcontext(sys.stdin.buffer)


def _length(paths: Iterable[str | None]) -> int:
    """Return how many bytes are to be read, as far as is known."""
    total = 0
    for path in paths:
        try:
            found = os.fstat(sys.stdin.fileno()) if path == "-" else os.stat(path or "")
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
        name = {None: SAMPLE, "-": "<stdin>"}.get(path, path) or ""
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

        started, refused = time.perf_counter(), self._refusals
        frames = iter(log)
        entry: dict[str, Any] = {"file": name, "version": self._version}
        try:
            if self._version == AUTO:
                sample = _sample(frames)
                entry["accepted"] = accepted = _acceptance(sample)
                entry["sampled"] = len(sample)
                entry["version"] = max(accepted, key=accepted.__getitem__)
                frames = chain(sample, frames)
            if self._progress.active:
                frames = self._progress.watch(frames, log, self._bytes)
            Check(Codec(entry["version"]), self._counts, refuse).run(frames)
        except LogError as error:
            self._skip(name, error)
        self._seconds += time.perf_counter() - started
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

    def json(self) -> str:
        """Return everything as JSON."""
        ...

    def summary(self) -> Iterator[str]:
        ...

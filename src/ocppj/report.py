"""What `ocppj check` says of logs: each refused frame, counts by action, totals, exit status.

Owns the two forms of it, for people and as JSON.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, fields
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final

from ocppj import BACKEND, __version__
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.log import (
    NO_ACTION,
    UNKNOWN_ACTION,
    UNKNOWN_CALL,
    Check,
    Counts,
    Log,
    LogError,
    acceptance,
    take,
)
from ocppj.terminal import Progress, complain, say, say_json, table

__all__ = ["AUTO", "OK", "REFUSED", "SAMPLE", "UNUSABLE", "VERSION_ORDER", "Report", "open_log"]

OK, REFUSED, UNUSABLE = 0, 1, 2

AUTO: Final = "auto"
VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""The first is the default; where guesses tie, the first of them is taken."""

SAMPLE: Final = "session-2.0.1.jsonl"
BUFFER_SIZE: Final = 2**18
NO_ACTIONS: Final = (NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL)


def open_log(path: str | None) -> AbstractContextManager[IO[bytes]]:
    """Open a file; `-` is stdin, `None` the sample."""
    if path is None:
        return (resources.files("ocppj") / "samples" / SAMPLE).open("rb")
    if path != "-":
        return Path(path).open("rb", buffering=BUFFER_SIZE)
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("stdin is closed")
    return nullcontext(sys.stdin.buffer)


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
            source = open_log(path)
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

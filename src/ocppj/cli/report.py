"""Checks logs and reports refused frames, tolerated violations, counts and the exit status.

Owns the two outputs, text and JSON. A refused frame is written at once, so that memory does not
grow with the log.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields
from typing import Any, Protocol

from ocppj import BACKEND, __version__
from ocppj.cli.attribution import station_key
from ocppj.cli.guess import GuessingReplay, read_sample
from ocppj.cli.log import Log, LogError
from ocppj.cli.options import AUTO, FAILED, OK, UNUSABLE
from ocppj.cli.page.history import History
from ocppj.cli.replay import Counts, Replay
from ocppj.cli.sources import Source
from ocppj.cli.tally import NO_ACTIONS, Tally
from ocppj.cli.terminal import (
    Progress,
    format_table,
    json_text,
    print_error,
    print_lines,
    print_text,
    printable,
)
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.frames import CALL, SEND, Frame
from ocppj.policy import Policy, Violation

__all__ = ["JsonOutput", "Output", "Report", "TextOutput"]


class Output(Protocol):
    """Writes a report."""

    def list_refused(self, frame: Mapping[str, Any]) -> None:
        """Write a refused frame: file, line, version, action, error_code, description, path."""

    def close(self, tally: Tally) -> None:
        """Write counts and totals."""


class Report:
    """Checks logs and reports on them.

    Args:
        version: of the logs; `AUTO` guesses it.
        policy: which violations are tolerated.
        strict_lines: whether lines without a frame are refused; otherwise they are skipped.
        limit: maximum number of refused frames that are listed.
        output: writes the report.
        progress: the progress bar, cleared before anything is written.
        history: collects what a page shows.

    Attributes:
        tally: the counts.
    """

    def __init__(
        self,
        version: str,
        policy: Policy,
        *,
        strict_lines: bool,
        limit: int,
        output: Output,
        progress: Progress,
        history: History | None = None,
    ) -> None:
        self._version = version
        self._policy = policy
        self._strict_lines = strict_lines
        self._limit = limit
        self._output = output
        self._progress = progress
        self._history = history
        self.tally = Tally(policy)

    @property
    def status(self) -> int:
        """The exit status of the command."""
        if self.tally.unreadable or not self.tally.frames:
            return UNUSABLE
        return FAILED if self.tally.refused else OK

    def check(self, source: Source) -> None:
        """Check a log."""
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(source.open())
            except (OSError, ValueError) as error:
                self._skip(source.name, error)
                return
            self._check(source, Log(stream, MAX_SIZE, strict=self._strict_lines))

    def close(self) -> None:
        """Write counts and totals."""
        self._progress.clear()
        self._output.close(self.tally)
        if not (self.tally.frames or self.tally.unreadable):
            print_error("no frames: nothing to check")

    def _check(self, source: Source, log: Log) -> None:
        tally, refused = self.tally, self.tally.refused
        lines = iter(log)
        if self._progress.active:
            lines = self._progress.watch(lines, log, sum(file["bytes"] for file in tally.files))
        replay: Replay | GuessingReplay
        sample, lines = read_sample(lines, source.has_line)
        key = station_key(sample)
        if self._version == AUTO:
            replay = GuessingReplay(lambda version: self._replay(source.name, version, key))
            replay.guess(sample, key)
        else:
            replay = self._replay(source.name, self._version, key)
        if self._history is not None:
            lines = self._history.watch(source.name, lines, key)
        started = time.perf_counter()
        try:
            replay.run(lines)
        except LogError as error:
            self._skip(source.name, error)
        tally.seconds += time.perf_counter() - started
        if isinstance(replay, GuessingReplay):
            versions, guess = replay.frames, {"guessed": True, "told": replay.has_votes}
        else:
            versions, guess = {self._version: replay.frames}, {"guessed": False}
        entry = {"file": source.name, "versions": versions, **guess}
        entry |= {"frames": sum(versions.values()), "refused": tally.refused - refused}
        tally.files.append(entry | {"skipped_lines": log.skipped, "bytes": log.size})

    def _replay(self, file: str, version: str, key: Callable[[bytes], Hashable]) -> Replay:
        tally, history = self.tally, self._history

        def on_refused(line: int, action: str, error: DecodeError) -> None:
            tally.refused += 1
            tally.refused_calls += error.message_type in (CALL, SEND)
            if tally.refused <= self._limit:
                frame = {"file": file, "line": line, "version": version, "action": action}
                frame |= {"error_code": error.error_code, "description": error.error_description}
                self._output.list_refused(frame | {"path": error.path})

        def on_tolerated(line: int, action: str, model: str, found: tuple[Violation, ...]) -> None:
            if tally.violations.add(file, line, action, model, found) and history is not None:
                history.tolerate()

        def on_frame(line: int, frame: Frame | DecodeError, action: str, model: str) -> None:
            if history is not None:
                history.note(line, frame, action, model, version)

        codec = Codec(version, policy=self._policy)
        observer = None if history is None else on_frame
        return Replay(codec, tally.actions, on_refused, on_tolerated, observer, key)

    def _skip(self, name: str, error: Exception) -> None:
        problem = (isinstance(error, OSError) and error.strerror) or str(error)
        self.tally.unreadable.append({"file": name, "problem": problem})
        self._progress.clear()
        print_error(f"{name}: {problem}")


class JsonOutput:
    """Writes one JSON object, refused frames first: counts are known only at the end."""

    def __init__(self) -> None:
        self._listed = False
        head = json_text({"ocppj": __version__, "backend": BACKEND, "refused": []}, indent=2)
        print_text(head.removesuffix("]\n}"))

    def list_refused(self, frame: Mapping[str, Any]) -> None:
        """Write a refused frame."""
        action = None if frame["action"] in NO_ACTIONS else frame["action"]
        print_text(f"{',' * self._listed}\n    {json_text({**frame, 'action': action})}")
        self._listed = True

    def close(self, tally: Tally) -> None:
        """Write counts and totals."""
        rest = json_text(tally.summary(), indent=2).removeprefix("{")
        print_text(("\n  ]," if self._listed else "],") + rest + "\n")


class TextOutput:
    """Writes lines and tables.

    Args:
        policy: which violations are tolerated.
        limit: maximum number of refused frames, and of rows of violations, that are listed.
        progress: the progress bar, cleared before anything is written.
        can_guess: whether to suggest `--version auto` if most calls are refused.
    """

    def __init__(self, policy: Policy, limit: int, progress: Progress, *, can_guess: bool) -> None:
        self._policy = policy
        self._limit = limit
        self._progress = progress
        self._can_guess = can_guess

    def list_refused(self, frame: Mapping[str, Any]) -> None:
        """Write a refused frame."""
        self._progress.clear()
        place = f"{frame['file']}:{frame['line']}: {frame['action']}"
        print_lines(f"{place}: {frame['error_code']}: {frame['description']}")

    def close(self, tally: Tally) -> None:
        """Write counts and totals."""
        if tally.files:
            print_lines(*self._summary(tally))

    def _summary(self, tally: Tally) -> Iterator[str]:
        summary = tally.summary()
        totals = summary["totals"]
        if tally.refused > self._limit:
            yield f"and {tally.refused - self._limit:,} more refused frames: --all lists them"
        if tally.refused:
            yield ""
        columns = [f.name for f in fields(Counts) if f.name != "sends" or totals["sends"]]
        rows = [*summary["actions"].items(), ("total", totals)]
        if tally.frames:
            cells = [(name, *(f"{row[column]:,}" for column in columns)) for name, row in rows]
            yield from format_table([("action", *columns), *cells], 1)
            yield ""
        if self._policy.is_lenient:
            yield from self._tolerated(summary["violations"])
            yield ""
        for file in tally.files:
            yield f"{file['file']}: {_versions(file)}: {_result(file)}"
        if totals["unknown_calls"]:
            yield f"answers whose call is not in the log: {totals['unknown_calls']:,}"
        if totals["skipped_lines"]:
            yield f"skipped lines, without a frame: {totals['skipped_lines']:,}"
        yield (
            f"total: {_result(totals)}, {totals['bytes']:,} bytes in {totals['seconds']:.3f} s "
            f"({totals['frames_per_second']:,} frames per second)"
        )
        if tally.frames and not tally.refused and not summary["violations"]["count"]:
            yield "every frame is valid"
        if self._can_guess and tally.refused_calls > totals["calls"] + totals["sends"]:
            yield "hint: most calls are refused; --version auto finds the version of the log"

    def _tolerated(self, violations: Mapping[str, Any]) -> Iterator[str]:
        count, frames = violations["count"], violations["frames"]
        rows = [
            (printable(model), rule, f"{cell['count']:,}", _example(cell["examples"][0]))
            for model, rules in violations["models"].items()
            for rule, cell in rules.items()
        ]
        if rows:
            header = ("station model", "rule", "count", "for example")
            yield from format_table([header, *rows[: self._limit]], 2, texts_after=1)
        if len(rows) > self._limit:
            yield f"and {len(rows) - self._limit:,} more rows: --all lists them"
        yield (
            f"tolerated: {count:,} violation{'s' * (count != 1)} "
            f"in {frames:,} frame{'s' * (frames != 1)}"
        )


def _example(example: Mapping[str, Any]) -> str:
    value = "absent" if example["value"] is None else example["value"]
    place = f"{example['file']}:{example['line']}: {example['action']}"
    return f"{place}: {example['path']}: {value}"


def _versions(file: Mapping[str, Any]) -> str:
    names = list(file["versions"])
    if len(names) > 1:
        names = [f"{name} ({_frames(count)})" for name, count in file["versions"].items()]
    guess = (" (guessed)" if file["told"] else " (assumed)") if file["guessed"] else ""
    return f"OCPP {' and '.join(names)}{guess}"


def _result(counts: Mapping[str, int]) -> str:
    return f"{_frames(counts['frames'])}, {counts['refused']:,} refused"


def _frames(count: int) -> str:
    return f"{count:,} frame{'s' * (count != 1)}"

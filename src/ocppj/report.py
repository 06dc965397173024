"""What `ocppj check` says of logs: what was refused or tolerated, counts, totals, exit status.

Owns the two forms of it, for people and as JSON.
"""

import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, dataclass, field, fields
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

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
)
from ocppj.policy import STRICT, Policy, Violation
from ocppj.terminal import Progress, complain, plain, quoted, say, say_json, shortened, table

__all__ = [
    "AUTO",
    "OK",
    "REFUSED",
    "SAMPLE",
    "UNUSABLE",
    "VERSION_ORDER",
    "Report",
    "Taken",
    "acceptance",
    "open_log",
    "take",
]

OK, REFUSED, UNUSABLE = 0, 1, 2

AUTO: Final = "auto"
VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""The first is the default; where guesses tie, the first of them is taken."""

SAMPLE_FRAMES: Final = 1000
SAMPLE_SIZE: Final = 4 * 2**20

MAX_MODELS: Final = 100
"""Station models whose violations are counted apart; the others are counted together."""

OTHER_MODELS: Final = "(other models)"
EXAMPLES: Final = 5
TEXT_SIZE: Final = 60
"""Of a path or a value in an example."""

_INDEX: Final = re.compile(r"\[\d+\]")

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


def take(frames: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Take a sample off the beginning of a log, bounded in frames and in bytes."""
    sample: list[tuple[int, bytes]] = []
    size = 0
    while len(sample) < SAMPLE_FRAMES and size < SAMPLE_SIZE and (item := next(frames, None)):
        sample.append(item)
        size += len(item[1])
    return sample


class Taken(NamedTuple):
    """How many frames of a sample a version takes. The greater of two is that of a better guess."""

    conforming: int
    tolerated: int = 0
    violations: int = 0
    """How many there are, negative."""


def acceptance(
    sample: Iterable[tuple[int, bytes]], versions: Iterable[str], policy: Policy = STRICT
) -> dict[str, Taken]:
    """Return how many frames of a sample each version takes."""
    return {version: _acceptance(sample, Codec(version, policy=policy)) for version in versions}


def _acceptance(sample: Iterable[tuple[int, bytes]], codec: Codec) -> Taken:
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    bent: list[int] = []

    def tolerate(_number: int, _action: str, _model: str, found: tuple[Violation, ...]) -> None:
        bent.append(len(found))

    Check(codec, counts, lambda *_: None, tolerate).run(sample)
    accepted = sum(row.accepted for row in counts.values())
    return Taken(accepted - len(bent), len(bent), -sum(bent))


@dataclass(slots=True)
class _Cell:
    """What one station model does against one rule; examples by action and kind of path."""

    count: int = 0
    examples: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class _Violations:
    """The violations that the policy reports, by station model and rule."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._models: dict[str, dict[str, _Cell]] = {}
        self._frames = 0

    def add(
        self, file: str, line: int, action: str, model: str, violations: tuple[Violation, ...]
    ) -> None:
        """Count the violations of a frame."""
        reported = [v for v in violations if getattr(self._policy, v.rule) == "report"]
        if not reported:
            return
        self._frames += 1
        if model not in self._models and len(self._models) >= MAX_MODELS:
            model = OTHER_MODELS
        rules = self._models.setdefault(model, {})
        for violation in reported:
            cell = rules.setdefault(violation.rule, _Cell())
            cell.count += 1
            if len(cell.examples) < EXAMPLES:
                path = shortened(violation.path, TEXT_SIZE)
                place = action, _INDEX.sub("[]", path)
                if place not in cell.examples:
                    absent = violation.rule == "missing"
                    value = None if absent else shortened(quoted(violation.value), TEXT_SIZE)
                    example = {"file": file, "line": line, "action": action}
                    cell.examples[place] = example | {"path": path, "value": value}

    def everything(self) -> dict[str, Any]:
        """Return all of it as JSON: the most frequent rule of a model first."""
        models = {
            model: {
                rule: {"count": cell.count, "examples": list(cell.examples.values())}
                for rule, cell in sorted(rules.items(), key=lambda item: (-item[1].count, item[0]))
            }
            for model, rules in sorted(self._models.items())
        }
        total = sum(cell.count for rules in self._models.values() for cell in rules.values())
        return {"frames": self._frames, "count": total, "models": models}


class Report:
    """What is said of logs. Refused frames are listed as they are met, the rest comes at the end.

    Args:
        version: of the logs; `AUTO` to guess that of each.
        policy: what is tolerated.
        limit: how many refused frames are listed, and how many rows of what was tolerated.
        as_json: keep what is to be listed, for `json`.
        progress: the bar that listing has to make room for.
    """

    def __init__(
        self, version: str, policy: Policy, limit: int, progress: Progress, *, as_json: bool
    ) -> None:
        self._version = version
        self._policy = policy
        self._limit = limit
        self._progress = progress
        self._as_json = as_json
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._files: list[dict[str, Any]] = []
        self._violations = _Violations(policy)
        self._refused: list[dict[str, Any]] = []
        self._unreadable: list[dict[str, str]] = []
        self._refusals = self._frames = self._bytes = 0
        self._seconds = 0.0

    @property
    def status(self) -> int:
        """The exit status."""
        if self._unreadable or not self._frames:
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

        def tolerate(line: int, action: str, model: str, found: tuple[Violation, ...]) -> None:
            self._violations.add(name, line, action, model, found)

        refused = self._refusals
        frames = iter(log)
        entry: dict[str, Any] = {"file": name, "version": self._version}
        try:
            if self._version == AUTO:
                sample = take(frames)
                taken = acceptance(sample, VERSION_ORDER, self._policy)
                entry["version"] = max(taken, key=taken.__getitem__)
                accepted = {version: found.conforming for version, found in taken.items()}
                entry |= {"sampled": len(sample), "accepted": accepted}
                if self._policy.bends:
                    entry["tolerated"] = {version: taken[version].tolerated for version in taken}
                frames = chain(sample, frames)
            if self._progress.active:
                frames = self._progress.watch(frames, log, self._bytes)
            codec = Codec(entry["version"], policy=self._policy)
            check = Check(codec, self._counts, refuse, tolerate)
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
        if not (self._frames or self._unreadable):
            complain("no frames: nothing to check")

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
            "violations": self._violations.everything(),
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
        if self._policy.bends:
            yield from self._tolerated(everything["violations"])
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

    def _tolerated(self, violations: Mapping[str, Any]) -> Iterator[str]:
        count, frames = violations["count"], violations["frames"]
        rows = [
            (plain(model), rule, f"{cell['count']:,}", _example(cell["examples"][0]))
            for model, rules in violations["models"].items()
            for rule, cell in rules.items()
        ]
        if rows:
            header = ("station model", "rule", "count", "for example")
            yield from table([header, *rows[: self._limit]], 2, behind=1)
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


def _result(counts: Mapping[str, int]) -> str:
    frames, refused = counts["frames"], counts["refused"]
    return f"{frames:,} frame{'s' * (frames != 1)}, {refused:,} refused"


def _reason(file: Mapping[str, Any]) -> str:
    if "accepted" not in file:
        return ""
    bent = file.get("tolerated", {})
    taken = ", ".join(
        f"{version} takes {count:,}"
        + (f" and tolerates {bent[version]:,}" if bent.get(version) else "")
        for version, count in file["accepted"].items()
    )
    return f" (guessed: of the first {file['sampled']:,} frames {taken})"

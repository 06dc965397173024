"""Instructions per frame, as callgrind counts them: `python -m benchmarks.instructions`.

Counts hardly depend on the load of the machine, so they show changes of one per cent, which a clock
cannot. One interpreter runs under valgrind and forks a child for each count, which runs its work N
times. Two children with N and 2N runs differ by exactly N runs. The loop itself is counted in the
same way and subtracted.
"""

import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from benchmarks import answers
from benchmarks.corpus import ENTRIES, Entry, frame_text, payload_bytes
from benchmarks.page import environment, machine, publish, table
from benchmarks.peers.messages import codec, payload_decoder

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[1]
TIMES: Final = 500
"""Runs of each. More runs take longer, and average out rare events."""

WARM: Final = 200
EMPTY: Final = "loop"
ANSWER: Final = "answer to "  # before the names of the frames that `benchmarks.answers` counts
INSIDE: Final = "--inside"  # the argument of the process under valgrind
COLUMNS: Final = (
    "floor",
    "decode str",
    "decode bytes",
    "orjson.loads",
    "peek",
    "encode",
    "msgspec encode",
)
MISSING: Final = """\
valgrind is not installed, so nothing was counted. It is the package `valgrind` of most systems
(apt-get install valgrind); benchmarks/results/instructions.md has the counts of the last run."""


class Work(NamedTuple):
    """A call to count: a callable, and its positional arguments (at most two)."""

    call: Callable[..., Any] | None
    arguments: tuple[Any, ...] = ()


def _work(entry: Entry) -> dict[str, Work]:

    text, one = frame_text(entry), codec(entry.version)
    data, pending = text.encode(), () if entry.is_call else (entry.pending,)
    frame = one.decode(text, *pending)
    return {
        "floor": Work(payload_decoder(entry), (payload_bytes(entry),)),
        "decode str": Work(one.decode, (text, *pending)),
        "decode bytes": Work(one.decode, (data, *pending)),
        "orjson.loads": Work(orjson.loads, (text,)),
        "peek": Work(one.peek, (text,)),
        "encode": Work(one.encode, (frame,)),
        "msgspec encode": Work(msgspec.json.Encoder().encode, (frame,)),
    }


def _run(work: Work, times: int) -> None:
    call = work.call
    match work.arguments:
        case (first,):
            for _ in repeat(None, times):
                call(first)  # type: ignore[misc]
        case (first, second):
            for _ in repeat(None, times):
                call(first, second)  # type: ignore[misc]
        case _:
            for _ in repeat(None, times):
                pass


def _inside() -> None:
    """Fork a child for each count; print its process id and what it does."""
    works = {f"{EMPTY}|{EMPTY}": Work(None)}
    for entry in ENTRIES:
        for column, work in _work(entry).items():
            works[f"{entry.name}|{column}"] = work
    for frame, columns in answers.works().items():
        for column, (call, data) in columns.items():
            works[f"{ANSWER}{frame}|{column}"] = Work(call, (data,))
    for work in works.values():
        # CPython rewrites its own bytecode in the first rounds, and caches fill.
        _run(work, WARM)
    gc.disable()  # one collection is a thousand instructions for each run
    for name, work in works.items():
        for factor in (1, 2):
            child = os.fork()
            if child == 0:
                _run(work, factor * TIMES)
                os._exit(0)
            os.waitpid(child, 0)
            print(f"{child}|{factor}|{name}", flush=True)


def _total(file: Path) -> int:
    match = re.search(r"^(?:totals|summary): (\d+)", file.read_text("utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{file} has no total")
    return int(match[1])


def count() -> dict[str, dict[str, int]]:
    """Return frame -> column -> instructions of one call."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"]
        command += [sys.executable, "-m", "benchmarks.instructions", INSIDE]
        variables = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True, env=variables
        )
        totals: dict[tuple[str, str], dict[str, int]] = {}
        for line in done.stdout.splitlines():
            child, factor, frame, column = line.split("|")
            totals.setdefault((frame, column), {})[factor] = _total(Path(folder, child))
    each = {key: (both["2"] - both["1"]) / TIMES for key, both in totals.items()}
    loop = each.pop((EMPTY, EMPTY))
    counts: dict[str, dict[str, int]] = {}
    for (frame, column), value in each.items():
        counts.setdefault(frame, {})[column] = round(value - loop)
    return counts


def _rows(counts: dict[str, dict[str, int]]) -> Iterator[list[str]]:
    for entry in ENTRIES:
        of = counts[entry.name]
        over = of["decode str"] - of["floor"]
        yield [entry.label, f"{over:,}", *(f"{of[column]:,}" for column in COLUMNS)]


def _answer_rows(counts: dict[str, dict[str, int]]) -> Iterator[list[str]]:
    for frame, of in counts.items():
        if frame.startswith(ANSWER):
            counted = [of[column] for column in answers.COLUMNS]
            test = of["endpoint"] - of["without the test for a tap"]
            yield [frame.removeprefix(ANSWER), *(f"{n:,}" for n in (*counted, test))]


def main() -> None:
    """Count and report."""
    if sys.argv[1:] == [INSIDE]:
        _inside()
        return
    if shutil.which("valgrind") is None:
        print(MISSING, file=sys.stderr)
        return
    known, counts = environment("ocppj", "msgspec", "orjson"), count()
    publish(
        "instructions",
        {"environment": known, "times": TIMES, "counts": counts},
        "# Instructions per frame",
        machine(known),
        (
            f"Compiled backend; callgrind, difference of {2 * TIMES:,} and {TIMES:,} runs, the "
            "loop subtracted; `python -m benchmarks.instructions`."
        ),
        table(["frame (bytes)", "decode - floor", *COLUMNS], _rows(counts)),
        (
            "`floor` is msgspec decoding the bare payload, whose type it knows; results are "
            "decoded with `pending`. `encode` validates, `msgspec encode` does not."
        ),
        "Calls that are answered at once, from the bytes of the call to those of its result:",
        table(["call (bytes)", *answers.COLUMNS, "the test"], _answer_rows(counts)),
        (
            "`session` is `Session` with the same handler, `endpoint` a connection of a `CSMS` "
            "below its transport. The test is all that metrics and a tap cost while they are unset."
        ),
    )


if __name__ == "__main__":
    main()

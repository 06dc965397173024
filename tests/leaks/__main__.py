"""Send many frames down one path and looks at memory: `python -m tests.leaks PATH [NUMBER]`.

A million by default. Status 1 if resident memory, blocks of CPython's allocator or references still
grow in the last third of the frames. References are all there are in a debug build of CPython, else
those to what outlives a frame. A path has its interpreter for itself, or one would hide what
another leaves. With `--no-collector` the garbage collector never runs, so that cycles count too.
"""

import argparse
import gc
import sys
from mmap import PAGESIZE
from pathlib import Path
from typing import Any, Final

from ocppj import BACKEND
from tests.leaks.paths import PATHS, SLOW, Work

__all__ = ["LIMITS", "growth"]

STATM: Final = Path("/proc/self/statm")
LIMITS: Final = {"resident bytes": 2**20, "blocks": 200, "references": 400}


def growth(work: Work, number: int) -> dict[str, int]:
    """Return the memory that the last third of a number of calls adds.

    Caches and free lists fill before, which takes them up to 30,000 calls.
    """
    inputs = work[1]
    # Everything that exists before the first frame: classes, tables, functions.
    lasting = [*gc.get_objects(), *inputs, None, True, False, "", b"", 0, 1, ()]
    run(work, 2 * number // 3)
    memory(lasting)  # its own first traces
    before = memory(lasting)
    run(work, number // 3)
    after = memory(lasting)
    return {name: after[name] - before[name] for name in LIMITS}


def run(work: Work, number: int) -> None:
    call, inputs = work
    for _ in range(number // len(inputs)):
        for one in inputs:
            call(one)


def memory(lasting: list[Any]) -> dict[str, int]:
    # A collection also empties CPython's free lists, which grow slowly up to a limit. If cycles
    # have to be counted, freezing excludes them from the collection.
    if not gc.isenabled():
        gc.freeze()
    gc.collect()
    gc.unfreeze()
    # Without that file, only blocks and references are counted.
    resident = int(STATM.read_text().split()[1]) * PAGESIZE if STATM.exists() else 0
    total = getattr(sys, "gettotalrefcount", None)
    references = total() if total else sum(map(sys.getrefcount, lasting))
    values = resident, sys.getallocatedblocks(), references
    return dict(zip(LIMITS, values, strict=True))


def main() -> bool:
    parser = argparse.ArgumentParser("python -m tests.leaks", description=__doc__)
    parser.add_argument("path", choices=PATHS)
    parser.add_argument("number", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--no-collector", action="store_true", help="leave cycles where they are")
    arguments = parser.parse_args()
    if arguments.no_collector:
        gc.disable()
    number = arguments.number // SLOW.get(arguments.path, 1)
    grown = growth(PATHS[arguments.path](), number)
    found = ", ".join(f"{size:+} {name}" for name, size in grown.items())
    print(f"{arguments.path}, {BACKEND}, last third of {number} times: {found}")
    return any(grown[name] > limit for name, limit in LIMITS.items())


if __name__ == "__main__":
    sys.exit(main())

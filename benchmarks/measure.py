"""Measures one peer in this process: `python -m benchmarks.measure PEER SAMPLES MILLISECONDS`.

Prints JSON: import and start-up time in ms, memory in KiB, and for each frame the best of SAMPLES
runs of MILLISECONDS each, as ns per decode, and per encode and peek of ours. The garbage collector
is off in a run, as always with `timeit`.
"""

import gc
import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from timeit import Timer
from typing import Any

from benchmarks.corpus import ENTRIES
from benchmarks.page import repeats
from benchmarks.peers import peer

__all__ = ["measure"]


def peak_memory() -> int:
    """Return the peak of this process's resident memory in KiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: Linux lets a child start with that of its parent.
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def _timer(decode: Callable[..., Any], data: str | bytes) -> Timer:
    """Return a timer of the call as callers write it, with the keywords of a `partial`."""
    keywords: dict[str, Any] = {}
    if isinstance(decode, partial):
        decode, keywords = decode.func, decode.keywords
    arguments = "".join(f", {name}={name}" for name in keywords)
    return Timer(f"decode(data{arguments})", globals={"decode": decode, "data": data, **keywords})


def measure(name: str, samples: int, milliseconds: float) -> dict[str, Any]:
    """Measure a peer."""
    memory, start = peak_memory(), perf_counter()
    one = peer(name)
    imported = perf_counter()
    for entry in ENTRIES:
        if entry.version == "2.0.1" and entry.is_call:
            one.decoder(entry)(one.load(entry))
    ready, grown = perf_counter(), peak_memory() - memory
    runs = []
    best: dict[str, dict[str, float]] = {}
    for entry in ENTRIES:
        calls = {"decode": (one.decoder(entry), one.load(entry))}
        calls |= getattr(one, "calls", lambda _: {})(entry)
        for call, (function, argument) in calls.items():
            timer = _timer(function, argument)
            timer.timeit(20)
            times = best.setdefault(f"{call}_ns", {})
            times[entry.name] = float("inf")
            runs.append((times, entry.name, timer, repeats(timer, milliseconds)))
    for _ in range(samples):
        gc.collect()
        for times, entry_name, timer, number in runs:
            times[entry_name] = min(times[entry_name], timer.timeit(number) / number * 1e9)
    return {
        "import_ms": (imported - start) * 1e3,
        "ready_ms": (ready - start) * 1e3,
        "memory_kib": grown,
        **best,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))

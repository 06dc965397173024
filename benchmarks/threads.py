"""One codec in one thread and in two: `python -m benchmarks.threads [INTERPRETER]`.

Each thread decodes, encodes and peeks at frames of its own; all share the codec. The last column is
msgspec's encoder alone. INTERPRETER is the `python` of an environment with a free-threaded CPython
and `ocppj`: it is measured with the GIL and without.
"""

import argparse
import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import chain
from statistics import geometric_mean
from time import perf_counter
from timeit import Timer
from typing import Any, Final

import msgspec

import ocppj
from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.page import environment, machine, publish, repeats, table

__all__ = ["main"]

CALLS: Final = [one for one in ENTRIES if one.version == "2.0.1" and one.is_call]
METHODS: Final = ("decode", "encode", "peek", "msgspec")
ROUNDS: Final = 150
MILLISECONDS: Final = 1.5
"""Of a round in one thread: short, so that some rounds are not disturbed by other processes."""

Times = dict[str, dict[str, list[float]]]
"""Frame -> method -> ns per frame: in one thread, in two."""


def _timer(codec: ocppj.Codec, entry: Entry, method: str) -> Timer:
    """Time a method with a frame that belongs to the thread which calls this."""
    text = frame_text(entry)
    functions: dict[str, Callable[[Any], Any]] = {
        "decode": codec.decode,
        "encode": codec.encode,
        "peek": codec.peek,
        "msgspec": msgspec.json.Encoder().encode,
    }
    argument = text if method in {"decode", "peek"} else codec.decode(text)
    return Timer("f(x)", globals={"f": functions[method], "x": argument})


def _together(make: Callable[[], Timer], count: int, number: int) -> float:
    """Return the ns that a call takes if each thread makes `number` of them."""
    gate = threading.Barrier(count)
    moments: list[float] = []

    def work() -> None:
        timer = make()
        gate.wait()
        moments.append(perf_counter())
        timer.timeit(number)
        moments.append(perf_counter())

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (max(moments) - min(moments)) / (number * count) * 1e9


def measure() -> dict[str, Any]:
    """Return the minimum of interleaved rounds in this interpreter."""
    codec = ocppj.Codec("2.0.1")
    timers = {
        (entry.label, method): partial(_timer, codec, entry, method)
        for entry in CALLS
        for method in METHODS
    }
    gc.disable()
    numbers = {key: repeats(make(), MILLISECONDS) for key, make in timers.items()}
    times: Times = {one.label: {method: [float("inf")] * 2 for method in METHODS} for one in CALLS}
    for _ in range(ROUNDS):
        gc.collect()
        for (label, method), make in timers.items():
            best = times[label][method]
            for count in (1, 2):
                ns = _together(make, count, numbers[label, method])
                best[count - 1] = min(best[count - 1], ns)
    return {
        "environment": environment("ocppj", "msgspec"),
        "backend": ocppj.BACKEND,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "ns": times,
    }


def _measured(*command: str) -> dict[str, Any]:
    """Return what `measure` returns in another process."""
    command = (*command, "-m", "benchmarks.threads", "--measure")
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _part(found: dict[str, Any]) -> str:
    """Return the section of an interpreter."""
    rows, ratios = [], {method: [] for method in METHODS}
    for label, methods in found["ns"].items():
        rows.append([label])
        for method, (one, two) in methods.items():
            rows[-1] += [f"{one:,.0f}", f"{one / two:.2f}"]
            ratios[method].append(one / two)
    means = (("", f"**{geometric_mean(each):.2f}**") for each in ratios.values())
    rows.append(["geometric mean", *chain.from_iterable(means)])
    known = found["environment"]
    title = f"## {known['python']}, {'with the GIL' if found['gil'] else 'without the GIL'}"
    head = chain.from_iterable((f"{method}, ns", "two threads") for method in METHODS)
    return "\n\n".join((title, machine(known), table(["frame (bytes)", *head], rows)))


def _is_free_threaded(interpreter: str) -> bool:
    code = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED'))"
    done = subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip() == "1"


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("interpreter", nargs="?")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure()))
        return
    if given.interpreter and not _is_free_threaded(given.interpreter):
        parser.error(f"{given.interpreter} is not a free-threaded CPython")
    found = [_measured(sys.executable)]
    notes = ["No free-threaded interpreter was given, so nothing was measured without the GIL."]
    if given.interpreter:
        found += [_measured(given.interpreter, "-X", "gil=1"), _measured(given.interpreter)]
        notes.clear()
    publish(
        "threads",
        {"interpreters": found},
        "# One codec in two threads",
        f"Minimum ns per frame of {ROUNDS} interleaved rounds in one thread, and how many times as "
        "many frames two threads get done. The threads share the codec; each has frames of its "
        "own. The last column is msgspec's encoder, which validates nothing. "
        "`python -m benchmarks.threads [INTERPRETER]`.",
        *notes,
        *map(_part, found),
    )


if __name__ == "__main__":
    main()

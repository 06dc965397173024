"""What a version costs at start-up: `python -m benchmarks.startup`.

Time to the first decoded frame, and memory. Each row is a fresh process; the results are
medians of interleaved rounds. Time is that of imports and the first frame. Memory is resident
memory beyond that of a bare interpreter.
"""

import subprocess
import sys
from statistics import median
from typing import Final

from benchmarks import sections
from benchmarks.page import environment, machine, publish
from ocppj.catalog import VERSIONS

__all__ = ["main"]

ROUNDS: Final = 15
PROBE: Final = """
import resource, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, start = resident(), time.perf_counter()
{}
print(time.perf_counter() - start, resident() - before)
"""
CODEC: Final = 'import ocppj; ocppj.Codec({!r}).decode(\'[2,"i","Heartbeat",{{}}]\')'
WORK: Final = {
    "import msgspec": "import msgspec",
    "import ocppj": "import ocppj",
    **{f"OCPP {v.name}, first frame": CODEC.format(v.name) for v in VERSIONS},
    "import pydantic": "import pydantic",
    "import pydantic, BaseModel": "from pydantic import BaseModel, TypeAdapter",
}


def probe(code: str) -> tuple[float, float]:
    """Return ms and MiB of a process that runs some code."""
    command = [sys.executable, "-c", PROBE.format(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, size = map(float, done.stdout.split())
    return seconds * 1e3, size / 2**20


def main() -> None:
    """Measure and report."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in WORK}
    for _ in range(ROUNDS):
        for name, code in WORK.items():
            runs[name].append(probe(code))
    figures = {
        "environment": environment("ocppj", "msgspec", "pydantic"),
        "medians": {
            name: [round(median(values), 2) for values in zip(*pairs, strict=True)]
            for name, pairs in runs.items()
        },
    }
    publish(
        "startup",
        figures,
        "# What start-up costs",
        machine(figures["environment"]),
        f"Medians of {ROUNDS} fresh processes; `python -m benchmarks.startup`.",
        sections.startup(figures),
    )


if __name__ == "__main__":
    main()

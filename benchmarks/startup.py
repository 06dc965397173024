"""What a version costs at start: time to the first decoded frame, and memory.

    python -m benchmarks.startup [--rounds N]

Each row is a fresh process; rounds are interleaved, medians are shown. Time is that of the imports
and the first frame; memory is resident memory beyond that of an interpreter that has done nothing.
"""

import argparse
import statistics
import subprocess
import sys

PROBE = """
import resource, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before, start = resident(), time.perf_counter()
{}
print(time.perf_counter() - start, resident() - before)
"""
CODEC = 'import ocppj; ocppj.Codec({!r}).decode(\'[2,"i","Heartbeat",{{}}]\')'
WORK = {
    "import msgspec": "import msgspec",
    "import ocppj": "import ocppj",
    **{f"OCPP {v}, first frame": CODEC.format(v) for v in ("1.6", "2.0.1", "2.1")},
    "import pydantic": "import pydantic",
    "import pydantic, BaseModel": "from pydantic import BaseModel, TypeAdapter",
}


def probe(code: str) -> tuple[float, float]:
    command = [sys.executable, "-c", PROBE.format(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, size = map(float, done.stdout.split())
    return seconds * 1e3, size / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in WORK}
    for _ in range(rounds):
        for name, code in WORK.items():
            results[name].append(probe(code))
    print("| | ms | MiB |\n|---|--:|--:|")
    for name, pairs in results.items():
        times, sizes = zip(*pairs, strict=True)
        print(f"| {name} | {statistics.median(times):.0f} | {statistics.median(sizes):.1f} |")


if __name__ == "__main__":
    main()

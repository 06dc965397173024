"""What leniency costs: nothing on a conforming frame, and the slow pass on one that is bent.

    python -m benchmarks.leniency

Each of the corpus' calls is decoded as it is by a strict and by a lenient codec, and then with one
and with five faults beside `orjson.loads` of the same text. Interleaved minima. Then the memory of
thousands of codecs with a dozen policies.
"""

import json
import timeit
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

import ocppj
from benchmarks.corpus import ENTRIES, frame_text

ROUNDS, NUMBER = 15, 2000
CODECS = 5000


def interleaved(*works: Callable[[], Any]) -> list[float]:
    """Return the least time of each, in nanoseconds."""
    timers = [timeit.Timer(work) for work in works]
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for n, timer in enumerate(timers):
            best[n] = min(best[n], timer.timeit(NUMBER) / NUMBER * 1e9)
    return best


def bend(text: str, faults: int) -> str:
    """Add unknown fields to a frame's payload, and null ones."""
    frame = json.loads(text)
    frame[3] |= {f"vendorField{n}": n for n in range(faults)}
    return json.dumps(frame, separators=(",", ":"))


def main() -> None:
    print("| frame | strict, ns | lenient | one fault (/ orjson.loads) | five faults |")
    print("|---|--:|--:|--:|--:|")
    for entry in ENTRIES:
        if not entry.is_call:
            continue
        strict = ocppj.Codec(entry.version)
        lenient = strict.with_policy(ocppj.Policy.lenient())
        text = frame_text(entry)
        one, five = bend(text, 1), bend(text, 5)
        assert len(lenient.decode(five).violations) == 5
        times = interleaved(
            partial(strict.decode, text),
            partial(lenient.decode, text),
            partial(lenient.decode, one),
            partial(orjson.loads, one),
            partial(lenient.decode, five),
            partial(orjson.loads, five),
        )
        name = f"{entry.version} {entry.name} ({len(text)})"
        print(
            f"| {name} | {times[0]:.0f} | {times[1]:.0f} "
            f"| {times[2]:.0f} ({times[2] / times[3]:.1f}) "
            f"| {times[4]:.0f} ({times[4] / times[5]:.1f}) |"
        )
    policies = [ocppj.Policy.of({"preset": "lenient", "zone": f"+{n:02}:00"}) for n in range(12)]
    base = ocppj.Codec("1.6")
    tracemalloc.start()
    codecs = [base.with_policy(policies[n % 12]) for n in range(CODECS)]
    size, _ = tracemalloc.get_traced_memory()
    each = size / len(codecs)
    print(f"\n{len(codecs):,} codecs with {len(policies)} policies: {each:.0f} bytes each")


if __name__ == "__main__":
    main()

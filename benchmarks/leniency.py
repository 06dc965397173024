"""What leniency costs: `python -m benchmarks.leniency`.

Each of the corpus' calls is decoded as it is by a strict and by a lenient codec, and then with one
and with five faults beside `orjson.loads` of the same text. Then the memory of thousands of codecs
with a dozen policies.
"""

import tracemalloc
from typing import Any, Final

import orjson

import ocppj
from benchmarks import sections
from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.page import environment, fastest, machine, publish

__all__ = ["main"]

CODECS: Final = 5000
POLICIES: Final = 12


def _nonconforming(one: Entry, faults: int) -> str:
    """Return a frame with so many unknown fields."""
    fields = {f"vendorField{n}": n for n in range(faults)}
    return frame_text(one.with_payload({**one.payload, **fields}))


def _times(one: Entry) -> dict[str, float]:
    strict = ocppj.Codec(one.version)
    lenient = strict.with_policy(ocppj.Policy.lenient())
    text, single, five = frame_text(one), _nonconforming(one, 1), _nonconforming(one, 5)
    assert len(lenient.decode(five).violations) == 5
    calls: dict[str, Any] = {
        "strict": (strict.decode, text),
        "lenient": (lenient.decode, text),
        "one": (lenient.decode, single),
        "orjson, one": (orjson.loads, single),
        "five": (lenient.decode, five),
        "orjson, five": (orjson.loads, five),
    }
    return {name: round(ns, 1) for name, ns in fastest(calls).items()}


def _memory() -> int:
    """Return the bytes of a codec that shares its table with others."""
    policies = [
        ocppj.Policy.of({"preset": "lenient", "zone": f"+{n:02}:00"}) for n in range(POLICIES)
    ]
    base = ocppj.Codec("1.6")
    tracemalloc.start()
    codecs = [base.with_policy(policies[n % POLICIES]) for n in range(CODECS)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size // len(codecs)


def main() -> None:
    """Measure and report."""
    figures = {
        "environment": environment("ocppj", "msgspec", "orjson"),
        "ns": {one.label: _times(one) for one in ENTRIES if one.is_call},
        "codecs": CODECS,
        "policies": POLICIES,
        "bytes_each": _memory(),
    }
    publish(
        "leniency",
        figures,
        "# What leniency costs",
        machine(figures["environment"]),
        (
            "Least ns of interleaved rounds, and in brackets how many times `orjson.loads` of the "
            "same text; `python -m benchmarks.leniency`."
        ),
        sections.leniency(figures),
    )


if __name__ == "__main__":
    main()

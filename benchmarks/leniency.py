"""What leniency costs: `python -m benchmarks.leniency`.

Decodes each call of the corpus with a strict and a lenient codec. Then adds the most common faults
of stations, one at a time, and compares decoding with `orjson.loads` of the same text. Finally,
measures the memory of thousands of codecs with a dozen policies.
"""

import re
import tracemalloc
from typing import Any, Final

import orjson
from msgspec.structs import fields

import ocppj
from benchmarks import sections
from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.page import environment, fastest, machine, publish
from benchmarks.peers.messages import codec

__all__ = ["main"]

CODECS: Final = 5000
POLICIES: Final = 12


def _unknown(one: Entry, count: int) -> str:
    surplus = {f"vendorField{n}": n for n in range(count)}
    return frame_text(one.with_payload({**one.payload, **surplus}))


def _null(one: Entry) -> str:
    request = codec(one.version).features[one.action].request_type
    optional = [field.encode_name for field in fields(request) if not field.required]
    # The first optional field is customData, and many requests have no other.
    name = optional[1 if len(optional) > 1 else 0]
    return frame_text(one.with_payload({**one.payload, name: None}))


def _faults(one: Entry) -> dict[str, tuple[str, int, str]]:
    """Return fault -> its rule, the number of violations, and the frame with it."""
    text = frame_text(one)
    found = {
        "unknown field": ("unknown_field", 1, _unknown(one, 1)),
        "no zone": ("timestamp", 1, re.sub(r'(T[0-9:.]+)Z"', r'\1"', text, count=1)),
        "null": ("null", 1, _null(one)),
        "number as string": (
            "number_form",
            1,
            re.sub(r'":(\d+)(?=[,}])', r'":"\1"', text, count=1),
        ),
        "five unknown fields": ("unknown_field", 5, _unknown(one, 5)),
    }
    assert set(found) == set(sections.FAULTS)
    return {name: fault for name, fault in found.items() if fault[2] != text}


def _times(one: Entry) -> dict[str, float]:
    strict = ocppj.Codec(one.version)
    lenient = strict.with_policy(ocppj.Policy.lenient())
    text = frame_text(one)
    calls: dict[str, Any] = {
        "strict": (strict.decode, text),
        "lenient": (lenient.decode, text),
    }
    for name, (rule, count, faulty) in _faults(one).items():
        violations = lenient.decode(faulty).violations
        assert [violation.rule for violation in violations] == [rule] * count, (name, violations)
        calls[name] = (lenient.decode, faulty)
        calls[f"orjson, {name}"] = (orjson.loads, faulty)
    return {name: round(ns, 1) for name, ns in fastest(calls, rounds=31).items()}


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
            "Minimum ns of interleaved rounds; in brackets, the ratio to `orjson.loads` of the "
            "same text; `python -m benchmarks.leniency`."
        ),
        sections.leniency(figures),
    )


if __name__ == "__main__":
    main()

"""Encode and peek beside their peers: `python -m benchmarks.others`."""

import json
from statistics import geometric_mean
from typing import Any, Final

import msgspec
import orjson

from benchmarks.corpus import ENTRIES, Entry, payload_bytes
from benchmarks.page import environment, fastest, machine, publish, table
from benchmarks.peers.messages import backend_calls
from benchmarks.peers.models import model
from ocppj._core import backend_c, backend_py

__all__ = ["main"]

ENCODERS: Final = ("msgspec, unchecked", "ocppj", "ocppj, pure Python", "pydantic, payload only")
PEEKERS: Final = ("orjson.loads", "peek", "peek, pure Python", "peek + reframe")


def _times(one: Entry) -> dict[str, float]:
    ours, python = (backend_calls(one_of.Backend, one) for one_of in (backend_c, backend_py))
    (encode, frame), (peek, text) = ours["encode"], ours["peek"]
    value = model(one).model_validate_json(payload_bytes(one))
    written: Any = {"by_alias": True, "exclude_none": True}
    assert json.loads(encode(frame)) == one.frame
    assert peek(text).payload == payload_bytes(one)
    assert peek(text).reframe(one.frame[1]).decode() == text
    calls: dict[str, Any] = {
        "msgspec, unchecked": (msgspec.json.Encoder().encode, frame),
        "ocppj": ours["encode"],
        "ocppj, pure Python": python["encode"],
        "pydantic, payload only": lambda: value.model_dump_json(**written),
        "orjson.loads": (orjson.loads, text),
        "peek": ours["peek"],
        "peek, pure Python": python["peek"],
        "peek + reframe": lambda: peek(text).reframe("1717"),
    }
    return {name: round(ns, 1) for name, ns in fastest(calls, 21).items()}


def _part(
    figures: dict[str, Any], names: tuple[str, ...], ratios: dict[str, tuple[str, str]]
) -> str:
    rows = []
    for one in ENTRIES:
        times = figures["ns"][one.label]
        shares = (f"{times[top] / times[under]:.2f}" for top, under in ratios.values())
        rows.append([one.label, *(f"{times[name]:,.0f}" for name in names), *shares])
    means = (
        f"**{geometric_mean(t[top] / t[under] for t in figures['ns'].values()):.2f}**"
        for top, under in ratios.values()
    )
    rows.append(["geometric mean", *("" for _ in names), *means])
    return table(["frame (bytes)", *names, *ratios], rows)


def main() -> None:
    """Measure and report."""
    encoding = {
        "ocppj / msgspec": ("ocppj", "msgspec, unchecked"),
        "pydantic / ocppj": ("pydantic, payload only", "ocppj"),
        "pydantic / pure Python": ("pydantic, payload only", "ocppj, pure Python"),
    }
    peeking = {
        "peek / orjson": ("peek", "orjson.loads"),
        "pure Python / orjson": ("peek, pure Python", "orjson.loads"),
    }
    known = environment("ocppj", "msgspec", "orjson", "pydantic")
    figures = {"environment": known, "ns": {one.label: _times(one) for one in ENTRIES}}
    publish(
        "others",
        figures,
        "# What encoding and peeking cost",
        machine(known),
        "Minimum ns of interleaved rounds; `python -m benchmarks.others`.",
        "## Encode",
        _part(figures, ENCODERS, encoding),
        (
            "`ocppj` validates; the others do not. pydantic's `model_dump_json` writes the payload "
            "alone, by alias and without fields that are None."
        ),
        "## Peek",
        _part(figures, PEEKERS, peeking),
        "`peek` skips over the payload, so it checks that the frame is JSON.",
    )


if __name__ == "__main__":
    main()

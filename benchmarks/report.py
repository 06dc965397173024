"""The peers side by side: `python -m benchmarks.report`.

Each peer runs in a new process, once per round. Results are medians of the rounds, and ratios are
ratios of medians.
"""

import json
import subprocess
import sys
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, Final

from benchmarks import agreement
from benchmarks.corpus import ENTRIES
from benchmarks.drawing import COLOURS, label, sheet
from benchmarks.page import RESULTS, environment, machine, publish, table
from benchmarks.peers import LABELS, NAMES, peer

__all__ = ["main"]

ROOT: Final = Path(__file__).parents[1]

LIBRARIES: Final = (
    "ocppj",
    "msgspec",
    "orjson",
    "pydantic",
    "pydantic-core",
    "jsonschema-rs",
    "fastjsonschema",
    "ocpp",
    "jsonschema",
)

ROUNDS: Final = 11

OURS: Final = ("ocppj_cython", "ocppj_python")

OTHERS: Final = ("encode", "peek")

BESIDE: Final = ("orjson_only", "two_pass", "pydantic_typed", "pydantic_orjson")

MINUS_FLOOR: Final = "minus floor, ns"

CALLS: Final = [entry for entry in ENTRIES if entry.version == "2.0.1" and entry.is_call]
"""The frames of the geometric means."""

NOTES: Final = """\
All peers that check the full schema rejected the same {variants:,} broken variants of these frames
before they were timed; `benchmarks/agreement.py` lists what is left out. `floor` and
`pydantic_typed` decode the bare payload and know its type; all others decode the whole frame. Each
frame is decoded repeatedly, which favours peers with string caches.
"""

START_NOTES: Final = """\
*Import* is the time to import the peer's module and its libraries. *Ready* adds decoders for the
five calls of OCPP 2.0.1, each used once. Memory is the growth of peak resident memory until then.
Ours (and floor and two_pass, with our types) load all 64 actions of the version, the others only
those five.
"""

Medians = dict[str, dict[str, Any]]


def _run(name: str, samples: int, milliseconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.measure", name, str(samples), str(milliseconds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _rounds(count: int, samples: int, milliseconds: float) -> dict[str, list[dict[str, Any]]]:
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    for number in range(count):
        print(f"round {number + 1} of {count}", file=sys.stderr)
        start = number % len(NAMES)
        for name in (*NAMES[start:], *NAMES[:start]):
            runs[name].append(_run(name, samples, milliseconds))
    return runs


def _medians(runs: dict[str, list[dict[str, Any]]]) -> Medians:
    return {name: _median(done) for name, done in runs.items()}


def _median(values: list[Any]) -> Any:
    """Return the median of numbers; of dicts, that of each entry."""
    if isinstance(values[0], dict):
        return {key: _median([value[key] for value in values]) for key in values[0]}
    return round(median(values), 1)


def ratios(medians: Medians, ours: str) -> dict[str, dict[str, float]]:
    """Return the cost of one of our backends, relative to the floor and the main peers."""
    times = {name: medians[name]["decode_ns"] for name in NAMES}
    mine, floor = times[ours], times["floor"]
    return {
        MINUS_FLOOR: {frame: round(mine[frame] - floor[frame], 1) for frame in mine},
        **{
            f"{name} / ours": {frame: round(times[name][frame] / mine[frame], 3) for frame in mine}
            for name in BESIDE
        },
    }


def _decoding(medians: Medians) -> str:
    rows = [
        [entry.label, *(f"{medians[name]['decode_ns'][entry.name]:,.0f}" for name in NAMES)]
        for entry in ENTRIES
    ]
    return table(["frame (bytes)", *NAMES], rows)


def _others(medians: Medians) -> str:
    """Return what the other methods of our backends cost."""
    columns = {f"{call}, {label(name)}": (name, f"{call}_ns") for call in OTHERS for name in OURS}
    rows = [
        [
            entry.label,
            *(f"{medians[name][key][entry.name]:,.0f}" for name, key in columns.values()),
        ]
        for entry in ENTRIES
    ]
    return table(["frame (bytes)", *columns], rows)


def _beside(medians: Medians, ours: str) -> str:
    figures = ratios(medians, ours)
    rows = [
        [
            entry.label,
            f"{figures[MINUS_FLOOR][entry.name]:,.0f}",
            *(f"{figures[what][entry.name]:.2f}" for what in figures if what != MINUS_FLOOR),
        ]
        for entry in ENTRIES
    ]
    means = [
        f"**{geometric_mean(of[entry.name] for entry in CALLS):.2f}**"
        for what, of in figures.items()
        if what != MINUS_FLOOR
    ]
    rows.append(["geometric mean of the five calls of 2.0.1", "", *means])
    return table(["frame (bytes)", *figures], rows)


def _start(medians: Medians) -> str:
    rows = [
        [
            name,
            f"{medians[name]['import_ms']:.0f}",
            f"{medians[name]['ready_ms']:.0f}",
            f"{medians[name]['memory_kib'] / 1024:.1f}",
        ]
        for name in NAMES
    ]
    return table(["peer", "import, ms", "ready, ms", "memory, MiB"], rows)


def _plot(medians: Medians) -> None:
    with sheet(RESULTS / "decode.svg", height=4.2) as (axes,):
        width = 0.8 / len(LABELS)
        for index, name in enumerate(LABELS):
            places = [
                place + width * (index - (len(LABELS) - 1) / 2) for place in range(len(CALLS))
            ]
            values = [medians[name]["decode_ns"][one.name] / 1e3 for one in CALLS]
            axes.bar(places, values, 0.9 * width, color=COLOURS[name], label=label(name))
        labels = [one.label.replace(" (", "\n(") for one in CALLS]
        axes.set_xticks(range(len(CALLS)), labels, fontsize=7.5)
        axes.set(yscale="log", ylabel="µs per frame (log)")


def main() -> None:
    """Check, measure, report; with `--plot` only draw the committed results again."""
    if sys.argv[1:] == ["--plot"]:
        _plot(json.loads((RESULTS / "decode.json").read_text("utf-8"))["medians"])
        return
    variants = agreement.check()
    medians, known = _medians(_rounds(ROUNDS, 20, 4.0)), environment(*LIBRARIES)
    figures = {
        "environment": known,
        "rounds": ROUNDS,
        "variants": variants,
        "medians": medians,
        "ratios": {ours: ratios(medians, ours) for ours in OURS},
    }
    publish(
        "decode",
        figures,
        "# What decoding a frame costs",
        machine(known),
        f"Median of {ROUNDS} rounds, each peer in a fresh process; `python -m benchmarks.report`.",
        "## Nanoseconds per frame",
        _decoding(medians),
        NOTES.format(variants=variants),
        "\n".join(f"- **{name}** ({peer(name).CHECKS}): {peer(name).WHAT}." for name in NAMES),
        "## Encode and peek",
        _others(medians),
        "[others.md](others.md) compares these with their peers.",
        "## Ours beside others",
        *(part for ours in OURS for part in (f"### {ours}", _beside(medians, ours))),
        "## Start-up and memory",
        _start(medians),
        START_NOTES,
    )
    _plot(medians)


if __name__ == "__main__":
    main()

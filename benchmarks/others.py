"""Encode and peek beside their peers, and a plot: `python -m benchmarks.others [--write]`.

The plot shows what `benchmarks.report` has measured last, of decoding.
"""

import argparse
import json
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Final

import msgspec
import orjson

from benchmarks.corpus import ENTRIES, Entry, frame_text, payload_bytes
from benchmarks.page import RESULTS, environment, fastest, machine, table
from benchmarks.peers.messages import codec
from benchmarks.peers.models import model
from ocppj import _dispatch_c, _dispatch_py

__all__ = ["main"]

ENCODERS: Final = ("msgspec, unchecked", "ocppj", "ocppj, pure Python", "pydantic, payload only")
PEEKERS: Final = ("orjson.loads", "peek", "peek, pure Python", "peek + reframe")
DRAWN: Final = {
    "floor": "#2ca05a",
    "ocppj_cython": "#1f8fd6",
    "ocppj_python": "#7dbce8",
    "orjson_only": "#909090",
    "pydantic_typed": "#e0662b",
    "pydantic_orjson": "#b8420f",
}


def _label(one: Entry) -> str:
    shown = one.name if one.version == "2.0.1" else f"{one.version} {one.name}"
    return f"{shown} ({len(frame_text(one))})"


def _times(one: Entry) -> dict[str, float]:
    shared = codec(one.version)._table
    ours, python = _dispatch_c.Dispatch(shared), _dispatch_py.Dispatch(shared)
    text = frame_text(one)
    frame = ours.decode(text, None if one.is_call else one.pending)
    value = model(one).model_validate_json(payload_bytes(one))
    written: Any = {"by_alias": True, "exclude_none": True}
    assert json.loads(ours.encode(frame)) == one.frame
    assert ours.peek(text).payload == payload_bytes(one)
    assert ours.peek(text).reframe(one.frame[1]).decode() == text
    calls: dict[str, Any] = {
        "msgspec, unchecked": (msgspec.json.Encoder().encode, frame),
        "ocppj": (ours.encode, frame),
        "ocppj, pure Python": (python.encode, frame),
        "pydantic, payload only": lambda: value.model_dump_json(**written),
        "orjson.loads": (orjson.loads, text),
        "peek": (ours.peek, text),
        "peek, pure Python": (python.peek, text),
        "peek + reframe": lambda: ours.peek(text).reframe("1717"),
    }
    return {name: round(ns, 1) for name, ns in fastest(calls, 21).items()}


def _part(
    figures: dict[str, Any], names: tuple[str, ...], ratios: dict[str, tuple[str, str]]
) -> str:
    rows = []
    for one in ENTRIES:
        times = figures["ns"][_label(one)]
        shares = (f"{times[top] / times[under]:.2f}" for top, under in ratios.values())
        rows.append([_label(one), *(f"{times[name]:,.0f}" for name in names), *shares])
    means = (
        f"**{geometric_mean(t[top] / t[under] for t in figures['ns'].values()):.2f}**"
        for top, under in ratios.values()
    )
    rows.append(["geometric mean", *("" for _ in names), *means])
    return table(["frame (bytes)", *names, *ratios], rows)


def _markdown(figures: dict[str, Any]) -> str:
    encoding = {
        "ocppj / msgspec": ("ocppj", "msgspec, unchecked"),
        "pydantic / ocppj": ("pydantic, payload only", "ocppj"),
    }
    parts = [
        "# What encoding and peeking cost",
        machine(figures["environment"]),
        "Least ns of interleaved rounds; `python -m benchmarks.others --write`.",
        "## Encode",
        _part(figures, ENCODERS, encoding),
        (
            "`ocppj` validates; the others do not. pydantic's `model_dump_json` writes the payload "
            "alone, aliases and without what is None."
        ),
        "## Peek",
        _part(figures, PEEKERS, {"peek / orjson": ("peek", "orjson.loads")}),
        "`peek` goes over the payload, so that the frame is known to be JSON.",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def plot(file: Path) -> None:
    """Draw the peers' times for the five calls of OCPP 2.0.1."""
    import matplotlib as mpl  # noqa: PLC0415  needed for nothing else

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    medians = json.loads((RESULTS / "decode.json").read_text("utf-8"))["medians"]
    frames = [one for one in ENTRIES if one.version == "2.0.1" and one.is_call]
    grey = "#808080"
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "ocppj",
        "font.size": 9,
        "text.color": grey,
    }
    style |= dict.fromkeys(
        ("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), grey
    )
    with plt.rc_context(style):
        drawing, axes = plt.subplots(figsize=(8.4, 3.6))
        for index, (name, colour) in enumerate(DRAWN.items()):
            places = [place + 0.13 * (index - 2.5) for place in range(len(frames))]
            values = [medians[name]["decode_ns"][one.name] / 1e3 for one in frames]
            axes.bar(places, values, 0.12, color=colour, label=name)
        axes.set_xticks(
            range(len(frames)), [_label(one).replace(" (", "\n(") for one in frames], fontsize=7.5
        )
        axes.set(yscale="log", ylabel="µs per frame (log)")
        axes.patch.set_alpha(0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        drawing.tight_layout()
        drawing.savefig(file, format="svg", transparent=True, metadata={"Date": None})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.others", description=__doc__)
    parser.add_argument("--write", action="store_true", help="results/others.* and decode.svg")
    arguments = parser.parse_args()
    known = environment("ocppj", "msgspec", "orjson", "pydantic")
    figures = {"environment": known, "ns": {_label(one): _times(one) for one in ENTRIES}}
    text = _markdown(figures)
    print(text, end="")
    if arguments.write:
        (RESULTS / "others.md").write_text(text, "utf-8")
        (RESULTS / "others.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
        plot(RESULTS / "decode.svg")


if __name__ == "__main__":
    main()

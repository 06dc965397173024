"""How cost grows with the work: `python -m benchmarks.growth`.

Time per byte from the smallest frame to the largest, with wide and with deep vendor data; time with
many vendor features; memory of decoded frames and of codecs.
"""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from math import log
from statistics import linear_regression
from typing import Any, Final

import msgspec
import orjson
from pydantic import TypeAdapter

from benchmarks.corpus import ENTRIES, Entry, frame_text, payload_bytes
from benchmarks.drawing import COLOURS, label, sheet
from benchmarks.page import RESULTS, environment, fastest, machine, publish, table
from benchmarks.peers.messages import codec, payload_decoder
from benchmarks.peers.models import model
from ocppj import BACKEND, Codec, Feature, Message, Profile, v201
from ocppj.catalog import VERSIONS

__all__ = ["grown", "main"]

LIMIT: Final = 2**20
ROUNDS: Final = 11
SIZES: Final = (2**11, 2**12, 2**13, 2**14, 2**15, 2**16, 2**17, 2**18, 2**19, LIMIT)
FEATURES: Final = (0, 1, 10, 50, 200)
FRAMES: Final = 1000
DEPTHS: Final = (1, 4, 8, 12, 16, 20, 24, 28)
"""Of vendor data; it stands on the third level of the frame, and 32 are allowed."""

PEERS: Final = ("ocppj", "floor", "pydantic_typed")
LIBRARIES: Final = ("ocppj", "msgspec", "orjson", "pydantic")

PROBE: Final = """
import tracemalloc
import ocppj
tracemalloc.start()
def grows(what):
    before = tracemalloc.get_traced_memory()[0]
    kept = what()
    print(tracemalloc.get_traced_memory()[0] - before)
    return kept
first = grows(lambda: ocppj.Codec({0!r}))
second = grows(lambda: ocppj.Codec({0!r}))
grows(lambda: ocppj.Codec({0!r}, profiles=first.profiles))
"""

Points = list[dict[str, Any]]


def entry(name: str, version: str = "2.0.1") -> Entry:
    """Return an entry of the corpus."""
    return next(one for one in ENTRIES if (one.name, one.version) == (name, version))


def grown(base: Entry, field: str, size: int) -> Entry:
    """Return a frame whose list, a field of its payload, is repeated up to a size in bytes."""
    items = base.payload[field]
    empty = len(frame_text(base.with_payload({**base.payload, field: []})))
    each = len(json.dumps(items, separators=(",", ":"))) - 1
    times = max(1, (size - empty) // each)
    return base.with_payload({**base.payload, field: items * times})


def wide(base: Entry, size: int) -> Entry:
    """Return a frame with vendor data of many fields."""
    data: dict[str, Any] = {"vendorId": "org.example"}
    free = size - len(frame_text(base)) - 50
    data |= {f"field{n:05}": n % 1000 for n in range(100000, 100000 + free // 18)}
    return base.with_payload({**base.payload, "customData": data})


def deep(base: Entry, depth: int, size: int) -> Entry:
    """Return a frame with vendor data that nests, as often as it takes for a size."""
    item: Any = 1
    for _ in range(depth):
        item = {"level": item}
    times = max(1, size // (depth * 10 + 2))
    data = {"vendorId": "org.example", "items": [item] * times}
    return base.with_payload({**base.payload, "customData": data})


def series() -> Iterator[tuple[str, Entry]]:
    """Yield each series' name with its frames."""
    for one in ENTRIES:
        if one.version == "2.0.1" and one.is_call:
            yield "corpus", one
    for size in SIZES:
        yield "TransactionEvent, meter values", grown(entry("TransactionEvent"), "meterValue", size)
    for size in SIZES:
        yield "1.6 MeterValues", grown(entry("MeterValues", "1.6"), "meterValue", size)
    for size in SIZES:
        yield "Heartbeat, wide vendor data", wide(entry("Heartbeat"), size)


def _times(one: Entry, rounds: int) -> dict[str, float]:
    calls: dict[str, Any] = {
        "ocppj": (codec(one.version).decode, frame_text(one)),
        "floor": (payload_decoder(one, depth=32), payload_bytes(one)),
        "pydantic_typed": (TypeAdapter(model(one)).validate_json, payload_bytes(one)),
    }
    return {name: round(value, 1) for name, value in fastest(calls, rounds).items()}


def by_size(rounds: int) -> Points:
    """Time each frame of the series."""
    points = []
    for name, one in series():
        size = len(frame_text(one))
        print(f"{name}, {size} bytes", file=sys.stderr)
        points.append({"series": name, "bytes": size, "ns": _times(one, rounds)})
    return points


def by_depth(rounds: int) -> Points:
    """Time vendor data of the same size that nests more and more."""
    points = []
    for depth in DEPTHS:
        one = deep(entry("Heartbeat"), depth, 2**14)
        points.append({"depth": depth, "bytes": len(frame_text(one)), "ns": _times(one, rounds)})
    return points


def by_features(rounds: int) -> Points:
    """Time a frame of the standard, and one of the last vendor feature."""
    kind = msgspec.defstruct("Fan", [("speed", int)], bases=(Message,), kw_only=True)
    calls: dict[str, Any] = {}
    text = frame_text(entry("TransactionEvent"))
    for count in FEATURES:
        names = [f"AcmeFan{n:03}" for n in range(count)]
        features = tuple(Feature(name, kind, kind) for name in names)
        one = Codec("2.0.1", profiles=[*v201.PROFILES, Profile("acme", features)])
        calls[f"{count} standard"] = (one.decode, text)
        if count:
            calls[f"{count} vendor"] = (one.decode, f'[2,"17","{names[-1]}",{{"speed":3}}]')
    best = fastest(calls, 3 * rounds)
    return [
        {
            "features": count,
            "standard": round(best[f"{count} standard"], 1),
            "vendor": round(best[f"{count} vendor"], 1) if count else None,
        }
        for count in FEATURES
    ]


def frame_memory() -> dict[str, dict[str, int]]:
    """Return frame -> form -> bytes of one decoded frame, of many that are alive."""
    result = {}
    for one in ENTRIES:
        if one.version != "2.0.1" or not one.is_call:
            continue
        text, payload = frame_text(one), payload_bytes(one)
        validate = TypeAdapter(model(one)).validate_json
        forms: dict[str, Callable[[], Any]] = {
            "ocppj": partial(codec(one.version).decode, text),
            "dicts": partial(orjson.loads, text),
            "pydantic": partial(validate, payload),
        }
        result[one.name] = {name: _kept(make) for name, make in forms.items()}
    return result


def _kept(make: Callable[[], Any]) -> int:
    make()
    frames: list[Any] = [None] * FRAMES
    tracemalloc.start()
    for index in range(FRAMES):
        frames[index] = make()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size // FRAMES


def codec_memory() -> dict[str, list[int]]:
    """Return version -> bytes of the first codec, of another, of one with own profiles."""
    result = {}
    for version in (one.name for one in VERSIONS):
        command = [sys.executable, "-c", PROBE.format(version)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        result[version] = [int(line) for line in done.stdout.split()]
    return result


def fit(points: Points, peer: str = "ocppj") -> tuple[float, float, float]:
    """Fit ns = a + b * bytes with relative weights; return a, b and the largest deviation."""
    xs, ys = [p["bytes"] for p in points], [p["ns"][peer] for p in points]
    weights = [1 / y**2 for y in ys]
    total = sum(weights)
    mx = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    my = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    top = sum(w * (x - mx) * (y - my) for w, x, y in zip(weights, xs, ys, strict=True))
    slope = top / sum(w * (x - mx) ** 2 for w, x in zip(weights, xs, strict=True))
    start = my - slope * mx
    worst = max(abs(start + slope * x - y) / y for x, y in zip(xs, ys, strict=True))
    return start, slope, worst


def power(points: Points, peer: str) -> float:
    """Return the exponent of ns as a power of bytes."""
    xs = [log(point["bytes"]) for point in points]
    ys = [log(point["ns"][peer]) for point in points]
    return linear_regression(xs, ys).slope


def _by_series(points: Points) -> dict[str, Points]:
    names = dict.fromkeys(point["series"] for point in points)
    return {name: [point for point in points if point["series"] == name] for name in names}


def _parts(figures: dict[str, Any]) -> list[str]:
    sizes = [
        [
            f"{point['series']} ({point['bytes']:,})",
            *(f"{point['ns'][name] / point['bytes']:.2f}" for name in PEERS),
            f"{point['ns']['ocppj'] / point['ns']['floor']:.2f}",
            f"{point['ns']['pydantic_typed'] / point['ns']['ocppj']:.1f}",
        ]
        for point in figures["sizes"]
    ]
    fits = []
    for name, points in _by_series(figures["sizes"]).items():
        if name != "corpus":
            for peer in PEERS:
                start, slope, worst = fit(points, peer)
                row = [
                    f"{start:,.0f}",
                    f"{slope:.3f}",
                    f"{worst:.0%}",
                    f"{power(points, peer):.3f}",
                ]
                fits.append([f"{name}, {peer}", *row])
    depths = [
        [str(point["depth"]), *(f"{point['ns'][name] / point['bytes']:.2f}" for name in PEERS)]
        for point in figures["depths"]
    ]
    features = [
        [str(p["features"]), f"{p['standard']:,.0f}", f"{p['vendor']:,.0f}" if p["vendor"] else ""]
        for p in figures["features"]
    ]
    memory = [
        [name, *(f"{forms[form]:,}" for form in ("ocppj", "dicts", "pydantic"))]
        for name, forms in figures["frame_bytes"].items()
    ]
    codecs = [
        [name, *(f"{n / 1024:,.1f}" for n in s)] for name, s in figures["codec_bytes"].items()
    ]
    return [
        "# How cost grows with the work",
        machine(figures["environment"]),
        "Least of interleaved rounds, collector off; `python -m benchmarks.growth`.",
        "## Nanoseconds per byte of the frame",
        table(["frame (bytes)", *PEERS, "ocppj / floor", "pydantic / ocppj"], sizes),
        "## Is it linear?",
        (
            "Nanoseconds as *start + slope x bytes*, and how far a point lies off that line at "
            "most; *power* is the slope of the logarithms: 1 is linear, 2 quadratic."
        ),
        table(["series", "start, ns", "slope, ns per byte", "largest deviation", "power"], fits),
        "## Deep vendor data",
        (
            "Nanoseconds per byte of 16 KiB of vendor data that nests more and more. The fast way "
            "ends at 16 levels, the list around it included; what is deeper is read twice."
        ),
        table(["levels", *PEERS], depths),
        "## Vendor features",
        "Nanoseconds of a decode, by the number of vendor features beside the 64 of OCPP 2.0.1.",
        table(["features", "TransactionEvent", "the last vendor feature"], features),
        "## Memory of a decoded frame",
        (
            f"Bytes, tracemalloc, mean of {FRAMES:,} frames alive; ocppj and dicts hold the whole "
            "frame, pydantic the payload alone."
        ),
        table(["frame", "ocppj", "dicts (orjson)", "pydantic"], memory),
        "## Memory of a codec",
        (
            "KiB, tracemalloc, each version in a fresh process that has imported ocppj. *First* "
            "includes the messages of the version."
        ),
        table(["version", "first", "another", "with a selection of profiles"], codecs),
    ]


def _plot(figures: dict[str, Any]) -> None:
    series = _by_series(figures["sizes"])
    chosen = series["corpus"] + series["TransactionEvent, meter values"]
    frames = list(figures["frame_bytes"])
    with sheet(RESULTS / "growth.svg", 2, width_ratios=(3, 2)) as (left, right):
        for name in PEERS:
            ys = [point["ns"][name] / point["bytes"] for point in chosen]
            xs = [point["bytes"] for point in chosen]
            look: Any = {"color": COLOURS[name], "markersize": 3, "linewidth": 1.2}
            left.plot(xs, ys, "o-", label=label(name), **look)
        left.set(xscale="log", yscale="log", xlabel="bytes of the frame", ylabel="ns per byte")
        left.set_title("decoding, OCPP 2.0.1", fontsize=9)
        forms = {"ocppj": "ocppj", "dicts": "dicts (orjson)", "pydantic": "pydantic"}
        for index, (form, text) in enumerate(forms.items()):
            places = [place + 0.27 * (1 - index) for place in range(len(frames))]
            values = [figures["frame_bytes"][frame][form] / 1024 for frame in frames]
            right.barh(places, values, 0.25, color=COLOURS[form], label=text)
        right.set_yticks(range(len(frames)), frames)
        right.invert_yaxis()
        right.set_xlabel("KiB per decoded frame")
        right.set_title("memory", fontsize=9)


def main() -> None:
    """Measure and report."""
    if BACKEND != "cython":
        raise SystemExit("the compiled backend is not in use: nothing to show")
    figures = {
        "environment": environment(*LIBRARIES),
        "frame_bytes": frame_memory(),
        "codec_bytes": codec_memory(),
        "features": by_features(ROUNDS),
        "depths": by_depth(ROUNDS),
        "sizes": by_size(ROUNDS),
    }
    publish("growth", figures, *_parts(figures))
    _plot(figures)


if __name__ == "__main__":
    main()

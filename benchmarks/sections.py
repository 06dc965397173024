"""Writes the results into README and docs: `python -m benchmarks.sections`.

A page marks a section with the lines `<!-- benchmarks: NAME -->` and `<!-- end -->`. A test
compares the committed pages with the committed results.
"""

import json
import re
from functools import cache
from statistics import geometric_mean
from typing import Any, Final

from benchmarks.corpus import ENTRIES
from benchmarks.page import RESULTS, machine, table
from benchmarks.peers import LABELS
from benchmarks.scale import assumptions, scale

__all__ = ["PAGES", "rewritten", "write"]

ROOT: Final = RESULTS.parents[1]
PAGES: Final = tuple(
    ROOT / name
    for name in (
        "README.md",
        "SECURITY.md",
        "docs/fleet.md",
        "docs/performance.md",
        "docs/scale.md",
    )
)
CALLS: Final = [one for one in ENTRIES if one.version == "2.0.1" and one.is_call]
COLUMNS: Final = LABELS | {"ocppj_cython": "**ocppj**"}
_MARKED: Final = re.compile(r"(<!-- benchmarks: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


@cache
def _figures(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return figures


def _times(peer: str) -> dict[str, float]:
    times: dict[str, float] = _figures("decode")["medians"][peer]["decode_ns"]
    return times


def speed() -> str:
    """Return the README's table, and its geometric means."""
    rows = []
    for one in CALLS:
        cells = {peer: f"{_times(peer)[one.name]:,.0f}" for peer in COLUMNS}
        cells["ocppj_cython"] = f"**{cells['ocppj_cython']}**"
        rows.append([one.label, *cells.values()])

    def times_as_fast(peer: str, ours: str) -> str:
        return f"{geometric_mean(_times(peer)[e.name] / _times(ours)[e.name] for e in CALLS):.1f}"

    compiled, pure = (
        [times_as_fast(peer, ours) for peer in ("pydantic_typed", "pydantic_orjson")]
        for ours in ("ocppj_cython", "ocppj_python")
    )
    known = _figures("decode")["environment"]
    shown = {name: known[name] for name in [*list(known)[:4], "msgspec", "orjson", "pydantic"]}
    return f"""\
{table(["frame (bytes)", *COLUMNS.values()], rows)}
In geometric mean, `ocppj` is {compiled[0]} times as fast as pydantic that already knows
the type, and {compiled[1]} times as fast as orjson + pydantic on the whole frame
(pure Python: {pure[0]} and {pure[1]}). Medians of
{_figures("decode")["rounds"]} rounds of `python -m benchmarks.report`:
{machine(shown)}
"""


def above() -> str:
    """Return how much decoding costs beyond the floor."""
    over = {
        kind: [
            _times("ocppj_cython")[one.name] - _times("floor")[one.name]
            for one in ENTRIES
            if one.is_call is (kind == "calls")
        ]
        for kind in ("calls", "results")
    }
    parts = [f"{min(ns):.0f} to {max(ns):.0f} ns for {kind}" for kind, ns in over.items()]
    two_pass, pure = (
        geometric_mean(_times("pydantic_typed")[e.name] / _times(peer)[e.name] for e in CALLS)
        for peer in ("two_pass", "ocppj_python")
    )
    beaten = [
        one for one in ENTRIES if _times("ocppj_cython")[one.name] > _times("orjson_only")[one.name]
    ]
    slower = ", ".join(one.label for one in beaten) or "none"
    return f"""\
- Compiled, beyond the floor: {" and ".join(parts)}.
- Frames that `orjson.loads` alone parses faster: {slower}.
- A pydantic that knows the type takes {pure:.2f} times as long as the Python backend, and
  {two_pass:.2f} times as long as bare msgspec in two passes (`two_pass`): geometric means over the
  five calls of 2.0.1.
"""


def encoding() -> str:
    """Return how encoding compares with msgspec and pydantic."""
    times = _figures("others")["ns"].values()
    pydantic, pure = "pydantic, payload only", "ocppj, pure Python"
    checked = geometric_mean(ns["ocppj"] / ns["msgspec, unchecked"] for ns in times)
    compiled = geometric_mean(ns[pydantic] / ns["ocppj"] for ns in times)
    ratios = [ns[pydantic] / ns[pure] for ns in times]
    return f"""\
- Compiled, with the check: {checked:.2f} times as long as msgspec alone (geometric mean).
- pydantic's `model_dump_json` of the payload takes {compiled:.2f} times as long as that.
- It takes {geometric_mean(ratios):.2f} times as long as the Python backend: \
{min(ratios):.2f} to {max(ratios):.2f} times.
"""


def faults() -> str:
    """Return what rejected frames cost."""
    figures = _figures("faults")
    rows = []
    for one in CALLS:
        times = figures["small"][one.name]
        valid, *rejected = times.values()
        low, high = min(rejected), max(rejected)
        ratios = f"{low / valid:.1f} to {high / valid:.1f}"
        cells = [f"{valid:,}", f"{low:,} to {high:,}", ratios, f"{1e9 / high:,.0f}"]
        rows.append([one.label, *cells])
    head = [
        "frame (bytes)",
        "valid, ns",
        "rejected, ns",
        "relative to a valid frame",
        "minimum rejections/s",
    ]
    lines = "".join(f"- {name}: {ns:,} ns\n" for name, ns in figures["single"].items())
    return f"{table(head, rows)}\n{lines}"


def worst() -> str:
    """Return the cost of the most expensive frames that were found."""
    figures = _figures("faults")["found"]
    slowest = max(ms for _, ms in figures["slowest_ms"])
    ordinary = figures["orjson_ms"]
    return f"""A search tried {figures["tried"]} frames of the maximum size by default:

- the slowest takes {slowest:.0f} ms (`orjson.loads` of an ordinary one: {ordinary:.1f} ms);
- decoding one needs up to {figures["peak_mib"]:.0f} MiB of memory;
- a decoded frame keeps up to {figures["held_mib"]:.0f} MiB.

"""


FAULTS: Final = ("unknown field", "no zone", "null", "number as string", "five unknown fields")


def leniency(figures: dict[str, Any] | None = None) -> str:
    """Return the table of leniency."""
    figures = figures or _figures("leniency")
    rows = [
        [
            name,
            f"{ns['strict']:,.0f}",
            f"{ns['lenient']:,.0f}",
            *(
                f"{ns[fault]:,.0f} ({ns[fault] / ns[f'orjson, {fault}']:.1f})"
                if fault in ns
                else ""
                for fault in FAULTS
            ),
        ]
        for name, ns in figures["ns"].items()
    ]
    head = ["frame (bytes)", "strict, valid", "lenient, valid", *FAULTS]
    return f"""\
{table(head, rows)}
{figures["codecs"]:,} codecs, {figures["policies"]} policies: {figures["bytes_each"]} bytes each.
"""


def startup(figures: dict[str, Any] | None = None) -> str:
    """Return the table of start-up costs."""
    figures = figures or _figures("startup")
    rows = [
        [name, f"{ms:.0f}", f"{mebibytes:.1f}"]
        for name, (ms, mebibytes) in figures["medians"].items()
    ]
    return table(["", "ms", "MiB"], rows)


def endpoints(figures: dict[str, Any] | None = None) -> str:
    """Return the round trips per second of stations that never pause."""
    figures = figures or _figures("load")
    loops = figures["closed"]
    base, *_ = figures["mixed"]
    rows = []
    for side in figures["mixed"]:
        cells = [side]
        for rates in loops.values():
            cells += [f"{rates[side]:,.0f}", f"{rates[side] / rates[base]:.1f}"]
        rows.append(cells)
    head = ["", *(cell for name in loops for cell in (f"{name}/s", "ratio"))]
    return f"""\
{figures["closed_stations"]} stations that never pause, round trips per second:

{table(head, rows)}{_in_starlette(loops)}"""


def _in_starlette(loops: dict[str, dict[str, float]]) -> str:
    """Return how the two sides in Starlette compare; nothing if they were not measured."""
    sides = [f"{name} in Starlette on uvicorn" for name in ("ocppj", "mobilityhouse/ocpp")]
    times = [
        f"{loops[name][sides[0]] / loops[name][sides[1]]:.1f} times as many {name}s"
        for name in loops
        if loops[name].keys() >= set(sides)
    ]
    if not times:
        return ""
    return f"\nIn Starlette, on the same server: {' and '.join(times)}.\n"


def load(figures: dict[str, Any] | None = None) -> str:
    """Return the tables of endpoints under load."""
    figures = figures or _figures("load")
    rows = [
        [
            f"{side}, {one['offered']:,.0f}/s offered",
            *(f"{one[name]:,.0f}" for name in ("stations", "answered")),
            *(f"{one[name]:,.1f}" for name in ("p50", "p99")),
            f"{one['memory']:,.0f}",
        ]
        for side, results in figures["mixed"].items()
        for one in results
    ]
    head = ["", "stations", "answered/s", "p50 ms", "p99 ms", "KiB a station"]
    return f"""\
{endpoints(figures)}
Mixed traffic ({", ".join(figures["mix"])} in turn):

{table(head, rows)}"""


def fleet_speed(figures: dict[str, Any] | None = None) -> str:
    """Return how many TransactionEvents a fleet and single processes answer, and at what cost."""
    figures = figures or _figures("fleet")
    sides = figures["throughput"]
    spent = {side: _spent(one["microseconds"]) for side, one in sides.items()}
    base, *_ = sides
    rows = [
        [
            side,
            f"{one['rate']:,.0f}",
            f"{one['rate'] / sides[base]['rate']:.1f}",
            f"{spent[side]:,.0f}",
            f"{spent[base] / spent[side]:.1f}",
        ]
        for side, one in sides.items()
    ]
    return table(["", "TransactionEvent/s", "ratio", "CPU µs each", "ratio"], rows)


def _spent(microseconds: dict[str, float]) -> float:
    """Return the processor time of all but the stations."""
    return sum(spent for who, spent in microseconds.items() if who != "stations")


def fleet(figures: dict[str, Any] | None = None) -> str:
    """Return the tables of a fleet."""
    figures = figures or _figures("fleet")
    sides = figures["throughput"]
    *_, chain = sides.values()
    cores = ", ".join(f"{one['cores']:.1f}" for one in sides.values())
    both, at_rate = figures["latency"]["sides"], figures["latency"]["microseconds"]
    waits = [
        [f"{side} broker", f"{one['p50']:.2f}", f"{one['p99']:.2f}", f"{one['memory']:,.1f}"]
        for side, one in both.items()
    ]
    calls = [
        [f"a station that is {name}", *(f"{one[key]:.2f}" for key in ("p50", "p99", "max"))]
        for name, one in figures["commands"].items()
    ]
    moved = figures["takeover"]
    rows = [
        ["TransactionEvent, never pausing", *_costs(chain["microseconds"])],
        ["MeterValues, stored", *_costs(figures["stored"]["microseconds"])],
        [f"mixed, {figures['latency']['rate']:,.0f} per second", *_costs(at_rate)],
    ]
    return f"""\
200 stations that never pause:

{fleet_speed(figures)}
CPU time is that of the central system without the stations: of one process, or of gateway, worker
and nats-server together. With the stations, the sides used {cores} of
{figures["environment"]["cores"]} cores.

CPU time of a frame by process, µs:

{table(["", "gateway", "worker", "nats-server"], rows)}
{both["with"]["stations"]:,.0f} stations, {figures["latency"]["rate"]:,.0f} frames per second:

{table(["", "p50 ms", "p99 ms", "KiB a station"], waits)}
A command from another process, ms:

{table(["", "p50", "p99", "slowest"], calls)}
`kill -9` of one of two gateways: its {moved["moved"]:,} stations were back at the other one and
callable after {moved["p50"]:.1f} s (median) and {moved["all"]:.1f} s (last). They tried after 1, 2
and 4 s, and up to a second more at random. {moved["connected"]:,} stations were connected then,
each once.
"""


def _costs(microseconds: dict[str, float]) -> list[str]:
    return [f"{microseconds[who]:.0f}" for who in ("gateway", "worker", "nats-server")]


def dropin(figures: dict[str, Any] | None = None) -> str:
    """Return the table of `Accelerated` and mobilityhouse/ocpp."""
    figures = figures or _figures("dropin")
    sides = figures["sides"]
    rows = []
    for way, found in figures["rates"].items():
        for name, rates in found.items():
            fast = rates["accelerated"]
            ratios = f"{fast / rates['threads']:.1f} / {fast / rates['plain']:.1f}"
            cells = (f"{rates[side]:,}" if side in rates else "" for side in sides)
            rows.append([f"{way}, {figures['labels'][name]}", *cells, ratios])
    return table(["way, message (bytes)", *sides.values(), "ratio"], rows)


def starlette(figures: dict[str, Any] | None = None) -> str:
    """Return the table of Starlette endpoints."""
    figures = figures or _figures("starlette")
    rows = [
        [
            figures["labels"][name],
            *(f"{rates[side]:,}" for side in figures["sides"]),
            " / ".join(f"{rates['ocppj'] / rates[side]:.1f}" for side in ("pydantic", "known")),
        ]
        for name, rates in figures["rates"].items()
    ]
    return table(["message (bytes)", *figures["sides"].values(), "ratio"], rows)


SECTIONS: Final = {
    one.__name__: one
    for one in (
        speed,
        above,
        encoding,
        faults,
        worst,
        leniency,
        startup,
        dropin,
        starlette,
        endpoints,
        load,
        fleet,
        fleet_speed,
        scale,
        assumptions,
    )
}


def rewritten(text: str) -> str:
    """Return a page with its marked sections updated from the results."""
    return _MARKED.sub(lambda match: match[1] + SECTIONS[match[2]](), text)


def write() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        page.write_text(rewritten(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()

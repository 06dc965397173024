"""What refused frames cost, their reply included: `python -m benchmarks.faults`.

Each fault is put into each of the five calls of OCPP 2.0.1 and timed beside the good frame. Then
come frames of the default `max_size` that were made to be expensive, beside a good one of that
size, and the most expensive ones that a search finds (`benchmarks/worst.py`).
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, Final

import msgspec
import orjson

from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.growth import entry, grown
from benchmarks.page import environment, fastest, machine, publish, table
from benchmarks.peers.messages import codec
from benchmarks.worst import least_time, memory, search
from ocppj import BACKEND, Codec, DecodeError
from ocppj.codec import MAX_SIZE as LIMIT

__all__ = ["main"]

CALLS: Final = [one for one in ENTRIES if one.version == "2.0.1" and one.is_call]
GOOD: Final = "good"
GOAL: Final = 6
"""A refused frame with its reply should cost at most so many good ones."""

Refuse = Callable[[str | bytes], bytes]


def refused(version: str) -> Refuse:
    """Return a function that decodes a frame which has to be refused, and gives the reply."""
    decode = Codec(version).decode

    def refuse(data: str | bytes) -> bytes:
        try:
            decode(data)
        except DecodeError as error:
            return error.reply() or b""
        raise AssertionError(f"taken: {data[:200]!r}")

    return refuse


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        yield path
    for key, item in items:
        yield from _leaves(item, (*path, key))


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def faulty(one: Entry) -> dict[str, str]:
    """Return what is wrong -> the frame with that fault."""
    number, message_id, action, payload = one.frame
    # A Heartbeat has no field but vendor data to be wrong.
    vendor = {"customData": {"vendorId": "org.example"}}
    leaves = list(_leaves(payload)) or [("customData", "vendorId")]
    full = payload or vendor
    text = frame_text(one)
    return {
        "unknown action": frame_text(one._replace(frame=[number, message_id, "NoSuch", payload])),
        "unknown field": frame_text(one.with_payload({**payload, "surplus": 1})),
        "wrong type, early": frame_text(one.with_payload(_with(full, leaves[0], []))),
        "wrong type, late": frame_text(one.with_payload(_with(full, leaves[-1], []))),
        "too long": frame_text(
            one.with_payload({**payload, "customData": {"vendorId": "x" * 256}})
        ),
        "not JSON": text[:-2],
        "id too long": frame_text(one._replace(frame=[number, "i" * 37, action, payload])),
    }


def hostile() -> dict[str, str | bytes]:
    """Return what a frame does -> a frame of the default size, or a little more."""
    head = '[2,"17","Heartbeat",{"customData":{"vendorId":"x","y":'
    room = LIMIT - len(head) - 8
    big = frame_text(grown(entry("TransactionEvent"), "meterValue", LIMIT))
    keys = ",".join(f'"k{n}":0' for n in range(100_000, 100_000 + room // 12))
    return {
        "wrong at the very end": big[:-2] + ',"surplus":1}]',
        "unknown action": big.replace("TransactionEvent", "NoSuch", 1),
        "cut off at the end": big[:-1],
        "one long unknown field": f'[2,"17","Heartbeat",{{"{"x" * (room - 9)}":1}}]',
        "many unknown fields": f'[2,"17","Heartbeat",{{{keys}}}]',
        "a long message id": f'[2,"{"i" * (room - 9)}","Heartbeat",{{}}]',
        "message id of escapes": '[2,"' + "\\u0041" * (room // 6) + '","Heartbeat",{}]',
        "a long action": f'[2,"17","{"A" * room}",{{}}]',
        "only [": "[" * LIMIT,
        "arrays in arrays": head + "[" * (room // 2) + "]" * (room // 2) + "}}]",
        "objects in objects": head + '{"a":' * (room // 6) + "1" + "}" * (room // 6) + "}}]",
        "wide and too deep": head + "[" + ("[" * 29 + "]" * 29 + ",") * (room // 59 - 1) + "0]}}]",
        "brackets in a string, then one deep value": (
            head + '["' + "[{" * (room // 2 - 40) + '",' + "[" * 30 + "]" * 30 + "]}}]"
        ),
        "quotes with escapes": head + '"' + '\\"' * (room // 2 - 8) + '",}}]',
        "a long number": head + "9" * room + "}}]",
        "white space": "[2," + " " * (LIMIT - 30) + '"17","Heartbeat",[]]',
        "not UTF-8 at the end": (head + '"' + "x" * (room - 4)).encode() + b'\xff"}}]',
        "a byte too large": head + '"' + "x" * (room + 20) + '"}}]',
    }


def small(rounds: int) -> dict[str, dict[str, float]]:
    """Return frame -> fault -> ns; the good frame is among them."""
    result: dict[str, dict[str, float]] = {}
    for one in CALLS:
        refuse = refused(one.version)
        calls: dict[str, Any] = {GOOD: (codec(one.version).decode, frame_text(one))}
        calls |= {fault: (refuse, text) for fault, text in faulty(one).items()}
        result[one.name] = {name: round(ns) for name, ns in fastest(calls, rounds).items()}
    return result


def large(rounds: int) -> dict[str, float]:
    """Return what a hostile frame does -> ns; a good one of the same size is among them."""
    good = frame_text(grown(entry("TransactionEvent"), "meterValue", LIMIT))
    refuse = refused("2.0.1")
    calls: dict[str, Any] = {GOOD: (codec("2.0.1").decode, good)}
    calls |= {name: (refuse, data) for name, data in hostile().items()}
    return {name: round(ns) for name, ns in fastest(calls, rounds).items()}


def found() -> dict[str, Any]:
    """Return what the search finds, beside `orjson.loads` of an ordinary frame of that size."""
    good = frame_text(grown(entry("TransactionEvent"), "meterValue", LIMIT)).encode()
    tried, slowest = search()
    held, peaks = zip(*(memory(one) for _, one in slowest), strict=True)
    return {
        "tried": tried,
        "orjson_ms": least_time(lambda: orjson.loads(good), 5) * 1e3,
        "slowest_ms": [[one.described(), seconds * 1e3] for seconds, one in slowest],
        "held_mib": max(held) / 2**20,
        "peak_mib": max(peaks) / 2**20,
    }


class _Bare(Exception):
    __slots__ = ("code", "message_id", "text")

    def __init__(self, message_id: str, code: str, text: str) -> None:
        self.message_id, self.code, self.text = message_id, code, text


def single(rounds: int) -> dict[str, float]:
    """Return what is timed -> ns, beside the good frames."""
    encode = msgspec.json.Encoder().encode
    message_id, code, text = CALLS[0].frame[1], "FormatViolation", "unknown field surplus at $"

    def bare() -> bytes:
        try:
            raise _Bare(message_id, code, text)  # noqa: TRY301  the least that can be written
        except _Bare as error:
            return encode((4, error.message_id, error.code, error.text, {}))

    refuse = refused("2.0.1")
    base = entry("StatusNotification")
    changing = cycle(
        frame_text(base.with_payload({**base.payload, f"surplus{n}": n})) for n in range(5000)
    )
    escaped = frame_text(base.with_payload({**base.payload, "surplus": "é"}))
    calls = {
        "the least in CPython: raise, except, encode a reply": bare,
        "StatusNotification with an unknown field, never the same name": (
            lambda: refuse(next(changing))
        ),
        "StatusNotification with an unknown field and an escape, read from the start": (
            lambda: refuse(escaped)
        ),
    }
    return {name: round(ns) for name, ns in fastest(calls, rounds, milliseconds=20).items()}


def _parts(figures: dict[str, Any]) -> list[str]:
    times = figures["small"]
    names = list(times)
    rows = [[f"{GOOD}, ns", *(f"{times[name][GOOD]:,}" for name in names)]]
    faults = [fault for fault in times[names[0]] if fault != GOOD]
    rows += [
        [fault, *(f"{times[name][fault] / times[name][GOOD]:.1f}" for name in names)]
        for fault in faults
    ]
    rates = [[fault, *(f"{1e9 / times[name][fault]:,.0f}" for name in names)] for fault in faults]
    within = sum(
        times[name][fault] <= GOAL * times[name][GOOD] for fault in faults for name in names
    )
    count = len(faults) * len(names)
    good = figures["large"][GOOD]
    worst = figures["found"]
    hard = [[name, f"{ns / 1e6:.2f}", f"{ns / good:.2f}"] for name, ns in figures["large"].items()]
    return [
        "# What refused frames cost",
        machine(figures["environment"]),
        "The reply is part of it. Least of interleaved rounds; `python -m benchmarks.faults`.",
        "## Beside the good frame",
        table(["fault", *names], rows),
        f"{within} of {count} cost at most {GOAL} good frames.",
        "".join(f"- {name}: {ns:,} ns\n" for name, ns in figures["single"].items()),
        "## Refused frames per second on one core",
        table(["fault", *names], rates),
        f"## {LIMIT // 1024} KiB, made to be expensive",
        table(["frame", "ms", "relative to a valid one"], hard),
        "## The most expensive frames that a search finds",
        f"""{worst["tried"]} frames of {LIMIT // 1024} KiB, processor time. `orjson.loads` of an
ordinary frame of that size: {worst["orjson_ms"]:.2f} ms. Decoding one of those below takes up to
{worst["peak_mib"]:.1f} MiB, of which the decoded frame keeps up to {worst["held_mib"]:.1f}.""",
        table(["frame", "ms"], [[name, f"{ms:.1f}"] for name, ms in worst["slowest_ms"]]),
    ]


def main() -> None:
    """Measure and report."""
    if BACKEND != "cython":
        raise SystemExit("the compiled backend is not in use: nothing to show")
    figures = {
        "environment": environment("ocppj", "msgspec"),
        "small": small(21),
        "single": single(21),
        "large": large(7),
        "found": found(),
    }
    publish("faults", figures, *_parts(figures))


if __name__ == "__main__":
    main()

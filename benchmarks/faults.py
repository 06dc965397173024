"""What rejected frames cost, including the reply: `python -m benchmarks.faults`.

Times each fault in each of the five calls of OCPP 2.0.1, beside the valid frame. Then times frames
of the default `max_size` that are made to be expensive, beside a valid frame of that size, and
searches for the most expensive ones (`benchmarks/worst.py`).
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
VALID: Final = "valid"
GOAL: Final = 6
"""Maximum cost of a rejected frame with its reply, in valid frames: the goal."""

Reject = Callable[[str | bytes], bytes]


def rejecting(version: str) -> Reject:
    """Return a function that decodes an invalid frame and returns the reply."""
    decode = Codec(version).decode

    def reject(data: str | bytes) -> bytes:
        try:
            decode(data)
        except DecodeError as error:
            return error.reply() or b""
        raise AssertionError(f"accepted: {data[:200]!r}")

    return reject


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
    """Return fault -> the frame with that fault."""
    number, message_id, action, payload = one.frame
    # In a Heartbeat, only vendor data can be invalid.
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
    """Return description -> an expensive frame of the default size, or slightly larger."""
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
    """Return frame -> fault -> ns, including the valid frame."""
    result: dict[str, dict[str, float]] = {}
    for one in CALLS:
        reject = rejecting(one.version)
        calls: dict[str, Any] = {VALID: (codec(one.version).decode, frame_text(one))}
        calls |= {fault: (reject, text) for fault, text in faulty(one).items()}
        result[one.name] = {name: round(ns) for name, ns in fastest(calls, rounds).items()}
    return result


def large(rounds: int) -> dict[str, float]:
    """Return description of an expensive frame -> ns, including a valid one of that size."""
    valid = frame_text(grown(entry("TransactionEvent"), "meterValue", LIMIT))
    reject = rejecting("2.0.1")
    calls: dict[str, Any] = {VALID: (codec("2.0.1").decode, valid)}
    calls |= {name: (reject, data) for name, data in hostile().items()}
    return {name: round(ns) for name, ns in fastest(calls, rounds).items()}


def found() -> dict[str, Any]:
    """Return the results of the search, and `orjson.loads` of an ordinary frame of that size."""
    valid = frame_text(grown(entry("TransactionEvent"), "meterValue", LIMIT)).encode()
    tried, slowest = search()
    held, peaks = zip(*(memory(one) for _, one in slowest), strict=True)
    return {
        "tried": tried,
        "orjson_ms": least_time(lambda: orjson.loads(valid), 5) * 1e3,
        "slowest_ms": [[one.described(), seconds * 1e3] for seconds, one in slowest],
        "held_mib": max(held) / 2**20,
        "peak_mib": max(peaks) / 2**20,
    }


class _Bare(Exception):
    __slots__ = ("code", "message_id", "text")

    def __init__(self, message_id: str, code: str, text: str) -> None:
        self.message_id, self.code, self.text = message_id, code, text


def single(rounds: int) -> dict[str, float]:
    """Return description -> ns of single measurements."""
    encode = msgspec.json.Encoder().encode
    message_id, code, text = CALLS[0].frame[1], "FormatViolation", "unknown field surplus at $"

    def bare() -> bytes:
        try:
            raise _Bare(message_id, code, text)  # noqa: TRY301  the minimum that can be written
        except _Bare as error:
            return encode((4, error.message_id, error.code, error.text, {}))

    reject = rejecting("2.0.1")
    base = entry("StatusNotification")
    changing = cycle(
        frame_text(base.with_payload({**base.payload, f"surplus{n}": n})) for n in range(5000)
    )
    escaped = frame_text(base.with_payload({**base.payload, "surplus": "é"}))
    calls = {
        "the minimum in CPython: raise, catch, encode a reply": bare,
        "StatusNotification with an unknown field, a new name each time": (
            lambda: reject(next(changing))
        ),
        "StatusNotification with an unknown field and an escape, decoded again": (
            lambda: reject(escaped)
        ),
    }
    return {name: round(ns) for name, ns in fastest(calls, rounds, milliseconds=20).items()}


def _parts(figures: dict[str, Any]) -> list[str]:
    times = figures["small"]
    names = list(times)
    rows = [[f"{VALID}, ns", *(f"{times[name][VALID]:,}" for name in names)]]
    faults = [fault for fault in times[names[0]] if fault != VALID]
    rows += [
        [fault, *(f"{times[name][fault] / times[name][VALID]:.1f}" for name in names)]
        for fault in faults
    ]
    rates = [[fault, *(f"{1e9 / times[name][fault]:,.0f}" for name in names)] for fault in faults]
    within = sum(
        times[name][fault] <= GOAL * times[name][VALID] for fault in faults for name in names
    )
    count = len(faults) * len(names)
    valid = figures["large"][VALID]
    worst = figures["found"]
    hard = [[name, f"{ns / 1e6:.2f}", f"{ns / valid:.2f}"] for name, ns in figures["large"].items()]
    return [
        "# What rejected frames cost",
        machine(figures["environment"]),
        "Includes the reply. Minimum of interleaved rounds; `python -m benchmarks.faults`.",
        "## Relative to the valid frame",
        table(["fault", *names], rows),
        f"{within} of {count} cost at most {GOAL} valid frames.",
        "".join(f"- {name}: {ns:,} ns\n" for name, ns in figures["single"].items()),
        "## Rejected frames per second on one core",
        table(["fault", *names], rates),
        f"## {LIMIT // 1024} KiB, made to be expensive",
        table(["frame", "ms", "relative to a valid one"], hard),
        "## The most expensive frames that a search finds",
        f"""{worst["tried"]} frames of {LIMIT // 1024} KiB, processor time. `orjson.loads` of an
ordinary frame of that size: {worst["orjson_ms"]:.2f} ms. Decoding a frame of this list needs up to
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

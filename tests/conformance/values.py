"""Values for one place of a payload: valid ones at every boundary, invalid ones of every kind.

Owns the values and the fault of each invalid one. Knows nothing of whole payloads.
"""

import math
import random
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from .official import Json, Node

__all__ = ["EDGES_OF_TIME", "Bad", "Fault", "bad", "brief", "free", "good", "odd"]

Fault: TypeAlias = Literal["frame", "format", "type", "occurrence", "property"]


class Bad(NamedTuple):
    """A value that ocppj rejects. Without a fault: one that ocppj accepts and the schema rejects.

    Attributes:
        what: a description of the fault.
        value: the value.
        fault: the row of WIRE's table of error codes.
        difference: the key in `DIFFERENCES`, if the schema has the opposite verdict.
    """

    what: str
    value: Json
    fault: Fault | None
    difference: str | None = None


INT64: Final = (-(2**63), 2**63 - 1)
BEYOND_INT64: Final = (2**63, 2**64, 10**30, -(2**63) - 1)

GOOD_TIMES: Final = (
    "2024-02-29T23:59:59Z",
    "2024-02-29t23:59:59z",
    "1970-01-01T00:00:00.0Z",
    "2024-01-31T12:00:00.1Z",
    "2024-01-31T12:00:00.123Z",
    "2024-01-31T12:00:00.1234Z",
    "2024-01-31T12:00:00.999999Z",
    "2024-01-31T12:00:00.1234567Z",
    "2024-12-31T23:59:59.999999999Z",
    "2024-01-31T12:00:00.000500Z",
    "2024-01-31T12:00:00+00:00",
    "2024-01-31T12:00:00-00:00",
    "2024-01-31T00:00:00+05:30",
    "2024-01-31T23:30:00.5-11:30",
    "2024-01-31T12:00:00+14:00",
    "2024-01-31T12:00:00+23:59",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "1969-07-20T20:17:40Z",
)
EDGES_OF_TIME: Final = ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00")
"""Accepted, but without a UTC form."""
BAD_TIMES: Final = (
    "2024-01-31T12:00:00",
    "2024-01-31T12:00:00.123",
    "2024-01-31",
    "12:00:00Z",
    "",
    "yesterday",
    "2024-01-31T12:00:00+02",
    "2024-01-31T12:00:00+24:00",
    "2024-01-31T12:00:00+02:60",
    "2024-02-30T12:00:00Z",
    "2023-02-29T12:00:00Z",
    "2024-13-01T12:00:00Z",
    "2024-00-10T12:00:00Z",
    "2024-01-00T12:00:00Z",
    "2024-01-31T24:00:00Z",
    "2024-01-31T12:60:00Z",
    "2024-01-31T12:00:61Z",
    "2024-01-31T12:00Z",
    "2024-01-31T12:00:00.Z",
    "2024-01-31T12:00:00,5Z",
    "20240131T120000Z",
    "2024-W05-3T12:00:00Z",
    "2024-1-31T12:00:00Z",
    "2024-01-31T12:00:00Z\n",
    " 2024-01-31T12:00:00Z",
    "2024-01-31T12:00:00Zulu",
    "1706702400",
    "2024-01-31_12:00:00Z",
    "+2024-01-31T12:00:00Z",
    "-2024-01-31T12:00:00Z",
    "\uff12\uff10\uff12\uff14-01-31T12:00:00Z",
    "2024-01-31T12:00:00\u221202:00",
)
CALENDAR: Final = (
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999Z",
)
LOOSE_TIMES: Final = ("2024-01-31 12:00:00Z", "2024-01-31T12:00:00+0200")

WRONG: Final[dict[str, tuple[Json, ...]]] = {
    "null": (None,),
    "boolean": (True, False),
    "integer": (0, 7),
    "fraction": (1.5,),
    "string": ("7", ""),
    "array": ([], [{}]),
    "object": ({}, {"a": 1}),
}
TAKES: Final[dict[str, set[str]]] = {
    "object": {"object"},
    "array": {"array"},
    "string": {"string"},
    "uri": {"string"},
    "timestamp": {"string"},
    "enum": {"string"},
    "integer": {"integer"},
    "number": {"integer", "fraction"},
    "boolean": {"boolean"},
    "any": {"null", "boolean", "integer", "fraction", "string", "array", "object"},
}
"""Kind of place -> the JSON types that it accepts."""

ALPHABETS: Final = (
    "abcXYZ 0189-_.*#:/",
    "äßЖ中あ\u0301\u200d",
    "😀🔌𝄞\U0010ffff",
    '"\\/\b\n\t\x00\x7f{}[],:',
)
LOOSE_LENGTH: Final = 60
"""Maximum number of characters where the schema has no bound."""
BRIEF: Final = 8
LONG: Final = 600
"""Longer values are tested in fewer spellings."""


def good(node: Node, rng: random.Random) -> list[Json]:
    """Return valid values of a place without values inside, including its boundaries."""
    match node.kind:
        case "string":
            return _strings(node, rng)
        case "uri":
            return ["ftp://host/a/b", "https://example.com:8443/%20?q=1#f", "urn:x:y"]
        case "timestamp":
            return list(GOOD_TIMES)
        case "enum":
            return list(node.values)
        case "integer":
            low, high = _integer_bounds(node)
            near = (0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**53 + 1, rng.randint(low, high))
            return [low, high, *(value for value in near if low <= value <= high)]
        case "number":
            return _numbers(node, rng)
        case "boolean":
            return [True, False]
        case "any":
            # Not null, which has a case of its own.
            some = [value for _ in range(4) if (value := free(rng, 3)) is not None]
            return [*some, *INT64, "", [], {}, False, 0, 1.5, "😀", {"": None}, nested(25)]
    raise AssertionError(node.kind)


def _strings(node: Node, rng: random.Random) -> list[Json]:
    least = node.min_length
    most = LOOSE_LENGTH if node.max_length is None else node.max_length
    if most > LONG:
        spellings = ["a" * most, "😀" * most]
    else:
        spellings = ["".join(rng.choices(letters, k=most)) for letters in ALPHABETS]
    middle = rng.randint(least, min(most, LONG))
    mixed = "".join(rng.choices("".join(ALPHABETS), k=middle))
    return ["x" * least, *spellings, mixed, "null"[:most]]


def brief(node: Node, rng: random.Random) -> str:
    """Return a short valid string of a place."""
    most = BRIEF if node.max_length is None else min(BRIEF, node.max_length)
    return "".join(rng.choices("".join(ALPHABETS[:3]), k=rng.randint(node.min_length, most)))


def _integer_bounds(node: Node) -> tuple[int, int]:
    low, high = INT64
    if node.minimum is not None:
        low = math.ceil(node.minimum)
    if node.maximum is not None:
        high = math.floor(node.maximum)
    return low, high


def _numbers(node: Node, rng: random.Random) -> list[Json]:
    if node.tenths:
        return [rng.randint(-(10**6), 10**6) / 10, 8.1, 0.3, -0.7, 0, 16, 123456789.1, 1e20, 0.0]
    low, high = node.minimum, node.maximum
    values = [
        0,
        -1,
        0.1,
        -2.5,
        1e-7,
        1e22,
        5e-324,
        1.7976931348623157e308,
        12345678901.25,
        2**53,
        3.0,
    ]
    values += [rng.uniform(-1e6, 1e6), rng.uniform(0, 100)]
    if low is not None:
        values += [low, int(low), math.nextafter(low, math.inf)]
    if high is not None:
        values += [high, int(high), math.nextafter(high, -math.inf)]
    return [
        value
        for value in values
        if (low is None or value >= low) and (high is None or value <= high)
    ]


def free(rng: random.Random, depth: int) -> Json:
    """Return a random JSON value with this maximum depth."""
    kind = rng.randrange(8 if depth else 6)
    match kind:
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2:
            return rng.choice((*INT64, 0, rng.randint(-1000, 1000)))
        case 3:
            return rng.uniform(-1e3, 1e3)
        case 4 | 5:
            return "".join(rng.choices("".join(ALPHABETS), k=rng.randrange(12)))
        case 6:
            return [free(rng, depth - 1) for _ in range(rng.randrange(4))]
        case _:
            return {
                "".join(rng.choices("aB_.ä😀 $", k=rng.randrange(6))): free(rng, depth - 1)
                for _ in range(rng.randrange(4))
            }


def nested(depth: int) -> Json:
    """Return a value with this depth."""
    value: Json = 0
    for _ in range(depth):
        value = [value]
    return value


def bad(node: Node, value: Json, rng: random.Random, make: Callable[[Node], Json]) -> Iterator[Bad]:
    """Yield invalid values of a place, each with one fault.

    Args:
        node: the place.
        value: a right one, from which wrong ones are made.
        rng: for what is left to chance.
        make: gives the least right value of a place.
    """
    for name, wrong in WRONG.items():
        if name not in TAKES[node.kind]:
            what = "explicit null" if name == "null" else f"a wrong type, {name}"
            yield Bad(what, rng.choice(wrong), "type")
    match node.kind:
        case "object":
            yield from _bad_objects(node, value, rng)
        case "array":
            yield from _bad_arrays(node, value, make)
        case "string":
            yield from _bad_strings(node)
        case "timestamp":
            yield from (Bad("no timestamp", text, "property") for text in BAD_TIMES)
            yield from (Bad("no datetime", text, "property", "calendar") for text in CALENDAR)
        case "enum":
            others = ("", value.swapcase(), f"{value} ", "Unheard-of ☃", value[:-1])
            for text in others:
                if text not in node.values and text not in node.extra:
                    yield Bad("no value of the enum", text, "property")
        case "integer":
            yield from _bad_integers(node)
        case "number":
            yield from _bad_numbers(node)
        case "any":
            yield from _bad_free({}, rng)


def _bad_objects(node: Node, value: Json, rng: random.Random) -> Iterator[Bad]:
    for name in sorted(node.required):
        rest = {key: part for key, part in value.items() if key != name}
        yield Bad(f"{name} is missing", rest, "occurrence")
    if not node.closed:
        yield from _bad_free(value, rng)
        return
    known = rng.choice(sorted(node.properties) or ["status"])
    names = {
        "vendorField",
        known.swapcase(),
        f"{known} ",
        f"_{known}",
        "",
        "ключ",
        "x" * 60,
        "a.b[0]",
    }
    for name in sorted(names - node.properties.keys()):
        item: Json = rng.choice((None, 1, "text", {}, []))
        items = [*value.items(), (name, item)]
        rng.shuffle(items)
        yield Bad(f"the unknown field {name!r}", dict(items), "format")


def _bad_free(value: dict[str, Json], rng: random.Random) -> Iterator[Bad]:
    # The path is that of the free-form value: no schema names a place within it.
    number = rng.choice(BEYOND_INT64)
    items: tuple[Json, ...] = (number, [{"m": number}])
    for item in items:
        yield Bad("beyond 64 bits", value | {"n": item}, "property", "64 bits")
    yield Bad("nested too deep", value | {"n": nested(40)}, "frame", "depth")


def _bad_arrays(node: Node, value: Json, make: Callable[[Node], Json]) -> Iterator[Bad]:
    if node.items is None:
        raise AssertionError("an array without items")
    if node.min_items:
        difference = node.tighter and node.tighter.difference
        for count in {0, node.min_items - 1}:
            yield Bad("too few items", value[:count], "occurrence", difference)
    if node.max_items is not None:
        more = node.max_items + 1 - len(value)
        yield Bad("too many items", [*value, *([make(node.items)] * more)], "occurrence")


def _bad_strings(node: Node) -> Iterator[Bad]:
    if node.min_length:
        difference = node.tighter and node.tighter.difference
        yield Bad("too short", "x" * (node.min_length - 1), "property", difference)
    if node.max_length is not None:
        yield Bad("one character too long", "a" * (node.max_length + 1), "property")
        if node.max_length <= LONG:
            yield Bad("one character too long", "😀" * (node.max_length + 1), "property")
            yield Bad("one character too long", "e\u0301" * node.max_length, "property")


def _bad_integers(node: Node) -> Iterator[Bad]:
    low, high = _integer_bounds(node)
    # Draft-04 says that 1.0 is no integer.
    for number in (1.0, 3.0, 0.0) if low <= 0 else (1.0, 3.0):
        yield Bad("a whole number as a fraction", number, "type", "1.0" if node.draft > 4 else None)
    difference = node.tighter and node.tighter.difference
    for number in BEYOND_INT64:
        bounded = node.minimum if number < 0 else node.maximum
        below = number < 0 and difference
        if below or bounded is None:
            yield Bad("beyond 64 bits", number, "property", below or "64 bits")
    if node.minimum is not None:
        for number in (low - 1, INT64[0]):
            yield Bad("below the minimum", number, "property", difference)
    if node.maximum is not None:
        for number in (high + 1, INT64[1], 2**70):
            yield Bad("above the maximum", number, "property")


def _bad_numbers(node: Node) -> Iterator[Bad]:
    if node.minimum is not None:
        for number in (math.nextafter(node.minimum, -math.inf), node.minimum - 1, -1e300):
            yield Bad("below the minimum", number, "property")
        yield Bad("below the minimum", int(node.minimum) - 1, "property")
    if node.maximum is not None:
        for number in (math.nextafter(node.maximum, math.inf), node.maximum + 1, 1e300):
            yield Bad("above the maximum", number, "property")
        yield Bad("above the maximum", int(node.maximum) + 1, "property")
    if node.tenths:
        for number in (0.05, 8.15, -0.001, 123456789.12, 1e-10):
            yield Bad("more than one decimal", number, "property")


def odd(node: Node) -> Iterator[Bad]:
    """Yield values that ocppj accepts and the schema rejects."""
    if node.kind == "timestamp":
        yield from (Bad("a loose timestamp", text, None, "loose timestamp") for text in LOOSE_TIMES)
    if node.kind == "uri":
        yield from (
            Bad("no uri", text, None, "uri") for text in ("", "no uri", "/path", "http://ä/")
        )
    yield from (Bad(f"another value, {text}", text, None, text) for text in node.extra)

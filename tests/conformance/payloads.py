"""Whole payloads from a schema and a seed: valid ones, and invalid ones with exactly one fault.

Owns how values are put together. The wrong ones are made from a full payload, by changing one of
its places, in turn all of them.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from .official import Json, Message, Node
from .values import EDGES_OF_TIME, Bad, Fault, bad, brief, free, good, odd

__all__ = ["Case", "cases", "places"]

Fullness: TypeAlias = Literal["minimal", "full", "random"]
Accepts: TypeAlias = Callable[[Json], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """A payload and its expected outcome.

    Attributes:
        what: a description.
        text: JSON.
        schema_accepts: the validator's verdict.
        fault: why ocppj rejects it; `None` if it accepts it.
        path: the path of the fault.
        difference: the key in `DIFFERENCES`, if the schema has the opposite verdict.
        returns: whether encoding returns the payload.
    """

    what: str
    text: str
    schema_accepts: bool
    fault: Fault | None = None
    path: str | None = None
    difference: str | None = None
    returns: bool = True


class Place(NamedTuple):
    """An existing place in a payload: its schema, its container and its path."""

    node: Node
    container: Json
    key: str | int
    path: str

    @property
    def value(self) -> Json:
        """The value at the place."""
        return self.container[self.key]


RANDOM_PAYLOADS: Final = 10
SPREAD: Final = 2
"""Down to this depth, the arrays of full payloads have more than one item."""
EXPONENT: Final = re.compile(r"\de[+-]?\d{3}")
MAX_EXPONENTS: Final = 512
WIDE: Final = 24
"""Arrays with more room than this are filled in payloads of their own."""
VENDOR_KEYS: Final = ("fan", "Vendor Key", "vendor_id", "vendorid", "", "a.b", "ключ", "🔌", "$ref")


class Maker:
    """Makes valid payloads.

    Args:
        rng: for what is left to chance.
        fullness: which optional fields there are: none, all, or some.
        turn: which of the right values of each place is taken; counting it up goes through all.
            `None`: a random one.
        brief: whether strings and arrays are short, so that a payload of which there are
            thousands of variants stays small.
    """

    def __init__(
        self,
        rng: random.Random,
        fullness: Fullness,
        turn: int | None = None,
        *,
        brief: bool = False,
    ) -> None:
        self.rng = rng
        self.fullness = fullness
        self.turn = turn
        self.brief = brief

    def make(self, node: Node, depth: int = 0) -> Json:
        """Return a valid value of a place."""
        match node.kind:
            case "object":
                return self._object(node, depth)
            case "array":
                if node.items is None:
                    raise AssertionError("an array without items")
                return [self.make(node.items, depth + 1) for _ in range(self._size(node, depth))]
        if self.brief and node.kind == "string":
            return brief(node, self.rng)
        values = good(node, self.rng)
        return self.rng.choice(values) if self.turn is None else values[self.turn % len(values)]

    def _object(self, node: Node, depth: int) -> Json:
        chance = {"minimal": 0.0, "full": 1.0, "random": 0.5 if depth < 3 else 0.3}[self.fullness]
        names = [n for n in node.properties if n in node.required or self.rng.random() < chance]
        if self.fullness == "random":
            self.rng.shuffle(names)
        value = {name: self.make(node.properties[name], depth + 1) for name in names}
        if not node.closed and self.fullness != "minimal":
            keys = self.rng.sample(VENDOR_KEYS, self.rng.randrange(4))
            value |= {key: free(self.rng, 3) for key in keys}
        return value

    def _size(self, node: Node, depth: int) -> int:
        if self.fullness == "minimal":
            return node.min_items
        most = 3 if node.max_items is None else min(3, node.max_items)
        if self.fullness == "random":
            return self.rng.randint(node.min_items, most)
        if depth >= (1 if self.brief else SPREAD):
            return max(1, node.min_items)
        if self.turn == 1 and node.max_items is not None and node.max_items <= WIDE:
            return node.max_items
        return max(node.min_items, min(2, most))


def dumps(value: Json, rng: random.Random) -> str:
    """Return JSON text, compact as stations send it, or with escapes or white space."""
    style = rng.randrange(4)
    return json.dumps(value, ensure_ascii=style == 1, separators=None if style == 2 else (",", ":"))


def places(node: Node, container: Json, key: str | int, path: str) -> Iterator[Place]:
    """Yield a place and all places in it, with one item of each array."""
    yield Place(node, container, key, path)
    value = container[key]
    if node.kind == "object":
        for name, part in node.properties.items():
            if name in value:
                yield from places(part, value, name, f"{path}.{name}")
    elif node.kind == "array" and value and node.items is not None:
        index = len(value) - 1
        yield from places(node.items, value, index, f"{path}[{index}]")


def cases(message: Message, rounds: int) -> Iterator[Case]:
    """Yield the test payloads of a message, the same ones each time.

    Args:
        message: its schema.
        rounds: how often what is left to chance is tried; 1 or more.
    """
    rng = random.Random(f"{message} {rounds}")
    yield from _right(message, rng, rounds)
    for _ in range(rounds):
        yield from _wrong(message, rng)


def _right(message: Message, rng: random.Random, rounds: int) -> Iterator[Case]:
    node, takes = message.node, message.validator.is_valid

    def case(what: str, value: Json) -> Case:
        return Case(what, dumps(value, rng), takes(value))

    yield case("minimal", Maker(rng, "minimal").make(node))
    for turn in range(_turns(node)):
        yield case("full", Maker(rng, "full", turn).make(node))
    for _ in range(RANDOM_PAYLOADS * rounds):
        yield case("random", Maker(rng, "random").make(node))
    least = Maker(rng, "minimal")
    root = [Maker(rng, "full", brief=True).make(node)]
    for place in places(node, root, 0, "$"):
        if place.node.kind == "array" and place.node.items is not None:
            item = least.make(place.node.items)
            for size in {place.node.min_items, place.node.max_items or 5}:
                text, verdict = _exchanged(root, place, [item] * size, takes, rng)
                judged = ("property", None, "exponents") if _is_slow(text) else ()
                yield Case(f"{size} items", text, verdict, *judged)
        elif place.node.kind == "timestamp":
            for text in EDGES_OF_TIME:
                yield Case(
                    "edge of time", *_exchanged(root, place, text, takes, rng), returns=False
                )
        elif place.node.kind == "any":
            yield Case("null", *_exchanged(root, place, None, takes, rng), returns=False)


def _turns(node: Node) -> int:
    """Return the number of payloads that show each valid value of each place."""
    if node.kind == "object":
        return max((_turns(part) for part in node.properties.values()), default=1)
    if node.items is not None:
        return _turns(node.items)
    return len(good(node, random.Random(0)))


def _wrong(message: Message, rng: random.Random) -> Iterator[Case]:
    takes = message.validator.is_valid
    least = Maker(rng, "minimal")
    root = [Maker(rng, "full", brief=True).make(message.node)]
    for place in places(message.node, root, 0, "$"):
        wrongs = [*bad(place.node, place.value, rng, least.make), *odd(place.node)]
        for wrong in wrongs:
            text, verdict = _exchanged(root, place, wrong.value, takes, rng)
            fault, path = ("property", None) if _is_slow(text) else _judged(wrong, place)
            yield Case(wrong.what, text, verdict, fault, path, wrong.difference)


def _is_slow(text: str) -> bool:
    """Tell whether a payload has more numbers with long exponents than a frame may have."""
    return len(EXPONENT.findall(text)) > MAX_EXPONENTS


def _judged(wrong: Bad, place: Place) -> tuple[Fault | None, str | None]:
    if wrong.fault is None or wrong.fault == "frame":
        return wrong.fault, None
    if place.path == "$" and wrong.fault == "type":
        return "format", "$"  # the payload is not an object
    return wrong.fault, place.path


def _exchanged(
    root: list[Json], place: Place, value: Json, takes: Accepts, rng: random.Random
) -> tuple[str, bool]:
    """Return a payload with another value at a place, as text, and the validator's verdict."""
    container, old = place.container, place.value
    container[place.key] = value
    try:
        return dumps(root[0], rng), takes(root[0])
    finally:
        container[place.key] = old

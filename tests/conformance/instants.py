"""Equality of payloads as JSON: numbers as numbers, timestamps as moments.

Owns a reader of timestamps that shares nothing with the one under test.
"""

import re
from datetime import date
from fractions import Fraction
from typing import Final

from .official import Json, Node

__all__ = ["difference", "moment"]

PRECISION: Final = Fraction(1, 2000)
"""Encoding rounds to milliseconds."""
TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
SENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


def moment(text: str) -> Fraction:
    """Return the seconds since the year 1 of an RFC 3339 timestamp."""
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"no timestamp: {text}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    offset = 60 * int(hours) + int(minutes) if sign else 0
    total = Fraction(((date(year, month, day).toordinal() * 24 + hour) * 60 + minute) * 60 + second)
    return total + Fraction(f"0{fraction or ''}") - (60 * offset if sign != "-" else -60 * offset)


def difference(node: Node, sent: Json, taken: Json, path: str = "$") -> str | None:
    """Return where a sent payload differs from the received one; `None` if they are equal.

    Known fields are to stand in the schema's order, and timestamps to be sent in UTC.
    """
    match node.kind:
        case "object" if isinstance(sent, dict):
            if sent.keys() != taken.keys():
                return f"{path}: other fields, {sorted(sent.keys() ^ taken.keys())}"
            order = [name for name in (node.properties if node.closed else taken) if name in sent]
            if list(sent) != order:
                return f"{path}: out of order, {list(sent)}"
            pairs = [(f"{path}.{key}", node.properties.get(key, FREE), key) for key in sent]
            found = (difference(part, sent[key], taken[key], where) for where, part, key in pairs)
            return next(filter(None, found), None)
        case "array" if node.items is not None and isinstance(sent, list):
            if len(sent) != len(taken):
                return f"{path}: {len(sent)} items, not {len(taken)}"
            found = (
                difference(node.items, one, other, f"{path}[{index}]")
                for index, (one, other) in enumerate(zip(sent, taken, strict=True))
            )
            return next(filter(None, found), None)
        case "timestamp":
            if not SENT.fullmatch(sent):
                return f"{path}: sent as {sent}"
            same = abs(moment(sent) - moment(taken)) <= PRECISION
        case _:
            same = _same(sent, taken)
    return None if same else f"{path}: {sent!r:.80}, not {taken!r:.80}"


def _same(one: Json, other: Json) -> bool:
    """Compare JSON values; in Python, True equals 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


FREE: Final = Node("any", draft=6)

"""How deep JSON nests. The text alone answers that for most frames.

Knows nothing of frames.
"""

import re
from typing import Final

import msgspec

__all__ = ["STRING", "nests_deeper_than"]

STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""A string of valid JSON."""

_CONTAINERS: Final = (dict, list)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def nests_deeper_than(text: bytes, limit: int) -> bool:
    """Tell whether valid JSON nests deeper than a limit."""
    return _text_nests_deeper(text, limit) and _value_nests_deeper(text, limit)


def _text_nests_deeper(text: bytes, limit: int) -> bool:
    """Tell from the text, which may count levels that a duplicate key hides."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    brackets = STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        # Each round removes the innermost level.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def _value_nests_deeper(text: bytes, limit: int) -> bool:
    """Tell from the value. Of duplicate keys only the last one counts, as for the decoders."""
    try:
        level = [msgspec.json.decode(text)]
    except msgspec.DecodeError:
        return False  # an integer of thousands of digits, which the payload's decoder rejects
    except RecursionError:
        return True  # deeper than msgspec can follow
    for _ in range(limit):
        level = [
            item
            for outer in level
            for item in (outer.values() if type(outer) is dict else outer)
            if type(item) in _CONTAINERS
        ]
        if not level:
            return False
    return True

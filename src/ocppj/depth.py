"""How deep JSON nests, found without recursion where the text alone can tell.

Knows nothing of frames.
"""

import re
from typing import Any, Final

import msgspec

__all__ = ["STRING", "deeper"]

STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""A string of valid JSON."""

_NESTED: Final = (dict, list)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def deeper(text: bytes, limit: int) -> bool:
    """Tell whether valid JSON nests deeper than a limit."""
    return _text_deeper(text, limit) and _value_deeper(text, limit)


def _text_deeper(text: bytes, limit: int) -> bool:
    """Tell it of the text, all keys counted."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    brackets = STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        # Each round takes away the innermost level.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def _value_deeper(text: bytes, limit: int) -> bool:
    """Tell it of the value: of two equal keys only the last counts, as it does for the decoders."""
    try:
        return _exceeds(msgspec.json.decode(text), limit)
    except msgspec.DecodeError:
        return False  # an integer of thousands of digits, for the payload's decoder to find


def _exceeds(value: Any, limit: int) -> bool:
    if type(value) is dict:
        value = value.values()
    elif type(value) is not list:
        return False
    return limit == 0 or any(_exceeds(item, limit - 1) for item in value if type(item) in _NESTED)

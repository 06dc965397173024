"""Numbers that are expensive to decode, counted before anything is decoded.

msgspec reads a number whose exponent has three digits (`9e302`) on a slow path: 6 to 24 us each,
where other numbers take 0.02 us. OCPP has no use for such numbers, so a frame may have only a few.
The compiled twin is `ext/skip.pxi`.
"""

import re
from typing import Final

from ocppj._core.depth import STRING

__all__ = ["MAX_EXPONENTS", "SEARCHED_SIZE", "too_many_exponents"]

MAX_EXPONENTS: Final = 512
"""Maximum number of numbers in a frame whose exponent has three or more digits."""

SEARCHED_SIZE: Final = MAX_EXPONENTS * len("9e302,")
"""Bytes of a frame that cannot have more of them, so that it need not be searched."""

# Two patterns that begin with a literal are three times as fast as one that begins with a class.
_EXPONENTS: Final = (re.compile(rb"e[+-]?\d{3}"), re.compile(rb"E[+-]?\d{3}"))


def too_many_exponents(text: bytes) -> bool:
    """Tell whether valid JSON has more than `MAX_EXPONENTS` such numbers."""
    if len(text) <= SEARCHED_SIZE or _count(text) <= MAX_EXPONENTS:
        return False
    return _count(STRING.sub(b"", text)) > MAX_EXPONENTS  # hexadecimal text looks like exponents


def _count(text: bytes) -> int:
    return sum(len(pattern.findall(text)) for pattern in _EXPONENTS)

"""Limit the numbers that are expensive to decode, before anything is decoded.

msgspec decodes a number whose exponent has three digits (`9e302`) on a slow path: 6 to 24 us each,
where other numbers take 0.02 us. OCPP does not need such numbers, so a frame may have only a few.
The compiled twin is `too_many_exponents` in `ext/skip.pxi`.
"""

import re
from typing import Final

from ocppj._core.depth import STRING

__all__ = ["MAX_EXPONENTS", "SEARCHED_SIZE", "too_many_exponents"]

MAX_EXPONENTS: Final = 512
"""Maximum number of numbers in a frame whose exponent has three or more digits."""

SEARCHED_SIZE: Final = MAX_EXPONENTS * len("9e302,")
"""A frame of at most this many bytes cannot have more of them, so it is not searched."""

# Two patterns that begin with a literal are three times as fast as one that begins with a class.
_EXPONENTS: Final = (re.compile(rb"e[+-]?\d{3}"), re.compile(rb"E[+-]?\d{3}"))


def too_many_exponents(text: bytes) -> bool:
    """Tell whether valid JSON has more than `MAX_EXPONENTS` such numbers."""
    if len(text) <= SEARCHED_SIZE or _count(text) <= MAX_EXPONENTS:
        return False
    return _count(STRING.sub(b"", text)) > MAX_EXPONENTS  # hexadecimal text can look like exponents


def _count(text: bytes) -> int:
    return sum(len(pattern.findall(text)) for pattern in _EXPONENTS)

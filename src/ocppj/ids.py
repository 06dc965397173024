"""Message ids: unique without looking anything up.

Owns the default id source of sessions. An id has to be unique for a station's identity, over
connections and restarts too (J16E 3.1, P4-21 4.1.4), and at most 36 characters.
"""

import os
from itertools import count
from typing import Final

__all__ = ["next_id"]

_numbers: Final = count(1)
_prefix = os.urandom(8).hex()


def next_id() -> str:
    """Return an id that no call of this or another process has had.

    It is 64 random bits, chosen once for each process, and a number that counts up.
    """
    return f"{_prefix}-{next(_numbers)}"


def _renew() -> None:
    global _prefix  # noqa: PLW0603  a forked worker counts on from the same number
    _prefix = os.urandom(8).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

"""Message ids that are unique without coordination.

Owns the default source of ids for sessions. Ids have at most 36 characters and must not repeat for
a station, not even across connections and restarts (J16E 3.1, P4-21 4.1.4).
"""

import os
from itertools import count
from typing import Final

__all__ = ["next_id"]

_numbers: Final = count(1)
_prefix = os.urandom(8).hex()


def next_id() -> str:
    """Return a message id that no call of this or another process has used.

    It consists of 64 random bits, drawn once per process, and a counter.
    """
    return f"{_prefix}-{next(_numbers)}"


def _renew() -> None:
    global _prefix  # noqa: PLW0603  a forked worker counts on from the same number
    _prefix = os.urandom(8).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

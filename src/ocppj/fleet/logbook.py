"""Logs that a peer cannot flood: the first of a kind, then how often it happened.

A station or a client of the broker decides how often something goes wrong, but not how much is
logged about it.
"""

import logging
from time import monotonic
from typing import Final

__all__ = ["Logbook"]

QUIET: Final = 60.0
"""Seconds between two lines of one kind."""

MAX_KINDS: Final = 256

log: Final = logging.getLogger("ocppj.fleet")


class Logbook:
    """Logs the first message of a kind, and one a minute after it that tells how many there were.

    What is left out is logged at DEBUG.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[float, int]] = {}  # when a line was written, how many since

    def note(
        self, kind: str, text: str, *, level: int = logging.WARNING, error: Exception | None = None
    ) -> None:
        """Log a message.

        Args:
            kind: messages of one kind are counted together; must not come from a peer.
            text: what happened; quotations from a peer are cut short.
            level: of the `logging` module.
            error: whose traceback is logged.
        """
        now = monotonic()
        since, left_out = self._kinds.get(kind, (-QUIET, 0))
        if now - since < QUIET:
            self._kinds[kind] = since, left_out + 1
            log.debug("%.400s", text, exc_info=error)
            return
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        more = f" ({left_out} more of this kind were not logged)" if left_out else ""
        log.log(level, "%.400s%s", text, more, exc_info=error)

"""Whether this process was stopped for a while, so that what it reads may be old.

A command says how long it may take, not when it was sent: clocks differ. A process that was
suspended, or whose event loop was blocked, reads commands late without noticing. The timer here
notices.
"""

import asyncio
from typing import Final

__all__ = ["Stall"]

BEAT: Final = 0.1
TOLERATED: Final = 0.2
"""Seconds by which a timer may be late before it counts as a stall."""


class Stall:
    """Tells how old a message may be that is read now."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._end = 0.0
        self._length = 0.0

    def start(self) -> None:
        """Begin to watch the event loop."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT
        self._timer = loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        """Watch it no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        self.age()
        self.start()

    def age(self) -> float:
        """Return the seconds that a message may have waited; 0 unless there was a stall just now.

        What has piled up takes time to be read: for as long as the stall was, and a second more,
        all messages count as old.
        """
        now = asyncio.get_running_loop().time()
        late = now - self._due
        if self._timer is not None and late > TOLERATED:
            self._length, self._end, self._due = late, now, now + BEAT
        return self._length if now < self._end + self._length + 1 and self._length else 0.0

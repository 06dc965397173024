"""Fair shares of an event loop: a connection that floods waits for the others.

Owns how long the frames of one connection may keep the loop busy, and how many of them may be
control frames. Knows no WebSocket library. A transport reports how long it has worked, stops
reading when its share is used up, and continues when it gets a turn.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from time import perf_counter
from typing import Final
from weakref import WeakKeyDictionary

__all__ = ["MAX_CONTROL_FRAMES", "MAX_FRAGMENTS", "NEGLIGIBLE", "Paced"]

BURST: Final = 0.001
"""Seconds that a connection may use before it has to wait for a turn."""

REFILL: Final = 0.1
"""Share of the time that a connection may use without waiting."""

NEGLIGIBLE: Final = 0.0001
"""Seconds not worth counting if the connection has nothing more to read."""

MAX_CONTROL_FRAMES: Final = 200
"""Maximum number of pings and pongs read from one connection within a second; more are read later.
The connection is not closed: pings may have piled up while the process was busy."""

MAX_FRAGMENTS: Final = 4096
"""Maximum number of fragments of one message; `websockets` has the same limit."""

NO_SLOTS: Final[tuple[str, ...]] = ()
"""Slots of a mixin. A subclass either has a `__dict__` or names the attributes in its own slots."""

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque["Paced"]] = WeakKeyDictionary()


class Paced:
    """A connection that gives way when it has used up its share of the event loop.

    Such connections take turns, one in each iteration of the loop. All of them together delay the
    others no more than one does.
    """

    __slots__ = NO_SLOTS

    _used = 0.0  # seconds, at the time `_checked`
    _checked = 0.0
    _controls = 0  # control frames since `_second`
    _second = 0.0

    @abstractmethod
    def _take_turn(self) -> None:
        """Continue, with a full share."""

    def _charge(self, start: float) -> bool:
        """Count the time since `start` as used. Return whether to stop and wait for a turn."""
        now = perf_counter()
        left = self._used - (start - self._checked) * REFILL
        self._used = now - start + (left if left > 0 else 0.0)
        self._checked = now
        if self._used < BURST:
            return False
        if self._controls < MAX_CONTROL_FRAMES:
            self._give_way()
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.0, self._second + 1 - now), self._give_way)
            self._controls = 0
        return True

    def _give_way(self) -> None:
        """Wait for a turn."""
        self._used = 0.0
        loop = asyncio.get_running_loop()
        waiting = _waiting.setdefault(loop, deque())
        waiting.append(self)
        if len(waiting) == 1:
            loop.call_soon(_next_turn, loop, waiting)

    def _count_control(self) -> None:
        """Count a ping or a pong."""
        now = perf_counter()
        if now - self._second > 1:
            self._second = now
            self._controls = 0
        self._controls += 1
        if self._controls >= MAX_CONTROL_FRAMES:
            self._used += BURST


def _next_turn(loop: asyncio.AbstractEventLoop, waiting: deque[Paced]) -> None:
    first = waiting.popleft()
    if waiting:
        loop.call_soon(_next_turn, loop, waiting)
    first._take_turn()  # noqa: SLF001  a method for this module alone

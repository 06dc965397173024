"""Fair shares of an event loop: a connection that floods waits for the others.

Owns how long the frames of one connection may keep the loop busy, and how many of them may be
control frames. Knows no WebSocket library: a transport tells how long it has worked, stops reading
when its share is used up, and goes on when it is its turn.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from time import perf_counter
from typing import Final
from weakref import WeakKeyDictionary

__all__ = ["MAX_CONTROL_FRAMES", "MAX_FRAGMENTS", "TRIFLE", "Paced"]

BURST: Final = 0.001
"""Seconds that a connection may use before it has to wait for its turn."""

REFILL: Final = 0.1
"""Share of the time that a connection may use without ever waiting."""

TRIFLE: Final = 0.0001
"""Seconds that are not worth counting where a connection has nothing more to be read."""

MAX_CONTROL_FRAMES: Final = 200
"""Pings and pongs that are read from one connection within a second; more are not read until it is
over. No peer is thrown out for those that have piled up while nobody listened."""

MAX_FRAGMENTS: Final = 4096
"""Fragments of one message; `websockets` has the same limit."""

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque["Paced"]] = WeakKeyDictionary()


class Paced:
    """A connection that gives way when it has used up its share of the event loop.

    Connections that have used up theirs take turns, one in each iteration of the loop: however many
    flood, all of them together delay the others no more than one does.
    """

    _used = 0.0  # seconds, without what has been refilled since
    _checked = 0.0
    _controls = 0  # since the second that follows began
    _second = 0.0

    @abstractmethod
    def _take_turn(self) -> None:
        """Go on, with a full share again."""

    def _charge(self, start: float) -> bool:
        """Count the time since `start` as used; return whether to stop and wait for a turn."""
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
    first._take_turn()  # noqa: SLF001

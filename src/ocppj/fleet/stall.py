"""Whether this process was stopped for a while, so that what it reads may be old.

A command says how long it may take, not necessarily when it was sent. A process that was
suspended, or whose event loop was blocked, reads commands late without noticing. The timer here
notices. What has piled up is read when the broker has answered a ping: it keeps the order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ocppj.fleet.client import BrokerError

__all__ = ["Stall"]

BEAT: Final = 0.1
TOLERATED: Final = 0.2
"""Seconds by which a timer may be late before it counts as a stall."""


class Stall:
    """Tells how old a message may be that is read now.

    Args:
        flush: returns when the broker has answered a ping; raises `BrokerError` if it cannot.
    """

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._length = 0.0
        self._ending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the event loop."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT
        self._timer = loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        """Watch it no more."""
        for one in (self._timer, self._ending):
            if one is not None:
                one.cancel()

    def _beat(self) -> None:
        self.age()
        self.start()

    def age(self) -> float:
        """Return the seconds that a message may have waited; 0 if what has piled up is read."""
        now = asyncio.get_running_loop().time()
        late = now - self._due
        if self._timer is not None and late > TOLERATED:
            self._due = now + BEAT
            self._length += late
            if self._ending is not None:
                self._ending.cancel()
            self._ending = asyncio.get_running_loop().create_task(self._end())
        return self._length

    async def _end(self) -> None:
        """Wait until what has piled up is read."""
        while True:
            try:
                await self._flush()
            except BrokerError:  # what comes by the next connection is new, if there is one
                await asyncio.sleep(BEAT)
            else:
                break
        self._length = 0.0

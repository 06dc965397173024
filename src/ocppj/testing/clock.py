"""A clock that a test advances: time-outs and back-off without waiting.

Owns the time of the running event loop.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, Final

__all__ = ["Clock", "manual_clock"]

SETTLE: Final = 50
"""Iterations of the event loop that are enough for all tasks to react to a timer."""


class Clock:
    """The time of an event loop, advanced by hand.

    Attributes:
        now: seconds, as `loop.time()` returns them.
        due: when timers are due, the next one first; cancelled ones too.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self.due: list[float] = []

    async def advance(self, seconds: float) -> None:
        """Move the time forward; run the timers that are due, in their order.

        Tasks go on as far as they can, after each timer and at the end.

        Args:
            seconds: 0 or more.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds={seconds!r}: time does not go back")
        await _settle()
        end = self.now + seconds
        while self.due and self.due[0] <= end:
            self.now = max(self.now, heappop(self.due))
            await _settle()
        self.now = end
        await _settle()


async def _settle() -> None:
    for _ in range(SETTLE):
        await asyncio.sleep(0)


@contextmanager
def manual_clock() -> Iterator[Clock]:
    """Stop the time of the running event loop until the context ends.

    Yields:
        The clock, to advance it.

    Raises:
        TypeError: the loop is not one of asyncio's own.

    Example:
        with manual_clock() as clock:
            async with connected(csms, station) as wire:
                wire.drop(action="UnlockConnector")
                call = asyncio.create_task(csms.call("CS-1", unlock))
                await clock.advance(30)
                with pytest.raises(ocppj.CallTimeout):
                    await call
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.BaseEventLoop):
        kind = f"{type(loop).__module__}.{type(loop).__name__}"
        raise TypeError(f"the time of {kind} cannot be moved: use asyncio's own event loop")
    clock = Clock(loop.time())
    call_at = loop.call_at

    def noting(when: float, *args: Any, **kwargs: Any) -> Any:
        heappush(clock.due, when)
        return call_at(when, *args, **kwargs)

    # The loop asks itself for the time and for each timer: its own attributes come first.
    own = vars(loop)
    own["time"], own["call_at"] = lambda: clock.now, noting
    try:
        yield clock
    finally:
        del own["time"], own["call_at"]

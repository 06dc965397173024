"""Stations that are not connected: who waits for them, and the calls that are kept for them.

Owns the waiting, its bounds and its end. Knows neither connections nor brokers: `ocppj.aio.Node`
and `ocppj.fleet.Fleet` use it alike.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from ocppj.aio.endpoint import MAX_WAITING
from ocppj.errors import LocalProtocolError, NotConnected

__all__ = ["Arrivals", "KeptCalls"]

MAX_KEPT: Final = 10_000
"""Maximum number of calls that are kept for all stations."""

PAUSE: Final = 0.1
"""Seconds before the next try when a station is known as connected, but is not."""

MAX_PAUSE: Final = 2.0
"""Seconds that the pause doubles up to. The stations of a dead node of a fleet are known as
connected for 10 seconds."""

S = TypeVar("S")


class Arrivals(Generic[S]):
    """Tells those who wait for a station that it has connected, in the order they came."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[asyncio.Future[S], None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, station_id: str, station: S) -> None:
        """Give a station that has connected to all who wait for it."""
        for arrival in self._waiting.pop(station_id, ()):
            if not arrival.done():
                arrival.set_result(station)

    def close(self, problem: str) -> None:
        """End all waiting with `NotConnected`."""
        for waiting in self._waiting.values():
            for arrival in waiting:
                if not arrival.done():
                    arrival.set_exception(NotConnected(problem))
        self._waiting.clear()

    async def wait(self, station_id: str, timeout: float | None) -> S:
        """Wait for a station that is not connected.

        Args:
            station_id: its identity.
            timeout: seconds to wait; `None`: without limit.

        Raises:
            NotConnected: it has not connected in time.
        """
        arrival: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(station_id, {})
        waiting[arrival] = None
        try:
            async with asyncio.timeout(timeout):
                return await arrival
        except TimeoutError as error:
            if isinstance(error, NotConnected):
                raise
            raise NotConnected(f"{station_id} has not connected within {timeout:g} s") from None
        finally:
            waiting.pop(arrival, None)
            if not waiting and self._waiting.get(station_id) is waiting:
                del self._waiting[station_id]


class KeptCalls:
    """Calls that wait for their stations.

    Args:
        max_each: maximum number of calls kept for one station.
    """

    def __init__(self, max_each: int = MAX_WAITING) -> None:
        self._max_each = max_each
        self._kept: Counter[str] = Counter()
        self._total = 0

    async def call(
        self,
        station_id: str,
        ttl: float,
        find: Callable[[float], Awaitable[S]],
        send: Callable[[S, float], Awaitable[Any]],
    ) -> Any:
        """Call a station as soon as it is connected, once.

        Args:
            station_id: its identity.
            ttl: seconds after which the call is not sent any more.
            find: returns the station; waits for it at most as many seconds as its argument says.
            send: calls the station, unless the time of its second argument, by the event loop's
                clock, has passed.

        Returns:
            What `send` returns.

        Raises:
            LocalProtocolError: too many calls are kept.
            NotConnected: the station has not connected in time.
            ValueError: `ttl` is not a number of seconds.
        """
        if not 0 <= ttl < math.inf:
            raise ValueError(f"ttl={ttl!r}: use seconds, 0 or more")
        now = asyncio.get_running_loop().time
        expires, pause = now() + ttl, PAUSE
        with self._place(station_id):
            while True:
                try:
                    station = await find(max(expires - now(), 0.0))
                except NotConnected:
                    if now() < expires:
                        raise
                    problem = f"{station_id} has not connected within {ttl:g} s"
                    raise NotConnected(problem) from None
                try:
                    return await send(station, expires)
                except NotConnected:  # nothing was sent, so this is not a second delivery
                    await asyncio.sleep(max(min(pause, expires - now()), 0.0))
                    pause = min(2 * pause, MAX_PAUSE)

    @contextmanager
    def _place(self, station_id: str) -> Iterator[None]:
        """Count a call as long as it is kept."""
        if self._kept[station_id] >= self._max_each:
            raise LocalProtocolError(f"{self._max_each} calls are kept for {station_id} already")
        if self._total >= MAX_KEPT:
            raise LocalProtocolError(f"{MAX_KEPT} calls are kept already")
        self._kept[station_id] += 1
        self._total += 1
        try:
            yield
        finally:
            self._total -= 1
            self._kept[station_id] -= 1
            if not self._kept[station_id]:
                del self._kept[station_id]

"""Counts over time: a ring of ten-second buckets over the last hour."""

from bisect import bisect_left
from collections import deque
from typing import Any, Final

from ocppj.aio import Direction

__all__ = ["History"]

WIDTH: Final = 10
"""Seconds of a bucket."""

BUCKETS: Final = 360
LATENCIES: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
"""Upper bounds of the latency classes, in seconds."""


class _Bucket:
    __slots__ = ("latencies", "received", "refused", "sent", "start")

    def __init__(self, start: float) -> None:
        self.start = start
        self.received = self.sent = self.refused = 0
        self.latencies = [0] * (len(LATENCIES) + 1)

    def quantile(self, share: float) -> float | None:
        """Return the upper bound of the class in which a quantile of the latencies lies."""
        wanted = share * sum(self.latencies)
        if not wanted:
            return None
        total = 0
        for bound, number in zip((*LATENCIES, LATENCIES[-1]), self.latencies, strict=True):
            total += number
            if total >= wanted:
                return bound
        return LATENCIES[-1]


class History:
    """Frames and latencies over the last hour."""

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)

    def add(
        self, now: float, direction: Direction, latency: float | None, *, refused: bool
    ) -> None:
        """Count a frame.

        Args:
            now: Unix time.
            direction: received or sent.
            latency: seconds from a call to this answer; `None` if it is none.
            refused: whether the frame is not valid.
        """
        start = now - now % WIDTH
        # A clock that is set back adds to the last bucket.
        if not self._buckets or self._buckets[-1].start < start:
            self._buckets.append(_Bucket(start))
        bucket = self._buckets[-1]
        if direction == "in":
            bucket.received += 1
        else:
            bucket.sent += 1
        bucket.refused += refused
        if latency is not None:
            bucket.latencies[bisect_left(LATENCIES, latency)] += 1

    def rows(self, now: float) -> list[dict[str, Any]]:
        """Return the buckets of the last hour that have frames, the oldest first."""
        return [
            {
                "time": bucket.start,
                "received": bucket.received,
                "sent": bucket.sent,
                "refused": bucket.refused,
                "p50": bucket.quantile(0.5),
                "p99": bucket.quantile(0.99),
            }
            for bucket in self._buckets
            if bucket.start > now - WIDTH * BUCKETS
        ]

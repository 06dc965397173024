"""Counts over time: a ring of ten-second buckets over the last hour."""

from bisect import bisect_left
from collections import deque
from itertools import islice
from typing import Any, Final

from ocppj.aio import Direction
from ocppj.aio.summary import LATENCIES, SECONDS, Summary

__all__ = ["History"]

BUCKETS: Final = 360
RECENT: Final = 6
SKEW: Final = 60.0
"""Seconds that a node's clock may differ from ours."""


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
        bucket = self._bucket(now)
        if direction == "in":
            bucket.received += 1
        else:
            bucket.sent += 1
        bucket.refused += refused
        if latency is not None:
            bucket.latencies[bisect_left(LATENCIES, latency)] += 1

    def _bucket(self, now: float) -> _Bucket:
        start = now - now % SECONDS
        if not self._buckets or self._buckets[-1].start < start:
            self._buckets.append(_Bucket(start))
        # Nodes are heard one after the other, and a clock may be set back.
        recent = islice(reversed(self._buckets), RECENT)
        return next((one for one in recent if one.start == start), self._buckets[-1])

    def merge(self, summary: Summary, now: float) -> None:
        """Count what a node has summed up.

        Args:
            summary: of the node.
            now: Unix time. A summary of long ago, or of the future, counts as one of now.
        """
        start = summary.start if -SKEW <= summary.start - now <= SKEW else now
        bucket = self._bucket(start)
        bucket.received += summary.received
        bucket.sent += summary.sent
        bucket.refused += sum(summary.refused.values())
        for place, number in enumerate(summary.latencies):
            bucket.latencies[place] += number

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
            if bucket.start > now - SECONDS * BUCKETS
        ]

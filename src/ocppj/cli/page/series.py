"""Counts over a range that is not known in advance, in a bounded number of buckets."""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import floor, log10
from typing import Final

__all__ = ["LINE_WIDTHS", "TIME_WIDTHS", "Latencies", "Series"]

MAX_BUCKETS: Final = 240
BUCKETS_PER_DECADE: Final = 20
MIN_LATENCY: Final = 1e-4
MAX_LATENCY: Final = 1e6

TIME_WIDTHS: Final = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
"""Widths of a bucket in seconds. Each is a multiple of the previous one."""

LINE_WIDTHS: Final = (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 50_000, 100_000)
"""Widths of a bucket in lines."""


class Series:
    """Counts by kind in buckets of equal width. The width grows with the range.

    Args:
        widths: of a bucket, increasing, each a multiple of the previous one; then it doubles.
        kinds: number of kinds.

    Attributes:
        width: of a bucket.
        count: number of values.
    """

    def __init__(self, widths: tuple[int, ...], kinds: int) -> None:
        self._widths = iter(widths[1:])
        self._kinds = kinds
        self._buckets: dict[int, list[int]] = {}
        self._first = self._last = 0
        self.width = widths[0]
        self.count = 0

    def add(self, value: float, kind: int) -> None:
        """Count a value."""
        self.count += 1
        index = floor(value / self.width)
        bucket = self._buckets.get(index)
        if bucket is None:
            bucket = self._buckets[index] = [0] * self._kinds
            if len(self._buckets) == 1:
                self._first = self._last = index
            self._first, self._last = min(index, self._first), max(index, self._last)
        bucket[kind] += 1
        while self._last - self._first >= MAX_BUCKETS:
            self._widen()

    def _widen(self) -> None:
        width = next(self._widths, self.width * 2)
        factor = width // self.width
        buckets, self._buckets = self._buckets, {}
        for index, bucket in buckets.items():
            merged = self._buckets.setdefault(index // factor, [0] * self._kinds)
            for kind, count in enumerate(bucket):
                merged[kind] += count
        self._first, self._last = self._first // factor, self._last // factor
        self.width = width

    @property
    def span(self) -> tuple[int, int]:
        """Beginning of the first bucket and end of the last one."""
        return self._first * self.width, (self._last + 1) * self.width

    def rows(self) -> list[tuple[int, list[int]]]:
        """Return the beginning and the counts of each bucket, also of empty ones in between."""
        if not self._buckets:
            return []
        nothing = [0] * self._kinds
        return [
            (index * self.width, self._buckets.get(index, nothing))
            for index in range(self._first, self._last + 1)
        ]


class Latencies:
    """The distribution of latencies, in buckets of a fixed ratio.

    Attributes:
        count: number of latencies.
        maximum: the longest, in seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.maximum = 0.0
        self._buckets: Counter[int] = Counter()

    @classmethod
    def total(cls, parts: Iterable["Latencies"]) -> "Latencies":
        """Return the sum of several distributions."""
        total = cls()
        for part in parts:
            total.count += part.count
            total.maximum = max(part.maximum, total.maximum)
            total._buckets.update(part._buckets)  # noqa: SLF001  of the same class
        return total

    def add(self, seconds: float) -> None:
        """Count a latency."""
        self.count += 1
        self.maximum = max(seconds, self.maximum)
        bounded = min(max(seconds, MIN_LATENCY), MAX_LATENCY)
        index = floor(log10(bounded) * BUCKETS_PER_DECADE)
        self._buckets[index] += 1

    def quantile(self, share: float) -> float:
        """Return an upper bound of a share of the latencies, at most 12 % too large."""
        rest = share * self.count
        for _, end, count in self.rows():
            rest -= count
            if rest <= 0 and end < MAX_LATENCY:
                return min(end, self.maximum)
        return self.maximum

    def rows(self) -> Iterator[tuple[float, float, int]]:
        """Yield beginning and end in seconds, and count, of each bucket, also of empty ones."""
        if self._buckets:
            for index in range(min(self._buckets), max(self._buckets) + 1):
                start, end = (10 ** (n / BUCKETS_PER_DECADE) for n in (index, index + 1))
                yield start, end, self._buckets[index]

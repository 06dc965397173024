"""How often something may happen: a token bucket."""

from time import monotonic
from typing import Final

__all__ = ["TokenBucket", "check_rate"]

LEEWAY: Final = 1e-9
"""Part of a token that rounding may take."""


class TokenBucket:
    """Allows a number of events per second on average, and some of them at once.

    Args:
        rate: events per second.
        burst: seconds whose events may come at once; at least one event may.

    Attributes:
        capacity: number of events that may come at once.
    """

    __slots__ = ("_at", "_rate", "_tokens", "capacity")

    def __init__(self, rate: float, burst: float) -> None:
        self.capacity = max(1.0, rate * burst)
        self._rate = rate
        self._tokens = self.capacity
        self._at = monotonic()

    def _refill(self) -> None:
        now = monotonic()
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now

    @property
    def full(self) -> bool:
        """Whether as many events may come at once as ever."""
        self._refill()
        return self._tokens >= self.capacity

    def take(self, tokens: float = 1) -> bool:
        """Return whether an event is within the limit; if so, count it.

        Args:
            tokens: as how many events it counts.
        """
        self._refill()
        if self._tokens < tokens - LEEWAY:
            return False
        self._tokens -= tokens
        return True


def check_rate(name: str, rate: float | None) -> None:
    """Check a limit that a user has set; `None` is no limit.

    Raises:
        ValueError: the limit is not above 0.
    """
    if rate is not None and not rate > 0:
        raise ValueError(f"{name}={rate!r}: use more than 0, or None for no limit")

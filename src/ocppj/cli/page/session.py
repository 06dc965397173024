"""The session of a station in a log: its calls with their answers, in a bounded number."""

from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["OUTCOMES", "REFUSED", "RESULT", "TOLERATED", "VALID", "Exchange", "Session"]

OUTCOMES: Final = ("valid", "tolerated", "refused")
VALID, TOLERATED, REFUSED = range(3)
"""Indices of `OUTCOMES`, the worst last."""

RESULT: Final = "result"

FIRST, FAULTY, LAST = 15, 10, 15
"""Maximum number of exchanges kept of a session: at its beginning, faulty ones, at its end."""


@dataclass(slots=True)
class Exchange:
    """A call and its answer, or another frame on its own.

    Attributes:
        line: number of the line.
        time: of a `Clock`; `None` if the line has no time.
        sender: a value of `Feature.sender`, `""` if it is not known.
        action: or a category.
        is_call: whether an answer is expected.
        answer: `"result"` or an error code, `""` if there is no answer.
        problem: why a frame is refused, `""` if it is not.
        outcome: the worst of its frames.
        latency: seconds from call to answer, the longest if several are shown as one.
        count: number of equal exchanges in a row that are shown as one.
    """

    line: int
    time: float | None
    sender: str
    action: str
    is_call: bool
    answer: str = ""
    problem: str = ""
    outcome: int = VALID
    latency: float | None = None
    count: int = 1

    @property
    def is_faulty(self) -> bool:
        """Whether a frame is refused, or a call has an error or no answer."""
        return self.outcome == REFUSED or (self.is_call and self.answer != RESULT)

    def is_like(self, other: "Exchange") -> bool:
        """Return whether two successful calls differ only in time and latency."""
        return (
            self.action == other.action
            and self.outcome == other.outcome == VALID
            and self.answer == other.answer == RESULT
        )


class Session:
    """The exchanges of a station: the first, the last, and some faulty ones in between."""

    __slots__ = ("_faulty", "_first", "_last", "count")

    def __init__(self) -> None:
        self.count = 0
        self._first: list[tuple[int, Exchange]] = []
        self._faulty: list[tuple[int, Exchange]] = []
        self._last: deque[tuple[int, Exchange]] = deque()

    def add(self, exchange: Exchange) -> None:
        """Add an exchange."""
        entry = (self.count, exchange)
        self.count += 1
        if len(self._first) < FIRST:
            self._first.append(entry)
            return
        self._last.append(entry)
        if len(self._last) > LAST:
            dropped = self._last.popleft()
            if dropped[1].is_faulty and len(self._faulty) < FAULTY:
                self._faulty.append(dropped)

    def merge(self, exchange: Exchange) -> None:
        """Show an exchange and the previous one as one, if it is the last and they are alike."""
        entries = self._last if len(self._last) > 1 else self._first
        if len(entries) < 2 or entries[-1][1] is not exchange:
            return
        previous = entries[-2][1]
        if previous.is_like(exchange):
            entries.pop()
            self.count -= 1
            previous.count += 1
            previous.latency = max(previous.latency or 0.0, exchange.latency or 0.0)

    def entries(self) -> list[tuple[int, Exchange]]:
        """Return the exchanges that are kept, each with its number in the session."""
        return [*self._first, *self._faulty, *self._last]

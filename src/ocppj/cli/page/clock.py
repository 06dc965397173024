"""The time of a line of a log, read from the text that a logger writes around a frame."""

import re
from datetime import date
from typing import Final

__all__ = ["DAY", "Clock"]

MAX_AROUND: Final = 512
"""Maximum number of bytes searched of the text around a frame."""

MAX_DAYS: Final = 1000
"""Maximum number of days cached."""

DAY: Final = 86_400

_TIME: Final = rb"(\d\d?):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?!\d)"
_DATE_TIME: Final = re.compile(
    rb"(?<!\d)(\d{4})[-/.](\d\d)[-/.](\d\d)[T _:]+%b *(Z|[+-]\d\d:?\d\d)?" % _TIME
)
_TIME_ONLY: Final = re.compile(rb"(?<![\d:.])%b(?!:)" % _TIME)
_EPOCH: Final = re.compile(rb"(?<![\w.-])(1\d{9})(?:\.(\d{1,9})|(\d{3}|\d{6}|\d{9}))?(?![\w-])")


class Clock:
    """Reads the times of a log, in seconds. The first time decides on the format of the others.

    Times with a date, and those in seconds to nanoseconds since 1970, count from 1970. Times
    without a date count from midnight before the first line, and a new day begins when they go
    back by more than half a day. A zone is converted to UTC.

    Attributes:
        has_date: whether times count from 1970.
        has_fraction: whether any time has a fraction of a second.
    """

    def __init__(self) -> None:
        self.has_date = self.has_fraction = False
        self._pattern: re.Pattern[bytes] | None = None
        self._days: dict[tuple[bytes, ...], int | None] = {}
        self._latest = 0.0

    def read(self, around: bytes) -> float | None:
        """Return the time in the text around a frame, `None` if there is no time."""
        text = around[:MAX_AROUND]
        pattern = self._pattern
        if pattern is None:
            for pattern in (_DATE_TIME, _TIME_ONLY, _EPOCH):
                if pattern.search(text):
                    self._pattern = pattern
                    self.has_date = pattern is not _TIME_ONLY
                    break
            else:
                return None
        match = pattern.search(text)
        if match is None:
            return None
        groups = match.groups()
        if pattern is _EPOCH:
            return self._fraction(groups[1] or groups[2]) + int(groups[0])
        if pattern is _TIME_ONLY:
            return self._without_date(self._seconds(groups))
        day = self._day(groups[:3])
        if day is None:
            return None
        return day + self._seconds(groups[3:7]) - _offset(groups[7])

    def _seconds(self, groups: tuple[bytes, ...]) -> float:
        hours, minutes, seconds, fraction = groups
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return whole + self._fraction(fraction)

    def _fraction(self, digits: bytes | None) -> float:
        if digits is None:
            return 0.0
        self.has_fraction = True
        return float(int(digits)) / 10.0 ** len(digits)

    def _without_date(self, seconds: float) -> float:
        seconds += self._latest // DAY * DAY
        if seconds < self._latest - DAY / 2:
            seconds += DAY
        self._latest = max(seconds, self._latest)
        return seconds

    def _day(self, groups: tuple[bytes, ...]) -> int | None:
        """Return the beginning of a day, `None` if there is no such day in the epoch."""
        if groups not in self._days:
            if len(self._days) >= MAX_DAYS:
                self._days.clear()
            try:
                days = (date(*map(int, groups)) - date(1970, 1, 1)).days
            except ValueError:
                days = -1
            self._days[groups] = days * DAY if days >= 0 else None
        return self._days[groups]


def _offset(zone: bytes | None) -> int:
    if zone is None or zone == b"Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return -60 * minutes if zone[:1] == b"-" else 60 * minutes

"""Collects the history of logs: frames over time, refusals, latencies, and sessions of stations.

Owns its bounds: memory does not grow with the length of the logs. Knows nothing of HTML.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from ocppj.catalog import Version
from ocppj.cli.log import Line
from ocppj.cli.page.clock import Clock
from ocppj.cli.page.series import LINE_WIDTHS, TIME_WIDTHS, Latencies, Series
from ocppj.cli.page.session import (
    OUTCOMES,
    REFUSED,
    RESULT,
    TOLERATED,
    VALID,
    Exchange,
    Session,
)
from ocppj.cli.pending import MAX_ID_LENGTH, MAX_PENDING, drop_older_half
from ocppj.cli.terminal import shortened
from ocppj.errors import DecodeError
from ocppj.frames import CALL, CALLRESULT, SEND, CallResult, Frame

__all__ = [
    "OUTCOMES",
    "REFUSED",
    "TOLERATED",
    "VALID",
    "Exchange",
    "History",
    "Refusals",
    "Station",
]

MAX_STATIONS: Final = 10_000
"""Maximum number of stations counted separately; further ones are counted together."""

MAX_SESSIONS: Final = 100
"""Maximum number of stations whose session is kept, and again of those with a refused frame."""

MAX_GROUPS: Final = 200
"""Maximum number of groups of refused frames; further ones are counted together."""

MAX_PLACES: Final = 5
"""Maximum number of places kept for a group of refused frames."""

MAX_NAME: Final = 60
MAX_PROBLEM: Final = 160
OTHERS: Final = "(other stations)"
OTHER_REFUSALS: Final = ("(various)", "", "(other reasons)")
BOOT: Final = "BootNotification"


@dataclass(slots=True)
class Station:
    """What is known of a station.

    Attributes:
        file: name of the log.
        key: words that name it in the log; empty if the log does not name stations.
        model: vendor and model.
        version: its OCPP version.
        counts: number of frames by outcome.
        first: its first time in the log.
        last: its last time in the log.
        clock: of the log.
        session: `None` if it is not kept.
    """

    file: str
    key: tuple[str, ...]
    clock: Clock
    model: str = ""
    version: str = ""
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    first: float | None = None
    last: float | None = None
    session: Session | None = None

    def count(self, outcome: int, time: float | None, version: str) -> None:
        """Count a frame."""
        self.counts[outcome] += 1
        self.version = version
        if time is not None:
            self.first = time if self.first is None else self.first
            self.last = time


@dataclass(slots=True)
class Refusals:
    """Refused frames with the same action, error code and description."""

    count: int = 0
    places: list[str] = field(default_factory=list)


class History:
    """The history of the logs of a run.

    Attributes:
        times: whether times have a date -> frames by outcome over time.
        lines: frames by outcome over lines, for logs without times.
        has_fraction: whether any time has a fraction of a second.
        latencies: of answered calls, by action.
        unanswered: number of calls without an answer, by action.
        refusals: by action, error code and description.
        stations: in the order of their first frame.
    """

    def __init__(self) -> None:
        self.times: dict[bool, Series] = {}
        self.lines = Series(LINE_WIDTHS, len(OUTCOMES))
        self.has_fraction = False
        self.latencies: dict[str, Latencies] = {}
        self.unanswered: Counter[str] = Counter()
        self.refusals: dict[tuple[str, str, str], Refusals] = {}
        self._stations: dict[Hashable, Station] = {}
        self._sessions = {False: 0, True: 0}
        self._pending: dict[tuple[Hashable, str, str], Exchange] = {}
        self._is_tolerated = False
        # Of the current log.
        self._file, self._clock = "", Clock()
        self._key: Callable[[bytes], Hashable] = lambda _: None
        # Of the current line, which counts from the first line of the first log.
        self._around, self._line = b"", 0

    @property
    def untimed(self) -> int:
        """Number of frames without a time."""
        return self.lines.count - sum(series.count for series in self.times.values())

    @property
    def stations(self) -> list[Station]:
        """The stations, in the order of their first frame."""
        return list(self._stations.values())

    def watch(
        self, file: str, lines: Iterable[Line], key: Callable[[bytes], Hashable]
    ) -> Iterator[Line]:
        """Yield the lines of a log. A frame that is noted is in the line that was yielded last.

        Args:
            file: name of the log.
            lines: of the log.
            key: returns the key of a station, given the text around a frame.
        """
        self._file, self._key, self._clock = file, key, Clock()
        before = self._line
        try:
            for line in lines:
                self._line, self._around = before + line[0], line[2]
                yield line
        finally:
            self.has_fraction |= self._clock.has_fraction
            self._give_up(self._pending)
            self._pending = {}

    def tolerate(self) -> None:
        """Note that the next frame has violations that are reported."""
        self._is_tolerated = True

    def note(
        self, line: int, frame: Frame | DecodeError, action: str, model: str, version: str
    ) -> None:
        """Note a frame, or the error of a refused one.

        Args:
            line: number of the line.
            frame: the frame or error.
            action: or a category.
            model: vendor and model of the station, as far as is known.
            version: that of the frame.
        """
        outcome, problem = TOLERATED if self._is_tolerated else VALID, ""
        self._is_tolerated = False
        if isinstance(frame, DecodeError):
            outcome, problem = REFUSED, self._refuse(line, action, frame)
        time = self._clock.read(self._around)
        self.lines.add(self._line, outcome)
        if time is not None:
            has_date = self._clock.has_date
            if has_date not in self.times:
                self.times[has_date] = Series(TIME_WIDTHS, len(OUTCOMES))
            self.times[has_date].add(time, outcome)
        key = self._key(self._around)
        station = self._station(key, outcome)
        station.count(outcome, time, version)
        if action == BOOT:
            station.model = model
        pending = (key, frame.message_id or "", action)
        if frame.message_type not in (CALL, SEND) and pending in self._pending:
            exchange = self._pending.pop(pending)
            exchange.answer = RESULT if isinstance(frame, CallResult) else _answer(frame)
            exchange.problem = exchange.problem or problem
            exchange.outcome = max(exchange.outcome, outcome)
            self._measure(exchange, time)
            if station.session is not None:
                station.session.merge(exchange)
            return
        is_call = frame.message_type == CALL
        sender = _senders(version).get(action, "")
        exchange = Exchange(line, time, sender, action, is_call, problem=problem, outcome=outcome)
        if is_call and len(pending[1]) <= MAX_ID_LENGTH:
            self._keep(pending, exchange)
        if station.session is not None:
            station.session.add(exchange)

    def _refuse(self, line: int, action: str, error: DecodeError) -> str:
        group = (action, error.error_code, error.error_description)
        if group not in self.refusals and len(self.refusals) >= MAX_GROUPS:
            group = OTHER_REFUSALS
        refusals = self.refusals.setdefault(group, Refusals())
        refusals.count += 1
        if len(refusals.places) < MAX_PLACES:
            refusals.places.append(f"{self._file}:{line}")
        return shortened(str(error), MAX_PROBLEM)

    def _station(self, key: Hashable, outcome: int) -> Station:
        index: Hashable = (self._file, key)
        if index not in self._stations and len(self._stations) >= MAX_STATIONS:
            index = OTHERS
        station = self._stations.get(index)
        if station is None:
            words = (OTHERS,) if index == OTHERS else _words(key)
            station = self._stations[index] = Station(self._file, words, self._clock)
        if station.session is None and index != OTHERS:
            # The second half of the sessions is for stations that turn out to be faulty.
            half = outcome == REFUSED and self._sessions[False] >= MAX_SESSIONS
            if self._sessions[half] < MAX_SESSIONS:
                self._sessions[half] += 1
                station.session = Session()
        return station

    def _measure(self, exchange: Exchange, time: float | None) -> None:
        if time is not None and exchange.time is not None and time >= exchange.time:
            exchange.latency = time - exchange.time
            self.latencies.setdefault(exchange.action, Latencies()).add(exchange.latency)

    def _keep(self, pending: tuple[Hashable, str, str], exchange: Exchange) -> None:
        if pending in self._pending:
            self._give_up({pending: self._pending.pop(pending)})
        elif len(self._pending) >= MAX_PENDING:
            self._give_up(drop_older_half(self._pending))
        self._pending[pending] = exchange

    def _give_up(self, calls: Mapping[Any, Exchange]) -> None:
        self.unanswered.update(exchange.action for exchange in calls.values())


def _answer(frame: Frame | DecodeError) -> str:
    """Return the error code of a CALLERROR, and the type of an answer that is refused."""
    if not isinstance(frame, DecodeError):
        return str(getattr(frame, "error_code", ""))
    return RESULT if frame.message_type == CALLRESULT else "error"


def _words(key: Hashable) -> tuple[str, ...]:
    """Return the words in the key of a station."""
    words = key if isinstance(key, tuple) else (key,)
    return tuple(
        shortened(
            word.decode(errors="backslashreplace") if isinstance(word, bytes) else str(word),
            MAX_NAME,
        )
        for word in words
        if word is not None
    )


@cache
def _senders(version: str) -> dict[str, str]:
    profiles = Version.named(version).profiles
    return {feature.name: feature.sender for profile in profiles for feature in profile.features}

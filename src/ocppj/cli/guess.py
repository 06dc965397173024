"""The OCPP version of each frame of a log, told by what its calls look like.

A call counts for the versions that take it as it is or, where none does, for those that tolerate it
with the fewest violations; one that all versions take alike counts for none. The version of a
station is the one that most of its calls count for; a BootNotification begins anew. Results belong
to their call. Owns these rules; knows nothing of output.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Final

from ocppj.cli.attribution import station_key
from ocppj.cli.log import Line, LogError
from ocppj.cli.replay import Replay, drop_older_half
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import Call, CallResultError, Send
from ocppj.policy import Policy

__all__ = ["VERSION_ORDER", "GuessingReplay", "beginning"]

VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""Where nothing tells the versions apart, the first of them is taken."""

MAX_SAMPLED: Final = 1000
MAX_SAMPLE_SIZE: Final = 4 * 2**20

ENOUGH: Final = 16
"""Calls that tell the version of a station; later ones are looked at when they are refused."""

MAX_LOOKS: Final = 1000
"""Refused calls of a station that may tell nothing; later ones, but to boot, are not looked at."""

MAX_STATIONS: Final = 10_000
"""Stations that are kept; beyond, the older half is forgotten."""

MIN_SHARE: Final = 5
"""One call in so many has to tell another version, if the log does not tell stations apart."""

_BOOT: Final = "BootNotification"
_TELL_NOTHING: Final = ("DataTransfer", "Heartbeat")
"""All versions have the same Heartbeat. The data of DataTransfer is a text in 1.6, and anything in
2.x: stations of 1.6 that send objects are many."""

_ANSWERS: Final = (b"[3,", b"[4,")


def beginning(lines: Iterator[Line], has_line: Callable[[], bool]) -> Iterator[Line]:
    """Yield the lines that a log begins with, bounded in number and bytes.

    Args:
        lines: of the log.
        has_line: tells whether the next line is there soon.
    """
    size = 0
    for _ in range(MAX_SAMPLED):
        if size >= MAX_SAMPLE_SIZE or not has_line() or (line := next(lines, None)) is None:
            return
        size += len(line[1])
        yield line


class Judge:
    """Tells which versions a call counts for."""

    def __init__(self) -> None:
        policy = Policy.lenient()
        self._codecs = {version: Codec(version, policy=policy) for version in VERSION_ORDER}

    def takers(self, text: bytes, action: str) -> frozenset[str]:
        """Return the versions that a call counts for; none if it tells nothing."""
        if action in _TELL_NOTHING:
            return frozenset()
        found = {}
        for version, codec in self._codecs.items():
            with suppress(DecodeError):
                found[version] = len(codec.decode(text).violations)
        fewest = min(found.values(), default=0)
        takers = frozenset(version for version, count in found.items() if count == fewest)
        return takers if len(takers) < len(VERSION_ORDER) else frozenset()

    def action(self, text: bytes) -> str | None:
        """Return the action of a call or SEND, an empty one of a CALLRESULTERROR; else `None`."""
        try:
            head = self._codecs["2.1"].peek(text)  # which knows all message types
        except DecodeError:
            return None
        return "" if head.message_type == CallResultError.message_type else head.action


class Station:
    """What is known of the version of a station; or of a log that does not tell its stations.

    Args:
        version: until a call tells.
        shared: whether it stands for a log that does not tell its stations.

    Attributes:
        spoken: the versions, that of most calls first; several only if it is shared.
        looks: how many refused calls were looked at and told nothing.
    """

    __slots__ = ("_boots", "_shared", "_votes", "looks", "spoken")

    def __init__(self, version: str, *, shared: bool) -> None:
        self.spoken = [version]
        self.looks = 0
        self._shared = shared
        self._votes: Counter[frozenset[str]] = Counter()
        self._boots: set[frozenset[str]] = set()

    @property
    def evidence(self) -> int:
        """How many calls tell the version."""
        return self._votes.total()

    def votes(self, version: str) -> int:
        """Return how many calls count for a version."""
        return _votes(self._votes, version)

    def vote(self, takers: frozenset[str], action: str) -> None:
        """Count a call for the versions that take it."""
        if not takers:
            return
        if action == _BOOT and self._shared:
            self._boots.add(takers)
        elif action == _BOOT and self.spoken[0] not in takers:
            self._votes.clear()
        self._votes[takers] += 1
        self.spoken = self._majorities(takers)

    def _majorities(self, latest: frozenset[str]) -> list[str]:
        """Return the version with most votes; if shared, those too that the other votes are for."""
        votes: Mapping[frozenset[str], int] = self._votes
        spoken = []
        while votes:
            scores = {v: (_votes(votes, v), v in latest) for v in VERSION_ORDER}
            version = max(VERSION_ORDER, key=scores.__getitem__)
            spoken.append(version)
            votes = {
                takers: count
                for takers, count in votes.items()
                if self._shared
                and version not in takers
                and (takers in self._boots or count * MIN_SHARE >= self.evidence)
            }
        return spoken


def _votes(votes: Mapping[frozenset[str], int], version: str) -> int:
    return sum(count for takers, count in votes.items() if version in takers)


def _failing(error: LogError) -> Iterator[Line]:
    yield from ()
    raise error


class GuessingReplay:
    """Replays a log with a version for each station, where the log tells its stations.

    Args:
        make: makes the replay of a version.
    """

    def __init__(self, make: Callable[[str], Replay]) -> None:
        self._make = make
        self._judge = Judge()
        self._replays: dict[str, Replay] = {}
        self._stations: dict[Hashable, Station] = {}
        self._key: Callable[[bytes], Hashable] = lambda _: None
        self._shared = True
        self._version = VERSION_ORDER[0]
        self._sampled = 0

    @property
    def frames(self) -> dict[str, int]:
        """How many frames were taken to be of each version, most first."""
        counts = {version: replay.frames for version, replay in self._replays.items()}
        return dict(sorted(counts.items(), key=lambda item: -item[1])) or {self._version: 0}

    @property
    def is_told(self) -> bool:
        """Whether a frame of the log tells its version."""
        return any(station.evidence for station in self._stations.values())

    def guess(self, lines: Iterator[Line], has_line: Callable[[], bool]) -> Iterator[Line]:
        """Look at the beginning of a log, and return all of it.

        Args:
            lines: of the log.
            has_line: tells whether the next line is there soon.
        """
        taken: list[Line] = []
        rest = lines
        try:
            taken.extend(beginning(lines, has_line))
        except LogError as error:
            rest = _failing(error)
        self._key = station_key(taken)
        self._shared = len({self._key(around) for _, _, around in taken}) <= 1
        for self._sampled, text, around in taken:
            action = self._judge.action(text)
            if action is not None:
                takers = self._judge.takers(text, action)
                self._station(around).vote(takers, action)
        votes = Counter[str]()
        for station in self._stations.values():
            votes.update({version: station.votes(version) for version in VERSION_ORDER})
        self._version = max(VERSION_ORDER, key=votes.__getitem__)
        for station in self._stations.values():
            if not station.evidence:
                station.spoken = [self._version]
        return chain(taken, rest)

    def run(self, lines: Iterable[Line]) -> None:
        """Decode frames and count them."""
        replays = self._replays
        for line in lines:
            number, text, around = line
            if len(replays) == 1 and text.startswith(_ANSWERS):
                replays[next(iter(replays))].run((line,))
                continue
            station = self._station(around)
            replay = self._replay(station.spoken[0])
            try:
                frame = replay.decode(text)
            except DecodeError as error:
                self._refused(line, error, station)
                continue
            if isinstance(frame, Call | Send):
                action = frame.action
                if number > self._sampled and station.evidence < ENOUGH:
                    station.vote(self._judge.takers(text, action), action)
                better = self._replay(station.spoken[0])
            else:
                better = self._awaiting(frame.message_id, replay)
            if better is replay:
                replay.decoded(number, text, frame)
            else:
                better.run((line,))

    def _refused(self, line: Line, error: DecodeError, station: Station) -> None:
        number, text, _ = line
        replay = self._replay(station.spoken[0])
        action = self._judge.action(text)
        if action is None:
            better = self._awaiting(error.message_id, replay)
        else:
            if action == _BOOT or (number > self._sampled and station.looks < MAX_LOOKS):
                takers = self._judge.takers(text, action)
                station.looks += not takers
                station.vote(takers, action)
            spoken = [self._replay(version) for version in station.spoken]
            taking = (other for other in spoken if other is not replay and other.takes(text))
            better = next(taking, spoken[0])
        if better is replay:
            replay.refused(number, text, error)
        else:
            better.run((line,))

    def _awaiting(self, message_id: str | None, replay: Replay) -> Replay:
        """Return the replay that has the call of an answer; the given one if none has."""
        if message_id is not None and len(self._replays) > 1 and not replay.awaits(message_id):
            for other in self._replays.values():
                if other.awaits(message_id):
                    return other
        return replay

    def _replay(self, version: str) -> Replay:
        replay = self._replays.get(version)
        if replay is None:
            replay = self._replays[version] = self._make(version)
        return replay

    def _station(self, around: bytes) -> Station:
        key = self._key(around)
        station = self._stations.get(key)
        if station is None:
            if len(self._stations) >= MAX_STATIONS:
                drop_older_half(self._stations)
            station = self._stations[key] = Station(self._version, shared=self._shared)
        return station

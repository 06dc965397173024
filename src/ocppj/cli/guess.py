"""The OCPP version of each frame of a log, guessed from the calls in it.

A call votes for the versions whose schema it satisfies. If it satisfies none, it votes for those
that tolerate it with the fewest violations. If all versions are equal, it does not vote. A station
speaks the version with most votes; a BootNotification for another version discards earlier votes.
A result has the version of its call. Owns these rules; knows nothing of output.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

from ocppj.cli.log import Line, LogError
from ocppj.cli.pending import drop_older_half
from ocppj.cli.replay import Replay
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import Call, CallResultError, Send
from ocppj.policy import Policy

__all__ = ["VERSION_ORDER", "GuessingReplay", "read_sample"]

VERSION_ORDER: Final = ("2.0.1", "1.6", "2.1")
"""Preference among versions with equal votes."""

MAX_SAMPLED: Final = 1000
"""Maximum number of lines that are read before the first frame is checked."""

MAX_SAMPLE_SIZE: Final = 4 * 2**20
"""Maximum number of bytes in these lines."""

ENOUGH_VOTES: Final = 16
"""Votes that settle the version of a station. After them, a call votes only if it is refused."""

MAX_ABSTENTIONS: Final = 1000
"""Refused calls of a station that may fail to vote. After them, only a BootNotification votes."""

MAX_STATIONS: Final = 10_000
"""Maximum number of stations kept; beyond it, the older half is dropped."""

MIN_SHARE: Final = 5
"""In a log that does not name its stations, a version needs one in this many votes, or a boot."""

_BOOT: Final = "BootNotification"
_UNINFORMATIVE: Final = ("DataTransfer", "Heartbeat")
"""Actions that do not vote. Heartbeat is the same in all versions. The data of DataTransfer is a
string in 1.6 and anything in 2.x, but many 1.6 stations send objects."""

_ANSWERS: Final = (b"[3,", b"[4,")


def read_sample(
    lines: Iterator[Line], has_line: Callable[[], bool]
) -> tuple[list[Line], Iterator[Line]]:
    """Read the first lines of a log, up to `MAX_SAMPLED` and `MAX_SAMPLE_SIZE`.

    Args:
        lines: of the log.
        has_line: whether the next line can be read without waiting long.

    Returns:
        The sample, and all lines, the sample included.
    """
    sample: list[Line] = []
    size = 0
    try:
        while len(sample) < MAX_SAMPLED and size < MAX_SAMPLE_SIZE and has_line():
            if (line := next(lines, None)) is None:
                break
            size += len(line[1])
            sample.append(line)
    except LogError as error:
        lines = _failing(error)
    return sample, chain(sample, lines)


def _failing(error: LogError) -> Iterator[Line]:
    yield from ()
    raise error


class Classifier:
    """Finds the versions that a call votes for."""

    def __init__(self) -> None:
        policy = Policy.lenient()
        self._codecs = {version: Codec(version, policy=policy) for version in VERSION_ORDER}

    def matches(self, text: bytes, action: str) -> frozenset[str]:
        """Return the versions that a call votes for, none if it does not vote."""
        if action in _UNINFORMATIVE:
            return frozenset()
        violations = {}
        for version, codec in self._codecs.items():
            with suppress(DecodeError):
                violations[version] = len(codec.decode(text).violations)
        fewest = min(violations.values(), default=0)
        matches = frozenset(version for version, count in violations.items() if count == fewest)
        return matches if len(matches) < len(VERSION_ORDER) else frozenset()

    def voting_action(self, text: bytes) -> str | None:
        """Return the action of a CALL or SEND, `""` for a CALLRESULTERROR, `None` otherwise."""
        try:
            head = self._codecs["2.1"].peek(text)  # the version that has all message types
        except DecodeError:
            return None
        return "" if head.message_type == CallResultError.message_type else head.action


class StationVersion:
    """The version of a station, or the versions in a log that does not name its stations.

    Args:
        version: assumed until a call votes.
        shared: whether this is a whole log, whose stations cannot be told apart.

    Attributes:
        versions: most votes first; more than one only if `shared`.
        abstentions: number of refused calls that did not vote.
    """

    __slots__ = ("_boots", "_shared", "_votes", "abstentions", "versions")

    def __init__(self, version: str, *, shared: bool) -> None:
        self.versions = [version]
        self.abstentions = 0
        self._shared = shared
        self._votes: Counter[frozenset[str]] = Counter()
        self._boots: set[frozenset[str]] = set()

    @property
    def vote_count(self) -> int:
        """Number of calls that have voted."""
        return self._votes.total()

    def votes(self, version: str) -> int:
        """Return the number of votes for a version."""
        return _votes(self._votes, version)

    def vote(self, matches: frozenset[str], action: str) -> None:
        """Count the vote of a call for each of the versions."""
        if not matches:
            return
        if action == _BOOT and self._shared:
            self._boots.add(matches)
        elif action == _BOOT and self.versions[0] not in matches:
            self._votes.clear()
        self._votes[matches] += 1
        self.versions = self._elect(matches)

    def _elect(self, latest: frozenset[str]) -> list[str]:
        """Return the version with most votes; if shared, also those that the other votes elect."""
        votes: Mapping[frozenset[str], int] = self._votes
        elected = []
        while votes:
            scores = {v: (_votes(votes, v), v in latest) for v in VERSION_ORDER}
            version = max(VERSION_ORDER, key=scores.__getitem__)
            elected.append(version)
            votes = {
                matches: count
                for matches, count in votes.items()
                if self._shared
                and version not in matches
                and (matches in self._boots or count * MIN_SHARE >= self.vote_count)
            }
        return elected


def _votes(votes: Mapping[frozenset[str], int], version: str) -> int:
    return sum(count for matches, count in votes.items() if version in matches)


class GuessingReplay:
    """Replays a log, each frame with the version of its station.

    Args:
        make: returns a new replay for a version.
    """

    def __init__(self, make: Callable[[str], Replay]) -> None:
        self._make = make
        self._classifier = Classifier()
        self._replays: dict[str, Replay] = {}
        self._stations: dict[Hashable, StationVersion] = {}
        self._key: Callable[[bytes], Hashable] = lambda _: None
        self._shared = True
        self._version = VERSION_ORDER[0]
        self._sampled = 0

    @property
    def frames(self) -> dict[str, int]:
        """Number of frames checked as each version, most first."""
        counts = {version: replay.frames for version, replay in self._replays.items()}
        return dict(sorted(counts.items(), key=lambda item: -item[1])) or {self._version: 0}

    @property
    def has_votes(self) -> bool:
        """Whether any call of the log has voted."""
        return any(station.vote_count for station in self._stations.values())

    def guess(self, sample: Sequence[Line], key: Callable[[bytes], Hashable]) -> None:
        """Guess versions from the first lines of a log.

        Args:
            sample: the first lines.
            key: returns the key of a station, given the text around a frame.
        """
        self._key = key
        self._shared = len({self._key(around) for _, _, around in sample}) <= 1
        for self._sampled, text, around in sample:
            action = self._classifier.voting_action(text)
            if action is not None:
                matches = self._classifier.matches(text, action)
                self._station(self._key(around)).vote(matches, action)
        votes = Counter[str]()
        for station in self._stations.values():
            votes.update({version: station.votes(version) for version in VERSION_ORDER})
        self._version = max(VERSION_ORDER, key=votes.__getitem__)
        for station in self._stations.values():
            if not station.vote_count:
                station.versions = [self._version]

    def run(self, lines: Iterable[Line]) -> None:
        """Decode frames and count them."""
        replays = self._replays
        for line in lines:
            number, text, around = line
            if len(replays) == 1 and text.startswith(_ANSWERS):
                replays[next(iter(replays))].run((line,))
                continue
            key = self._key(around)
            station = self._station(key)
            replay = self._replay(station.versions[0])
            try:
                frame = replay.decode(key, text)
            except DecodeError as error:
                self._refused(line, error, station, key)
                continue
            if isinstance(frame, Call | Send):
                action = frame.action
                if number > self._sampled and station.vote_count < ENOUGH_VOTES:
                    station.vote(self._classifier.matches(text, action), action)
                better = self._replay(station.versions[0])
            else:
                better = self._replay_of_call(key, frame.message_id, replay)
            if better is replay:
                replay.decoded(key, number, text, frame)
            else:
                better.run((line,))

    def _refused(
        self, line: Line, error: DecodeError, station: StationVersion, key: Hashable
    ) -> None:
        number, text, _ = line
        replay = self._replay(station.versions[0])
        action = self._classifier.voting_action(text)
        if action is None:
            better = self._replay_of_call(key, error.message_id, replay)
        else:
            may_vote = number > self._sampled and station.abstentions < MAX_ABSTENTIONS
            if action == _BOOT or may_vote:
                matches = self._classifier.matches(text, action)
                station.abstentions += not matches
                station.vote(matches, action)
            elected = [self._replay(version) for version in station.versions]
            others = (
                other for other in elected if other is not replay and other.accepts(key, text)
            )
            better = next(others, elected[0])
        if better is replay:
            replay.refused(key, number, text, error)
        else:
            better.run((line,))

    def _replay_of_call(self, key: Hashable, message_id: str | None, replay: Replay) -> Replay:
        """Return the replay with the pending call of an answer, or the given one if none has it."""
        if message_id is None or len(self._replays) < 2 or replay.is_pending(key, message_id):
            return replay
        others = (o for o in self._replays.values() if o.is_pending(key, message_id))
        return next(others, replay)

    def _replay(self, version: str) -> Replay:
        replay = self._replays.get(version)
        if replay is None:
            replay = self._replays[version] = self._make(version)
        return replay

    def _station(self, key: Hashable) -> StationVersion:
        station = self._stations.get(key)
        if station is None:
            if len(self._stations) >= MAX_STATIONS:
                drop_older_half(self._stations)
            station = StationVersion(self._version, shared=self._shared)
            self._stations[key] = station
        return station

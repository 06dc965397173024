"""Logs of frames: how they are read, and what a codec says of them.

Owns how a frame is found in a line, that reading takes a bounded amount of memory, and how results
find their calls within a log. Knows nothing of files, terminals and output.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

import msgspec

from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import Call, CallResult, CallResultError, Send

__all__ = ["Check", "Counts", "Log", "LogError", "acceptance", "find", "take"]

PREFIX_SIZE: Final = 4096
"""Bytes that a line may have beyond the largest frame."""

MAX_PENDING: Final = 2**16
"""Open calls that are kept; beyond, the oldest are forgotten."""

SAMPLE_FRAMES: Final = 1000
SAMPLE_SIZE: Final = 4 * 2**20

NO_ACTION: Final = "(no action)"
UNKNOWN_ACTION: Final = "(unknown action)"
UNKNOWN_CALL: Final = "(unknown call)"

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_NO_LOGGER: Final = _BLANK + _BOM + b'"'
_BARE: Final = tuple(f"[{number},".encode() for number in range(2, 7))
# A message type and a string; or a type of OCPP and anything, so that a frame with a bad id is
# shown to the decoder too. `[2026-01-31 10:00:00]`, `[main,5,x]` and `[2]` are a logger's.
_HEAD: Final = re.compile(
    rb'\[\s*(?:(?:-?\d[\d.]*|"\d+"|true|false|null)\s*,\s*\\?"|[2-6]\s*,)', re.DOTALL
)
# Possessive: hostile lines must not make it backtrack.
_STRING_BODY: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]]', re.DOTALL)
_WRAPPINGS: Final = {b'""', b"''", b"``", b"()", b"<>"}


class LogError(Exception):
    """The log cannot be read any further."""


class Log:
    """The frames of a log. To be gone through once.

    Args:
        stream: the log, binary.
        max_size: bytes that a frame may have. Of a longer line only a part is given out, which is
            still too large for the decoder; the rest is read and dropped.

    Attributes:
        size: bytes read so far.
    """

    __slots__ = ("_limit", "_stream", "size")

    def __init__(self, stream: IO[bytes], max_size: int) -> None:
        self._stream = stream
        self._limit = max_size + PREFIX_SIZE
        self.size = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield line number and frame of each line that is not blank.

        Raises:
            LogError: reading failed.
        """
        readline, limit = self._stream.readline, self._limit
        number = 0
        try:
            while line := readline(limit):
                number += 1
                self.size += len(line)
                if len(line) == limit and not line.endswith(b"\n"):
                    self._skip()
                    yield number, line
                    continue
                line = line.strip(_BLANK)
                if number == 1:
                    line = line.removeprefix(_BOM).lstrip(_BLANK)
                if line.startswith(_BARE):
                    yield number, line
                elif line:
                    yield number, find(line)
        except OSError as error:
            raise LogError(error.strerror or str(error)) from error

    def _skip(self) -> None:
        while rest := self._stream.readline(self._limit):
            self.size += len(rest)
            if rest.endswith(b"\n"):
                return


def find(line: bytes) -> bytes:
    """Return the frame in a line of a log; the whole line if there is none to be seen.

    What stands before the frame is dropped. What stands behind it is dropped if something stands
    before it too, so that it is a logger's line, and if it cannot belong to the frame; otherwise
    it is given out for the decoder to refuse. A frame that is escaped in a string, as loggers of
    JSON and `key="value"` do it, is unescaped.
    """
    head = _HEAD.search(line)
    if head is None:
        return line
    start, end = head.span()
    if not line[:start].strip(_NO_LOGGER):
        return line
    if line.endswith(b'\\"', start, end):
        return _unescaped(line, start)
    if line.endswith(b"}]"):
        return line[start:]
    end = _end(line, start)
    return line[start:end] if _ends(line, start, end) else line[start:]


def _unescaped(line: bytes, start: int) -> bytes:
    body = _STRING_BODY.match(line, start)
    text = body.group() if body else b""
    try:
        return msgspec.json.decode(b'"%b"' % text, type=str).encode()
    except (msgspec.DecodeError, UnicodeError):
        return line[start:]


def _end(line: bytes, start: int) -> int:
    """Return where the array that opens at `start` is closed; the line's end if it never is."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(line, start):
        if token.group() == b"[":
            depth += 1
        elif token.group() == b"]":
            depth -= 1
            if depth == 0:
                return token.end()
    return len(line)


def _ends(line: bytes, start: int, end: int) -> bool:
    """Tell whether what stands behind `end` is a logger's, not the frame's."""
    before, rest = line[:start], line[end:]
    if before.count(b"{") > before.count(b"}"):
        return rest.lstrip(_BLANK)[:1] in (b",", b"}")
    if line[start - 1 : start] + rest[:1] in _WRAPPINGS:
        return True
    apart = rest[:1] in (b" ", b"\t", b"\x1b") and rest.lstrip(_BLANK)[:1] not in (b",", b"]", b"}")
    return apart and not _HEAD.search(rest)


@dataclass(slots=True)
class Counts:
    """How many frames of each kind an action has; refused ones are in `refused` only."""

    calls: int = 0
    sends: int = 0
    results: int = 0
    errors: int = 0
    refused: int = 0

    @property
    def accepted(self) -> int:
        """How many were taken."""
        return self.calls + self.sends + self.results + self.errors


class OpenCalls:
    """The calls of a log that have no answer yet: message id -> action.

    Two stations in one log, or both sides of a connection, may use one id at a time, so an id may
    stand for several calls; `newest` has the last of them.
    """

    def __init__(self) -> None:
        self.newest: dict[str, str] = {}
        self._older: dict[str, list[str]] = {}

    def add(self, message_id: str, action: str) -> None:
        """Keep a call. One of the same id and action is the same one, sent again."""
        if message_id in self.newest:
            others = self._older.setdefault(message_id, [])
            others.append(self.newest.pop(message_id))
            if action in others:
                others.remove(action)
            if not others:
                del self._older[message_id]
        elif len(self.newest) >= MAX_PENDING:
            for oldest in _halve(self.newest):
                self._older.pop(oldest, None)
        self.newest[message_id] = action

    def close(self, message_id: str) -> str | None:
        """Take the newest call of an id away and return its action, if there is one."""
        action = self.newest.pop(message_id, None)
        if others := self._older.get(message_id):
            self.newest[message_id] = others.pop()
            if not others:
                del self._older[message_id]
        return action

    def older(self, message_id: str) -> tuple[str, ...]:
        """Return the actions of an id that are not the newest."""
        return tuple(self._older.get(message_id, ()))

    def close_older(self, message_id: str, action: str) -> None:
        """Take one of the older calls away."""
        others = self._older[message_id]
        others.remove(action)
        if not others:
            del self._older[message_id]


def _halve(entries: dict[str, str]) -> list[str]:
    """Drop the older half, at once: the first of a dict is slow to find when many were dropped."""
    dropped = list(islice(entries, len(entries) // 2))
    for key in dropped:
        del entries[key]
    return dropped


class Check:
    """Decodes the frames of one log; results find their calls by message id.

    Args:
        codec: of the log's version.
        counts: by action, to be added to; `NO_ACTION` and so on for frames that have none.
        refuse: told line number, action and error of each refused frame.
    """

    def __init__(
        self,
        codec: Codec,
        counts: defaultdict[str, Counts],
        refuse: Callable[[int, str, DecodeError], object],
    ) -> None:
        self._codec = codec
        self._counts = counts
        self._refuse = refuse
        features = [feature for profile in codec.profiles for feature in profile.features]
        self._known = {feature.name: feature.response_type is not None for feature in features}
        self._open = OpenCalls()
        # What a CALLRESULTERROR may be about: calls that have had their result.
        self._closed: dict[str, str] = {}
        types = Version.named(codec.version).message_types
        self._keep_closed = CallResultError.message_type in types

    def run(self, frames: Iterable[tuple[int, bytes]]) -> None:
        """Decode frames and count them."""
        decode, counts, pending = self._codec.decode, self._counts, self._open.newest
        for number, text in frames:
            try:
                frame = decode(text, pending)
            except DecodeError as error:
                self._fail(number, text, error)
                continue
            if isinstance(frame, Call):
                counts[frame.action].calls += 1
                if frame.message_id in pending or len(pending) >= MAX_PENDING:
                    self._open.add(frame.message_id, frame.action)
                else:
                    pending[frame.message_id] = frame.action
            elif isinstance(frame, CallResult):
                counts[self._close(frame.message_id)].results += 1
            elif isinstance(frame, Send):
                counts[frame.action].sends += 1
            elif isinstance(frame, CallResultError):
                counts[self._closed.pop(frame.message_id, UNKNOWN_CALL)].errors += 1
            else:
                counts[self._close(frame.message_id)].errors += 1

    def _close(self, message_id: str) -> str:
        action = self._open.close(message_id)
        if action is None:
            return UNKNOWN_CALL
        if self._keep_closed:
            if len(self._closed) >= MAX_PENDING:
                _halve(self._closed)
            self._closed[message_id] = action
        return action

    def _fail(self, number: int, text: bytes, error: DecodeError) -> None:
        message_id, action = error.message_id, NO_ACTION
        if message_id is not None and error.message_type in (2, 6):
            action = self._action(text)
            if error.message_type == 2 and self._known.get(action):
                self._open.add(message_id, action)
        elif message_id is not None and error.message_type == 3:
            for other in self._open.older(message_id):
                if self._takes(text, {message_id: other}):
                    self._open.close_older(message_id, other)
                    self._counts[other].results += 1
                    return
            action = self._close(message_id)
        elif message_id is not None and error.message_type == 4:
            action = self._close(message_id)
        self._counts[action].refused += 1
        self._refuse(number, action, error)

    def _action(self, text: bytes) -> str:
        try:
            action = self._codec.peek(text).action
        except DecodeError:
            return NO_ACTION
        return action if action in self._known else UNKNOWN_ACTION

    def _takes(self, text: bytes, pending: Mapping[str, str]) -> bool:
        try:
            self._codec.decode(text, pending)
        except DecodeError:
            return False
        return True


def take(frames: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Take a sample off the beginning of a log, bounded in frames and in bytes."""
    sample: list[tuple[int, bytes]] = []
    size = 0
    while len(sample) < SAMPLE_FRAMES and size < SAMPLE_SIZE and (item := next(frames, None)):
        sample.append(item)
        size += len(item[1])
    return sample


def acceptance(sample: Iterable[tuple[int, bytes]], versions: Iterable[str]) -> dict[str, int]:
    """Return how many frames of a sample each version takes."""
    accepted = {}
    for version in versions:
        counts: defaultdict[str, Counts] = defaultdict(Counts)
        Check(Codec(version), counts, lambda *_: None).run(sample)
        accepted[version] = sum(row.accepted for row in counts.values())
    return accepted

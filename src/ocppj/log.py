"""Logs of frames: how they are read, and what a codec says of them.

Owns how a frame is found in a line, that reading takes a bounded amount of memory, how results find
their calls within a log and faults their station. Knows nothing of files, terminals and output.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, Final

import msgspec

from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import FRAMES, Call, CallResult, CallResultError, Frame, Send
from ocppj.policy import RULES, Policy, Violation

__all__ = ["Check", "Counts", "Log", "LogError", "find"]

PREFIX_SIZE: Final = 4096
"""Bytes that a line may have beyond the largest frame."""

MAX_PENDING: Final = 2**16
"""Open calls that are kept; beyond, the oldest are forgotten."""

MAX_ID: Final = 255
"""Length of the message ids that are kept; a policy may let longer ones pass."""

NO_ACTION: Final = "(no action)"
UNKNOWN_ACTION: Final = "(unknown action)"
UNKNOWN_CALL: Final = "(unknown call)"
UNKNOWN_MODEL: Final = "(unknown model)"

_BOOT: Final = "BootNotification"
_NAMES_SIZE: Final = 100

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
        if len(message_id) > MAX_ID:
            return
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

    def prefer(self, message_id: str, action: str) -> None:
        """Make one of the older calls the newest."""
        others = self._older[message_id]
        others.remove(action)
        others.append(self.newest[message_id])
        self.newest[message_id] = action


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
        tolerate: told line number, action, station model and violations of each frame that the
            policy has let pass; those that it accepts silently too. The model is that of the latest
            BootNotification.
    """

    def __init__(
        self,
        codec: Codec,
        counts: defaultdict[str, Counts],
        refuse: Callable[[int, str, DecodeError], object],
        tolerate: Callable[[int, str, str, tuple[Violation, ...]], object] = lambda *_: None,
    ) -> None:
        # What is accepted silently must be seen too, to tell which call a result answers.
        self._codec = codec.with_policy(_loud(codec.policy))
        self._counts = counts
        self._refuse = refuse
        self._tolerate = tolerate
        self._model = UNKNOWN_MODEL
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
        bends = self._codec.policy.bends
        for number, text in frames:
            try:
                frame = decode(text, pending)
            except DecodeError as error:
                self._fail(number, text, error)
                continue
            bent = bends and type(frame) not in FRAMES
            if bent:
                self._tell(number, text, frame)
            if isinstance(frame, Call):
                message_id, action = frame.message_id, frame.action
                counts[action].calls += 1
                if bends and action == _BOOT:
                    self._model = _model(frame.payload)
                if bent or message_id in pending or len(pending) >= MAX_PENDING:
                    self._open.add(message_id, action)
                else:
                    pending[message_id] = action
            elif isinstance(frame, CallResult):
                counts[self._close(frame.message_id)].results += 1
            elif isinstance(frame, Send):
                counts[frame.action].sends += 1
            elif isinstance(frame, CallResultError):
                counts[self._closed.pop(frame.message_id, UNKNOWN_CALL)].errors += 1
            else:
                counts[self._close(frame.message_id)].errors += 1

    def _tell(self, number: int, text: bytes, frame: Frame) -> None:
        if isinstance(frame, Call) and frame.action == _BOOT:
            self._model = _model(frame.payload)
        elif isinstance(frame, CallResult):
            other = self._better(text, frame.message_id)
            if other and len(other[1].violations) < len(frame.violations):
                self._open.prefer(frame.message_id, other[0])
                frame = other[1]
        if isinstance(frame, Call | Send):
            action = frame.action
        else:
            known = self._closed if isinstance(frame, CallResultError) else self._open.newest
            action = known.get(frame.message_id, UNKNOWN_CALL)
        if frame.violations:
            self._tolerate(number, action, self._model, frame.violations)

    def _better(self, text: bytes, message_id: str) -> tuple[str, Frame] | None:
        """Return which of the older calls of an id a result answers best, and the result."""
        found = []
        for action in self._open.older(message_id):
            with suppress(DecodeError):
                found.append((action, self._codec.decode(text, {message_id: action})))
        return min(found, key=lambda item: len(item[1].violations), default=None)

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
            if action == _BOOT:
                self._model = self._refused_model(text)
            if error.message_type == 2 and self._known.get(action):
                self._open.add(message_id, action)
        elif message_id is not None and error.message_type == 3:
            if other := self._better(text, message_id):
                self._open.prefer(message_id, other[0])
                self._tell(number, text, other[1])
                # What was newest stays open, in the place of the older one.
                self._counts[self._close(message_id)].results += 1
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

    def _refused_model(self, text: bytes) -> str:
        try:
            return _model(msgspec.json.decode(self._codec.peek(text).payload, type=_Boot))
        except (DecodeError, msgspec.DecodeError):
            return UNKNOWN_MODEL


class _Station(msgspec.Struct, rename="camel"):
    vendor_name: Any = None
    model: Any = None


class _Boot(msgspec.Struct, rename="camel"):
    """What tells the station's model, in any version and however wrong the rest is."""

    charge_point_vendor: Any = None
    charge_point_model: Any = None
    charging_station: _Station | None = None


def _model(boot: Any) -> str:
    station = getattr(boot, "charging_station", None) or _Station(
        getattr(boot, "charge_point_vendor", None), getattr(boot, "charge_point_model", None)
    )
    names = [name for name in (station.vendor_name, station.model) if isinstance(name, str)]
    return " ".join(" ".join(names)[:_NAMES_SIZE].split()) or UNKNOWN_MODEL


def _loud(policy: Policy) -> Policy:
    """Return a policy that reports what the given one accepts."""
    changes = {rule: "report" for rule in RULES if getattr(policy, rule) == "accept"}
    return msgspec.structs.replace(policy, **changes)

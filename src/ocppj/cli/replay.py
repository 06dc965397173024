"""Checks the frames of a log: counts them, reports refused frames and tolerated violations.

Owns how a result finds its call within a log, and a violation the model of its station. Memory is
bounded, however long the log is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from ocppj.catalog import Version
from ocppj.cli.log import Line
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import (
    CALL,
    CALLERROR,
    CALLRESULT,
    FRAMES,
    SEND,
    Call,
    CallResult,
    CallResultError,
    Frame,
    Send,
)
from ocppj.policy import Violation

__all__ = ["Counts", "Replay", "drop_older_half"]

MAX_PENDING: Final = 2**16
"""Maximum number of pending calls kept; beyond it, the older half is dropped."""

MAX_ID_LENGTH: Final = 255
"""Maximum length of the message ids kept. A policy may tolerate longer ones."""

K = TypeVar("K")
V = TypeVar("V")

NO_ACTION: Final = "(no action)"
UNKNOWN_ACTION: Final = "(unknown action)"
UNKNOWN_CALL: Final = "(unknown call)"
UNKNOWN_MODEL: Final = "(unknown model)"

_BOOT: Final = "BootNotification"
_MAX_MODEL_LENGTH: Final = 100


@dataclass(slots=True)
class Counts:
    """Number of frames of an action by message type; refused frames count as `refused` only."""

    calls: int = 0
    sends: int = 0
    results: int = 0
    errors: int = 0
    refused: int = 0


class PendingCalls:
    """The calls of a log that have no answer yet.

    Two stations in one log, or the two ends of a connection, may use a message id at the same time.
    So an id may have several calls.

    Attributes:
        newest: message id -> action of the latest call.
    """

    def __init__(self) -> None:
        self.newest: dict[str, str] = {}
        self._older: dict[str, list[str]] = {}

    def add(self, message_id: str, action: str) -> None:
        """Add a call. The same id and action again is the same call, resent."""
        if len(message_id) > MAX_ID_LENGTH:
            return
        if message_id in self.newest:
            others = self._older.setdefault(message_id, [])
            others.append(self.newest.pop(message_id))
            if action in others:
                others.remove(action)
            if not others:
                del self._older[message_id]
        elif len(self.newest) >= MAX_PENDING:
            for oldest in drop_older_half(self.newest):
                self._older.pop(oldest, None)
        self.newest[message_id] = action

    def pop(self, message_id: str) -> str | None:
        """Remove the newest call of an id and return its action, `None` if there is no call."""
        action = self.newest.pop(message_id, None)
        if others := self._older.get(message_id):
            self.newest[message_id] = others.pop()
            if not others:
                del self._older[message_id]
        return action

    def older(self, message_id: str) -> tuple[str, ...]:
        """Return the actions of the calls of an id but the newest."""
        return tuple(self._older.get(message_id, ()))

    def prefer(self, message_id: str, action: str) -> None:
        """Make one of the older calls of an id the newest."""
        others = self._older[message_id]
        others.remove(action)
        others.append(self.newest[message_id])
        self.newest[message_id] = action


def drop_older_half(entries: dict[K, V]) -> dict[K, V]:
    """Drop the older half of a dict, and return it.

    Dropping one entry at a time would be slow: the first key of a dict is slow to find when many
    before it were deleted.
    """
    return {key: entries.pop(key) for key in list(islice(entries, len(entries) // 2))}


def _keep(calls: dict[str, str], message_id: str, action: str) -> None:
    if len(calls) >= MAX_PENDING:
        drop_older_half(calls)
    calls[message_id] = action


class Replay:
    """Decodes the frames of a log in one version. A result is validated against its call.

    Args:
        codec: of the version.
        counts: by action, or by `NO_ACTION`, `UNKNOWN_ACTION`, `UNKNOWN_CALL`; to be added to.
        on_refused: called with line number, action and error of each refused frame.
        on_tolerated: called with line number, action, station model and violations of each frame
            with violations, also those that the policy accepts silently. The model is that of the
            latest BootNotification.
        on_frame: called with line number, frame or error, action and station model of each frame,
            after the others.

    Attributes:
        frames: number of frames decoded or refused.
    """

    def __init__(
        self,
        codec: Codec,
        counts: defaultdict[str, Counts],
        on_refused: Callable[[int, str, DecodeError], object],
        on_tolerated: Callable[[int, str, str, tuple[Violation, ...]], object] = lambda *_: None,
        on_frame: Callable[[int, Frame | DecodeError, str, str], object] | None = None,
    ) -> None:
        # Violations that are accepted silently also tell which call a result answers best.
        self._codec = codec.with_policy(codec.policy.reporting())
        self._decode = self._codec.decode
        self._is_lenient = self._codec.policy.is_lenient
        self._counts = counts
        self._on_refused = on_refused
        self._on_tolerated = on_tolerated
        self._on_frame = on_frame
        self._model = UNKNOWN_MODEL
        self._features = codec.features
        self._pending = PendingCalls()
        # Calls whose result cannot be validated: message id -> action or category.
        self._refused_calls: dict[str, str] = {}
        # Calls with a result, which a CALLRESULTERROR may be about: message id -> action.
        self._answered: dict[str, str] = {}
        types = Version.named(codec.version).message_types
        self._keep_answered = CallResultError.message_type in types
        self.frames = 0

    def run(self, lines: Iterable[Line]) -> None:
        """Decode frames and count them."""
        decode, pending = self._decode, self._pending.newest
        for number, text, _ in lines:
            try:
                frame = decode(text, pending)
            except DecodeError as error:
                self.refused(number, text, error)
            else:
                self.decoded(number, text, frame)

    def decode(self, text: bytes) -> Frame:
        """Decode a frame without counting it.

        Raises:
            DecodeError: the frame is not valid.
        """
        return self._decode(text, self._pending.newest)

    def accepts(self, text: bytes) -> bool:
        """Return whether a frame is valid."""
        try:
            self.decode(text)
        except DecodeError:
            return False
        return True

    def is_pending(self, message_id: str) -> bool:
        """Return whether a call with this id has no answer yet."""
        return message_id in self._pending.newest or message_id in self._refused_calls

    def decoded(self, number: int, text: bytes, frame: Frame) -> None:
        """Count a frame that `decode` has returned."""
        self.frames += 1
        counts, pending = self._counts, self._pending.newest
        has_violations = self._is_lenient and type(frame) not in FRAMES
        if has_violations:
            self._tolerated(number, text, frame)
        if isinstance(frame, Call):
            message_id, action = frame.message_id, frame.action
            counts[action].calls += 1
            if action == _BOOT:
                self._model = _model(frame.payload)
            if has_violations or message_id in pending or len(pending) >= MAX_PENDING:
                self._pending.add(message_id, action)
            else:
                pending[message_id] = action
        elif isinstance(frame, CallResult):
            action = self._answer(frame.message_id)
            counts[action].results += 1
        elif isinstance(frame, Send):
            action = frame.action
            counts[action].sends += 1
        elif isinstance(frame, CallResultError):
            action = self._answered.pop(frame.message_id, UNKNOWN_CALL)
            counts[action].errors += 1
        else:
            action = self._answer(frame.message_id)
            counts[action].errors += 1
        if self._on_frame is not None:
            self._on_frame(number, frame, action, self._model)

    def refused(self, number: int, text: bytes, error: DecodeError) -> None:
        """Count a frame that `decode` has refused, unless it answers an older call of its id."""
        self.frames += 1
        message_id, action = error.message_id, NO_ACTION
        if message_id is not None and error.message_type in (CALL, SEND):
            action = self._category(error)
            if action == _BOOT:
                self._model = self._refused_model(text)
            if error.message_type == CALL and self._has_response(action):
                self._pending.add(message_id, action)
            elif error.message_type == CALL and len(message_id) <= MAX_ID_LENGTH:
                _keep(self._refused_calls, message_id, action)
        elif message_id is not None and error.message_type == CALLRESULT:
            if other := self._better_match(text, message_id):
                self._pending.prefer(message_id, other[0])
                self._tolerated(number, text, other[1])
                # The newest call stays pending, in the place of the older one.
                action = self._answer(message_id)
                self._counts[action].results += 1
                if self._on_frame is not None:
                    self._on_frame(number, other[1], action, self._model)
                return
            action = self._answer(message_id)
        elif message_id is not None and error.message_type == CALLERROR:
            action = self._answer(message_id)
        self._counts[action].refused += 1
        self._on_refused(number, action, error)
        if self._on_frame is not None:
            self._on_frame(number, error, action, self._model)

    def _tolerated(self, number: int, text: bytes, frame: Frame) -> None:
        if isinstance(frame, Call) and frame.action == _BOOT:
            self._model = _model(frame.payload)
        elif isinstance(frame, CallResult):
            other = self._better_match(text, frame.message_id)
            if other and len(other[1].violations) < len(frame.violations):
                self._pending.prefer(frame.message_id, other[0])
                frame = other[1]
        if isinstance(frame, Call | Send):
            action = frame.action
        else:
            is_about_result = isinstance(frame, CallResultError)
            calls = self._answered if is_about_result else self._pending.newest
            action = calls.get(frame.message_id, UNKNOWN_CALL)
        if frame.violations:
            self._on_tolerated(number, action, self._model, frame.violations)

    def _better_match(self, text: bytes, message_id: str) -> tuple[str, Frame] | None:
        """Return the older call of an id that a result answers best, and the result decoded."""
        matches = []
        for action in self._pending.older(message_id):
            with suppress(DecodeError):
                matches.append((action, self._decode(text, {message_id: action})))
        return min(matches, key=lambda match: len(match[1].violations), default=None)

    def _answer(self, message_id: str) -> str:
        """Remove the pending call of an answer and return its action or category."""
        action = self._pending.pop(message_id)
        if action is None:
            return self._refused_calls.pop(message_id, UNKNOWN_CALL)
        if self._keep_answered:
            _keep(self._answered, message_id, action)
        return action

    def _has_response(self, action: str) -> bool:
        feature = self._features.get(action)
        return feature is not None and feature.response_type is not None

    def _category(self, error: DecodeError) -> str:
        if error.action is None:
            return NO_ACTION
        return error.action if error.action in self._features else UNKNOWN_ACTION

    def _refused_model(self, text: bytes) -> str:
        try:
            return _model(msgspec.json.decode(self._codec.peek(text).payload, type=_Boot))
        except (DecodeError, msgspec.DecodeError):
            return UNKNOWN_MODEL


class _Station(msgspec.Struct, rename="camel"):
    vendor_name: Any = None
    model: Any = None


class _Boot(msgspec.Struct, rename="camel"):
    """The fields that name the station's model, in any version; the rest may be invalid."""

    charge_point_vendor: Any = None
    charge_point_model: Any = None
    charging_station: _Station | None = None


def _model(boot: Any) -> str:
    station = getattr(boot, "charging_station", None) or _Station(
        getattr(boot, "charge_point_vendor", None), getattr(boot, "charge_point_model", None)
    )
    names = [name for name in (station.vendor_name, station.model) if isinstance(name, str)]
    return " ".join(" ".join(names)[:_MAX_MODEL_LENGTH].split()) or UNKNOWN_MODEL

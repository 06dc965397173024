"""Checks the frames of a log: counts them, reports refused frames and tolerated violations.

Owns how a result finds its call within a log, and a violation the model of its station. Memory is
bounded, however long the log is.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ocppj.catalog import Version
from ocppj.cli.log import Line
from ocppj.cli.pending import MAX_ID_LENGTH, MAX_PENDING, PendingCalls, drop_older_half, keep
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

__all__ = ["Counts", "Replay"]

MAX_STATIONS: Final = 10_000
"""Maximum number of stations kept; beyond it, the older half is dropped."""

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


class StationState:
    """What is kept of a station, or of all in a log that does not name its stations.

    Attributes:
        pending: its calls without an answer.
        model: that of its latest BootNotification.
    """

    __slots__ = ("model", "pending")

    def __init__(self) -> None:
        self.pending = PendingCalls()
        self.model = UNKNOWN_MODEL


class Replay:
    """Decodes the frames of a log in one version. A result is validated against its call.

    Args:
        codec: of the version.
        counts: by action, or by `NO_ACTION`, `UNKNOWN_ACTION`, `UNKNOWN_CALL`; to be added to.
        on_refused: called with line number, action and error of each refused frame.
        on_tolerated: called with line number, action, station model and violations of each frame
            with violations, also those that the policy accepts silently. The model is that of the
            latest BootNotification of the station.
        on_frame: called with line number, frame or error, action and station model of each frame,
            after the others.
        key: returns the key of a station, given the text around a frame; `None` if the text does
            not name a station.

    Attributes:
        frames: number of frames decoded or refused.
    """

    def __init__(  # noqa: PLR0917  callbacks of one kind
        self,
        codec: Codec,
        counts: defaultdict[str, Counts],
        on_refused: Callable[[int, str, DecodeError], object],
        on_tolerated: Callable[[int, str, str, tuple[Violation, ...]], object] = lambda *_: None,
        on_frame: Callable[[int, Frame | DecodeError, str, str], object] | None = None,
        key: Callable[[bytes], Hashable] = lambda _: None,
    ) -> None:
        # Violations that are accepted silently also tell which call a result answers best.
        self._codec = codec.with_policy(codec.policy.reporting())
        self._decode = self._codec.decode
        self._is_lenient = self._codec.policy.is_lenient
        self._counts = counts
        self._on_refused = on_refused
        self._on_tolerated = on_tolerated
        self._on_frame = on_frame
        self._key = key
        self._features = codec.features
        self._states: dict[Hashable, StationState] = {}
        self._added = 0
        # Message id -> key of the station of the latest call, for answers that name no station.
        self._callers: dict[str, Hashable] = {}
        # Calls whose result cannot be validated: station and message id -> action or category.
        self._refused_calls: dict[tuple[Hashable, str], str] = {}
        # Calls with a result, which a CALLRESULTERROR may be about: as above.
        self._answered: dict[tuple[Hashable, str], str] = {}
        types = Version.named(codec.version).message_types
        self._keep_answered = CallResultError.message_type in types
        self.frames = 0

    def run(self, lines: Iterable[Line]) -> None:
        """Decode frames and count them."""
        for number, text, around in lines:
            key = self._key(around)
            try:
                frame = self.decode(key, text)
            except DecodeError as error:
                self.refused(key, number, text, error)
            else:
                self.decoded(key, number, text, frame)

    def decode(self, key: Hashable, text: bytes) -> Frame:
        """Decode a frame of a station without counting it.

        Raises:
            DecodeError: the frame is not valid.
        """
        frame = self._decode(text, self._state(key).pending.newest)
        if key is None and self._callers and isinstance(frame, CallResult):
            caller = self._callers.get(frame.message_id)
            return self._decode(text, self._state(caller).pending.newest)
        return frame

    def accepts(self, key: Hashable, text: bytes) -> bool:
        """Return whether a frame of a station is valid."""
        try:
            self.decode(key, text)
        except DecodeError:
            return False
        return True

    def is_pending(self, key: Hashable, message_id: str) -> bool:
        """Return whether a call of a station with this id has no answer yet."""
        key = self._caller(key, message_id)
        pending = self._state(key).pending.newest
        return message_id in pending or (key, message_id) in self._refused_calls

    def decoded(self, key: Hashable, number: int, text: bytes, frame: Frame) -> None:
        """Count a frame that `decode` has returned."""
        self.frames += 1
        counts, state = self._counts, self._state(key)
        if key is None and not isinstance(frame, Call | Send):
            key = self._caller(key, frame.message_id)
            state = self._state(key)
        has_violations = self._is_lenient and type(frame) not in FRAMES
        if has_violations:
            self._tolerated(key, state, number, text, frame)
        if isinstance(frame, Call):
            action = frame.action
            counts[action].calls += 1
            if action == _BOOT:
                state.model = _model(frame.payload)
            self._add(key, state, frame.message_id, action)
        elif isinstance(frame, CallResult):
            action = self._answer(key, state, frame.message_id)
            counts[action].results += 1
        elif isinstance(frame, Send):
            action = frame.action
            counts[action].sends += 1
        elif isinstance(frame, CallResultError):
            action = self._answered.pop((key, frame.message_id), UNKNOWN_CALL)
            counts[action].errors += 1
        else:
            action = self._answer(key, state, frame.message_id)
            counts[action].errors += 1
        if self._on_frame is not None:
            self._on_frame(number, frame, action, state.model)

    def refused(self, key: Hashable, number: int, text: bytes, error: DecodeError) -> None:
        """Count a frame that `decode` has refused, unless it answers an older call of its id."""
        self.frames += 1
        message_id, message_type = error.message_id, error.message_type
        frame: Frame | DecodeError = error
        action = NO_ACTION
        if message_id is not None and message_type in (CALLRESULT, CALLERROR):
            key = self._caller(key, message_id)
            state = self._state(key)
            if message_type == CALLRESULT and (
                other := self._better_match(state, text, message_id)
            ):
                state.pending.prefer(message_id, other[0])
                frame = other[1]
                self._tolerated(key, state, number, text, frame)
            # The newest call stays pending, in the place of the older one.
            action = self._answer(key, state, message_id)
        else:
            state = self._state(key)
            if message_id is not None and message_type in (CALL, SEND):
                action = self._refused_call(key, state, text, error)
        if frame is error:
            self._counts[action].refused += 1
            self._on_refused(number, action, error)
        else:
            self._counts[action].results += 1
        if self._on_frame is not None:
            self._on_frame(number, frame, action, state.model)

    def _refused_call(
        self, key: Hashable, state: StationState, text: bytes, error: DecodeError
    ) -> str:
        """Keep a refused CALL, whose answer is expected, and return its action or category."""
        action, message_id = self._category(error), error.message_id or ""
        if action == _BOOT:
            state.model = self._refused_model(text)
        if error.message_type == CALL and self._has_response(action):
            self._add(key, state, message_id, action)
        elif error.message_type == CALL and len(message_id) <= MAX_ID_LENGTH:
            keep(self._refused_calls, (key, message_id), action)
            self._keep_caller(key, message_id)
        return action

    def _tolerated(
        self, key: Hashable, state: StationState, number: int, text: bytes, frame: Frame
    ) -> None:
        if isinstance(frame, Call) and frame.action == _BOOT:
            state.model = _model(frame.payload)
        elif isinstance(frame, CallResult):
            other = self._better_match(state, text, frame.message_id)
            if other and len(other[1].violations) < len(frame.violations):
                state.pending.prefer(frame.message_id, other[0])
                frame = other[1]
        if isinstance(frame, Call | Send):
            action = frame.action
        elif isinstance(frame, CallResultError):
            action = self._answered.get((key, frame.message_id), UNKNOWN_CALL)
        else:
            action = state.pending.newest.get(frame.message_id, UNKNOWN_CALL)
        if frame.violations:
            self._on_tolerated(number, action, state.model, frame.violations)

    def _better_match(
        self, state: StationState, text: bytes, message_id: str
    ) -> tuple[str, Frame] | None:
        """Return the older call of an id that a result answers best, and the result decoded."""
        matches = []
        for action in state.pending.older(message_id):
            with suppress(DecodeError):
                matches.append((action, self._decode(text, {message_id: action})))
        return min(matches, key=lambda match: len(match[1].violations), default=None)

    def _state(self, key: Hashable) -> StationState:
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MAX_STATIONS:
                drop_older_half(self._states)
            state = self._states[key] = StationState()
        return state

    def _add(self, key: Hashable, state: StationState, message_id: str, action: str) -> None:
        """Add a pending call."""
        state.pending.add(message_id, action)
        self._keep_caller(key, message_id)
        self._added += 1
        if self._added >= MAX_PENDING:
            kept = sum(len(state.pending) for state in self._states.values())
            if kept >= MAX_PENDING:
                for other in self._states.values():
                    other.pending.drop_older_half()
                kept = sum(len(state.pending) for state in self._states.values())
            self._added = kept

    def _keep_caller(self, key: Hashable, message_id: str) -> None:
        if key is not None and len(message_id) <= MAX_ID_LENGTH:
            keep(self._callers, message_id, key)

    def _caller(self, key: Hashable, message_id: str) -> Hashable:
        """Return the key of the station that an answer belongs to."""
        return self._callers.get(message_id) if key is None else key

    def _answer(self, key: Hashable, state: StationState, message_id: str) -> str:
        """Remove the pending call of an answer and return its action or category."""
        action = state.pending.pop(message_id)
        if action is None:
            return self._refused_calls.pop((key, message_id), UNKNOWN_CALL)
        if self._keep_answered:
            keep(self._answered, (key, message_id), action)
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

"""What a codec says of the frames of a log: counts, refusals, and what its policy tolerates.

Owns how results find their calls within a log, and violations their station's model. Keeps a
bounded amount of memory, however long the log.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

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
"""Open calls that are kept; beyond, the oldest are forgotten."""

MAX_ID_LENGTH: Final = 255
"""Length of the message ids that are kept; a policy may let longer ones pass."""

NO_ACTION: Final = "(no action)"
UNKNOWN_ACTION: Final = "(unknown action)"
UNKNOWN_CALL: Final = "(unknown call)"
UNKNOWN_MODEL: Final = "(unknown model)"

_BOOT: Final = "BootNotification"
_MAX_MODEL_LENGTH: Final = 100


@dataclass(slots=True)
class Counts:
    """How many frames of each kind an action has; refused ones are in `refused` only."""

    calls: int = 0
    sends: int = 0
    results: int = 0
    errors: int = 0
    refused: int = 0


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


def drop_older_half(entries: dict[Any, Any]) -> list[Any]:
    """Drop the older half, at once: the first of a dict is slow to find when many were dropped."""
    dropped = list(islice(entries, len(entries) // 2))
    for key in dropped:
        del entries[key]
    return dropped


def _keep(calls: dict[str, str], message_id: str, action: str) -> None:
    if len(calls) >= MAX_PENDING:
        drop_older_half(calls)
    calls[message_id] = action


class Replay:
    """Decodes frames of one version in the order of a log; results find their calls by message id.

    Args:
        codec: of the version.
        counts: by action, to be added to; `NO_ACTION` and so on for frames that have none.
        on_refused: called with line number, action and error of each refused frame.
        on_tolerated: called with line number, action, station model and violations of each frame
            that the policy has let pass; those that it accepts silently too. The model is that of
            the latest BootNotification.

    Attributes:
        frames: how many were decoded or refused.
    """

    def __init__(
        self,
        codec: Codec,
        counts: defaultdict[str, Counts],
        on_refused: Callable[[int, str, DecodeError], object],
        on_tolerated: Callable[[int, str, str, tuple[Violation, ...]], object] = lambda *_: None,
    ) -> None:
        # What is accepted silently must be seen too, to tell which call a result answers.
        self._codec = codec.with_policy(codec.policy.reporting())
        self._decode = self._codec.decode
        self._is_lenient = self._codec.policy.is_lenient
        self._counts = counts
        self._on_refused = on_refused
        self._on_tolerated = on_tolerated
        self._model = UNKNOWN_MODEL
        self._features = codec.features
        self._open = OpenCalls()
        # Calls that a result cannot be validated against: message id -> what stands for the action.
        self._unnamed: dict[str, str] = {}
        # What a CALLRESULTERROR may be about: calls that have had their result.
        self._closed: dict[str, str] = {}
        types = Version.named(codec.version).message_types
        self._keep_closed = CallResultError.message_type in types
        self.frames = 0

    def run(self, lines: Iterable[Line]) -> None:
        """Decode frames and count them."""
        decode, pending = self._decode, self._open.newest
        for number, text, _ in lines:
            try:
                frame = decode(text, pending)
            except DecodeError as error:
                self.refused(number, text, error)
            else:
                self.decoded(number, text, frame)

    def decode(self, text: bytes) -> Frame:
        """Decode a frame, a result by the call that it answers.

        Raises:
            DecodeError: it is refused.
        """
        return self._decode(text, self._open.newest)

    def takes(self, text: bytes) -> bool:
        """Tell whether a frame would be decoded."""
        try:
            self.decode(text)
        except DecodeError:
            return False
        return True

    def awaits(self, message_id: str) -> bool:
        """Tell whether there is a call of this id without an answer."""
        return message_id in self._open.newest or message_id in self._unnamed

    def decoded(self, number: int, text: bytes, frame: Frame) -> None:
        """Count a frame that `decode` has returned."""
        self.frames += 1
        counts, pending = self._counts, self._open.newest
        has_violations = self._is_lenient and type(frame) not in FRAMES
        if has_violations:
            self._tolerated(number, text, frame)
        if isinstance(frame, Call):
            message_id, action = frame.message_id, frame.action
            counts[action].calls += 1
            if action == _BOOT:
                self._model = _model(frame.payload)
            if has_violations or message_id in pending or len(pending) >= MAX_PENDING:
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

    def refused(self, number: int, text: bytes, error: DecodeError) -> None:
        """Count a frame that `decode` has refused, unless it answers an older call of its id."""
        self.frames += 1
        message_id, action = error.message_id, NO_ACTION
        if message_id is not None and error.message_type in (CALL, SEND):
            action = self._action(text)
            if action == _BOOT:
                self._model = self._refused_model(text)
            if error.message_type == CALL and self._answered(action):
                self._open.add(message_id, action)
            elif error.message_type == CALL and len(message_id) <= MAX_ID_LENGTH:
                _keep(self._unnamed, message_id, action)
        elif message_id is not None and error.message_type == CALLRESULT:
            if other := self._better_match(text, message_id):
                self._open.prefer(message_id, other[0])
                self._tolerated(number, text, other[1])
                # What was newest stays open, in the place of the older one.
                self._counts[self._close(message_id)].results += 1
                return
            action = self._close(message_id)
        elif message_id is not None and error.message_type == CALLERROR:
            action = self._close(message_id)
        self._counts[action].refused += 1
        self._on_refused(number, action, error)

    def _tolerated(self, number: int, text: bytes, frame: Frame) -> None:
        if isinstance(frame, Call) and frame.action == _BOOT:
            self._model = _model(frame.payload)
        elif isinstance(frame, CallResult):
            other = self._better_match(text, frame.message_id)
            if other and len(other[1].violations) < len(frame.violations):
                self._open.prefer(frame.message_id, other[0])
                frame = other[1]
        if isinstance(frame, Call | Send):
            action = frame.action
        else:
            known = self._closed if isinstance(frame, CallResultError) else self._open.newest
            action = known.get(frame.message_id, UNKNOWN_CALL)
        if frame.violations:
            self._on_tolerated(number, action, self._model, frame.violations)

    def _better_match(self, text: bytes, message_id: str) -> tuple[str, Frame] | None:
        """Return which of the older calls of an id a result answers best, and the result."""
        found = []
        for action in self._open.older(message_id):
            with suppress(DecodeError):
                found.append((action, self._decode(text, {message_id: action})))
        return min(found, key=lambda item: len(item[1].violations), default=None)

    def _close(self, message_id: str) -> str:
        action = self._open.close(message_id)
        if action is None:
            return self._unnamed.pop(message_id, UNKNOWN_CALL)
        if self._keep_closed:
            _keep(self._closed, message_id, action)
        return action

    def _answered(self, action: str) -> bool:
        feature = self._features.get(action)
        return feature is not None and feature.response_type is not None

    def _action(self, text: bytes) -> str:
        try:
            action = self._codec.peek(text).action
        except DecodeError:
            return NO_ACTION
        return action if action is not None and action in self._features else UNKNOWN_ACTION

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
    return " ".join(" ".join(names)[:_MAX_MODEL_LENGTH].split()) or UNKNOWN_MODEL

"""Read any frame step by step and report the first fault.

Owns the rules of the wire, in the order in which they are checked. Only this module rejects frames:
the fast paths of both backends leave every frame that is not certainly valid to it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ocppj._core.depth import nests_deeper_than
from ocppj._core.exponents import MAX_EXPONENTS, too_many_exponents
from ocppj._core.faults import has_unicode_escape
from ocppj._core.payload import decode_payload
from ocppj._core.table import Table
from ocppj.errors import (
    MESSAGE_ID_LENGTH,
    NO_HEAD,
    Fault,
    FrameError,
    FrameHead,
    PayloadError,
    UnknownActionError,
)
from ocppj.frames import (
    CALL,
    CALLERROR,
    CALLRESULT,
    CALLRESULTERROR,
    ELEMENT_COUNTS,
    SEND,
    Call,
    CallError,
    CallResult,
    CallResultError,
    Data,
    Frame,
    Send,
    with_violations,
)
from ocppj.policy import Policy, Violation
from ocppj.schema import check_json

__all__ = ["FrameReader", "unknown_action"]

_split_frame: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_string: Final = msgspec.json.Decoder(str).decode
_any: Final = msgspec.json.Decoder().decode

_MESSAGE_TYPES: Final = {str(number).encode(): number for number in ELEMENT_COUNTS}
_ERRORS: Final = (CALLERROR, CALLRESULTERROR)
_UNREADABLE: Final = object()
"""Stands for valid JSON that has no Python value: a number that is too large."""
_NO_DETAILS: Final = msgspec.Raw(b"{}")
_INTEGER: Final = re.compile(rb"-?\d{1,36}")
_NAME_LENGTH: Final = 50


class FrameReader:
    """Reads one frame step by step. Creating it checks everything but the action and the payload.

    Raises:
        FrameError: the data does not have the shape of a frame.
    """

    __slots__ = (
        "_fast_error",
        "_frame_head",
        "_policy",
        "_table",
        "_violations",
        "elements",
        "message_id",
        "message_type",
    )

    def __init__(
        self, data: Data, table: Table, policy: Policy, fast_error: Exception | None = None
    ) -> None:
        self._table = table
        self._policy = policy
        self._fast_error = fast_error
        self._violations: list[Violation] = []
        # What is known about the frame so far, for errors and their replies.
        self._frame_head: FrameHead = NO_HEAD
        text = self._text(data)
        try:
            self.elements = _split_frame(text)
        except RecursionError as error:
            raise self._too_deep() from error
        except msgspec.ValidationError as error:
            raise self._frame_error(Fault.FRAME, "expected a JSON array") from error
        except msgspec.DecodeError as error:
            raise self._frame_error(
                Fault.FRAME, f"not JSON: {_json_problem(error, text)}"
            ) from error
        self.message_type, self.message_id = self._type_and_id()
        count = ELEMENT_COUNTS[self.message_type]
        short = self.message_type in _ERRORS and len(self.elements) == count - 1
        if len(self.elements) != count and not short:
            problem = f"message type {self.message_type} has {count} elements"
            raise self._frame_error(Fault.FRAME, f"{problem}, got {len(self.elements)}") from None
        if too_many_exponents(text):
            problem = f"more than {MAX_EXPONENTS} numbers with an exponent of three digits"
            raise self._frame_error(Fault.PROPERTY, problem) from None
        if nests_deeper_than(text, table.max_depth):
            raise self._too_deep() from None
        if short:
            self._accept_error("error_details", None, "no error details")
            self.elements.append(_NO_DETAILS)

    def _text(self, data: Data) -> bytes:
        limit = self._table.max_size
        # A code point has at least one byte, so a text that is too long need not be encoded.
        try:
            size = len(data) if isinstance(data, str) else memoryview(data).nbytes
        except TypeError:
            raise TypeError(f"data={data!r:.80}: use bytes or str") from None
        try:
            if size <= limit:
                if isinstance(data, str):
                    text = data.encode()
                else:
                    text = bytes(data)
                    text.decode()
                if len(text) <= limit:
                    return text
        except UnicodeError as error:
            raise self._frame_error(Fault.FRAME, "not UTF-8") from error
        raise self._frame_error(Fault.FRAME, f"larger than {limit} bytes") from None

    def _type_and_id(self) -> tuple[int, str]:
        elements, version = self.elements, self._table.version
        message_type = _MESSAGE_TYPES.get(bytes(elements[0])) if elements else None
        known_type = message_type if message_type in version.message_types else None
        self._frame_head = (known_type, None, None)
        if len(elements) < 2:
            problem = "expected a message id as the second element, got none"
            raise self._frame_error(Fault.FRAME, problem) from None
        try:
            message_id = _decode_string(elements[1])
        except msgspec.DecodeError as error:
            number = bytes(elements[1])
            if not _INTEGER.fullmatch(number) or not self._tolerates("message_id", int(number)):
                problem = "expected a string as message id, the second element"
                raise self._frame_error(Fault.FRAME, problem) from error
            message_id = number.decode()
        self._frame_head = (known_type, message_id, None)
        if message_type is None or known_type is None:
            problem = f"not a message type of OCPP {version.name}"
            raise self._frame_error(Fault.MESSAGE_TYPE, problem) from None
        too_long = len(message_id) > MESSAGE_ID_LENGTH
        if too_long and not self._tolerates("message_id", message_id):
            problem = f"message id longer than {MESSAGE_ID_LENGTH} characters"
            raise self._frame_error(Fault.MESSAGE_ID_LENGTH, problem) from None
        return message_type, message_id

    def action(self) -> str | None:
        """Return the action; `None` if frames of this type have none."""
        return self._action() if self.message_type in (CALL, SEND) else None

    def _tolerates(self, rule: str, value: Any, path: str = "message_id") -> bool:
        """Tell whether the policy tolerates a fault outside the payload, and report it if asked."""
        setting = getattr(self._policy, rule)
        if setting == "report":
            self._violations.append(Violation(rule, path, value))
        return bool(setting != "reject")

    def frame(self, pending: Mapping[str, str] | None) -> Frame:
        """Decode the action and the payload."""
        frame = self._frame(pending)
        return with_violations(frame, self._violations) if self._violations else frame

    def _frame(self, pending: Mapping[str, str] | None) -> Frame:
        message_type = self.message_type
        if message_type == CALL:
            return Call(self.message_id, *self._request(self._table.calls))
        if message_type == CALLRESULT:
            return CallResult(self.message_id, self._response(pending))
        if message_type == CALLERROR:
            return CallError(self.message_id, *self._error())
        if message_type == CALLRESULTERROR:
            return CallResultError(self.message_id, *self._error())
        return Send(self.message_id, *self._request(self._table.sends))

    def _action(self) -> str:
        try:
            return _decode_string(self.elements[2])
        except msgspec.DecodeError as error:
            problem = "expected a string as action, the third element"
            raise self._frame_error(Fault.FRAME, problem) from error

    def _request(self, types: Mapping[str, type[Any]]) -> tuple[str, Any]:
        action = self._action()
        self._frame_head = (self.message_type, self.message_id, action)
        cls = types.get(action)
        if cls is None:
            raise unknown_action(self._table, self._frame_head)
        return action, self._payload(self.elements[3], cls)

    def _response(self, pending: Mapping[str, str] | None) -> Any:
        payload = self.elements[2]
        if not (pending is None or hasattr(pending, "get")):
            raise TypeError(f"pending={pending!r:.80}: use a mapping of message id to action")
        action = None if pending is None else pending.get(self.message_id)
        if action is not None:
            cls = self._table.response_type(action)
            self._frame_head = (self.message_type, self.message_id, action)
            return self._payload(payload, cls)
        if bytes(payload)[:1] != b"{":
            rules = self._table.error_rules
            problem = "expected an object as payload"
            raise PayloadError(Fault.FORMAT, problem, rules, "$", self._frame_head) from None
        return payload.copy()

    def _payload(self, payload: msgspec.Raw, cls: type[Any]) -> Any:
        return decode_payload(
            payload,
            cls,
            self._table,
            self._policy,
            self._violations,
            head=self._frame_head,
            fast_error=self._fast_error,
        )

    def _error(self) -> tuple[str, str, dict[str, Any]]:
        code, description, details = self._values()
        if type(code) is not str or not (description is None or type(description) is str):
            problem = "expected a string as error code and a string as description"
            raise self._frame_error(Fault.FRAME, problem) from None
        try:
            check_json(details, self._table.max_depth)
        except ValueError as error:
            raise self._frame_error(Fault.FRAME, f"error details: {error}") from error
        if description is None:
            self._accept_error("error_description", None, "null as error description")
        if details is _UNREADABLE:
            raise self._frame_error(Fault.FRAME, "error details: a number is too large") from None
        if type(details) is not dict:
            self._accept_error("error_details", details, "error details that are not an object")
            details = {}
        return code, description or "", details

    def _accept_error(self, path: str, value: Any, problem: str) -> None:
        """Tolerate a fault of a CALLERROR or CALLRESULTERROR if the policy does; else raise."""
        if self._tolerates("error_details", value, path):
            return
        code, description, *_ = self._values()
        peer_error = None
        if type(code) is str:
            peer_error = (code, description if type(description) is str else "")
            name = code if _is_plain(code) else "an error"
            problem = f"the peer reports {name}, but with {problem}"
        raise self._frame_error(Fault.FRAME, problem, peer_error)

    def _values(self) -> list[Any]:
        try:
            return [_value(element) for element in self.elements[2:]]
        except RecursionError as error:
            raise self._too_deep() from error

    def _too_deep(self) -> FrameError:
        return self._frame_error(Fault.FRAME, f"nested deeper than {self._table.max_depth}")

    def _frame_error(
        self, fault: Fault, problem: str, peer_error: tuple[str, str] | None = None
    ) -> FrameError:
        error = FrameError(fault, problem, self._table.error_rules, None, self._frame_head)
        if peer_error is not None:
            error.peer_error = peer_error
        return error


def _value(raw: msgspec.Raw) -> Any:
    try:
        return _any(raw)
    except msgspec.DecodeError:
        return _UNREADABLE


def _is_plain(name: str) -> bool:
    """Tell whether an error may repeat a name: a short one, of letters and digits of ASCII."""
    return len(name) <= _NAME_LENGTH and name.isascii() and name.isalnum()


def unknown_action(table: Table, head: FrameHead) -> UnknownActionError:
    """Return the error for a frame whose action is not in the table."""
    action = head[2] or ""
    name = f" {action}" if _is_plain(action) else ""
    rules = table.error_rules
    return UnknownActionError(Fault.ACTION, f"unknown action{name}", rules, None, head)


def _json_problem(error: msgspec.DecodeError, text: bytes) -> str:
    """Return msgspec's reason why a text is not JSON, with the position."""
    problem = str(error).removeprefix("JSON is malformed: ")
    if problem != "Input data was truncated":
        return problem
    # msgspec reports half a surrogate pair as truncated text, too.
    half = " or has half a surrogate pair" if has_unicode_escape(text) else ""
    return f"it is truncated{half}"

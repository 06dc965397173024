"""The backend in pure Python, the twin of `ext/backend_c.pyx`: the reference, which alone raises.

Finds message type, message id and action in the raw bytes, checks the action against the dispatch
table and hands the payload to its decoder. `decode` tries the fast way first, as the compiled twin
does with its own; whatever is not plainly right goes to `_decode_slow`, which goes
through the rules of the wire step by step and names the first fault.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Never

import msgspec

from ocppj._core.depth import nests_deeper_than
from ocppj._core.encoding import encode
from ocppj._core.exponents import MAX_EXPONENTS, SEARCHED_SIZE, too_many_exponents
from ocppj._core.faults import translate_fast_error, without_traceback
from ocppj._core.payload import decode_payload
from ocppj._core.table import Decode, Table
from ocppj.errors import (
    MESSAGE_ID_LENGTH,
    NO_HEAD,
    DecodeError,
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
    Envelope,
    Frame,
    Send,
    with_violations,
)
from ocppj.policy import STRICT, Policy, Violation
from ocppj.schema import check_json

__all__ = ["Backend", "FrameReader"]

_Id = Annotated[str, msgspec.Meta(max_length=MESSAGE_ID_LENGTH)]
_split_call: Final = msgspec.json.Decoder(tuple[Literal[2], _Id, str, msgspec.Raw]).decode
_split_result: Final = msgspec.json.Decoder(tuple[Literal[3], _Id, msgspec.Raw]).decode
_split_frame: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_string: Final = msgspec.json.Decoder(str).decode
_any: Final = msgspec.json.Decoder().decode

_MESSAGE_TYPES: Final = {str(number).encode(): number for number in ELEMENT_COUNTS}
_ERRORS: Final = (CALLERROR, CALLRESULTERROR)
_FAST: Final = frozenset({str, bytes, bytearray})
"""Types of data whose length is known to be that of the frame; the size of others is measured."""
_UNREADABLE: Final = object()
"""Valid JSON that has no Python value: a number that is too large."""
_NO_DETAILS: Final = msgspec.Raw(b"{}")
_CALLRESULT_DIGIT: Final = (str(CALLRESULT), ord(str(CALLRESULT)))
_INTEGER: Final = re.compile(rb"-?\d{1,36}")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9]{1,50}")


class Backend:
    """The frames of one codec, from bytes and to bytes. One instance may serve any thread."""

    __slots__ = ("_calls", "_max_size", "_policy", "_results", "_safe_length", "_table")

    _table: Table
    _policy: Policy
    _calls: Mapping[str, Decode]
    _results: Mapping[str, Decode]
    _safe_length: int
    _max_size: int

    def __init__(self, table: Table, policy: Policy = STRICT) -> None:
        if not isinstance(policy, Policy):
            raise TypeError(f"policy={policy!r:.80}: use a Policy, such as Policy.lenient()")
        set_slot = super().__setattr__
        set_slot("_table", table)
        set_slot("_policy", policy)
        set_slot("_calls", table.fast_calls)
        set_slot("_results", table.fast_results)
        # A code point has at most 4 bytes, so this many fit in max_size.
        set_slot("_safe_length", min(table.max_size // 4, SEARCHED_SIZE))
        set_slot("_max_size", table.max_size)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a codec cannot be changed: {name}")

    def decode(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        """Decode and validate one frame.

        Args:
            data: one WebSocket message.
            pending: message id -> action of the calls that a result may answer. The payload of a
                result to any other call stays `msgspec.Raw`, for `decode_result`.

        Raises:
            DecodeError: the data is not a frame that this codec takes; its `reply()` is what the
                peer should be told.
            ValueError: `pending` names an action that has no response here.
        """
        fast_error = None
        try:
            if type(data) in _FAST and (len(data) <= self._safe_length or self._fits(data)):
                # A result that nobody waits for stays undecoded: nothing to be fast at.
                if pending is None or data[1] not in _CALLRESULT_DIGIT:
                    _, message_id, action, payload = _split_call(data)
                    decode = self._calls[action]
                    try:
                        return Call(message_id, action, decode(payload))
                    except Exception as error:  # noqa: BLE001  `_decode_slow` gives the verdict
                        fast_error = without_traceback(error)
                else:
                    _, message_id, payload = _split_result(data)
                    decode = self._results[pending.get(message_id, "")]
                    try:
                        return CallResult(message_id, decode(payload))
                    except Exception as error:  # noqa: BLE001
                        fast_error = without_traceback(error)
        except Exception:  # noqa: BLE001, S110
            pass
        return self._decode_slow(data, pending, fast_error)

    def _fits(self, data: Any) -> bool:
        """Tell whether the fast path may take data that is not small."""
        text = data.encode() if type(data) is str else data
        return len(text) <= self._max_size and not too_many_exponents(text)

    def encode(self, frame: Frame, *, validate: bool = True) -> bytes:
        """Encode a frame, validated: what comes out, `decode` takes, and gives an equal frame.

        Timestamps are sent in UTC and rounded to milliseconds.

        Args:
            frame: any of the five.
            validate: `False` for a frame that came from `decode`, or one that has to be passed on
                as it is: it is only encoded.

        Raises:
            EncodeError: the peer would have to refuse it, or it has no JSON form.
        """
        # What is sent has to be right for a peer that is strict, whatever we take ourselves.
        decode = self._decode_strictly if self._policy.is_lenient else self.decode
        return encode(frame, self._table, decode if validate else None)

    def _decode_strictly(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        return FrameReader(data, self._table, STRICT).frame(pending)

    def peek(self, data: Data) -> Envelope:
        """Read the head of a frame and leave its payload undecoded.

        The frame is JSON of a known shape then; its action may be unknown and its payload wrong.

        Raises:
            FrameError: it is not.
        """
        head = FrameReader(data, self._table, self._policy)
        elements = map(bytes, head.elements[2:])
        return Envelope.of(head.message_type, head.message_id, head.action(), elements)

    def _decode_slow(
        self,
        data: Data,
        pending: Mapping[str, str] | None = None,
        fast_error: Exception | None = None,
    ) -> Frame:
        """Do what `decode` does, slowly and with an exact verdict.

        Args:
            data: one WebSocket message.
            pending: as for `decode`.
            fast_error: what the payload's fast decoder has raised; it may save decoding it again.
        """
        return FrameReader(data, self._table, self._policy, fast_error).frame(pending)

    def _explain(
        self, head: FrameHead, payload: bytes, fast_error: Exception | None
    ) -> DecodeError | None:
        """Return what is wrong with a CALL or CALLRESULT; `None` if only `_decode_slow` can tell.

        Its shape is right and its size and depth are within the limits. A payload that the policy
        may bend is not for here.

        Args:
            head: its type, its id, and its action or that of the call which it answers.
            payload: its last element.
            fast_error: what the payload's fast decoder has raised, if it has.
        """
        table = self._table
        if fast_error is None:
            return None if head[2] in table.calls else _unknown_action(table, head)
        found = translate_fast_error(fast_error, payload)
        if found is None:
            return None
        fault, problem, path = found
        return PayloadError(fault, problem, table.version.error_rules, path, head)


class FrameReader:
    """A frame taken apart up to its elements, each checked but the payload.

    Raises:
        FrameError: it has not the shape of a frame.
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
        # What is known of the frame so far, for the error and its reply.
        self._frame_head: FrameHead = NO_HEAD
        text = self._text(data)
        try:
            self.elements = _split_frame(text)
        except RecursionError as error:
            self._too_deep(error)
        except msgspec.ValidationError as error:
            self._fail(Fault.FRAME, "expected a JSON array", error)
        except msgspec.DecodeError as error:
            self._fail(Fault.FRAME, f"not JSON: {_json_problem(error, text)}", error)
        self.message_type, self.message_id = self._type_and_id()
        count = ELEMENT_COUNTS[self.message_type]
        short = self.message_type in _ERRORS and len(self.elements) == count - 1
        if len(self.elements) != count and not short:
            problem = f"message type {self.message_type} has {count} elements"
            self._fail(Fault.FRAME, f"{problem}, got {len(self.elements)}")
        if too_many_exponents(text):
            problem = f"more than {MAX_EXPONENTS} numbers with an exponent of three digits"
            self._fail(Fault.PROPERTY, problem)
        if nests_deeper_than(text, table.max_depth):
            self._too_deep()
        if short:
            self._accept_error("error_details", None, "no error details")
            self.elements.append(_NO_DETAILS)

    def _text(self, data: Data) -> bytes:
        limit = self._table.max_size
        # A code point has at least one byte: what is too long needs no encoding to tell.
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
            self._fail(Fault.FRAME, "not UTF-8", error)
        return self._fail(Fault.FRAME, f"larger than {limit} bytes")

    def _type_and_id(self) -> tuple[int, str]:
        elements, version = self.elements, self._table.version
        message_type = _MESSAGE_TYPES.get(bytes(elements[0])) if elements else None
        known_type = message_type if message_type in version.message_types else None
        self._frame_head = (known_type, None, None)
        if len(elements) < 2:
            self._fail(Fault.FRAME, "expected a message id as the second element, got none")
        try:
            message_id = _decode_string(elements[1])
        except msgspec.DecodeError as error:
            number = bytes(elements[1])
            if not _INTEGER.fullmatch(number) or not self._tolerates("message_id", int(number)):
                problem = "expected a string as message id, the second element"
                self._fail(Fault.FRAME, problem, error)
            message_id = number.decode()
        self._frame_head = (known_type, message_id, None)
        if message_type is None or known_type is None:
            self._fail(Fault.MESSAGE_TYPE, f"not a message type of OCPP {version.name}")
        too_long = len(message_id) > MESSAGE_ID_LENGTH
        if too_long and not self._tolerates("message_id", message_id):
            problem = f"message id longer than {MESSAGE_ID_LENGTH} characters"
            self._fail(Fault.MESSAGE_ID_LENGTH, problem)
        return message_type, message_id

    def action(self) -> str | None:
        """Return the action; `None` if frames of this type have none."""
        return self._action() if self.message_type in (CALL, SEND) else None

    def _tolerates(self, rule: str, value: Any, path: str = "message_id") -> bool:
        """Tolerate a fault outside the payload, if the policy allows it."""
        setting = getattr(self._policy, rule)
        if setting == "report":
            self._violations.append(Violation(rule, path, value))
        return bool(setting != "reject")

    def frame(self, pending: Mapping[str, str] | None) -> Frame:
        """Decode the rest."""
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
            self._fail(Fault.FRAME, "expected a string as action, the third element", error)

    def _request(self, types: Mapping[str, type[Any]]) -> tuple[str, Any]:
        action = self._action()
        self._frame_head = (self.message_type, self.message_id, action)
        cls = types.get(action)
        if cls is None:
            raise _unknown_action(self._table, self._frame_head)
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
            self._fail(
                Fault.FORMAT, "expected an object as payload", error_type=PayloadError, path="$"
            )
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
            self._fail(Fault.FRAME, problem)
        try:
            check_json(details, self._table.max_depth)
        except ValueError as error:
            self._fail(Fault.FRAME, f"error details: {error}", error)
        if description is None:
            self._accept_error("error_description", None, "null as error description")
        if details is _UNREADABLE:
            self._fail(Fault.FRAME, "error details: a number is too large")
        if type(details) is not dict:
            self._accept_error("error_details", details, "error details that are not an object")
            details = {}
        return code, description or "", details

    def _accept_error(self, path: str, value: Any, problem: str) -> None:
        """Tolerate a fault of a CALLERROR or CALLRESULTERROR, if the policy allows it."""
        if self._tolerates("error_details", value, path):
            return
        code, description, *_ = self._values()
        peer_error = None
        if type(code) is str:
            peer_error = (code, description if type(description) is str else "")
            name = code if _PLAIN_NAME.fullmatch(code) else "an error"
            problem = f"the peer reports {name}, but with {problem}"
        rules = self._table.version.error_rules
        raise FrameError(Fault.FRAME, problem, rules, None, self._frame_head, peer_error)

    def _values(self) -> list[Any]:
        try:
            return [_value(element) for element in self.elements[2:]]
        except RecursionError as error:
            self._too_deep(error)

    def _too_deep(self, cause: RecursionError | None = None) -> Never:
        self._fail(Fault.FRAME, f"nested deeper than {self._table.max_depth}", cause)

    def _fail(
        self,
        fault: Fault,
        problem: str,
        cause: Exception | None = None,
        *,
        error_type: type[DecodeError] = FrameError,
        path: str | None = None,
    ) -> Never:
        rules = self._table.version.error_rules
        raise error_type(fault, problem, rules, path, self._frame_head) from cause


def _value(raw: msgspec.Raw) -> Any:
    try:
        return _any(raw)
    except msgspec.DecodeError:
        return _UNREADABLE


def _unknown_action(table: Table, head: FrameHead) -> UnknownActionError:
    action = head[2] or ""
    name = f"{action} " if _PLAIN_NAME.fullmatch(action) else ""
    rules = table.version.error_rules
    return UnknownActionError(Fault.ACTION, f"action {name}is not known", rules, None, head)


def _json_problem(error: msgspec.DecodeError, text: bytes) -> str:
    """Return what msgspec has against the grammar of a text, with the byte where it stands."""
    # Of half a surrogate pair, too, msgspec says that the text was truncated.
    half = " or has half a surrogate pair" if b"\\u" in text else ""
    problem = str(error).removeprefix("JSON is malformed: ")
    return problem.replace("Input data was truncated", f"it is truncated{half}")

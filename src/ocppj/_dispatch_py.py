"""The dispatch seam in pure Python: the reference, which alone raises.

Finds message type, message id and action in the raw bytes, checks the action against the dispatch
table and hands the payload to its decoder. `decode` tries the fast way first, as the compiled twin
does with its own; whatever is not plainly right goes to `read`, which follows WIRE's tables step by
step and names the first fault.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Never

import msgspec

from ocppj.errors import (
    MESSAGE_ID_LENGTH,
    DecodeError,
    Fault,
    FrameError,
    PayloadError,
    UnknownActionError,
)
from ocppj.faults import find
from ocppj.frames import ELEMENTS, Call, CallError, CallResult, CallResultError, Frame, Send
from ocppj.schema import check_json
from ocppj.table import Table

__all__ = ["Data", "Dispatch", "Head"]

Data = bytes | str | bytearray | memoryview

_call_head: Final = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw]).decode
_result_head: Final = msgspec.json.Decoder(tuple[int, str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_string: Final = msgspec.json.Decoder(str).decode
_object: Final = msgspec.json.Decoder(dict[str, Any]).decode

_MESSAGE_TYPES: Final = {str(number).encode(): number for number in ELEMENTS}
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLAIN: Final = re.compile(r"[A-Za-z0-9]{1,50}")
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class Dispatch:
    """The frames of one codec, from bytes. Immutable; one instance may serve any thread."""

    __slots__ = ("_calls", "_results", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._calls = table.fast_calls
        self._results = table.fast_results

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
        try:
            if len(data) <= self._table.max_size:
                # Three of four frames in the field are calls and results written `[2,` and `[3,`.
                if data[1:2] != ("3" if isinstance(data, str) else b"3"):
                    number, message_id, action, payload = _call_head(data)
                    if number == 2 and len(message_id) <= MESSAGE_ID_LENGTH:
                        return Call(message_id, action, self._calls[action](payload))
                elif pending is not None:
                    number, message_id, payload = _result_head(data)
                    if number == 3 and len(message_id) <= MESSAGE_ID_LENGTH:
                        decode = self._results[pending[message_id]]
                        return CallResult(message_id, decode(payload))
        except Exception:  # noqa: BLE001, S110: whatever it was, `read` gives the verdict
            pass
        return self.read(data, pending)

    def read(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        """Do what `decode` does, slowly and with an exact verdict."""
        return Head(data, self._table).frame(pending)


class Head:
    """A frame taken apart up to its elements, each checked but the payload.

    Raises:
        FrameError: it has not the shape of a frame.
    """

    __slots__ = ("elements", "message_id", "message_type", "table")

    def __init__(self, data: Data, table: Table) -> None:
        self.table = table
        self.message_type: int | None = None
        self.message_id: str | None = None
        text = self._text(data)
        try:
            self.elements = _elements(text)
        except RecursionError as error:
            self._fail(Fault.FRAME, f"nested deeper than {table.max_depth}", error)
        except msgspec.ValidationError as error:
            self._fail(Fault.FRAME, "expected a JSON array", error)
        except msgspec.DecodeError as error:
            self._fail(Fault.FRAME, f"not JSON: {_complaint(error)}", error)
        self._check(text)

    def _text(self, data: Data) -> bytes:
        limit = self.table.max_size
        # A code point has at least one byte: what is too long needs no encoding to tell.
        if len(data) > limit or (isinstance(data, memoryview) and data.nbytes > limit):
            self._fail(Fault.FRAME, f"larger than {limit} bytes")
        try:
            if isinstance(data, str):
                text = data.encode()
            else:
                text = bytes(data)
                text.decode()
        except UnicodeError as error:
            self._fail(Fault.FRAME, "not UTF-8", error)
        if len(text) > limit:
            self._fail(Fault.FRAME, f"larger than {limit} bytes")
        return text

    def _check(self, text: bytes) -> None:
        elements, count = self.elements, len(self.elements)
        number = _MESSAGE_TYPES.get(bytes(elements[0])) if elements else None
        if number in self.table.version.message_types:
            self.message_type = number
        try:
            self.message_id = _string(elements[1])
        except IndexError:
            self._fail(Fault.FRAME, "expected a message id as the second element, got none")
        except msgspec.DecodeError as error:
            self._fail(Fault.FRAME, "expected a string as message id, the second element", error)
        if self.message_type is None:
            self._fail(Fault.MESSAGE_TYPE, f"not a message type of OCPP {self.table.version.name}")
        if len(self.message_id) > MESSAGE_ID_LENGTH:
            self._fail(
                Fault.MESSAGE_ID_LENGTH,
                f"message id longer than {MESSAGE_ID_LENGTH} characters",
            )
        if count != ELEMENTS[self.message_type]:
            self._fail(
                Fault.FRAME,
                f"message type {self.message_type} has {ELEMENTS[self.message_type]} elements, "
                f"got {count}",
            )
        if _deeper(text, self.table.max_depth):
            self._fail(Fault.FRAME, f"nested deeper than {self.table.max_depth}")

    def action(self) -> str | None:
        """Return the action; `None` if frames of this type have none."""
        if self.message_type not in (2, 6):
            return None
        try:
            return _string(self.elements[2])
        except msgspec.DecodeError as error:
            self._fail(Fault.FRAME, "expected a string as action, the third element", error)

    def frame(self, pending: Mapping[str, str] | None) -> Frame:
        """Decode the rest."""
        message_id = self.message_id or ""
        match self.message_type:
            case 2:
                return Call(message_id, *self._request(self.table.calls))
            case 3:
                return CallResult(message_id, self._response(pending))
            case 6:
                return Send(message_id, *self._request(self.table.sends))
            case 4:
                return CallError(message_id, *self._error())
            case _:
                return CallResultError(message_id, *self._error())

    def _request(self, types: Mapping[str, type[Any]]) -> tuple[str, Any]:
        action = self.action() or ""
        kind = types.get(action)
        if kind is None:
            name = f"{action} " if _PLAIN.fullmatch(action) else ""
            self._fail(Fault.ACTION, f"action {name}is not known", kind=UnknownActionError)
        return action, self._payload(kind)

    def _response(self, pending: Mapping[str, str] | None) -> Any:
        action = pending.get(self.message_id or "") if pending else None
        if action is not None:
            return self._payload(self.table.response_type(action))
        payload = self.elements[2].copy()
        if bytes(payload)[:1] != b"{":
            self._fail(Fault.FORMAT, "expected an object as payload", kind=PayloadError, path="$")
        return payload

    def _payload(self, kind: type[Any]) -> Any:
        return decode_payload(
            self.elements[-1], kind, self.table, self.message_type, self.message_id
        )

    def _error(self) -> tuple[str, str, dict[str, Any]]:
        _, _, code, description, details = self.elements
        try:
            error = _string(code), _string(description), _object(details)
            check_json(error[2], self.table.max_depth)
        except ValueError as error:
            self._fail(
                Fault.FRAME,
                "expected a string as error code, a string as description, an object as details",
                error,
            )
        return error

    def _fail(
        self,
        fault: Fault,
        problem: str,
        cause: Exception | None = None,
        *,
        kind: type[DecodeError] = FrameError,
        path: str | None = None,
    ) -> Never:
        raise kind(
            fault,
            problem,
            self.table.version.rules,
            path=path,
            message_type=self.message_type,
            message_id=self.message_id,
        ) from cause


def decode_payload(
    payload: msgspec.Raw,
    kind: type[Any],
    table: Table,
    message_type: int | None,
    message_id: str | None,
) -> Any:
    """Decode the payload of a frame as a type.

    Raises:
        DecodeError: it is not one.
    """
    head = {"message_type": message_type, "message_id": message_id}
    rules = table.version.rules
    try:
        return table.decode(kind, payload)
    except msgspec.ValidationError as error:
        fault, problem, path = find(str(error))
        raise PayloadError(fault, problem, rules, path=path, **head) from error
    except Exception as error:
        # A vendor's own type may raise anything, and only DecodeError may leave.
        problem = f"not a {kind.__name__}"
        raise PayloadError(Fault.PROPERTY, problem, rules, path="$", **head) from error


def _complaint(error: msgspec.DecodeError) -> str:
    """Return what msgspec has against the grammar of a text, with the byte where it stands."""
    return str(error).removeprefix("JSON is malformed: ").replace("Input data was", "it is")


def _deeper(text: bytes, limit: int) -> bool:
    """Tell whether valid JSON nests deeper than a limit, without recursion."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    brackets = _STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        # Each round takes away the innermost level.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True

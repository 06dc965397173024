"""The five frames of OCPP-J, and the envelope of a frame whose payload is not decoded.

Owns their shape and nothing else. Fields are in wire order: msgspec encodes a frame as a JSON array
that begins with the message type (the tag).
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar

import msgspec

from ocppj._core.message_types import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND
from ocppj.errors import MESSAGE_ID_LENGTH, EncodeError
from ocppj.policy import Violation

__all__ = [
    "CALL",
    "CALLERROR",
    "CALLRESULT",
    "CALLRESULTERROR",
    "SEND",
    "Call",
    "CallError",
    "CallResult",
    "CallResultError",
    "Envelope",
    "Frame",
    "Send",
]

Data: TypeAlias = bytes | str | bytearray | memoryview
"""One WebSocket message."""

P = TypeVar("P")


class _Frame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    @property
    def violations(self) -> tuple[Violation, ...]:
        """The violations of the schema that the codec's policy tolerated and reports."""
        return ()


class Call(_Frame, Generic[P], tag=CALL, frozen=True):
    """CALL, message type 2: a request.

    Attributes:
        message_id: at most 36 code points; the answer has the same.
        action: the name of the feature, case-sensitive.
        payload: the request, a Struct of the type that belongs to the action.
    """

    message_type: ClassVar[int] = CALL

    message_id: str
    action: str
    payload: P


class CallResult(_Frame, Generic[P], tag=CALLRESULT, frozen=True):
    """CALLRESULT, message type 3: the response to a call.

    Attributes:
        message_id: the message id of the call.
        payload: the response, a Struct of the type that belongs to the call's action. It is
            `msgspec.Raw` if that is not known yet; `Codec.decode_result` decodes it later.
    """

    message_type: ClassVar[int] = CALLRESULT

    message_id: str
    payload: P


class CallError(_Frame, tag=CALLERROR, frozen=True):
    """CALLERROR, message type 4: a call could not be handled.

    Attributes:
        message_id: the message id of the call; in OCPP 2.x `"-1"` if it could not be read.
        error_code: has to be one of the version's codes to be sent. A received one can be any text.
        error_description: any text; in OCPP 2.x cut to 255 code points when sent.
        error_details: any JSON object.
    """

    message_type: ClassVar[int] = CALLERROR

    message_id: str
    error_code: str
    error_description: str = ""
    error_details: dict[str, Any] = {}


class CallResultError(_Frame, tag=CALLRESULTERROR, frozen=True):
    """CALLRESULTERROR, message type 5, OCPP 2.1: a result could not be handled.

    It has the attributes of `CallError`; `message_id` is the message id of the result.
    """

    message_type: ClassVar[int] = CALLRESULTERROR

    message_id: str
    error_code: str
    error_description: str = ""
    error_details: dict[str, Any] = {}


class Send(_Frame, Generic[P], tag=SEND, frozen=True):
    """SEND, message type 6, OCPP 2.1: a message that is never answered.

    It has the attributes of `Call`.
    """

    message_type: ClassVar[int] = SEND

    message_id: str
    action: str
    payload: P


FRAMES: Final = (Call, CallResult, CallError, CallResultError, Send)

Frame: TypeAlias = Call[Any] | CallResult[Any] | CallError | CallResultError | Send[Any]
"""Any of the five."""


F = TypeVar("F", bound=Frame)


def with_violations(frame: F, violations: Iterable[Violation]) -> F:
    """Return a copy of a frame that has these violations."""
    tolerant: F = WITH_VIOLATIONS[type(without_violations(frame))](*_values(frame))
    tolerant.__dict__["violations"] = tuple(violations)
    return tolerant


def without_violations(frame: Frame) -> Frame:
    """Return a frame as one of `FRAMES` itself, without its violations."""
    if type(frame) in WITH_VIOLATIONS:
        return frame
    cls: Any = next(cls for cls in FRAMES if isinstance(frame, cls))
    plain: Frame = cls(*_values(frame))
    return plain


def _values(frame: Frame) -> tuple[Any, ...]:
    return tuple(getattr(frame, name) for name in frame.__struct_fields__)


def _form_with_violations(cls: Any) -> Any:
    """Return a subclass of a frame's class that can store violations."""
    namespace = {
        "__doc__": f"A {cls.__name__} with violations.",
        "violations": property(lambda self: self.__dict__["violations"]),
        "__reduce__": lambda self: (with_violations, (without_violations(self), self.violations)),
    }
    return type(cls)(cls.__name__, (cls,), namespace, dict=True, gc=True)


WITH_VIOLATIONS: Final = {cls: _form_with_violations(cls) for cls in FRAMES}


class Envelope:
    """A frame of which only the head is decoded.

    Attributes:
        message_type: 2 to 6.
        message_id: at most 36 code points.
        action: the action of a CALL or SEND; `None` for other frames.
        payload: the bytes of the frame's last element, which is valid JSON: the payload, or the
            details of an error.
    """

    __slots__ = ("_after_id", "_start", "_tail", "_text", "action", "message_id", "message_type")
    __match_args__ = ("message_type", "message_id", "action", "payload")

    message_type: int
    message_id: str
    action: str | None
    _text: bytes | str  # of the whole frame; a str is ASCII
    _after_id: int  # index of the comma after the id
    _start: int  # index of the payload
    _tail: int  # number of bytes after the payload

    def __init__(
        self, message_type: int, message_id: str, action: str | None, payload: bytes
    ) -> None:
        between = () if action is None else (_json(action),)
        self._fill(message_type, message_id, action, (*between, payload))

    @classmethod
    def of(
        cls, message_type: int, message_id: str, action: str | None, elements: Iterable[bytes]
    ) -> "Envelope":
        """Return the envelope of a frame from the JSON of the elements after its id."""
        envelope = cls.__new__(cls)
        envelope._fill(message_type, message_id, action, tuple(elements))  # noqa: SLF001  our own class
        return envelope

    def _fill(
        self,
        message_type: int,
        message_id: str,
        action: str | None,
        elements: tuple[bytes, ...],
    ) -> None:
        head = b"[%d,%b" % (message_type, _json(message_id))
        text = b"%b,%b]" % (head, b",".join(elements))
        set_slot = super().__setattr__
        set_slot("message_type", message_type)
        set_slot("message_id", message_id)
        set_slot("action", action)
        set_slot("_text", text)
        set_slot("_after_id", len(head))
        set_slot("_start", len(text) - 1 - len(elements[-1]))
        set_slot("_tail", 1)

    @property
    def payload(self) -> bytes:
        """The bytes of the last element."""
        text = self._text[self._start : len(self._text) - self._tail]
        return text.encode() if isinstance(text, str) else text

    def reframe(self, message_id: str) -> bytes:
        """Return the bytes of the frame with another message id and everything else unchanged.

        >>> ocppj.Codec("2.0.1").peek('[2,"17","Heartbeat",{}]').reframe("a-1")
        b'[2,"a-1","Heartbeat",{}]'

        Raises:
            EncodeError: the id is not a string of at most 36 code points.
        """
        if not isinstance(message_id, str) or len(message_id) > MESSAGE_ID_LENGTH:
            raise EncodeError(
                f"expected a string of at most {MESSAGE_ID_LENGTH} characters as message id"
            )
        rest = self._text[self._after_id :]
        try:
            head = _json(message_id)
        except UnicodeEncodeError as error:
            raise EncodeError(f"message id cannot be encoded: {error}") from error
        tail = rest.encode() if isinstance(rest, str) else rest
        return b"[%d,%b%b" % (self.message_type, head, tail)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an envelope cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Envelope) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        pairs = zip(self.__match_args__, self._values(), strict=True)
        return f"Envelope({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return new_envelope, tuple(getattr(self, name) for name in self.__slots__)

    def _values(self) -> tuple[Any, ...]:
        return self.message_type, self.message_id, self.action, self.payload


def _setter(name: str) -> Callable[[Envelope, Any], None]:
    setter: Callable[[Envelope, Any], None] = vars(Envelope)[name].__set__
    return setter


_set_after_id, _set_start, _set_tail, _set_text, _set_action, _set_message_id, _set_type = map(
    _setter, Envelope.__slots__
)


def new_envelope(  # noqa: PLR0917  the slots in their order: keywords would take longer
    after_id: int,
    start: int,
    tail: int,
    text: bytes | str,
    action: str | None,
    message_id: str,
    message_type: int,
) -> Envelope:
    """Return an envelope from the values of its slots."""
    envelope = Envelope.__new__(Envelope)
    _set_after_id(envelope, after_id)
    _set_start(envelope, start)
    _set_tail(envelope, tail)
    _set_text(envelope, text)
    _set_action(envelope, action)
    _set_message_id(envelope, message_id)
    _set_type(envelope, message_type)
    return envelope


_json: Final = msgspec.json.Encoder().encode

ELEMENT_COUNTS: Final = {CALL: 4, CALLRESULT: 3, CALLERROR: 5, CALLRESULTERROR: 5, SEND: 4}
"""Message type -> how many elements its array has."""

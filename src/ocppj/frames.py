"""The five frames of OCPP-J, and the envelope of a frame whose payload is not decoded.

Owns their shape and nothing else. Fields stand in the order of the wire: msgspec encodes a frame as
the array that it is, its message type (the tag) first.
"""

from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar

import msgspec

__all__ = ["Call", "CallError", "CallResult", "CallResultError", "Envelope", "Frame", "Send"]

P = TypeVar("P")


class Call(msgspec.Struct, Generic[P], tag=2, array_like=True, frozen=True, gc=False):
    """CALL, message type 2: a request.

    Attributes:
        message_id: at most 36 code points; the answer repeats it.
        action: the feature's name, case-sensitive.
        payload: the request, as the Struct that belongs to the action.
    """

    message_type: ClassVar[int] = 2

    message_id: str
    action: str
    payload: P


class CallResult(msgspec.Struct, Generic[P], tag=3, array_like=True, frozen=True, gc=False):
    """CALLRESULT, message type 3: the response to a call.

    Attributes:
        message_id: that of the call.
        payload: the response, as the Struct that belongs to the call's action; `msgspec.Raw` where
            the call is not known, to be decoded with `Codec.decode_result`.
    """

    message_type: ClassVar[int] = 3

    message_id: str
    payload: P


class CallError(msgspec.Struct, tag=4, array_like=True, frozen=True, gc=False):
    """CALLERROR, message type 4: a call could not be handled.

    Attributes:
        message_id: that of the call, or `"-1"` where it could not be read (OCPP 2.x).
        error_code: one of the version's codes when sent; received ones are kept as they are.
        error_description: any text; at most 255 code points of it are sent in OCPP 2.x.
        error_details: any JSON object.
    """

    message_type: ClassVar[int] = 4

    message_id: str
    error_code: str
    error_description: str = ""
    error_details: dict[str, Any] = {}


class CallResultError(msgspec.Struct, tag=5, array_like=True, frozen=True, gc=False):
    """CALLRESULTERROR, message type 5, OCPP 2.1: a result could not be handled.

    The attributes are those of `CallError`; `message_id` is that of the result.
    """

    message_type: ClassVar[int] = 5

    message_id: str
    error_code: str
    error_description: str = ""
    error_details: dict[str, Any] = {}


class Send(msgspec.Struct, Generic[P], tag=6, array_like=True, frozen=True, gc=False):
    """SEND, message type 6, OCPP 2.1: a message that is never answered.

    The attributes are those of `Call`.
    """

    message_type: ClassVar[int] = 6

    message_id: str
    action: str
    payload: P


Frame: TypeAlias = Call[Any] | CallResult[Any] | CallError | CallResultError | Send[Any]


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The head of a frame, with the payload as it stands on the wire.

    Attributes:
        message_type: 2 to 6.
        message_id: at most 36 code points.
        action: `None` in a frame that has none (CALLRESULT, CALLERROR, CALLRESULTERROR).
        payload: the bytes of the frame's last element, which is valid JSON: the payload or the
            error details.
    """

    message_type: int
    message_id: str
    action: str | None
    payload: bytes


ELEMENTS: Final = {2: 4, 3: 3, 4: 5, 5: 5, 6: 4}
"""Message type -> how many elements its array has."""

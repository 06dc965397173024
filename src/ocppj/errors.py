"""What can go wrong, and what the peer is told of it.

    OcppError
    ├── DecodeError              bytes from the peer cannot become a frame
    │   ├── FrameError           not an OCPP-J array of a known shape
    │   ├── UnknownActionError   well-formed, but the action is not in the dispatch table
    │   └── PayloadError         the payload breaks its type
    ├── EncodeError              an object of ours cannot be sent
    ├── ProtocolError            order of messages, not their shape
    │   ├── LocalProtocolError   we would break it
    │   └── RemoteProtocolError  the peer has broken it
    ├── CallFailed               a CALLERROR came back
    ├── CallTimeout              nothing came back in time
    │   └── ConnectionLost       nothing will: the connection has ended
    └── CallRefused              raised by a handler that refuses a call

Owns the exceptions and, per OCPP version, the tables of error codes and of what is answered to
what. Knows nothing of messages or codecs.
"""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Any, Final, NamedTuple

import msgspec

from ocppj._core.message_types import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR

__all__ = [
    "CallFailed",
    "CallRefused",
    "CallTimeout",
    "ConnectionLost",
    "DecodeError",
    "EncodeError",
    "FrameError",
    "LocalProtocolError",
    "OcppError",
    "PayloadError",
    "ProtocolError",
    "RemoteProtocolError",
    "UnknownActionError",
]

MESSAGE_ID_LENGTH: Final = 36
DESCRIPTION_LENGTH: Final = 255

FrameHead = tuple[int | None, str | None, str | None]
"""Message type, message id and action of a frame, each `None` where unknown."""

NO_HEAD: Final[FrameHead] = (None, None, None)

_encode: Final = msgspec.json.Encoder().encode
_NO_DETAILS: Final[dict[str, Any]] = {}


class Fault(IntEnum):
    """The kinds of fault that a frame can have; each version has an error code for each.

    Integers, for an `Enum` computes its hash in Python.
    """

    FRAME = auto()
    MESSAGE_ID_LENGTH = auto()
    MESSAGE_TYPE = auto()
    ACTION = auto()
    FORMAT = auto()
    TYPE = auto()
    OCCURRENCE = auto()
    PROPERTY = auto()
    MESSAGE_ID_IN_USE = auto()


class ErrorRules(NamedTuple):
    """What a version says of errors: the codes, and which answer a faulty frame gets.

    Attributes:
        error_codes: the codes that may be sent.
        codes: the code for each kind of fault.
        answers: message type received -> message type of the answer to a faulty one. The key
            `None` stands for a type that the version does not have; no entry: no answer.
        unreadable_id: the message id of the answer where none can be read; `None`: no answer.
        echo_long_id: whether an id that is longer than allowed is echoed or counts as unreadable.
        description_length: at most so many code points of errorDescription are sent.
    """

    error_codes: frozenset[str]
    codes: Mapping[Fault, str]
    answers: Mapping[int | None, int]
    unreadable_id: str | None
    echo_long_id: bool
    description_length: int | None


_SHARED_CODES = {
    "GenericError",
    "InternalError",
    "NotImplemented",
    "NotSupported",
    "ProtocolError",
    "PropertyConstraintViolation",
    "SecurityError",
    "TypeConstraintViolation",
}
_CODES_1 = {
    Fault.FRAME: "FormationViolation",
    Fault.MESSAGE_ID_LENGTH: "PropertyConstraintViolation",
    Fault.MESSAGE_TYPE: "FormationViolation",
    Fault.ACTION: "NotImplemented",
    Fault.FORMAT: "FormationViolation",
    Fault.TYPE: "TypeConstraintViolation",
    Fault.OCCURRENCE: "OccurenceConstraintViolation",  # one r: J16 table 7 has it so
    Fault.PROPERTY: "PropertyConstraintViolation",
    Fault.MESSAGE_ID_IN_USE: "ProtocolError",
}
_CODES_2 = {
    Fault.FRAME: "RpcFrameworkError",
    Fault.MESSAGE_ID_LENGTH: "RpcFrameworkError",
    Fault.MESSAGE_TYPE: "MessageTypeNotSupported",
    Fault.ACTION: "NotImplemented",
    Fault.FORMAT: "FormatViolation",
    Fault.TYPE: "TypeConstraintViolation",
    Fault.OCCURRENCE: "OccurrenceConstraintViolation",
    Fault.PROPERTY: "PropertyConstraintViolation",
    Fault.MESSAGE_ID_IN_USE: "RpcFrameworkError",
}
_RULES_2_0_1 = ErrorRules(
    error_codes=frozenset(_SHARED_CODES | set(_CODES_2.values())),
    codes=_CODES_2,
    answers={CALL: CALLERROR, None: CALLERROR},  # unknown types: P4-201 4.4
    unreadable_id="-1",
    echo_long_id=False,
    description_length=DESCRIPTION_LENGTH,
)
ERROR_RULES: Final[Mapping[str, ErrorRules]] = {
    "1.6": ErrorRules(
        error_codes=frozenset(_SHARED_CODES | set(_CODES_1.values())),
        codes=_CODES_1,
        answers={CALL: CALLERROR},  # unknown types are ignored: J16 4.1.3
        unreadable_id=None,
        echo_long_id=True,
        description_length=None,
    ),
    "2.0.1": _RULES_2_0_1,
    # Unknown types are ignored: P4-21 4.1.3; a bad result is reported: P2-21 FR.06.
    "2.1": _RULES_2_0_1._replace(answers={CALL: CALLERROR, CALLRESULT: CALLRESULTERROR}),
}


class OcppError(Exception):
    """Base of all that this package raises on purpose, but for wrong arguments."""


class DecodeError(OcppError):
    """The bytes cannot become a frame. The only exception that bytes from a peer can raise.

    Attributes:
        message_id: the frame's message id; `None` if it cannot be read.
        action: the action of a CALL or SEND, or of the call that a CALLRESULT answers; `None` if
            it is not known. In an `UnknownActionError` it is any text that the peer chose: do not
            use it as a label of metrics, and escape it in logs.
        error_code: the code for the fault in the codec's OCPP version.
        error_description: what is wrong and where, in at most 255 characters. Nothing of the
            frame is repeated but the name of a field or an action that is plain letters.
        path: JSON path of the fault within the payload, such as `$.evse.id`; of a missing or an
            unknown field, the path of the object around it; `None` where the frame is at fault.
    """

    # A flood of bad frames must cost little: slots, half the time of a dict, and no text before it
    # is asked for. Only positions, since it is these that pickling keeps.
    __slots__ = (
        "action",
        "error_rules",
        "fault",
        "message_id",
        "message_type",
        "path",
        "problem",
    )

    def __init__(
        self,
        fault: Fault,
        problem: str,
        error_rules: ErrorRules,
        path: str | None = None,
        head: FrameHead = NO_HEAD,
        /,
    ) -> None:
        self.fault = fault
        self.problem = problem
        self.error_rules = error_rules
        self.path = path
        self.message_type, self.message_id, self.action = head

    @property
    def error_code(self) -> str:
        """The code for the fault in the codec's OCPP version."""
        return self.error_rules.codes[self.fault]

    @property
    def error_description(self) -> str:
        """What is wrong and where."""
        where = "" if self.path is None else f" at {self.path}"
        text = self.problem + where
        if len(text) <= DESCRIPTION_LENGTH:
            return text
        return (self.problem[: DESCRIPTION_LENGTH - len(where)] + where)[:DESCRIPTION_LENGTH]

    def __str__(self) -> str:
        return f"{self.error_code}: {self.error_description}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def reply(self) -> bytes | None:
        """Return the frame that answers the faulty one, or `None` where nothing may be answered.

        What is answered differs between the versions: see `ErrorRules`. A frame that is itself an
        answer gets none (but CALLRESULTERROR in OCPP 2.1): two peers cannot play ping-pong.
        """
        message_id, error_rules = self.message_id, self.error_rules
        answer = error_rules.answers.get(self.message_type)
        if message_id is None:
            # What says that it is an answer or a SEND is not a call that waits for one.
            answer = CALLERROR if self.message_type in (None, CALL) else None
            message_id = error_rules.unreadable_id
        elif len(message_id) > MESSAGE_ID_LENGTH and not error_rules.echo_long_id:
            answer = answer if answer == CALLERROR else None
            message_id = error_rules.unreadable_id
        if answer is None or message_id is None:
            return None
        code, description = error_rules.codes[self.fault], self.error_description
        return _encode((answer, message_id, code, description, _NO_DETAILS))


class FrameError(DecodeError):
    """Not an OCPP-J array of a known shape: not JSON, wrong count of elements, unknown type, ...

    Attributes:
        peer_error: the error code and the description (`""` if it is not a string) of a CALLERROR
            or CALLRESULTERROR whose rest is not valid; `None` of any other frame. The setting
            `error_details` of `Policy` accepts such a frame.
    """

    __slots__ = ("peer_error",)

    def __init__(  # noqa: PLR0917  only positions: it is these that pickling keeps
        self,
        fault: Fault,
        problem: str,
        error_rules: ErrorRules,
        path: str | None = None,
        head: FrameHead = NO_HEAD,
        peer_error: tuple[str, str] | None = None,
        /,
    ) -> None:
        super().__init__(fault, problem, error_rules, path, head)
        self.peer_error = peer_error


class UnknownActionError(DecodeError):
    """A well-formed CALL or SEND, but its action is not in the codec's dispatch table."""


class PayloadError(DecodeError):
    """The payload breaks the type that its action gives it; `path` tells where."""


class EncodeError(OcppError):
    """An object of ours cannot be sent: the peer would have to refuse it.

    Attributes:
        path: JSON path of the fault within the payload; `None` where the frame is at fault.
    """

    def __init__(self, problem: str, path: str | None = None) -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        return self.problem if self.path is None else f"{self.problem} at {self.path}"


class ProtocolError(OcppError):
    """A message that is well-formed but comes at the wrong time or from the wrong side."""


class LocalProtocolError(ProtocolError):
    """We were about to break the order of messages; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer has broken the order of messages.

    Attributes:
        message_type: that of the frame, 2 to 6.
        message_id: that of the frame.
        action: the action of a CALL or SEND; `None` for an answer.
        error_code: what the peer is told, in the version's words; `None` if nothing.
        error_description: what is wrong.
    """

    def __init__(
        self,
        problem: str,
        message_type: int,
        message_id: str,
        action: str | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(problem, message_type, message_id, action, error_code)
        self.error_description = problem
        self.message_type = message_type
        self.message_id = message_id
        self.action = action
        self.error_code = error_code

    def __str__(self) -> str:
        return self.error_description

    def reply(self) -> bytes | None:
        """Return the CALLERROR that answers the frame, or `None` where nothing may be answered."""
        if self.error_code is None:
            return None
        description = self.error_description[:DESCRIPTION_LENGTH]
        return _encode((CALLERROR, self.message_id, self.error_code, description, _NO_DETAILS))


class _ErrorContent(OcppError):
    def __init__(
        self,
        error_code: str,
        error_description: str = "",
        error_details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error_code, error_description, error_details)
        self.error_code = error_code
        self.error_description = error_description
        self.error_details = dict(error_details or {})

    def __str__(self) -> str:
        return f"{self.error_code}: {self.error_description}".removesuffix(": ")


class CallFailed(_ErrorContent):
    """The peer answered a call with an error.

    Attributes:
        error_code: the code as received; it need not be one of the version's table.
        error_description: the peer's text, possibly empty.
        error_details: the peer's JSON object, possibly empty.
    """


class CallTimeout(OcppError, TimeoutError):
    """No answer to a call came in time. Whether the peer has handled it is left open."""


class ConnectionLost(CallTimeout, ConnectionError):
    """The connection ended before an answer came, or there was none.

    Where the call was sent, it is left open whether the peer has handled it.
    """


class CallRefused(_ErrorContent):
    """Raised by a handler to answer a call with an error instead of a response.

    Attributes:
        error_code: one of the version's codes.
        error_description: a text for the peer's operator.
        error_details: a JSON object.
    """

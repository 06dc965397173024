"""What can go wrong, and how the peer is informed.

    OcppError
    ├── DecodeError              the peer sent an invalid frame
    │   ├── FrameError           not an OCPP-J array of a known shape
    │   ├── UnknownActionError   well-formed, but the action is not in the dispatch table
    │   └── PayloadError         the payload breaks its type
    ├── EncodeError              our frame cannot be sent
    ├── ProtocolError            a valid frame at the wrong time or from the wrong side
    │   ├── LocalProtocolError   ours: it was not sent
    │   └── RemoteProtocolError  the peer's
    ├── CallFailed               a CALLERROR came back
    ├── CallTimeout              nothing came back in time
    │   └── ConnectionLost       the connection ended first
    │       └── NotConnected     there is no connection: nothing was sent
    └── CallRefused              raised by a handler to answer a call with an error

Owns the exceptions and, for each OCPP version, the tables of error codes and of the answers to
invalid frames. Knows nothing of messages or codecs.
"""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

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
    "NotConnected",
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
    """What can be wrong with a frame; each version has an error code for each.

    Integers: hashing a member of an `Enum` runs Python code, and `ErrorRules.codes` has these as
    keys.
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


class ErrorRules(msgspec.Struct, frozen=True):
    """The rules of an OCPP version for errors: the codes, and how invalid frames are answered.

    Attributes:
        error_codes: the error codes that may be sent.
        codes: fault -> its error code.
        answers: message type of an invalid frame -> message type of the answer. The key `None` is
            for types that the version does not have. Types without an entry are not answered.
        unreadable_id: message id of the answer if the frame's cannot be read; `None`: no answer.
        echo_long_id: whether the answer repeats an id that is too long. If not, the id counts as
            unreadable.
        description_length: maximum number of code points sent as errorDescription; `None` if
            there is no limit.
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
    Fault.OCCURRENCE: "OccurenceConstraintViolation",  # with one r, as in J16 table 7
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
    # Unknown types are ignored: P4-21 4.1.3; an invalid result is answered: P2-21 FR.06.
    "2.1": replace(_RULES_2_0_1, answers={CALL: CALLERROR, CALLRESULT: CALLRESULTERROR}),
}


class OcppError(Exception):
    """Base class of the exceptions of this package.

    Wrong arguments raise `TypeError` and `ValueError` instead.
    """


class DecodeError(OcppError):
    """The peer sent an invalid frame. No data from a peer raises anything else.

    >>> codec = ocppj.Codec("2.0.1")
    >>> try:
    ...     codec.decode('[2,"17","Reset",{"type":"Never"}]')
    ... except ocppj.DecodeError as error:
    ...     print(error)
    ...     print(error.reply())
    PropertyConstraintViolation: not one of the values of the enum at $.type
    b'[4,"17","PropertyConstraintViolation","not one of the values of the enum at $.type",{}]'

    Attributes:
        message_type: the frame's message type, 2 to 6; `None` if it is not known.
        message_id: the frame's message id; `None` if it cannot be read.
        action: the action of a CALL or SEND, or of the call that a CALLRESULT answers; `None` if
            it is not known. In an `UnknownActionError` it is any text that the peer chose: do not
            use it as a label of metrics, and escape it in logs.
        error_code: the error code for the fault in the codec's OCPP version.
        error_description: what is wrong and where, in at most 255 characters. It repeats nothing
            of the frame except names of fields and actions made of letters and digits.
        path: JSON path of the fault in the payload, such as `$.evse.id`. For a missing or an
            unknown field, it is the path of the object. `None` if the fault is not in the payload.
    """

    # A flood of invalid frames must cost little. So creating an error runs no Python code: all that
    # it has is its `args`. The texts are built on demand.
    if TYPE_CHECKING:
        args: tuple[Fault, str, ErrorRules, str | None, FrameHead]

        def __init__(
            self,
            fault: Fault,
            problem: str,
            error_rules: ErrorRules,
            path: str | None,
            head: FrameHead,
            /,
        ) -> None: ...

    @property
    def problem(self) -> str:
        """What is wrong, without the path and of any length."""
        return self.args[1]

    @property
    def path(self) -> str | None:
        """JSON path of the fault in the payload."""
        return self.args[3]

    @property
    def message_type(self) -> int | None:
        """The frame's message type."""
        return self.args[4][0]

    @property
    def message_id(self) -> str | None:
        """The frame's message id."""
        return self.args[4][1]

    @property
    def action(self) -> str | None:
        """The action of the frame, or of the call that it answers."""
        return self.args[4][2]

    @property
    def error_code(self) -> str:
        """The error code for the fault in the codec's OCPP version."""
        fault, _, error_rules, _, _ = self.args
        return error_rules.codes[fault]

    @property
    def error_description(self) -> str:
        """What is wrong and where."""
        _, problem, _, path, _ = self.args
        return _describe(problem, path)

    def __str__(self) -> str:
        return f"{self.error_code}: {self.error_description}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def reply(self) -> bytes | None:
        """Return the bytes of the frame to answer with, or `None` if none may be sent.

        The rules differ between the versions. An answer is never answered (except by
        CALLRESULTERROR in OCPP 2.1), so two peers cannot keep each other busy.
        """
        fault, problem, error_rules, path, (message_type, message_id, _) = self.args
        answer = error_rules.answers.get(message_type)
        if message_id is None:
            # No one waits for an answer to an answer or to a SEND.
            answer = CALLERROR if message_type in (None, CALL) else None
            message_id = error_rules.unreadable_id
        elif len(message_id) > MESSAGE_ID_LENGTH and not error_rules.echo_long_id:
            answer = answer if answer == CALLERROR else None
            message_id = error_rules.unreadable_id
        if answer is None or message_id is None:
            return None
        code, description = error_rules.codes[fault], _describe(problem, path)
        return _encode((answer, message_id, code, description, _NO_DETAILS))


def _describe(problem: str, path: str | None) -> str:
    """Return what is wrong and where, within the limit. The path is kept."""
    where = "" if path is None else f" at {path}"
    text = problem + where
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return (problem[: DESCRIPTION_LENGTH - len(where)] + where)[:DESCRIPTION_LENGTH]


class FrameError(DecodeError):
    """The frame is not a valid OCPP-J array: not JSON, wrong number of elements, unknown type, ...

    Attributes:
        peer_error: error code and description of a CALLERROR or CALLRESULTERROR of which only the
            rest is invalid. A description that is not a string is `""` here. `None` for any other
            frame. With `Policy(error_details="report")` such a frame is accepted.
    """

    peer_error: tuple[str, str] | None = None


class UnknownActionError(DecodeError):
    """The frame is a well-formed CALL or SEND, but the codec does not know its action."""


class PayloadError(DecodeError):
    """The payload is not valid for its action; `path` says where."""


class EncodeError(OcppError):
    """Our frame cannot be sent: the peer would reject it, or JSON cannot represent it.

    Attributes:
        path: JSON path of the fault in the payload; `None` if the fault is not in the payload.
    """

    def __init__(self, problem: str, path: str | None = None) -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        return self.problem if self.path is None else f"{self.problem} at {self.path}"


class ProtocolError(OcppError):
    """A valid frame at the wrong time or from the wrong side."""


class LocalProtocolError(ProtocolError):
    """Our own call or answer comes at the wrong time or from the wrong side. Nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer's frame comes at the wrong time or from the wrong side.

    Attributes:
        message_type: the frame's message type, 2 to 6.
        message_id: the frame's message id.
        action: the action of a CALL or SEND; `None` for an answer.
        error_code: the error code to answer with; `None` if the frame is not answered.
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
        """Return the bytes of the CALLERROR to answer with, or `None` if none may be sent."""
        if self.error_code is None:
            return None
        description = self.error_description[:DESCRIPTION_LENGTH]
        return _encode((CALLERROR, self.message_id, self.error_code, description, _NO_DETAILS))


class _ErrorContent(OcppError):
    """What a CALLERROR carries."""

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
        error_code: the peer's error code. It may be one that OCPP does not define.
        error_description: the peer's text, possibly empty.
        error_details: the peer's JSON object, possibly empty.
    """


class CallTimeout(OcppError, TimeoutError):
    """No answer to a call came in time. The peer may or may not have handled the call."""


class ConnectionLost(CallTimeout, ConnectionError):
    """The connection ended before the answer to a call came, or there was no connection.

    If the call was sent, the peer may or may not have handled it.
    """


class NotConnected(ConnectionLost):
    """There is no connection, or it ended before the call was sent. Nothing was sent."""


class CallRefused(_ErrorContent):
    """Raised by a handler to answer a call with an error instead of a response.

    Attributes:
        error_code: one of the version's error codes.
        error_description: text for people.
        error_details: a JSON object.
    """

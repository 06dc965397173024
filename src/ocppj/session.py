"""The state of one connection: which calls wait for an answer, and whose turn it is.

    1. At most one call of ours is in flight; the peer's calls may cross it (J16 4.1.1, P4-201 4.1).
    2. An answer belongs to the call whose id it repeats; an answer to no call is dropped, counted.
    3. A call is handled once: while it is, its id may not come again; it is answered once.
    4. Who may call what is in the table of features. What the peer may not send is NotSupported.
    5. A SEND is outside of all this: at any time, and never answered (P4-21 4.2.4).
    6. What has timed out, was cancelled or was answered, well or badly, leaves nothing behind.

Sans-IO: bytes and times come in as arguments, bytes and frames go out. Owns the order of messages.
Knows nothing of sockets, clocks, tasks or handlers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec.structs import replace

from ocppj._core.describe import describe_mismatch, instance_type
from ocppj.codec import Codec
from ocppj.errors import (
    ERROR_RULES,
    MESSAGE_ID_LENGTH,
    DecodeError,
    EncodeError,
    Fault,
    LocalProtocolError,
    PayloadError,
    RemoteProtocolError,
)
from ocppj.frames import CALL, CALLERROR, CALLRESULT, Call, CallError, CallResult, Data, Frame, Send
from ocppj.ids import next_id

__all__ = ["Role", "Session"]

Role: TypeAlias = Literal["csms", "charging_station"]
"""The side that a session is on."""

TIMEOUT: Final = 30.0
NO_CALLS: Final[dict[str, str]] = {}
"""What waits in an idle session: one for all of them, never changed."""


class Session:
    """The calls of one connection, ours and the peer's.

    Not thread-safe: one connection, one thread. The codec is shared.

    Args:
        codec: of the version that was negotiated.
        role: our side, `"csms"` or `"charging_station"`.
        timeout: seconds after which a call of ours counts as lost, unless `call` says otherwise.
        next_id: gives the ids of our calls: unique for a station, at most 36 characters.

    Attributes:
        codec: as given.
        role: as given.
        pending: our call in flight, `None` if there is none.
        deadline: when it will have timed out, in the caller's time; `None` if there is none.
        unexpected: how many answers were dropped because they answered no call.

    Raises:
        TypeError: the codec is not a `Codec`.
        ValueError: there is no such role, or the time-out is not above 0.
    """

    __slots__ = (
        "_actions",
        "_features",
        "_handling",
        "_next_id",
        "_timeout",
        "codec",
        "deadline",
        "pending",
        "role",
        "unexpected",
    )

    codec: Codec
    role: Role
    pending: Call[Any] | None
    deadline: float | None
    unexpected: int

    def __init__(
        self,
        codec: Codec,
        role: Role,
        *,
        timeout: float = TIMEOUT,
        next_id: Callable[[], str] = next_id,
    ) -> None:
        if not isinstance(codec, Codec):
            raise TypeError(f'codec={codec!r:.80}: use a Codec, such as Codec("2.0.1")')
        if role not in get_args(Role):
            raise ValueError(f"unknown role {role!r}: use csms or charging_station")
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: use seconds above 0")
        self.codec = codec
        self.role = role
        self.unexpected = 0
        self._features = codec.features
        self._timeout = timeout
        self._next_id = next_id
        self._handling: dict[str, Call[Any]] = {}
        self._clear_pending()

    @property
    def handling(self) -> int:
        """How many calls of the peer wait for our answer."""
        return len(self._handling)

    def call(
        self,
        request: object,
        now: float = 0.0,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Start a call, or send a SEND where the request's feature is one.

        Args:
            request: the payload; its type tells the action.
            now: the time, in seconds of any clock that does not go back. Whoever uses `expire` has
                to give it, of the same clock.
            message_id: instead of the next of the id source, to repeat a call for instance.
            timeout: seconds, instead of the session's.

        Returns:
            The frame to be sent.

        Raises:
            LocalProtocolError: a call of ours is in flight, or this role may not send the action.
            EncodeError: the request is not one that the codec knows, or breaks its rules.
            ValueError: the time-out is not above 0.
        """
        if timeout is None:
            timeout = self._timeout
        elif not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: use seconds above 0")
        feature = self.codec.feature(request)
        if feature.sender not in (self.role, "both"):
            raise LocalProtocolError(f"{feature.name} is not sent by a {self.role}")
        if message_id is None:
            message_id = self._next_id()
        if feature.response_type is None:
            return self.codec.encode(Send(message_id, feature.name, request))
        if self.pending is not None:
            waiting = f"{self.pending.action} waits for its answer"
            raise LocalProtocolError(f"{waiting}: {feature.name} has to wait too")
        call = Call(message_id, feature.name, request)
        data = self.codec.encode(call)
        self._actions = {message_id: feature.name}
        self.pending = call
        self.deadline = now + timeout
        return data

    def receive(self, data: Data) -> Frame:
        """Take in one message.

        A call that is returned has to be answered: with `reply`, or with `fail`.

        Returns:
            A call to be handled, the answer to our call (its payload typed), a SEND, or what the
            peer has against an answer of ours (CALLRESULTERROR).

        Raises:
            DecodeError: it is no frame. A bad answer to our call ends that call.
            RemoteProtocolError: it comes at the wrong time or from the wrong side.
                The `reply()` of either is what the peer should be told, if anything.
        """
        try:
            frame = self.codec.decode(data, self._actions)
        except DecodeError as error:
            self._refuse(error)
            raise
        message_type = frame.message_type
        if message_type == CALL:
            self._accept_call(frame)  # type: ignore[arg-type]
        elif message_type == CALLRESULT or message_type == CALLERROR:  # noqa: PLR1714, SIM109  on the hot path
            if frame.message_id not in self._actions:
                raise self._unexpected_answer(message_type, frame.message_id)
            self._clear_pending()
        elif isinstance(frame, Send) and self._features[frame.action].sender == self.role:
            raise self._wrong_sender(frame.action, message_type, frame.message_id)
        return frame

    def _refuse(self, error: DecodeError) -> None:
        """Note what a bad frame means for calls. What has no place at all is no matter of form."""
        message_type, message_id = error.message_type, error.message_id
        if message_id is None:
            return
        if message_type == CALL and isinstance(error, PayloadError):
            action: Any = error.action  # a payload has a type by its action alone
            if self._features[action].sender == self.role:
                raise self._wrong_sender(action, message_type, message_id) from error
        elif message_type == CALLRESULT or message_type == CALLERROR:  # noqa: PLR1714, SIM109  as above
            if message_id not in self._actions:
                raise self._unexpected_answer(message_type, message_id) from error
            self._clear_pending()

    def _unexpected_answer(self, message_type: int, message_id: str) -> RemoteProtocolError:
        self.unexpected += 1
        return RemoteProtocolError("an answer to no call that waits", message_type, message_id)

    def _accept_call(self, call: Call[Any]) -> None:
        message_id = call.message_id
        if message_id in self._handling:
            problem = "the message id is that of a call still being handled"
            code = ERROR_RULES[self.codec.version].codes[Fault.MESSAGE_ID_IN_USE]
            raise RemoteProtocolError(problem, CALL, message_id, call.action, code)
        if self._features[call.action].sender == self.role:
            raise self._wrong_sender(call.action, CALL, message_id)
        self._handling[message_id] = call

    def _wrong_sender(self, action: str, message_type: int, message_id: str) -> RemoteProtocolError:
        code = "NotSupported" if message_type == CALL else None
        return RemoteProtocolError(
            f"{action} is not sent by this side", message_type, message_id, action, code
        )

    def reply(self, call: Call[Any], response: object) -> bytes:
        """Answer a call of the peer.

        Args:
            call: as `receive` gave it.
            response: the payload, of the action's response type.

        Returns:
            The frame to be sent. After an error the call still waits for its answer.

        Raises:
            LocalProtocolError: the call was answered already, or is not of this session.
            EncodeError: the response is not one to this action, or breaks its rules.
        """
        self._check_handled(call)
        expected: Any = self._features[call.action].response_type
        if type(response) is not expected:
            mismatch = describe_mismatch(expected, instance_type(response))
            raise EncodeError(f"{call.action} is answered with {mismatch}", "$")
        return self._answer(CallResult(call.message_id, response))

    def fail(
        self,
        call: Call[Any],
        error_code: str,
        description: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Answer a call of the peer with an error.

        Args:
            call: as `receive` gave it.
            error_code: one of the version's codes.
            description: for people; at most 255 characters of it are sent in OCPP 2.x.
            details: a JSON object.

        Returns:
            The frame to be sent. After an error the call still waits for its answer.

        Raises:
            LocalProtocolError: the call was answered already, or is not of this session.
            EncodeError: no such code, or the details have no JSON form.
        """
        self._check_handled(call)
        given = dict(details or {})
        return self._answer(CallError(call.message_id, error_code, description, given))

    def _check_handled(self, call: Call[Any]) -> None:
        if not isinstance(call, Call):
            raise LocalProtocolError(f"a {type(call).__name__} is not answered")
        if self._handling.get(call.message_id) is not call:
            raise LocalProtocolError(f"the call {call.message_id!r} does not wait for an answer")

    def _answer(self, answer: CallResult[Any] | CallError) -> bytes:
        message_id = answer.message_id
        if len(message_id) <= MESSAGE_ID_LENGTH:
            data = self.codec.encode(answer)
        else:  # The codec's policy took it: it is echoed, and all but the id has to be right.
            self.codec.encode(replace(answer, message_id=""))
            data = self.codec.encode(answer, validate=False)
        del self._handling[message_id]
        if not self._handling:
            self._handling.clear()  # or it would keep the room that it once had
        return data

    def expire(self, now: float) -> tuple[Call[Any], ...]:
        """Give up calls of ours whose time is over, and return them.

        Args:
            now: in the time that `call` was given.
        """
        if self.deadline is None or now < self.deadline:
            return ()
        return self.cancel()

    def cancel(self) -> tuple[Call[Any], ...]:
        """Give up our call in flight, if there is one; return it. Its answer will be dropped."""
        call = self.pending
        self._clear_pending()
        return () if call is None else (call,)

    def _clear_pending(self) -> None:
        self.pending = None
        self.deadline = None
        self._actions = NO_CALLS

"""The state of one connection: which calls are pending, on both sides.

    1. At most one call of ours is pending; the peer's calls may cross it (J16 4.1.1, P4-201 4.1).
    2. An answer belongs to the pending call with the same message id. Others are counted, dropped.
    3. A call of the peer is answered once. Until then its message id is in use.
    4. Features say which side may send an action. The other side gets NotSupported for it.
    5. A SEND is exempt: either side may send it at any time, and none is answered (P4-21 4.2.4).
    6. A call that timed out, was cancelled or got any answer, valid or not, leaves nothing behind.

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

ROLES: Final = get_args(Role)
TIMEOUT: Final = 30.0
NO_CALLS: Final[dict[str, str]] = {}
"""The pending calls of an idle session. All idle sessions share it; it is never changed."""


class Session:
    """Match calls and answers on one connection, without I/O.

    >>> session = ocppj.Session(ocppj.Codec("2.0.1"), "csms")
    >>> session.call(ocppj.v201.ClearCacheRequest(), message_id="1")  # send these bytes
    b'[2,"1","ClearCache",{}]'
    >>> session.receive('[3,"1",{"status":"Accepted"}]').payload.status.value
    'Accepted'

    A session is not thread-safe. Its codec can be shared.

    Args:
        codec: the codec of the version that was negotiated.
        role: our side, `"csms"` or `"charging_station"`.
        timeout: seconds until a call of ours times out, unless `call` is given another timeout.
        next_id: returns the message id of our next call: at most 36 characters, never used before
            for this station.

    Attributes:
        codec: the codec.
        role: our side.
        pending: our pending call, or `None`.
        deadline: when the pending call times out, by the clock of the `now` passed to `call`;
            `None` if no call is pending.
        unexpected: number of answers that were dropped because no pending call has their id.

    Raises:
        TypeError: `codec` is not a `Codec`.
        ValueError: the role is unknown, or the timeout is not above 0.
    """

    __slots__ = (
        "_actions",
        "_call",
        "_features",
        "_more_calls",
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
        if role not in ROLES:
            raise ValueError(f"unknown role {role!r}: use csms or charging_station")
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: use seconds above 0")
        self.codec = codec
        self.role = role
        self.unexpected = 0
        self._features = codec.features
        self._timeout = timeout
        self._next_id = next_id
        # The calls of the peer that are being handled. Most peers have one at a time, so the first
        # needs no dict. None has more while `_call` is `None`.
        self._call: Call[Any] | None = None
        self._more_calls: dict[str, Call[Any]] = {}
        self._clear_pending()

    def __repr__(self) -> str:
        pending = "none" if self.pending is None else self.pending.action
        state = f"pending: {pending}, handling: {self.handling}"
        return f"<Session of OCPP {self.codec.version}, {self.role}, {state}>"

    @property
    def handling(self) -> int:
        """Number of calls of the peer that we have not answered yet."""
        return 0 if self._call is None else 1 + len(self._more_calls)

    def call(
        self,
        request: object,
        now: float = 0.0,
        *,
        message_id: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Start a call, or a SEND if the request belongs to one.

        Args:
            request: the payload; its type determines the action.
            now: the time in seconds of a monotonic clock. Needed with `expire`, which has to get
                the time of the same clock.
            message_id: message id to use instead of the next one, for instance to repeat a call.
            timeout: seconds until the call times out, instead of the session's timeout.

        Returns:
            The bytes to send.

        Raises:
            LocalProtocolError: a call of ours is pending, or our role may not send the action.
            EncodeError: the request is invalid, or its type is not one of the codec's.
            ValueError: the timeout is not above 0.
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
            pending = f"{self.pending.action} is still pending"
            raise LocalProtocolError(f"{pending}: send {feature.name} after its answer")
        call = Call(message_id, feature.name, request)
        data = self.codec.encode(call)
        self._actions = {message_id: feature.name}
        self.pending = call
        self.deadline = now + timeout
        return data

    def receive(self, data: Data) -> Frame:
        """Process one message from the peer.

        Args:
            data: one WebSocket message.

        Returns:
            A `Call`, which has to be answered with `reply` or `fail`; a `CallResult` with a typed
            payload or a `CallError`, which answers our pending call; a `Send`; or a
            `CallResultError`, with which the peer rejects an answer of ours.

        Raises:
            DecodeError: the message is invalid. If it answers our pending call, that call has
                ended.
            RemoteProtocolError: the message is valid, but comes at the wrong time or from the
                wrong side.

        If the `reply()` of either exception is not `None`, send it to the peer.
        """
        try:
            frame = self.codec.decode(data, self._actions)
        except DecodeError as error:
            self._on_decode_error(error)
            raise
        if isinstance(frame, Call):
            is_only = self._call is None
            if not is_only and self._find(frame.message_id) is not None:
                raise self._message_id_in_use(frame.message_id, frame.action)
            if self._features[frame.action].sender == self.role:
                raise self._wrong_sender(frame.action, CALL, frame.message_id)
            if is_only:
                self._call = frame
            else:
                self._more_calls[frame.message_id] = frame
            return frame
        message_type = frame.message_type
        if message_type == CALLRESULT or message_type == CALLERROR:  # noqa: PLR1714, SIM109  on the hot path
            if frame.message_id not in self._actions:
                raise self._unexpected_answer(message_type, frame.message_id)
            self._clear_pending()
        elif isinstance(frame, Send) and self._features[frame.action].sender == self.role:
            raise self._wrong_sender(frame.action, message_type, frame.message_id)
        return frame

    def _on_decode_error(self, error: DecodeError) -> None:
        """Update the state after an invalid frame.

        A frame that should not have been sent at all is rejected for that, not for its payload.
        """
        message_type, message_id = error.message_type, error.message_id
        if message_id is None:
            return
        if message_type == CALL and isinstance(error, PayloadError):
            action: Any = error.action  # a payload has a type by its action alone
            if self._features[action].sender == self.role:
                raise self._wrong_sender(action, message_type, message_id) from error
        elif message_type == CALLRESULT or message_type == CALLERROR:  # noqa: PLR1714, SIM109  beside the hot path, in the same words
            if message_id not in self._actions:
                raise self._unexpected_answer(message_type, message_id) from error
            self._clear_pending()

    def _unexpected_answer(self, message_type: int, message_id: str) -> RemoteProtocolError:
        self.unexpected += 1
        return RemoteProtocolError("no pending call has this message id", message_type, message_id)

    def _message_id_in_use(self, message_id: str, action: str) -> RemoteProtocolError:
        code = ERROR_RULES[self.codec.version].codes[Fault.MESSAGE_ID_IN_USE]
        return RemoteProtocolError("message id already in use", CALL, message_id, action, code)

    def _wrong_sender(self, action: str, message_type: int, message_id: str) -> RemoteProtocolError:
        code = "NotSupported" if message_type == CALL else None
        return RemoteProtocolError(
            f"{action} is not sent by this side", message_type, message_id, action, code
        )

    def reply(self, call: Call[Any], response: object) -> bytes:
        """Answer a call of the peer.

        Args:
            call: a call that `receive` returned.
            response: the payload, an instance of the action's response type.

        Returns:
            The bytes to send.

        Raises:
            LocalProtocolError: the call is already answered, or belongs to another session.
            EncodeError: the response is invalid, or belongs to another action. The call can still
                be answered.
        """
        if call is not self._call or call is None:
            self._check_handled(call)
        expected: Any = self._features[call.action].response_type
        if type(response) is not expected:
            mismatch = describe_mismatch(expected, instance_type(response))
            raise EncodeError(f"{call.action} is answered with {mismatch}", "$")
        message_id = call.message_id
        answer = CallResult(message_id, response)
        if self._more_calls or len(message_id) > MESSAGE_ID_LENGTH:
            return self._answer(call, answer)
        data = self.codec.encode(answer)  # the usual case, without a further call
        self._call = None
        return data

    def fail(
        self,
        call: Call[Any],
        error_code: str,
        description: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Answer a call of the peer with an error.

        Args:
            call: a call that `receive` returned.
            error_code: one of the version's codes.
            description: text for people; in OCPP 2.x cut to 255 characters.
            details: a JSON object.

        Returns:
            The bytes to send.

        Raises:
            LocalProtocolError: the call is already answered, or belongs to another session.
            EncodeError: the version has no such code, or JSON cannot represent the details. The
                call can still be answered.
        """
        self._check_handled(call)
        given = dict(details or {})
        return self._answer(call, CallError(call.message_id, error_code, description, given))

    def _find(self, message_id: str) -> Call[Any] | None:
        """Return the call with a message id that is being handled."""
        call = self._call
        if call is not None and call.message_id == message_id:
            return call
        return self._more_calls.get(message_id)

    def _check_handled(self, call: object) -> None:
        if not isinstance(call, Call):
            raise LocalProtocolError(f"a {type(call).__name__} is not answered")
        try:
            is_handled = self._find(call.message_id) is call
        except TypeError:  # its id cannot be hashed: it is not from `receive`
            is_handled = False
        if not is_handled:
            problem = f"call {call.message_id!r} is already answered, or belongs to another session"
            raise LocalProtocolError(problem)

    def _answer(self, call: Call[Any], answer: CallResult[Any] | CallError) -> bytes:
        if len(answer.message_id) <= MESSAGE_ID_LENGTH:
            data = self.codec.encode(answer)
        else:  # The codec's policy tolerates long ids. It is echoed; all but the id is validated.
            self.codec.encode(replace(answer, message_id=""))
            data = self.codec.encode(answer, validate=False)
        more = self._more_calls
        if call is not self._call:
            del more[call.message_id]
        else:
            self._call = more.popitem()[1] if more else None
        if not more:
            more.clear()  # frees its memory: deleting items does not shrink a dict
        return data

    def expire(self, now: float) -> tuple[Call[Any], ...]:
        """Give up our pending call if it has timed out.

        Args:
            now: the time, of the clock that `call` was given.

        Returns:
            The call that was given up, if any. If its answer still comes, it is dropped.
        """
        if self.deadline is None or now < self.deadline:
            return ()
        return self.cancel()

    def cancel(self) -> tuple[Call[Any], ...]:
        """Give up our pending call.

        Returns:
            The call that was given up, if any. If its answer still comes, it is dropped.
        """
        call = self.pending
        self._clear_pending()
        return () if call is None else (call,)

    def _clear_pending(self) -> None:
        self.pending = None
        self.deadline = None
        self._actions = NO_CALLS

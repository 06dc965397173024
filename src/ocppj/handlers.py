"""What answers calls: a method of a handler object for each action.

Owns the way from a decoded call to the frame that answers it, through a method that returns, awaits
or raises. Knows nothing of connections or of how awaitables are run.
"""

from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final

from ocppj.codec import Codec
from ocppj.errors import CallRefused, EncodeError
from ocppj.frames import Call, Send
from ocppj.session import Role, Session

__all__ = ["Handlers"]

OnError = Callable[[Call[Any] | Send[Any], Exception], None]
PREFIX: Final = "on_"


class Handlers:
    """The methods of a handler object, by action.

    A method is named after its action, `on_boot_notification`; the handler protocols of the message
    modules have all of them (`ocppj.v201.provisioning.CSMSHandler`). It gets the request last, and
    before it whatever `answer` is given. It returns the response or an awaitable of it, or raises
    `CallRefused`. One object may serve all connections.

    Args:
        handler: the object. Actions without a method are answered NotSupported.
        codec: which actions there are.
        others: names of methods that begin with `on_` and belong to no action.
        role: our side, if methods for what only the other side receives are to be an error.

    Raises:
        TypeError: the handler is a class.
        ValueError: a method that begins with `on_` belongs to no action, or to one that the role
            never receives.
    """

    __slots__ = ("_methods",)

    def __init__(
        self,
        handler: object,
        codec: Codec,
        others: Iterable[str] = (),
        *,
        role: Role | None = None,
    ) -> None:
        if isinstance(handler, type):
            raise TypeError(f"{handler.__name__} is a class: make an instance of it")
        known = {feature.method: feature for feature in codec.features.values()}
        received = {feature.method for feature in codec.features.values() if feature.sender != role}
        for name in sorted({*dir(handler)} - received - {*others}):
            if name.startswith(PREFIX) and _find_method(handler, name) is not None:
                problem = f"{type(handler).__name__}.{name}"
                if name in known:
                    action = known[name].name
                    raise ValueError(f"{problem}: {action} is sent by the {role}, not to it")
                near = get_close_matches(name, received, 1)
                hint = f": do you mean {near[0]}?" if near else ""
                raise ValueError(f"{problem} answers no action of OCPP {codec.version}{hint}")
        self._methods: dict[str, Callable[..., Any]] = {}
        for action, feature in codec.features.items():
            method = _find_method(handler, feature.method)
            if method is not None:
                self._methods[action] = method

    def answer(
        self, session: Session, call: Call[Any], context: tuple[Any, ...], on_error: OnError
    ) -> bytes | Awaitable[bytes]:
        """Call the method for a call, and return the frame that answers it.

        Args:
            session: which received the call.
            call: to be answered.
            context: the method's arguments before the request.
            on_error: is told what a method raises that is not a refusal, or what cannot be sent of
                what it returns. The peer is told InternalError, and nothing of the text.

        Returns:
            The frame, or an awaitable of it if the method gave one. Neither raises what a method
            does; `LocalProtocolError` if somebody else has answered the call meanwhile.
        """
        method = self._methods.get(call.action)
        if method is None:
            return session.fail(call, "NotSupported", f"{call.action} is not supported")
        try:
            response = method(*context, call.payload)
            if hasattr(response, "__await__"):
                return self._answer_later(session, call, response, on_error)
            return session.reply(call, response)
        except Exception as error:  # noqa: BLE001  handlers are other people's code
            return _error_answer(session, call, error, on_error)

    async def _answer_later(
        self, session: Session, call: Call[Any], response: Awaitable[Any], on_error: OnError
    ) -> bytes:
        try:
            return session.reply(call, await response)
        except Exception as error:  # noqa: BLE001  handlers are other people's code
            return _error_answer(session, call, error, on_error)

    def notify(
        self, send: Send[Any], context: tuple[Any, ...], on_error: OnError
    ) -> Awaitable[None] | None:
        """Call the method for a SEND, which is never answered. The arguments are those of `answer`.

        Returns:
            What the method gave, if it has to be awaited.
        """
        method = self._methods.get(send.action)
        if method is None:
            return None
        try:
            notification = method(*context, send.payload)
        except Exception as error:  # noqa: BLE001  handlers are other people's code
            on_error(send, error)
            return None
        return (
            _run_notification(send, notification, on_error)
            if hasattr(notification, "__await__")
            else None
        )


def _find_method(handler: object, name: str) -> Callable[..., Any] | None:
    """Return a method of an object, `None` if it has none but what a protocol only declares."""
    method = getattr(handler, name, None)
    if not callable(method):
        return None
    owner = next((cls for cls in type(handler).__mro__ if name in vars(cls)), None)
    declared = getattr(owner, "_is_protocol", False) and name not in getattr(
        handler, "__dict__", ()
    )
    return None if declared else method


async def _run_notification(
    send: Send[Any], notification: Awaitable[Any], on_error: OnError
) -> None:
    try:
        await notification
    except Exception as error:  # noqa: BLE001  handlers are other people's code
        on_error(send, error)


def _error_answer(session: Session, call: Call[Any], error: Exception, on_error: OnError) -> bytes:
    if isinstance(error, CallRefused):
        try:
            return session.fail(
                call, error.error_code, error.error_description, error.error_details
            )
        except EncodeError as problem:
            problem.__cause__ = error
            error = problem
    on_error(call, error)
    return session.fail(call, "InternalError")

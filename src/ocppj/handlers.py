"""What answers calls: one method of a handler object for each action.

Owns the way from a decoded call to the frame that answers it, through a method that returns, awaits
or raises. Knows nothing of connections, nor of how awaitables are run.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from types import SimpleNamespace, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from ocppj._core.describe import qualified_name
from ocppj.codec import Codec
from ocppj.errors import CallRefused, EncodeError
from ocppj.frames import Call, Send
from ocppj.schema import Feature
from ocppj.session import Role, Session

__all__ = ["Handlers"]

OnError = Callable[[Call[Any] | Send[Any], Exception], None]
PREFIX: Final = "on_"


class Handlers:
    """The methods of a handler object by action.

    A method is named after its action, for instance `on_boot_notification`. Each block of messages
    has protocols with all of them, such as `ocppj.v201.provisioning.CSMSHandler`. A method gets the
    `context` that is passed to `answer`, then the request. It returns the response or an awaitable
    of it, or raises `CallRefused`. One object can serve all connections.

    Args:
        handler: the object. Calls of actions that it has no method for are answered NotSupported.
        codec: the codec whose actions are handled.
        others: names of methods that begin with `on_` and belong to no action.
        role: our side; if given, methods for actions that only the other side receives are errors.

    Raises:
        TypeError: the handler is a class, or a method is annotated with the request of another
            action or OCPP version.
        ValueError: the name of a method begins with `on_` but belongs to no action, or to one that
            the role never receives.
    """

    __slots__ = ("_methods", "_name")

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
        self._name = type(handler).__name__
        self._check_names(handler, codec, others, role)
        self._methods: dict[str, tuple[Callable[..., Any], type[Any] | None]] = {}
        for action, feature in codec.features.items():
            method = _find_method(handler, feature.method)
            if method is None:
                continue
            self._methods[action] = method, feature.response_type
            if feature.sender != role:
                self._check_request_type(method, feature, codec.version)

    def _check_names(
        self, handler: object, codec: Codec, others: Iterable[str], role: Role | None
    ) -> None:
        actions = {feature.method: feature.name for feature in codec.features.values()}
        received = {feature.method for feature in codec.features.values() if feature.sender != role}
        for name in sorted({*dir(handler)} - received - {*others}):
            if not name.startswith(PREFIX) or _find_method(handler, name) is None:
                continue
            if name in actions:
                problem = f"{actions[name]} is sent by the {role}, not to it"
                raise ValueError(f"{self._name}.{name}: {problem}")
            near = get_close_matches(name, received, 1)
            hint = f": do you mean {near[0]}?" if near else ""
            problem = f"answers no action of OCPP {codec.version}{hint}"
            raise ValueError(f"{self._name}.{name} {problem}")

    def _check_request_type(
        self, method: Callable[..., Any], feature: Feature[Any, Any], version: str
    ) -> None:
        expected = feature.request_type
        types = _request_types(method)
        if types and not any(issubclass(expected, cls) for cls in types):
            annotated = " | ".join(qualified_name(cls) for cls in types)
            raise TypeError(
                f"{self._name}.{feature.method} expects {annotated}, but the request of "
                f"{feature.name} in OCPP {version} is {qualified_name(expected)}"
            )

    @property
    def actions(self) -> frozenset[str]:
        """The actions that there is a method for."""
        return frozenset(self._methods)

    def __repr__(self) -> str:
        return f"<Handlers of {self._name} for {', '.join(self._methods) or 'no action'}>"

    def answer(
        self, session: Session, call: Call[Any], context: tuple[Any, ...], on_error: OnError
    ) -> bytes | Awaitable[bytes]:
        """Call the method for a call, and return the frame that answers it.

        Args:
            session: the session that received the call.
            call: the call.
            context: arguments for the method, before the request.
            on_error: called with the call and the exception if the method raises anything but
                `CallRefused`, or returns a response that cannot be sent. The peer gets
                InternalError and nothing of the exception.

        Returns:
            The frame, or an awaitable of it if the method returned an awaitable.

        Raises:
            LocalProtocolError: the call was answered elsewhere in the meantime. What the method
                raises is never raised here.
        """
        return self.answer_for(session, call, b"", None, on_error, context)

    def answer_for(  # noqa: PLR0917  by position: on the hot path
        self,
        session: Session,
        call: Call[Any],
        data: bytes,  # noqa: ARG002  the decoded call is enough
        owner: Any,
        on_error: OnError,
        context: tuple[Any, ...] | None = None,
    ) -> bytes | Awaitable[bytes]:
        """Call the method for a call with one argument before the request: see `answer`.

        It is the `answer` of a `Responder` of `ocppj.aio`, which saves a call for each frame.

        Args:
            session: see `answer`.
            call: see `answer`.
            data: the call as received.
            owner: argument for the method, before the request.
            on_error: see `answer`.
            context: all arguments for the method before the request, instead of `owner`.
        """
        found = self._methods.get(call.action)
        if found is None:
            return session.fail(call, "NotSupported", f"{call.action} is not supported")
        method, response_type = found
        try:
            if context is None:
                response = method(owner, call.payload)
            else:
                response = method(*context, call.payload)
            if type(response) is not response_type and hasattr(response, "__await__"):
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
            An awaitable that runs the rest of the method, or `None` if it has finished.
        """
        found = self._methods.get(send.action)
        if found is None:
            return None
        try:
            notification = found[0](*context, send.payload)
        except Exception as error:  # noqa: BLE001  handlers are other people's code
            on_error(send, error)
            return None
        return (
            _run_notification(send, notification, on_error)
            if hasattr(notification, "__await__")
            else None
        )


def _find_method(handler: object, name: str) -> Callable[..., Any] | None:
    """Return a method of an object, `None` if it has none or a protocol only declares it."""
    method = getattr(handler, name, None)
    if not callable(method):
        return None
    owner = next((cls for cls in type(handler).__mro__ if name in vars(cls)), None)
    declared = getattr(owner, "_is_protocol", False) and name not in getattr(
        handler, "__dict__", ()
    )
    return None if declared else method


def _request_types(method: Callable[..., Any]) -> tuple[type[Any], ...]:
    """Return the Structs that a method's request is annotated with; none if there is any doubt."""
    try:
        parameters = inspect.signature(method).parameters.values()
        positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
        request = [p for p in positional if p.default is p.empty][-1]
        # On its own, so that an annotation beside it that only type checkers can resolve does not
        # matter.
        alone: Any = SimpleNamespace(__annotations__={"request": request.annotation})
        function: Any = inspect.unwrap(method)
        hint = get_type_hints(alone, getattr(function, "__globals__", {}))["request"]
    except Exception:  # noqa: BLE001  annotations are other people's code
        return ()
    types = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    structs = all(isinstance(cls, type) and issubclass(cls, msgspec.Struct) for cls in types)
    return types if structs else ()


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

"""Make charge points of mobilityhouse/ocpp faster; their handlers and calls stay the same.

Owns `Accelerated`: how a charge point calls and is called. It differs from mobilityhouse/ocpp only
where that breaks the specification; `docs/mobilityhouse.md` has the list.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from types import MethodType, new_class
from typing import Any, TypeVar

try:
    from ocpp import charge_point, exceptions, messages
except ModuleNotFoundError as error:
    problem = f"{error.name} is not installed: pip install 'ocppj[mobilityhouse]'"
    raise ModuleNotFoundError(problem, name=error.name) from error

from ocppj.errors import DecodeError, PayloadError, UnknownActionError
from ocppj.frames import CALL, CALLERROR, CALLRESULT, SEND
from ocppj.integrations.names import snake
from ocppj.integrations.wire import (
    AS_SCHEMAS,
    Wire,
    pack,
    unpack,
    validate_payload,
    wire_of,
)
from ocppj.policy import Policy

__all__ = ["AS_SCHEMAS", "Accelerated", "accelerate", "pack", "unpack", "validate_payload"]


class Accelerated(charge_point.ChargePoint):  # type: ignore[misc]  # ocpp is untyped
    """Decode and encode the messages of a charge point of mobilityhouse/ocpp with `ocppj`.

    Put it before the charge point among the bases:

        class MyCP(Accelerated, ocpp.v201.ChargePoint): ...

    Args:
        policy: which violations of the schema to tolerate in received messages. By default, the
            class's `policy`.
        *args: arguments of the charge point.
        **kwargs: arguments of the charge point.

    Attributes:
        policy: the policy, of a class or of an object. It can be set at any time. By default,
            `AS_SCHEMAS`.
    """

    policy: Policy = AS_SCHEMAS

    _ocppj_wire: Wire | None = None
    _ocppj_policy: Policy | None = None
    # Of the pending call: its message id, and message id -> action if its result is validated.
    _ocppj_awaited: str | None = None
    _ocppj_pending: Mapping[str, str] | None = None

    def __init__(self, *args: Any, policy: Policy | None = None, **kwargs: Any) -> None:
        if policy is not None:
            self.policy = policy
        super().__init__(*args, **kwargs)

    def _ocppj(self) -> Wire:
        wire = self._ocppj_wire
        if wire is None or self._ocppj_policy is not self.policy:
            self._ocppj_policy = self.policy
            wire = self._ocppj_wire = wire_of(self._ocpp_version, self.policy)
        return wire

    async def route_message(self, raw_msg: Any) -> None:
        """Handle one message: call its handler and answer, or give a response to its caller.

        Args:
            raw_msg: the message, as `str` or `bytes`.
        """
        wire = self._ocppj()
        pending = self._ocppj_pending
        try:
            frame: Any = wire.codec.decode(raw_msg, pending)
        except DecodeError as error:
            await self._ocppj_refuse(wire, raw_msg, error)
            return
        for violation in frame.violations:
            if getattr(wire.policy, violation.rule) == "report":
                # Both are the peer's: escape and shorten them.
                path, value = repr(violation.path)[:80], repr(violation.value)[:80]
                self.logger.warning(
                    "%s: tolerated %s at %s: %s", self.id, violation.rule, path, value
                )
        message_type, message_id = frame.message_type, frame.message_id
        if message_type in (CALL, SEND):
            action = None if self._ocppj_skips(frame.action) else frame.action
            msg = messages.Call(message_id, frame.action, wire.payload(raw_msg, frame, action))
            msg.ocppj_fault = None
            await (
                self._ocppj_answer(msg) if message_type == CALL else self._ocppj_handle_send(msg)
            )
        elif message_type not in (CALLRESULT, CALLERROR):
            self.logger.warning("%s: the peer could not handle a result: %s", self.id, frame)
        elif message_id != self._ocppj_awaited:
            # Dropped: a peer could send any number of them.
            self.logger.error("Ignoring response with unknown unique id: %s", frame)
        elif message_type == CALLERROR or pending is None:
            self._ocppj_resolve(raw_msg)
        else:
            action = pending[message_id]
            msg = messages.CallResult(message_id, wire.payload(raw_msg, frame, action), action)
            self._ocppj_resolve(msg)

    def _ocppj_handler(self, action: str | None) -> Any:
        return self.route_map.get(action, {}).get("_on_action")

    def _ocppj_skips(self, action: str | None) -> Any:
        return self.route_map.get(action, {}).get("_skip_schema_validation", False)

    async def _ocppj_answer(self, msg: Any) -> None:
        try:
            await self._handle_call(msg)
        except exceptions.OCPPError as error:
            self.logger.exception("Error while handling request '%s'", msg)
            await self._send(self._ocppj().error(msg, error))

    def _ocppj_resolve(self, msg: Any, fault: DecodeError | None = None) -> None:
        """Give a response to the pending call.

        Args:
            msg: the response, or its text if `ocpp` has to parse it.
            fault: what is wrong with it; the caller raises it.
        """
        if not isinstance(msg, messages.CallResult):
            try:
                msg = unpack(msg)
            except (exceptions.OCPPError, ValueError, RecursionError):
                self.logger.exception("Unable to read a response: '%s'", msg)
                return
        msg.ocppj_fault = fault
        self._ocppj_awaited = None
        self._response_queue.put_nowait(msg)

    async def _ocppj_refuse(self, wire: Wire, raw_msg: Any, error: DecodeError) -> None:
        """Report an invalid message: to the peer, to the log, and to the pending call."""
        has_action = isinstance(error, PayloadError | UnknownActionError)
        if has_action and error.message_type == CALL:
            action = error.action
            if self._ocppj_skips(action) or not self._ocppj_handler(action):
                payload = None
                with suppress(ValueError):  # an integer with thousands of digits
                    payload = json.loads(wire.codec.peek(raw_msg).payload)
                await self._ocppj_answer(messages.Call(error.message_id, action, payload))
                return
        self.logger.error(
            "Unable to parse message: '%s', it doesn't seem to be valid OCPP: %s",
            raw_msg,
            error,
            exc_info=error,
        )
        is_response = error.message_type in (CALLRESULT, CALLERROR)
        if is_response and error.message_id == self._ocppj_awaited is not None:
            self._ocppj_resolve(raw_msg, error)
        reply = error.reply()
        if reply is not None:
            await self._send(reply.decode())

    async def _handle_call(self, msg: Any) -> Any:
        """Call the handler of a call, send its response, then call the hook of `@after`."""
        wire = self._ocppj()
        handler = self._ocppj_handler(msg.action)
        if handler is None:
            if msg.action in wire.requests:
                raise exceptions.NotSupportedError(f"no handler for {msg.action}")
            raise exceptions.NotImplementedError(f"no such action in OCPP {wire.name}")
        check = not self._ocppj_skips(msg.action)
        if check and not hasattr(msg, "ocppj_fault"):
            await validate_payload(msg, wire.name)
        kwargs = snake(msg.payload)
        try:
            response = _call_handler(handler, kwargs, msg)
            if inspect.isawaitable(response):
                response = await response
        except Exception as error:
            self.logger.exception("Error while handling request '%s'", msg)
            await self._send(wire.error(msg, error))
            return None
        result = msg.create_call_result(None)
        try:
            text = await wire.write(result, response, check=check)
        except exceptions.OCPPError as error:
            problem = f"the response to {msg.action} is not valid"
            raise exceptions.InternalError(problem) from error
        await self._send(text)
        return _call_after_handler(self.route_map[msg.action], kwargs, msg, result, response)

    async def _ocppj_handle_send(self, msg: Any) -> None:
        """Call the handler and the hook of a SEND, which is never answered."""
        handlers = self.route_map.get(msg.action, {})
        kwargs = snake(msg.payload)
        try:
            response = _call_handler(handlers["_on_action"], kwargs, msg)
            if inspect.isawaitable(response):
                await response
        except Exception:
            self.logger.exception("Error while handling request '%s'", msg)
        else:
            _call_after_handler(handlers, kwargs, msg, None, None)

    async def call(
        self,
        payload: Any,
        suppress: bool = True,  # noqa: FBT001, FBT002  the signature is mobilityhouse/ocpp's
        unique_id: str | None = None,
        skip_schema_validation: bool = False,  # noqa: FBT001, FBT002  the signature is theirs
    ) -> Any:
        """Send a call and wait for its response.

        Args:
            payload: a dataclass of `ocpp`'s `call`; its name is the action.
            suppress: whether to log a CALLERROR and return `None`, instead of raising it.
            unique_id: message id. By default, one of `_unique_id_generator`.
            skip_schema_validation: whether to validate neither the request nor the response.

        Returns:
            The response, as the dataclass for the action in `ocpp`'s `call_result`.

        Raises:
            TimeoutError: no response came within the response timeout.
            OCPPError: the request or the response is invalid, or a CALLERROR came and `suppress`
                is false.
        """
        wire = self._ocppj()
        action = type(payload).__name__
        if unique_id is None:
            unique_id = str(self._unique_id_generator())
        call = messages.Call(unique_id, action, None)
        check = not skip_schema_validation
        text = await wire.write(call, payload, check=check)
        async with self._call_lock:
            self._ocppj_awaited = unique_id
            self._ocppj_pending = (
                {unique_id: action} if check and action in wire.responses else None
            )
            try:
                await self._send(text)
                response = await self._ocppj_response(unique_id, text)
            finally:
                self._ocppj_awaited = self._ocppj_pending = None
        if response.message_type_id == CALLERROR:
            self.logger.warning("Received a CALLError: %s'", response)
            if suppress:
                return None
            raise response.to_exception()
        if check:
            response.action = action
            fault = getattr(response, "ocppj_fault", response)
            if fault is response:  # it was not received by `route_message`
                await validate_payload(response, wire.name)
            elif fault is not None:
                await wire.raise_invalid(response, fault)
        return getattr(self._call_result, action)(**snake(response.payload))

    async def _ocppj_response(self, unique_id: str, text: str) -> Any:
        timeout = self._response_timeout
        try:
            return await self._get_specific_response(unique_id, timeout)
        except TimeoutError:
            raise TimeoutError(f"Waited {timeout}s for response on {text}.") from None


@lru_cache(maxsize=1024)
def _wants_id(function: Callable[..., Any]) -> bool:
    return "call_unique_id" in inspect.signature(function).parameters


def _call_handler(handler: Callable[..., Any], kwargs: dict[str, Any], msg: Any) -> Any:
    """Call a handler, with the message id if it has a parameter for it."""
    # The cache gets the function: a method would keep its charge point alive.
    if _wants_id(handler.__func__ if isinstance(handler, MethodType) else handler):
        return handler(**kwargs, call_unique_id=msg.unique_id)
    return handler(**kwargs)


def _call_after_handler(
    handlers: Mapping[str, Any], kwargs: dict[str, Any], msg: Any, result: Any, answer: Any
) -> Any:
    """Call the hook of `@after`, if the action has one.

    Args:
        handlers: the action's entry in the route map.
        kwargs: the payload of the request, as handlers get it.
        msg: the request.
        result: the response that was sent.
        answer: what the handler returned; `None` for a SEND.
    """
    try:
        hook = handlers["_after_action"]
        if getattr(hook, "_inject_response", False):  # set by ocpp newer than 2.1.0
            fields = {} if answer is None else charge_point.serialize_as_dict(answer)
            kwargs["call_response"] = charge_point.remove_nones(fields)
        response = _call_handler(hook, kwargs, msg)
    except KeyError:
        # A hook's own KeyError is lost too, as in mobilityhouse/ocpp.
        return result
    if inspect.isawaitable(response):
        asyncio.ensure_future(response)  # noqa: RUF006  mobilityhouse/ocpp keeps no reference either
    return response


C = TypeVar("C", bound=type[Any])


def accelerate(cls: C, policy: Policy | None = None) -> C:
    """Return the accelerated subclass of a charge point whose class you cannot edit.

    It has the same name. Methods that the class overrides stay overridden.

    Args:
        cls: a subclass of a `ChargePoint` of `ocpp`.
        policy: which violations of the schema to tolerate. By default, the class's `policy`.
    """
    bases = (cls,) if issubclass(cls, Accelerated) else (cls, Accelerated)
    accelerated: Any = new_class(cls.__name__, bases)
    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(accelerated, name, getattr(cls, name))
    if policy is not None:
        accelerated.policy = policy
    return accelerated  # type: ignore[no-any-return]  # ocpp is untyped

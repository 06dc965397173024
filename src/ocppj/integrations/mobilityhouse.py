"""Charge points of mobilityhouse/ocpp on our codec: the same handlers, the same calls.

Owns `Accelerated`, how a charge point calls and is called. `docs/mobilityhouse.md` lists where it
departs from mobilityhouse/ocpp: where that breaks the specification.
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


class Accelerated(charge_point.ChargePoint):  # type: ignore[misc]
    """Makes a charge point of mobilityhouse/ocpp faster: it goes first among the bases.

        class MyCP(Accelerated, ocpp.v201.ChargePoint): ...

    Args:
        policy: which faults of the station are taken all the same.
        *args: of the charge point.
        **kwargs: of the charge point.

    Attributes:
        policy: the same, for a class; it may be set at any time. See `ocppj.Policy`.
    """

    policy: Policy = AS_SCHEMAS

    _ocppj_wire: Wire | None = None
    _ocppj_policy: Policy | None = None
    # Of the call that waits for its result: message id, and message id -> action if it is checked.
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
        """Handle one message of the peer: call the handler and answer, or end a call's waiting."""
        wire = self._ocppj()
        pending = self._ocppj_pending
        try:
            frame: Any = wire.codec.decode(raw_msg, pending)
        except DecodeError as error:
            await self._ocppj_refuse(wire, raw_msg, error)
            return
        for violation in frame.violations:
            if getattr(wire.policy, violation.rule) == "report":
                # Both come from the peer: escaped, and not at any length.
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
            # Not kept: there would be no end to it.
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
        """End the waiting of a call.

        Args:
            msg: the response, or its text, which the caller gets if it is one for `ocpp`.
            fault: what is wrong with it.
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
        """Say of a message what is wrong with it: to the peer, to the log, to who waits for it."""
        if error.message_type == CALL and isinstance(error, PayloadError | UnknownActionError):
            head = wire.codec.peek(raw_msg)
            if self._ocppj_skips(head.action) or not self._ocppj_handler(head.action):
                payload = None
                with suppress(ValueError):  # an integer of thousands of digits
                    payload = json.loads(head.payload)
                await self._ocppj_answer(messages.Call(head.message_id, head.action, payload))
                return
        self.logger.error(
            "Unable to parse message: '%s', it doesn't seem to be valid OCPP: %s",
            raw_msg,
            error,
            exc_info=error,
        )
        awaited = error.message_type in (CALLRESULT, CALLERROR) and self._ocppj_awaited is not None
        if awaited and error.message_id == self._ocppj_awaited:
            self._ocppj_resolve(raw_msg, error)
        reply = error.reply()
        if reply is not None:
            await self._send(reply.decode())

    async def _handle_call(self, msg: Any) -> Any:
        """Call the handlers of a call's action, and send the response of the first."""
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
        return _call_after_handler(self.route_map[msg.action], kwargs, msg, result)

    async def _ocppj_handle_send(self, msg: Any) -> None:
        """Call the handlers of a SEND, which is never answered."""
        handlers = self.route_map.get(msg.action, {})
        kwargs = snake(msg.payload)
        try:
            response = _call_handler(handlers["_on_action"], kwargs, msg)
            if inspect.isawaitable(response):
                await response
        except Exception:
            self.logger.exception("Error while handling request '%s'", msg)
        else:
            _call_after_handler(handlers, kwargs, msg, None)

    async def call(
        self,
        payload: Any,
        suppress: bool = True,  # noqa: FBT001, FBT002
        unique_id: str | None = None,
        skip_schema_validation: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        """Send a call and wait for its response.

        Args:
            payload: a dataclass of `ocpp`, by the name of its action.
            suppress: whether a CALLERROR is logged and gives `None`; else it is raised.
            unique_id: message id; one of `_unique_id_generator` by default.
            skip_schema_validation: whether neither the request nor the response is checked.

        Returns:
            The response as the dataclass of that name in `ocpp`'s `call_result`.

        Raises:
            TimeoutError: no response came in time.
            OCPPError: the request or the response is not valid, or a CALLERROR came and
                `suppress` is false.
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
            if fault is response:  # it did not come through `route_message`
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
    """Call a handler, with the message id if it asks for it."""
    # Not the method, which would keep its charge point.
    if _wants_id(handler.__func__ if isinstance(handler, MethodType) else handler):
        return handler(**kwargs, call_unique_id=msg.unique_id)
    return handler(**kwargs)


def _call_after_handler(
    handlers: Mapping[str, Any], kwargs: dict[str, Any], msg: Any, result: Any
) -> Any:
    """Call what is to come after the response, if there is something."""
    try:
        response = _call_handler(handlers["_after_action"], kwargs, msg)
    except KeyError:
        # One raised in there is lost, as it always was.
        return result
    if inspect.isawaitable(response):
        asyncio.ensure_future(response)  # noqa: RUF006
    return response


C = TypeVar("C", bound=type[Any])


def accelerate(cls: C, policy: Policy | None = None) -> C:
    """Return the accelerated form of a charge point's class that cannot be edited.

    It is a subclass by the same name; what the class itself overrides stays in force.

    Args:
        cls: a subclass of a `ChargePoint` of `ocpp`.
        policy: which faults of the station are taken all the same.
    """
    bases = (cls,) if issubclass(cls, Accelerated) else (cls, Accelerated)
    accelerated: Any = new_class(cls.__name__, bases)
    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(accelerated, name, getattr(cls, name))
    if policy is not None:
        accelerated.policy = policy
    return accelerated  # type: ignore[no-any-return]

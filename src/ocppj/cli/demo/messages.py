"""Messages as plain JSON objects: what the tables of the demonstration are written in.

Owns the way from such an object to a checked message, through the codec alone.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

import msgspec

from ocppj.codec import Codec
from ocppj.frames import CallResult
from ocppj.policy import Policy

__all__ = ["Answer", "Message", "handler", "now", "request", "response"]

Message: TypeAlias = tuple[str, Mapping[str, Any]]
"""An action, and the payload of its call."""

Answer: TypeAlias = Mapping[str, Any] | Callable[..., Mapping[str, Any]]
"""The payload of a result, or what makes it."""

to_json = msgspec.json.Encoder().encode


def now() -> datetime:
    """Return the time, for a timestamp."""
    return datetime.now(UTC)


def request(codec: Codec, action: str, payload: Mapping[str, Any] | msgspec.Raw) -> Any:
    """Return the request that a JSON object is.

    Raises:
        DecodeError: it is none, or there is no such action.
    """
    strict = codec.with_policy(Policy.strict())
    frame: Any = strict.decode(b'[2,"-",%b,%b]' % (to_json(action), to_json(payload)))
    return frame.payload


def response(codec: Codec, action: str, payload: Mapping[str, Any]) -> Any:
    """Return the response that a JSON object is.

    Raises:
        DecodeError: it is none.
    """
    frame = CallResult("-", msgspec.Raw(to_json(payload)))
    return codec.with_policy(Policy.strict()).decode_result(frame, action).payload


def handler(
    codec: Codec, answers: Mapping[str, Answer], *context: Any, **hooks: Any
) -> SimpleNamespace:
    """Return a handler object.

    Args:
        codec: of the version.
        answers: action -> answer; a function gets the context and what a handler method gets.
            Actions that the version does not have are left out.
        context: see there.
        hooks: what else the object has.
    """

    def method(action: str, answer: Answer) -> Callable[..., Any]:
        def answered(*arguments: Any) -> Any:
            payload = answer(*context, *arguments) if callable(answer) else answer
            return response(codec, action, payload)

        return answered

    methods = {
        codec.features[action].method: method(action, answer)
        for action, answer in answers.items()
        if action in codec.features
    }
    return SimpleNamespace(**methods, **hooks)

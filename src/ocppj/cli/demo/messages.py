"""Messages as plain JSON objects, in which the tables of the demonstration are written.

Owns how they become validated messages: through the codec alone.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeAlias

import msgspec

from ocppj.codec import Codec
from ocppj.frames import CallResult
from ocppj.policy import Policy

__all__ = ["Answer", "Message", "Payload", "handler", "now", "request", "response"]

Payload: TypeAlias = Mapping[str, Any]
"""A payload as a JSON object, with a `datetime` for a timestamp."""

Message: TypeAlias = tuple[str, Payload]
"""Action and payload of a call."""

Answer: TypeAlias = Payload | Callable[..., Payload]
"""The payload of a result, or a function that returns it."""

to_json = msgspec.json.Encoder().encode


def now() -> datetime:
    """Return the time for a timestamp, in milliseconds: frames have no more digits."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def request(codec: Codec, action: str, payload: Payload | msgspec.Raw) -> Any:
    """Return the request with a payload.

    Raises:
        DecodeError: the version does not have the action, or the payload is not valid.
    """
    strict = codec.with_policy(Policy.strict())
    frame: Any = strict.decode(b'[2,"-",%b,%b]' % (to_json(action), to_json(payload)))
    return frame.payload


def response(codec: Codec, action: str, payload: Payload) -> Any:
    """Return the response with a payload.

    Raises:
        DecodeError: the payload is not valid.
    """
    frame = CallResult("-", msgspec.Raw(to_json(payload)))
    return codec.with_policy(Policy.strict()).decode_result(frame, action).payload


def handler(
    codec: Codec, answers: Mapping[str, Answer], *context: Any, **hooks: Any
) -> SimpleNamespace:
    """Return a handler object.

    Args:
        codec: of the version.
        answers: action -> payload, or a function that returns it. It is called with `context` and
            the arguments of a handler method. Actions that the version does not have are ignored.
        context: the first arguments of these functions.
        hooks: further attributes of the object.
    """

    def method(action: str, answer: Answer) -> Callable[..., Any]:
        def respond(*arguments: Any) -> Any:
            payload = answer(*context, *arguments) if callable(answer) else answer
            return response(codec, action, payload)

        return respond

    methods = {
        codec.features[action].method: method(action, answer)
        for action, answer in answers.items()
        if action in codec.features
    }
    return SimpleNamespace(**methods, **hooks)

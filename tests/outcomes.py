"""Results of a backend, errors included, as values that can be compared with another's."""

from typing import Any

import msgspec

import ocppj


def outcome(backend: Any, data: Any, pending: Any) -> Any:
    try:
        frame = backend.decode(data, pending)
    except ocppj.DecodeError as error:
        return refusal(error)
    if isinstance(frame, ocppj.CallResult) and isinstance(frame.payload, msgspec.Raw):
        return frame.message_id, bytes(frame.payload)
    return frame


def peeked(backend: Any, data: Any) -> Any:
    try:
        return backend.peek(data)
    except ocppj.DecodeError as error:
        return refusal(error)


def refusal(error: ocppj.DecodeError) -> Any:
    return type(error), str(error), error.path, error.message_id, error.action, error.reply()


def encoded(backend: Any, frame: Any) -> Any:
    try:
        return backend.encode(frame)
    except ocppj.EncodeError as error:
        return str(error), error.path

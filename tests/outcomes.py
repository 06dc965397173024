"""What a seam makes of something, as a value that can be compared with another seam's."""

from typing import Any

import msgspec

import ocppj


def outcome(seam: Any, data: Any, pending: Any) -> Any:
    try:
        frame = seam.decode(data, pending)
    except ocppj.DecodeError as error:
        return refusal(error)
    if isinstance(frame, ocppj.CallResult) and isinstance(frame.payload, msgspec.Raw):
        return frame.message_id, bytes(frame.payload)
    return frame


def peeked(seam: Any, data: Any) -> Any:
    try:
        return seam.peek(data)
    except ocppj.DecodeError as error:
        return refusal(error)


def refusal(error: ocppj.DecodeError) -> Any:
    return type(error), str(error), error.path, error.message_id, error.reply()


def encoded(seam: Any, frame: Any) -> Any:
    try:
        return seam.encode(frame)
    except ocppj.EncodeError as error:
        return str(error), error.path

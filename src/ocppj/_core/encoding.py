"""Bytes from our own frames: `decode` accepts them, and they mean the same.

Owns the checks before sending. They decode the bytes again and compare the result with the frame.
So nothing is sent that the peer would reject or misread (NaN turned into `null`, bytes into base64,
...).
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import force_setattr, replace

from ocppj._core.describe import describe_mismatch, instance_type, qualified_name
from ocppj._core.plan import Part, plan
from ocppj._core.table import Table
from ocppj.errors import DecodeError, EncodeError
from ocppj.frames import (
    FRAMES,
    Call,
    CallError,
    CallResult,
    CallResultError,
    Frame,
    Send,
    without_violations,
)
from ocppj.schema import FRACTION_DIGITS

__all__ = ["encode"]

_encode: Final = msgspec.json.Encoder().encode

UNIT: Final = 10 ** (6 - FRACTION_DIGITS)
"""Microseconds in the last digit of a timestamp that is sent."""

MAX_CHOICES: Final = 12
"""Maximum number of enum values listed in an error."""


def encode(frame: Frame, table: Table, decode: Callable[..., Frame] | None) -> bytes:
    """Encode a frame.

    Args:
        frame: any of the five types of frames.
        table: of the codec.
        decode: of the codec, to read the bytes back; `None` to skip that.

    Raises:
        EncodeError: `decode` would reject the bytes, or return another frame.
    """
    if not isinstance(frame, FRAMES):
        raise EncodeError(f"{type(frame).__name__} is not a frame")
    frame = without_violations(frame)
    try:
        return _encoded(frame, table, decode)
    except RecursionError as error:
        payload = getattr(frame, frame.__struct_fields__[-1])
        raise EncodeError("nested without end", _unencodable_path(payload, depth=1)) from error


def _encoded(frame: Frame, table: Table, decode: Callable[..., Frame] | None) -> bytes:
    pending = None if decode is None else _check_outgoing(frame, table)
    name = frame.__struct_fields__[-1]
    payload = getattr(frame, name)
    try:
        frame = _truncate_description(frame, table)
        normalized, wire_form = _normalize_timestamps(payload)
        data = _encode(frame if wire_form is payload else replace(frame, **{name: wire_form}))
        if decode is None:
            return data
        decoded = decode(data, pending)
    except DecodeError as error:
        problem = error.error_description.removesuffix(f" at {error.path}")
        if problem.endswith("got null"):
            problem += ", which NaN and infinities become"
        raise EncodeError(*_clearer_error(payload, problem, error.path)) from error
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise EncodeError(f"cannot be encoded: {error}", _unencodable_path(payload)) from error
    if decoded != (frame if normalized is payload else replace(frame, **{name: normalized})):
        if isinstance(payload, msgspec.Raw):
            return data
        found = _first_difference(normalized, getattr(decoded, name))
        if found is not None:  # a vendor's Struct may have no equality of its own
            path, ours, theirs = found
            problem = f"{ours!r:.80} would be read as {theirs!r:.80}"
            raise EncodeError(*_clearer_error(payload, problem, path))
    return data


def _check_outgoing(frame: Frame, table: Table) -> dict[str, str] | None:
    """Check that the version has such a frame; return the pending calls to read it back with."""
    version = table.version
    if frame.message_type not in version.message_types:
        raise EncodeError(f"{type(frame).__name__} is not a frame of OCPP {version.name}")
    for name in frame.__struct_fields__[:-1]:
        if not isinstance(value := getattr(frame, name), str):
            raise EncodeError(f"expected a string as {name}, got {value!r:.80}")
    if isinstance(frame, CallError | CallResultError):
        if frame.error_code not in version.error_rules.error_codes:
            codes = ", ".join(sorted(version.error_rules.error_codes))
            problem = f"{frame.error_code!r:.80} is not an error code of OCPP {version.name}"
            raise EncodeError(f"{problem}: use {codes}")
        if not isinstance(frame.error_details, dict):
            kind = type(frame.error_details).__name__
            raise EncodeError(f"expected an object as details, got {kind}")
        return None
    if isinstance(frame.payload, msgspec.Raw):
        return None
    if isinstance(frame, CallResult):
        return {frame.message_id: _action_of(frame.payload, table)}
    _check_request(frame, table.calls if isinstance(frame, Call) else table.sends)
    return None


def _action_of(response: object, table: Table) -> str:
    """Return an action that a response belongs to."""
    action = table.response_actions.get(type(response))
    if action is None:
        name = qualified_name(instance_type(response))
        raise EncodeError(f"{name} is not a response that this codec knows", "$")
    return action


def _check_request(frame: Call[Any] | Send[Any], types: Mapping[str, type[Any]]) -> None:
    expected = types.get(frame.action)
    if expected is None:
        raise EncodeError(
            f"this codec has no action {frame.action!r:.80} for a {type(frame).__name__}"
        )
    if type(frame.payload) is not expected:
        mismatch = describe_mismatch(expected, instance_type(frame.payload))
        raise EncodeError(f"the payload of {frame.action} is {mismatch}", "$")


def _truncate_description(frame: Frame, table: Table) -> Frame:
    """Return a frame with its description cut to the maximum length of the version."""
    length = table.version.error_rules.description_length
    if isinstance(frame, CallError | CallResultError):
        description = frame.error_description[:length]
        if len(description) < len(frame.error_description):
            return replace(frame, error_description=description)
    return frame


def _normalize_timestamps(value: Any) -> tuple[Any, Any]:
    """Return a value with its timestamps as a peer reads them, and with them as they are written.

    Both are the value itself if there is nothing to change; else they are copies.
    """
    if isinstance(value, datetime):
        return _normalize_timestamp(value)
    if isinstance(value, msgspec.Struct):
        normalized = wire_form = value
        for name in plan(type(value)).timestamp_fields:
            old = getattr(value, name)
            new, text = _normalize_timestamps(old)
            if text is not old:
                if wire_form is value:
                    normalized, wire_form = copy.copy(value), copy.copy(value)
                force_setattr(normalized, name, new)
                force_setattr(wire_form, name, text)
        return normalized, wire_form
    if isinstance(value, list):
        pairs = [_normalize_timestamps(item) for item in value]
        if any(text is not item for item, (_, text) in zip(value, pairs, strict=True)):
            return [new for new, _ in pairs], [text for _, text in pairs]
    return value, value


def _normalize_timestamp(value: datetime) -> tuple[datetime, datetime | str]:
    """Return a timestamp in UTC, rounded to `UNIT`, and how it is written.

    A naive one is returned unchanged: reading it back rejects it.
    """
    if value.utcoffset() is None:
        return value, value
    moment = value.astimezone(UTC)
    if moment.microsecond % UNIT:
        moment += timedelta(microseconds=UNIT // 2)
        moment = moment.replace(microsecond=moment.microsecond // UNIT * UNIT)
    if not moment.microsecond and type(moment) is datetime:
        return moment, moment
    size = len("2026-01-31T12:00:00") + (1 + FRACTION_DIGITS if moment.microsecond else 0)
    return moment, moment.isoformat()[:size] + "Z"


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields or items of a value, each with its step of a JSON path."""
    if isinstance(value, msgspec.Struct):
        for name, wire in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield f".{wire}", getattr(value, name, msgspec.UNSET)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f".{key}", item
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield f"[{index}]", item


def _unencodable_path(value: Any, path: str = "$", depth: int = 64) -> str:
    """Return the path of the innermost part that msgspec cannot encode."""
    for step, item in _children(value) if depth else ():
        try:
            _encode([_normalize_timestamps(item)[1]])
        except (AttributeError, TypeError, ValueError, OverflowError, RecursionError):
            return _unencodable_path(item, path + step, depth - 1)  # the same as in `encode`
    return path


def _clearer_error(payload: Any, problem: str, path: str | None) -> tuple[str, str | None]:
    """Return a fault of a payload and its path, in terms of Python types if they say more."""
    kind = "struct" if isinstance(payload, msgspec.Struct) else "other"
    return _first_type_error(payload, Part(kind, cls=type(payload))) or (problem, path)


def _first_type_error(value: Any, part: Part, path: str = "$") -> tuple[str, str] | None:
    """Return the first value of a wrong Python type, or outside its enum, and its path."""
    kind = part.kind
    cls: Any = getattr(part.cls, "__origin__", part.cls)  # of a generic one
    if value is None and kind != "other":
        return "a value is required, got None", path
    if kind == "enum" and value not in [*cls]:
        choices = ", ".join([*cls][:MAX_CHOICES]) + ", ..." * (len(cls) > MAX_CHOICES)
        return f"{value!r:.80} is not a value of {cls.__name__}: use {choices}", path
    if kind == "struct" and not isinstance(value, cls):
        return f"expected {cls.__name__}, got {type(value).__name__}", path
    if kind == "timestamp" and not isinstance(value, datetime):
        return f"expected a datetime with a time zone, got {type(value).__name__}", path
    inner: list[tuple[Part, bool]] = []
    if kind == "list" and part.item is not None and isinstance(value, list):
        inner = [(part.item, False)] * len(value)
    elif isinstance(value, msgspec.Struct) and type(value) is cls:
        fields = plan(type(value))
        inner = [*zip(fields.parts, fields.optional, strict=True)]
    for (step, item), (inside, optional) in zip(_children(value), inner, strict=False):
        if not (optional and item is None) and (
            found := _first_type_error(item, inside, path + step)
        ):
            return found
    return None


def _first_difference(ours: Any, theirs: Any, path: str = "$") -> tuple[str, Any, Any] | None:
    """Return the path of the first difference and both values there; `None` if there is none."""
    if ours == theirs:
        return None
    if type(ours) is type(theirs):
        parts, others = dict(_children(ours)), dict(_children(theirs))
        if parts and parts.keys() == others.keys():
            found = (_first_difference(parts[step], others[step], path + step) for step in parts)
            first = next(filter(None, found), None)
            if first is not None or not isinstance(ours, dict):
                return first
    return path, ours, theirs

"""How the fast path of `backend_py` proves that an encoded frame is valid: it reads the bytes back.

Owns the decoders of whole frames and the rounding of timestamps in bytes. Explains nothing: what is
in doubt goes to `encoding`.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import fields

from ocppj._core.encoding import UNIT
from ocppj._core.plan import MAX_FREE_DEPTH, plan
from ocppj._core.table import Table
from ocppj.frames import Call, CallResult
from ocppj.schema import FRACTION_DIGITS, dec_hook

__all__ = ["Check", "check_of_call", "check_of_result", "round_timestamps"]

MAX_ROUNDED: Final = 64
"""Maximum number of timestamps to round. All bytes of the frame are searched for each."""

UNITS: Final = 10**FRACTION_DIGITS
SECONDS_END: Final = len('"2026-01-31T12:00:00')
ZONE: Final = b'Z"'
LONG_ZONE: Final = b"0" * (len(str(UNIT)) - 1) + ZONE
"""How timestamps end that are multiples of `UNIT`, as msgspec writes them."""

Timestamps: TypeAlias = tuple[tuple[str, Any], ...]
"""The fields of a Struct with timestamps inside: name and, for Structs, their own such fields."""

_encode: Final = msgspec.json.Encoder().encode


class Check(msgspec.Struct, frozen=True):
    """What validates frames of one type with one type of payload.

    Attributes:
        actions: the actions that may have the payload.
        decode: decodes the whole frame, and rejects payloads that are invalid.
        timestamps: where the timestamps of the payload are.
    """

    actions: frozenset[str]
    decode: Callable[[bytes], Any]
    timestamps: Timestamps


def check_of_call(cls: type[Any], table: Table) -> Check:
    """Create the check of calls with a type of payload, and keep it in the table.

    Raises:
        LookupError: there is no such check.
    """
    actions = [name for name in table.fast_calls if table.calls[name] is cls]
    check = table.call_checks[cls] = _check(Call, cls, actions)
    return check


def check_of_result(cls: type[Any], table: Table) -> Check:
    """Create the check of results with a type of payload, and keep it in the table.

    Raises:
        LookupError: there is no such check.
    """
    actions = {table.response_actions[cls]} & table.fast_results.keys()
    check = table.result_checks[cls] = _check(CallResult, cls, actions)
    return check


def _check(frame_type: Any, cls: type[Any], actions: Collection[str]) -> Check:
    if not actions:
        raise LookupError(cls)
    decoder = msgspec.json.Decoder(frame_type[cls], dec_hook=dec_hook(MAX_FREE_DEPTH))
    return Check(frozenset(actions), decoder.decode, _timestamps_in(cls))


def _timestamps_in(cls: Any) -> Timestamps:
    """Return where the timestamps of a Struct are.

    Raises:
        LookupError: they are not in fields, lists and Structs alone, or may be left out.
    """
    details = plan(cls)
    parts = dict(zip(details.names, details.parts, strict=True))
    defaults = {field.name: field.default for field in fields(cls) if not field.required}
    found: list[tuple[str, Any]] = []
    for name in details.timestamp_fields:
        kind, _, _, struct, item = parts[name]
        if item is not None:
            kind, struct = f"list of {item.kind}", item.cls
        inner = {"timestamp": None, "struct": struct, "list of struct": struct}[kind]
        if defaults.get(name) is not None:
            raise LookupError(name)
        found.append((name, inner and _timestamps_in(inner)))
    return tuple(found)


def round_timestamps(data: bytes, payload: Any, timestamps: Timestamps) -> bytes | None:
    """Return an encoded frame with its timestamps rounded to `FRACTION_DIGITS`; None if in doubt.

    msgspec writes six digits. It is a doubt if a string of the payload reads like a timestamp.

    Args:
        data: the bytes of the frame.
        payload: its payload.
        timestamps: where the timestamps of the payload are.

    Raises:
        ValueError: a timestamp is not in UTC.
    """
    moments = _fractions(payload, timestamps)
    if not moments:
        return data
    for moment in moments:
        if moment.microsecond % UNIT:
            return _round_each(data, moments)
    parts = data.split(LONG_ZONE)  # `replace` counts first
    # Each of these timestamps ends like this. It is a doubt if something else does.
    return ZONE.join(parts) if len(parts) == len(moments) + 1 else None


def _round_each(data: bytes, moments: list[datetime]) -> bytes | None:
    """Do so with any timestamps in UTC that have a fraction."""
    if len(moments) > MAX_ROUNDED:
        return None
    size = len(data)
    for moment in moments:
        text = _encode(moment)
        number = (moment.microsecond + UNIT // 2) // UNIT
        if number == UNITS:
            return None
        fraction = b".%0*d" % (FRACTION_DIGITS, number) if number else b""
        short = text[:SECONDS_END] + fraction + ZONE
        data = short.join(data.split(text))
        size -= len(text) - len(short)
    # Of this size, nothing but these timestamps was replaced.
    return data if len(data) == size else None


def _fractions(value: Any, timestamps: Timestamps) -> list[datetime]:
    found: list[datetime] = []
    for name, inner in timestamps:
        item = getattr(value, name)
        if item is None:
            continue
        if inner is None:
            if item.tzinfo is not UTC:
                raise ValueError(name)
            if item.microsecond:
                found.append(item)
        elif type(item) is list:
            for one in item:
                found += _fractions(one, inner)
        else:
            found += _fractions(item, inner)
    return found

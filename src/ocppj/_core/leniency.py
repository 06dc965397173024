"""Payloads with violations, decoded leniently: within what a policy tolerates.

Owns the slow pass: it walks the untyped payload along the plan of its type. msgspec converts the
parts that are valid; the others are examined field by field.
"""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any, Final

import msgspec
from msgspec.structs import force_setattr

from ocppj._core.plan import Part, plan
from ocppj.policy import Policy, Violation
from ocppj.schema import INT64_MAX, INT64_MIN, JSON, VENDOR_ID_LENGTH, CustomData, Timestamp

__all__ = ["NotTolerated", "decode_leniently"]


class NotTolerated(Exception):
    """The policy does not tolerate a violation."""


def decode_leniently(
    cls: Any,
    payload: Any,
    policy: Policy,
    dec_hook: Callable[[type, Any], Any],
) -> tuple[Any, list[Violation]]:
    """Decode a payload as a Struct, and return it with the violations to report.

    Args:
        cls: the Struct.
        payload: from an untyped JSON decoder.
        policy: which violations to tolerate.
        dec_hook: of the type's decoder.

    Raises:
        NotTolerated: the payload has a violation that the policy does not tolerate.
    """
    reader = _Reader(policy, dec_hook)
    if payload is None:
        reader.tolerate("null", "$", None)
        payload = {}
    return reader.struct(cls, payload, "$"), reader.violations


class _Reader:
    """Decodes one payload."""

    def __init__(self, policy: Policy, dec_hook: Callable[[type, Any], Any]) -> None:
        self.policy = policy
        self.dec_hook = dec_hook
        self.violations: list[Violation] = []

    def tolerate(self, rule: str, path: str, value: Any) -> None:
        """Report a violation if the policy says so, or raise."""
        setting = getattr(self.policy, rule)
        if setting == "reject":
            raise NotTolerated(rule)
        if setting == "report":
            self.violations.append(Violation(rule, path, value))

    def struct(self, cls: Any, value: Any, path: str) -> Any:
        """Decode an object: its keys first, then its fields if msgspec rejects the rest."""
        if type(value) is not dict:
            raise NotTolerated("not an object")
        keys: dict[str, str] = {}
        if not value.keys() <= _wire_names(cls) or None in value.values():
            value, keys = self._known_fields(cls, value, path)
        try:
            return msgspec.convert(value, cls, dec_hook=self.dec_hook)
        except msgspec.ValidationError:
            pass
        struct_plan = plan(cls)
        given: dict[str, Any] = {}
        for name, wire, part, optional in zip(
            struct_plan.names,
            cls.__struct_encode_fields__,
            struct_plan.parts,
            struct_plan.optional,
            strict=True,
        ):
            if wire in value:
                given[name] = self.part(part, value[wire], f"{path}.{keys.get(wire, wire)}")
            elif not optional and name in _required(cls):
                self.tolerate("missing", f"{path}.{wire}", None)
                given[name] = None
        return self._construct(cls, given, path)

    def _known_fields(
        self, cls: Any, value: dict[str, Any], path: str
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the fields that the type has, and the keys of those with another spelling."""
        known: dict[str, Any] = {}
        keys: dict[str, str] = {}
        for key, item in value.items():
            wire = key
            if key not in _wire_names(cls):
                wire = _folded_wire_names(cls).get(_fold(key), "")
                if not wire or wire in value:
                    self.tolerate("unknown_field", f"{path}.{key}", item)
                    continue
                self.tolerate("letter_case", f"{path}.{key}", key)
                keys[wire] = key
            if item is None and wire not in _nullable(cls):
                self.tolerate("null", f"{path}.{key}", None)
                continue
            known[wire] = item
        return known, keys

    def _construct(self, cls: Any, given: dict[str, Any], path: str) -> Any:
        """Create the Struct. Values that its own check rejects are set after it."""
        kept: dict[str, Any] = {}
        names = dict(zip(cls.__struct_encode_fields__, cls.__struct_fields__, strict=True))
        while True:
            try:
                built = cls(**given)
            except ValueError as error:
                match = _DECIMALS.search(str(error))
                name = names.get(match[1]) if match else None
                if match is None or name is None or name in kept:
                    raise NotTolerated(str(error)) from None
                self.tolerate("decimal", f"{path}.{match[1]}", given[name])
                kept[name], given[name] = given[name], 0.0
            else:
                for name, value in kept.items():
                    force_setattr(built, name, value)
                return built

    def part(self, part: Part, value: Any, path: str) -> Any:
        """Decode one value."""
        return getattr(self, f"_{part.kind}")(part, value, path)

    def _struct(self, part: Part, value: Any, path: str) -> Any:
        return self.struct(part.cls, value, path)

    def _list(self, part: Part, value: Any, path: str) -> list[Any]:
        if part.item is None:
            raise NotTolerated("a list of anything")
        if type(value) is list:
            items = [(item, f"{path}[{n}]") for n, item in enumerate(value)]
        elif type(value) is dict and part.item.kind == "struct":
            self.tolerate("single_item", path, value)
            items = [(value, path)]
        else:
            raise NotTolerated("not an array")
        if not _within_bounds(part, len(items)):
            self.tolerate("array_size", path, value)
        return [self.part(part.item, item, where) for item, where in items]

    def _str(self, part: Part, value: Any, path: str) -> str:
        if type(value) in (int, float, bool):
            self.tolerate("number_form", path, value)
            value = msgspec.json.encode(value).decode()
        if type(value) is not str:
            raise NotTolerated("not a string")
        if part.high is not None and len(value) > part.high:
            self.tolerate("too_long", path, value)
        if part.low is not None and len(value) < part.low:
            raise NotTolerated("too short")
        return value

    def _int(self, part: Part, value: Any, path: str) -> int | float:
        number: Any = value
        if type(value) is str:
            number = _read_number(value)
        integral = type(number) is float and number.is_integer() and abs(number) <= INT64_MAX
        if part.kind == "int" and integral:
            number = int(number)
        if type(number) not in ((int,) if part.kind == "int" else (int, float)):
            raise NotTolerated("not a number")
        if type(number) is int and not INT64_MIN <= number <= INT64_MAX:
            raise NotTolerated("beyond 64 bits")
        if number is not value:
            self.tolerate("number_form", path, value)
        if not _within_bounds(part, number):
            self.tolerate("number_bound", path, value)
        return float(number) if part.kind == "float" else number

    _float = _int

    def _bool(self, _: Part, value: Any, path: str) -> bool:
        if type(value) is bool:
            return value
        word = value.strip().lower() if type(value) is str else value
        if word not in _BOOLEANS:
            raise NotTolerated("not a boolean")
        self.tolerate("number_form", path, value)
        return _BOOLEANS[word]

    def _enum(self, part: Part, value: Any, path: str) -> str:
        cls: Any = part.cls
        if type(value) is not str:
            raise NotTolerated("not a string")
        member: str | None = cls._value2member_map_.get(value)
        if member is None and self.policy.letter_case != "reject":
            member = _folded_members(cls).get(_fold(value))
            if member is not None:
                self.tolerate("letter_case", path, value)
        if member is not None:
            return member
        self.tolerate("unknown_enum", path, value)
        return value

    def _timestamp(self, _: Part, value: Any, path: str) -> datetime:
        if type(value) is not str:
            raise NotTolerated("not a timestamp")
        with suppress(msgspec.ValidationError):
            return msgspec.convert(value, Timestamp)
        moment = _read_timestamp(value)
        if moment is None:
            raise NotTolerated("not a timestamp")
        self.tolerate("timestamp", path, value)
        return moment if moment.tzinfo else moment.replace(tzinfo=self.policy.zone)

    def _other(self, part: Part, value: Any, path: str) -> Any:
        """Decode vendor data: only its `vendorId` has rules."""
        cls = part.cls
        if cls is None:
            raise NotTolerated("a type of a vendor's own")
        if cls is CustomData and type(value) is dict:
            vendor = value.get("vendorId")
            if vendor is None:
                self.tolerate("missing", f"{path}.vendorId", None)
                value = value | {"vendorId": ""}
            elif type(vendor) in (int, float):
                self.tolerate("number_form", f"{path}.vendorId", vendor)
                value = value | {"vendorId": str(vendor)}
            elif type(vendor) is str and len(vendor) > VENDOR_ID_LENGTH:
                self.tolerate("too_long", f"{path}.vendorId", vendor)
                return CustomData(value)
        try:
            return self.dec_hook(cls, value)
        except (TypeError, ValueError) as error:
            raise NotTolerated(str(error)) from None


_DECIMALS: Final = re.compile(r"at most one decimal in field `(\w+)`")
_BOOLEANS: Final = {1: True, 0: False, "true": True, "false": False, "1": True, "0": False}
_NUMBER: Final = re.compile(
    r"\s*[+-]?(?:\d{1,40}(?:[.,]\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?\s*"
)
_TIMESTAMP: Final = re.compile(
    r"\s*(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,40}))?)?"
    r"\s*(?:([Zz])|([+-])(\d\d):?(\d\d)?)?\s*",
    re.ASCII,
)


def _within_bounds(part: Part, size: float) -> bool:
    low_enough = part.high is None or size <= part.high
    return low_enough and (part.low is None or size >= part.low)


def _read_number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    text = text.strip().replace(",", ".")
    if text.lstrip("+-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _read_timestamp(text: str) -> datetime | None:
    """Return the timestamp that a text means; naive if the text has no zone."""
    match = _TIMESTAMP.fullmatch(text) if len(text) <= 80 else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, utc, sign, zone_hours, zone_minutes = match.groups()[6:]
    zone = UTC if utc else None
    if sign:
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
        if offset >= timedelta(days=1):
            return None
        zone = timezone(-offset if sign == "-" else offset)
    # `datetime` has neither 24:00 nor leap seconds: both are the moment before, plus one step.
    ended = hour == 24 and minute == second == 0
    leap = second == 60
    try:
        moment = datetime(
            year, month, day, 23 if ended else hour, minute, 59 if leap else second, tzinfo=zone
        )
        moment += timedelta(hours=ended, seconds=leap)
        return moment + timedelta(microseconds=round(float(f"0.{fraction or 0}") * 1e6))
    except (ValueError, OverflowError):
        return None


def _fold(name: str) -> str:
    """Return a name in lower case, without white space around it."""
    return name.strip().casefold() if len(name) <= 100 else name


@cache
def _wire_names(cls: Any) -> frozenset[str]:
    return frozenset(cls.__struct_encode_fields__)


@cache
def _folded_wire_names(cls: Any) -> dict[str, str]:
    return {_fold(wire): wire for wire in cls.__struct_encode_fields__}


@cache
def _folded_members(cls: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in cls:
        # If two differ in case alone, a third spelling is ambiguous.
        key = _fold(member.value)
        found[key] = None if key in found else member
    return found


@cache
def _required(cls: Any) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(cls) if field.required)


@cache
def _nullable(cls: Any) -> frozenset[str]:
    """Return the wire names of fields that may hold any JSON, `null` included."""
    parts = zip(cls.__struct_encode_fields__, plan(cls).parts, strict=True)
    return frozenset(wire for wire, part in parts if part.cls is JSON)

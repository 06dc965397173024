"""What each field of a Struct may hold, as tables for code that walks payloads.

Owns what is derived from `msgspec.inspect`. A plan is created when it is first needed, and cached.
"""

import math
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from msgspec import inspect

from ocppj.schema import JSON, CustomData

__all__ = ["KINDS", "MAX_FREE_DEPTH", "Part", "Plan", "nesting", "plan"]

MAX_FREE_DEPTH: Final = 16
"""Maximum nesting of a free-form value (vendor data) on the fast path."""


class Part(NamedTuple):
    """What a field, or an item of a list, may hold.

    Attributes:
        kind: one of `KINDS`.
        low: minimum of the number, or of the length; `None` if there is none.
        high: maximum of the number, or of the length.
        cls: the enum or the Struct; for "other", the class that msgspec passes to a `dec_hook`.
        item: of a list.
    """

    kind: str
    low: float | int | None = None
    high: float | int | None = None
    cls: type[Any] | None = None
    item: "Part | None" = None


KINDS: Final = ("bool", "int", "float", "str", "enum", "timestamp", "list", "struct", "other")
"""`other`: types that a plan does not describe, such as vendor data and a vendor's types."""


class Plan(NamedTuple):
    """The fields of a Struct.

    Attributes:
        names: of the fields, in order.
        parts: what each field may hold.
        optional: whether each field may be `None`, which is not sent.
        timestamp_fields: names of the fields with timestamps inside.
        complete: whether the parts describe all rules. A Struct with its own check has more.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    optional: tuple[bool, ...]
    timestamp_fields: tuple[str, ...]
    complete: bool


@cache
def plan(cls: type[Any]) -> Plan:
    """Return the plan of a Struct."""
    info = inspect.type_info(cls)
    fields = info.fields if isinstance(info, inspect.StructType) else ()
    struct = getattr(cls, "__origin__", cls)  # of a generic one
    config = getattr(struct, "__struct_config__", None)
    omits = config is not None and config.omit_defaults and not config.array_like
    timestamp_fields = tuple(field.name for field in fields if _has_timestamps(field.type, (info,)))
    # A timestamp that equals its default is not sent, so it cannot be found in the bytes.
    defaulted = any(
        f.name in timestamp_fields and not (f.required or f.default is None) for f in fields
    )
    return Plan(
        tuple(field.name for field in fields),
        tuple(_part(field.type) for field in fields),
        tuple(omits and not field.required and field.default is None for field in fields),
        timestamp_fields,
        not hasattr(struct, "__post_init__") and not defaulted,
    )


def _bare(info: inspect.Type) -> inspect.Type:
    """Return a type without metadata for people and for JSON Schema."""
    return _bare(info.type) if isinstance(info, inspect.Metadata) else info


def _part(info: inspect.Type) -> Part:
    part = Part("other")
    match _bare(info):
        case inspect.BoolType():
            part = Part("bool")
        case inspect.IntType(ge=low, le=high, gt=None, lt=None, multiple_of=None):
            part = Part("int", low, high)
        case inspect.FloatType(ge=low, le=high, gt=None, lt=None, multiple_of=None):
            part = Part("float", low, high)
        case inspect.StrType(min_length=low, max_length=high, pattern=None):
            part = Part("str", low, high)
        case inspect.EnumType(cls=cls) if issubclass(cls, StrEnum):
            part = Part("enum", cls=cls)
        case inspect.DateTimeType(tz=True):
            part = Part("timestamp")
        case inspect.CustomType(cls=cls):
            part = Part("other", cls=cls)
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            part = Part("list", low, high, item=_part(item))
        case inspect.StructType(cls=cls):
            part = Part("struct", cls=cls)
    return part


def _has_timestamps(info: inspect.Type, ancestors: tuple[inspect.Type, ...]) -> bool:
    """Tell whether a type has timestamps inside, which encoding normalizes."""
    match info := _bare(info):
        case inspect.DateTimeType():
            return True
        case inspect.ListType(item_type=item):
            return _has_timestamps(item, ancestors)
        case inspect.UnionType(types=types):
            return any(_has_timestamps(part, ancestors) for part in types)
        case inspect.StructType(fields=fields):
            if any(info is outer for outer in ancestors):
                return True
            return any(_has_timestamps(field.type, (*ancestors, info)) for field in fields)
    return False


def nesting(cls: Any) -> float:
    """Return how deep a value of a type can nest on the fast path; infinity if unbounded."""
    return _nesting(inspect.type_info(cls), ())


def _nesting(info: inspect.Type, ancestors: tuple[inspect.Type, ...]) -> float:
    if any(info is outer for outer in ancestors):
        return math.inf
    match info := _bare(info):
        case inspect.AnyType() | inspect.RawType():
            return math.inf
        case inspect.CustomType(cls=cls):
            return MAX_FREE_DEPTH if cls in (CustomData, JSON) else math.inf
        case inspect.UnionType(types=inner):
            return max(_nesting(item, ancestors) for item in inner)
        case inspect.CollectionType(item_type=item):
            parts: list[inspect.Type] = [item]
        case inspect.TupleType(item_types=items):
            parts = list(items)
        case inspect.DictType(value_type=value):
            parts = [value]
        case inspect.StructType(forbid_unknown_fields=False):
            return math.inf  # an unknown field may hold anything
        case (
            inspect.StructType(fields=fields)
            | inspect.DataclassType(fields=fields)
            | inspect.TypedDictType(fields=fields)
            | inspect.NamedTupleType(fields=fields)
        ):
            parts = [field.type for field in fields]
        case _:
            return 0
    return 1 + max((_nesting(part, (*ancestors, info)) for part in parts), default=0)

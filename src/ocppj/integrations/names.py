"""Rename the keys of payloads between the wire's camelCase and mobilityhouse/ocpp's snake_case.

Owns both directions. mobilityhouse/ocpp's own functions define the names, and are called once for
each. Some names they cannot turn back: there the types of the messages decide.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Final

from ocpp import charge_point

from ocppj._core.plan import Part, plan
from ocppj.schema import Message

__all__ = ["KeyMap", "UnsupportedValue", "key_map", "learn", "snake", "to_wire"]

MAX_KEY_LENGTH: Final = 100
_CONTAINERS: Final = (dict, list)
_UNCHANGED_TYPES: Final = frozenset({str, int, bool})


class UnsupportedValue(Exception):
    """A value that is left to mobilityhouse/ocpp to encode, or to reject."""


def _cached(rename: Callable[[str], str]) -> Callable[[str], str]:
    """Cache a function for keys of normal length. Peers choose the keys of vendor data."""
    known = lru_cache(maxsize=4096)(rename)
    return lambda key: known(key) if len(key) <= MAX_KEY_LENGTH else rename(key)


@_cached
def _snake(key: str) -> str:
    (name,) = charge_point.camel_to_snake_case({key: None})
    return str(name)


@_cached
def _camel(key: str) -> str:
    (name,) = charge_point.snake_to_camel_case({key: None})
    return str(name)


@_cached
def _vendor_wire_name(key: str) -> str:
    """Return the wire name of a key in vendor data.

    mobilityhouse/ocpp respells some words wherever they occur: `social` would become `SoCial`. Of a
    name that it could not turn back, only the underscores are removed.
    """
    name = _camel(key)
    if _snake(name) == key:
        return name
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


class _Names(dict[str, str]):
    """Wire name -> snake_case name. OCPP's are stored, those of vendor data computed."""

    def __missing__(self, key: str) -> str:
        return _snake(key)


_names: Final = _Names()


def learn(package: str) -> None:
    """Store the names of a version's messages.

    Args:
        package: the package of the messages, for instance `"ocppj.v201"`.
    """
    for cls in vars(import_module(package)).values():
        if isinstance(cls, type) and issubclass(cls, Message):
            _names.update((wire, _snake(wire)) for wire in cls.__struct_encode_fields__)


def snake(value: Any) -> Any:
    """Return a JSON value with all keys in snake_case, as handlers expect them.

    If two keys of vendor data would get the same name, only the one that has it already gets it;
    the other keeps its own.
    """
    if type(value) is dict:
        # A loop: up to Python 3.11, a comprehension is another function call and a quarter slower.
        renamed = {}
        for key, item in value.items():
            renamed[_names[key]] = snake(item) if type(item) in _CONTAINERS else item
        return renamed if len(renamed) == len(value) else _rename_distinctly(value, _snake, snake)
    if type(value) is list:
        return [snake(item) if type(item) in _CONTAINERS else item for item in value]
    return value


def _rename_distinctly(value: dict[str, Any], rename: Any, inner: Any) -> dict[str, Any]:
    """Rename the keys of an object, but none to the name of another key."""
    renamed: dict[str, Any] = {}
    for key, item in value.items():
        name = rename(key)
        renamed[key if name in value or name in renamed else name] = inner(item)
    return renamed


class KeyMap(dict[str, tuple[str, "KeyMap | None"]]):
    """The keys of an object of one type, in every spelling -> wire name, and keys of its value.

    The spellings are the wire name, its `snake` form, and the name of the Struct's field.
    """

    def __missing__(self, key: str) -> tuple[str, "KeyMap | None"]:
        name = _camel(key)
        return self.get(name, (name, None))


@cache
def key_map(cls: Any) -> KeyMap:
    """Return the keys of a Struct."""
    names = KeyMap()
    struct_plan = plan(cls)
    for name, wire, part in zip(
        struct_plan.names, cls.__struct_encode_fields__, struct_plan.parts, strict=True
    ):
        names |= dict.fromkeys((name, _snake(wire), wire), (wire, _inner_map(part)))
    return names


def _inner_map(part: Part) -> KeyMap | None:
    if part.item is not None:
        return _inner_map(part.item)
    cls: Any = part.cls
    return key_map(cls) if part.kind == "struct" else None


@lru_cache(maxsize=1024)
def _fields(cls: Any) -> tuple[str, ...] | None:
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else None


def to_wire(value: Any, keys: KeyMap | None) -> Any:
    """Return a value in its wire form: dataclasses become objects, `None` is left out.

    Args:
        value: a dataclass, or a value in one.
        keys: the keys of objects in it; `None` for vendor data.

    Raises:
        UnsupportedValue: it contains something that is not JSON, or a subclass of a JSON type.
    """
    cls: Any = type(value)
    if cls in _UNCHANGED_TYPES:
        return value
    if cls is float:
        if value - value != 0:
            raise UnsupportedValue(value)  # NaN, infinity
        return value
    if cls is list:
        return [to_wire(item, keys) for item in value if item is not None]
    if cls is dict:
        return _object(value, keys)
    if isinstance(value, str):
        return str.__str__(value)
    if cls is Decimal and value.is_finite():
        return float(f"{value:.1f}")
    names = _fields(cls)
    if names is None:
        raise UnsupportedValue(value)
    return _object({name: getattr(value, name) for name in names}, keys)


def _object(value: dict[Any, Any], keys: KeyMap | None) -> dict[str, Any]:
    given = {key: item for key, item in value.items() if item is not None}
    if not all(type(key) is str for key in given):
        raise UnsupportedValue(value)
    if keys is None:
        renamed = {_vendor_wire_name(key): to_wire(item, None) for key, item in given.items()}
        if len(renamed) < len(given):
            return _rename_distinctly(given, _vendor_wire_name, lambda item: to_wire(item, None))
        return renamed
    made = {}
    for key, item in given.items():
        name, inner = keys[key]
        made[name] = to_wire(item, inner)
    return made

"""The keys of payloads, between OCPP's names and those that mobilityhouse/ocpp gives to handlers.

Owns the renaming, both ways. Its own functions are the rule here and are called once for each name;
what is known of the messages' types comes before them where they would not give a name back.
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
    """A value that mobilityhouse/ocpp has to judge, and to write."""


def _cached(rename: Callable[[str], str]) -> Callable[[str], str]:
    """Keep what a function gives, but of nothing longer than a name: peers choose vendor's keys."""
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
    """Return the wire name of a vendor's key.

    mobilityhouse/ocpp spells some words in its own way wherever they occur (`social` would become
    `SoCial`): a name that it could not turn back is only freed of its underscores.
    """
    name = _camel(key)
    if _snake(name) == key:
        return name
    head, *rest = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


class _Names(dict[str, str]):
    """Wire name -> snake_case. Those of OCPP are put in; a vendor's are worked out."""

    def __missing__(self, key: str) -> str:
        return _snake(key)


_names: Final = _Names()


def learn(package: str) -> None:
    """Put in the names of a version's messages.

    Args:
        package: where they are, such as `"ocppj.v201"`.
    """
    for cls in vars(import_module(package)).values():
        if isinstance(cls, type) and issubclass(cls, Message):
            _names.update((wire, _snake(wire)) for wire in cls.__struct_encode_fields__)


def snake(value: Any) -> Any:
    """Return a JSON value with all keys in snake_case, exactly as handlers know them.

    Two vendor's keys that would become one are kept apart: the one that has that name already has
    it, the other keeps its own.
    """
    if type(value) is dict:
        # A loop: up to Python 3.11 a comprehension is a function call more, and a quarter slower.
        renamed = {}
        for key, item in value.items():
            renamed[_names[key]] = snake(item) if type(item) in _CONTAINERS else item
        return renamed if len(renamed) == len(value) else _rename_distinctly(value, _snake, snake)
    if type(value) is list:
        return [snake(item) if type(item) in _CONTAINERS else item for item in value]
    return value


def _rename_distinctly(value: dict[str, Any], rename: Any, inner: Any) -> dict[str, Any]:
    """Rename the keys of an object, but none to what another has."""
    renamed: dict[str, Any] = {}
    for key, item in value.items():
        name = rename(key)
        renamed[key if name in value or name in renamed else name] = inner(item)
    return renamed


class KeyMap(dict[str, tuple[str, "KeyMap | None"]]):
    """The keys that an object of a type may have, in any spelling: wire name, and shape inside.

    Spellings are the wire name, what `snake` makes of it, and the Struct's name of the field.
    """

    def __missing__(self, key: str) -> tuple[str, "KeyMap | None"]:
        name = _camel(key)
        return self.get(name, (name, None))


@cache
def key_map(cls: Any) -> KeyMap:
    """Return the shape of a Struct."""
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
    """Return a value as it goes on the wire: dataclasses as objects, nothing that is `None`.

    Args:
        value: a dataclass, or anything that it may have inside.
        keys: those of the objects in it; `None` for a vendor's.

    Raises:
        Unclear: there is something in it that JSON does not know, or not by that type.
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

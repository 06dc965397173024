"""Names types in the words of errors.

Knows nothing of frames.
"""

from typing import Any

from ocppj.errors import EncodeError

__all__ = ["apart", "full_name", "kind_of"]


def kind_of(payload: object) -> type[Any]:
    """Return the type of a payload.

    Raises:
        EncodeError: the payload is a class.
    """
    if isinstance(payload, type):
        raise EncodeError(f"{payload.__name__} is a class: make an instance of it", "$")
    return type(payload)


def full_name(kind: type[Any]) -> str:
    """Return the name of a type with its module."""
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def apart(one: type[Any], other: type[Any]) -> str:
    """Name two types, `a X, not a Y`; in full if their names are the same."""
    if one.__name__ == other.__name__:
        return f"{full_name(one)}, not {full_name(other)}"
    return f"a {one.__name__}, not a {other.__name__}"

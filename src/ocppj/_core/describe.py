"""Names of types for error messages.

Knows nothing of frames.
"""

from typing import Any

from ocppj.errors import EncodeError

__all__ = ["describe_mismatch", "instance_type", "qualified_name"]


def instance_type(payload: object) -> type[Any]:
    """Return the type of a payload.

    Raises:
        EncodeError: the payload is a class.
    """
    if isinstance(payload, type):
        raise EncodeError(f"{payload.__name__} is a class: make an instance of it", "$")
    return type(payload)


def qualified_name(cls: type[Any]) -> str:
    """Return the name of a type with its module, unless it is a builtin."""
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def describe_mismatch(one: type[Any], other: type[Any]) -> str:
    """Return `a X, not a Y` for two types, with their modules if both have the same name."""
    if one.__name__ == other.__name__:
        return f"{qualified_name(one)}, not {qualified_name(other)}"
    return f"a {one.__name__}, not a {other.__name__}"

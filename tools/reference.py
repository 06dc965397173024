"""An extension of griffe, by which mkdocstrings reads the source: docstrings and signatures.

In docstrings, examples with `>>>` become code blocks, and the note for maintainers at the end of a
module's docstring is left out. Structs get the signature that msgspec gives them.
"""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import griffe
import msgspec

__all__ = ["UserText"]

DOCTEST = re.compile(r"^( *)>>> .*\n?(?:\1\S.*\n?)*", re.MULTILINE)
MAINTAINERS = re.compile(r"\n\n(?:Owns|Knows) .*", re.DOTALL)
GENERATED = re.compile(r"ocppj\.v\d")
"""Packages that have no page in the reference."""


def user_text(text: str) -> str:
    """Return a docstring without notes for maintainers, its examples fenced."""
    fenced = DOCTEST.sub(lambda m: f"{m[1]}```pycon\n{m[0].rstrip()}\n{m[1]}```\n", text)
    return MAINTAINERS.sub("", fenced)


class UserText(griffe.Extension):
    """Rewrites docstrings and adds signatures."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = user_text(obj.docstring.value)

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Give a Struct its `__init__`."""
        if not cls.parent.is_module or GENERATED.match(cls.path):
            return
        try:
            struct = getattr(import_module(cls.parent.path), cls.name)
        except ModuleNotFoundError:  # a library that the site does not need
            return
        if issubclass(struct, msgspec.Struct):
            parameters = griffe.Parameters(*_parameters(cls, struct))
            cls.set_member("__init__", griffe.Function("__init__", parameters=parameters))


def _parameters(cls: griffe.Class, struct: type[msgspec.Struct]) -> Iterator[griffe.Parameter]:
    yield griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    local = [base.__name__ for base in struct.__mro__ if base.__module__ == struct.__module__]
    bases = [cls.parent.members[name] for name in local]
    for name, parameter in inspect.signature(struct).parameters.items():
        fields = [one.members[name] for one in bases if name in one.members]
        default = None if parameter.default is parameter.empty else repr(parameter.default)
        kind = griffe.ParameterKind[parameter.kind.name.lower()]
        annotation = fields[0].annotation if fields else None
        yield griffe.Parameter(name, annotation=annotation, kind=kind, default=default)

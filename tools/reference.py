"""Docstrings as the site shows them: an extension of griffe, which mkdocstrings reads them with.

Examples with `>>>` become code blocks; the note for maintainers that ends a module's docstring is
left out, and so are bases, which users do not need.
"""

import re
from typing import Any

import griffe

__all__ = ["UserText"]

DOCTEST = re.compile(r"^( *)>>> .*\n?(?:\1\S.*\n?)*", re.MULTILINE)
MAINTAINERS = re.compile(r"\n\n(?:Owns|Knows) .*", re.DOTALL)


def user_text(text: str) -> str:
    """Return a docstring without notes for maintainers, its examples fenced."""
    fenced = DOCTEST.sub(lambda m: f"{m[1]}```pycon\n{m[0].rstrip()}\n{m[1]}```\n", text)
    return MAINTAINERS.sub("", fenced)


class UserText(griffe.Extension):
    """Rewrites each docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite that of one object."""
        if obj.docstring is not None:
            obj.docstring.value = user_text(obj.docstring.value)

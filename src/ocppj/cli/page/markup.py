"""HTML and SVG elements whose text and attributes are always escaped."""

from html import escape

from ocppj.cli.terminal import printable

__all__ = ["Markup", "join", "tag"]

VOID = {"meta", "link"}
"""Elements without an end tag."""


class Markup(str):
    """Text that is markup already. Only this module makes it."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: `Markup`, or text to be escaped.
        attributes: names with `-` for `_`, without a `_` at the end. `None` is left out.
    """
    texts = (
        f' {key.rstrip("_").replace("_", "-")}="{_escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    start = f"<{name}{''.join(texts)}>"
    return Markup(start if name in VOID else f"{start}{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Return markup and escaped text, one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else _escape(c) for c in children))


def _escape(text: str) -> str:
    return escape(printable(text))

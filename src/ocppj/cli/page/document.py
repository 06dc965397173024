"""The frame of a page, which loads nothing and runs nothing, and its tables."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib import resources

from ocppj import BACKEND, __version__
from ocppj.cli.page.markup import Markup, tag

__all__ = ["document", "facts_list", "table"]


def document(title: str, *sections: str) -> str:
    """Return a page in HTML."""
    style = (resources.files("ocppj.cli.page") / "style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    footer = tag("footer", f"Written by ocppj {__version__} ({BACKEND} backend).")
    return f"<!doctype html>\n{tag('html', head, tag('body', *sections, footer), lang='en')}\n"


def _policy(style: str) -> str:
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: range) -> Markup:
    """Return a table. Columns in `numbers` are aligned right."""

    def row(name: str, cells: Sequence[str]) -> Markup:
        aligned = ("number" if column in numbers else None for column in range(len(cells)))
        return tag("tr", *(tag(name, c, class_=a) for c, a in zip(cells, aligned, strict=True)))

    body = tag("tbody", *(row("td", cells) for cells in rows))
    found = tag("table", tag("thead", row("th", header)), body)
    return tag("div", found, class_="scroll", tabindex="0")


def facts_list(facts: Iterable[tuple[str, str]]) -> Markup:
    """Return cards, each with a name and a value."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", fact)) for name, fact in facts))

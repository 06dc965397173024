"""What the command line writes: lines, JSON, tables, outlines of frames, a progress bar.

Owns the rule that nothing from a peer or a log reaches a terminal without being escaped.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, TextIO

import msgspec

from ocppj.cli.log import Line, Log
from ocppj.schema import CustomData

__all__ = [
    "LiveLine",
    "Progress",
    "format_table",
    "inline_json",
    "json_text",
    "outline",
    "print_error",
    "print_lines",
    "print_text",
    "printable",
    "shortened",
]

LONG_INPUT: Final = 8 * 2**20
"""Minimum size in bytes of input with a progress bar."""


def printable(text: str) -> str:
    """Escape what could act on a terminal, such as control characters and bidirectional marks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, size: int) -> str:
    """Return a text cut to at most `size` characters."""
    return text if len(text) <= size else f"{text[: size - 3]}..."


def print_lines(*lines: str, before: str = "", after: str = "\n") -> None:
    """Write lines to stdout, each between `before` and `after`, which are not escaped."""
    _write(sys.stdout, "".join(f"{before}{printable(line)}{after}" for line in lines))


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as ASCII JSON that cannot act on a terminal."""
    # `dumps` escapes all control characters but DEL.
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def print_text(text: str) -> None:
    """Write our own text, or that of `json_text`, to stdout without escaping it."""
    _write(sys.stdout, text)


def print_error(problem: str) -> None:
    """Write a line to stderr."""
    _write(sys.stderr, f"ocppj: {printable(problem)}\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # a shell has closed it: `>&-`
        return
    if not text.isascii():
        encoding = stream.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def format_table(
    rows: Sequence[Sequence[str]], texts_before: int, *, texts_after: int = 0
) -> Iterator[str]:
    """Yield the lines of a table. Text is aligned left, numbers right.

    Args:
        rows: of cells, the header first.
        texts_before: number of columns of text before the numbers.
        texts_after: number of columns of text after them.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = range(texts_before, len(widths) - texts_after)
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = (c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(cells))
        yield "  ".join(padded).rstrip()


class LiveLine:
    """A line on stderr that is written again and again, if that is a terminal."""

    def __init__(self) -> None:
        self._active = sys.stderr is not None and sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        """Write the line over the last one."""
        if self._active:
            self._shown = True
            sys.stderr.write(f"\r{printable(text)}\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, before other output."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class Progress:
    """A progress bar on stderr, if that is a terminal and the input is long.

    Args:
        total: size of the input in bytes.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = -1
        self.active = total >= LONG_INPUT and sys.stderr is not None and sys.stderr.isatty()

    def watch(self, lines: Iterable[Line], log: Log, done: int) -> Iterator[Line]:
        """Yield the lines and draw the bar.

        Args:
            lines: of the log.
            log: tells how many bytes have been read.
            done: number of bytes in the logs before this one.
        """
        for count, line in enumerate(lines):
            if count % 1024 == 0:
                self._show(min(100 * (done + log.size) // self._total, 100))
            yield line

    def _show(self, percent: int) -> None:
        if percent != self._shown:
            self._shown = percent
            sys.stderr.write(f"\r[{'#' * (percent * 2 // 5):.<40}] {percent:3}%")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the bar, before other output."""
        if self._shown >= 0:
            self._shown = -1
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def outline(name: str, value: object, depth: int = 0) -> Iterator[str]:
    """Yield a value as lines of `name: value`; nested values are indented."""
    start = f"{'  ' * depth}{name}"
    if isinstance(value, msgspec.Struct):
        yield f"{start}{type(value).__name__}"
        for field in value.__struct_fields__:
            item = getattr(value, field)
            if item is not None:
                yield from outline(f"{field}: ", item, depth + 1)
    elif isinstance(value, dict) and value:
        yield f"{start}{'CustomData' if isinstance(value, CustomData) else 'object'}"
        for key, item in value.items():
            yield from outline(
                f"{key if key.isidentifier() else inline_json(key)}: ", item, depth + 1
            )
    elif isinstance(value, list) and value:
        yield f"{start}list of {len(value)}"
        for item in value:
            yield from outline("- ", item, depth + 1)
    else:
        yield f"{start}{_scalar(value)}"


def _scalar(value: object) -> str:
    match value:
        case Enum():
            return str(value.value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case msgspec.Raw():
            return bytes(value).decode()
        case _:
            return inline_json(value)


def inline_json(value: object) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False)

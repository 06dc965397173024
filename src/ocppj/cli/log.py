"""Logs of frames: how they are read, and how a frame is found in a line.

Owns that reading takes a bounded amount of memory. Knows nothing of what frames say, of files, of
terminals or of output.
"""

import re
from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias

import msgspec

__all__ = ["MAX_PREFIX_SIZE", "Line", "Log", "LogError", "Readable", "find_frame"]

MAX_PREFIX_SIZE: Final = 4096
"""Bytes that a line may have beyond the largest frame."""

Line: TypeAlias = tuple[int, bytes, bytes]
"""Line number, frame, and what the logger wrote around it."""

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_NO_LOGGER: Final = _BLANK + _BOM + b'"'
_BARE: Final = tuple(f"[{number},".encode() for number in range(2, 7))
# A message type and a string; or a type of OCPP and, after something else, a string or a payload,
# so that a frame with a bad id is shown to the decoder too. `[2026-01-31 10:00:00]`, `[main,5,x]`,
# `[2]` and `[3, 5] ms` are a logger's.
_HEAD: Final = re.compile(
    rb'\[\s*(?:(?:-?\d[\d.]*|"\d+"|true|false|null)\s*,\s*\\?"|[2-6]\s*,[^]"{]{0,64}+["{])',
    re.DOTALL,
)
# Possessive: hostile lines must not make it backtrack.
_STRING_BODY: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]]', re.DOTALL)
_WRAPPINGS: Final = {b'""', b"''", b"``", b"()", b"<>"}


class Readable(Protocol):
    """A stream of lines."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or a part of it of at most so many bytes; nothing at the end."""


class LogError(Exception):
    """The log cannot be read any further."""


class Log:
    """The frames of a log. To be gone through once.

    Args:
        stream: the log, binary.
        max_size: bytes that a frame may have. Of a longer line only a part is given out, which is
            still too large for the decoder; the rest is read and dropped.
        strict: give out lines without a frame too, for the decoder to refuse.

    Attributes:
        size: bytes read so far.
        skipped: lines without a frame that were passed over so far; blank ones do not count.
    """

    __slots__ = ("_limit", "_stream", "_strict", "size", "skipped")

    def __init__(self, stream: Readable, max_size: int, *, strict: bool = False) -> None:
        self._stream = stream
        self._limit = max_size + MAX_PREFIX_SIZE
        self._strict = strict
        self.size = self.skipped = 0

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines that have a frame.

        Raises:
            LogError: reading failed.
        """
        readline, limit = self._stream.readline, self._limit
        number = 0
        try:
            while line := readline(limit):
                number += 1
                self.size += len(line)
                whole = len(line) < limit or line.endswith(b"\n")
                line = line.strip(_BLANK) if whole else self._part(line)
                if number == 1:
                    line = line.removeprefix(_BOM).lstrip(_BLANK)
                if line.startswith(_BARE):
                    yield number, line, b""
                elif head := _HEAD.search(line):
                    frame, around = _split(line, *head.span()) if whole else (line, b"")
                    yield number, frame, around
                elif line and self._strict:
                    yield number, line, b""
                elif line:
                    self.skipped += 1
        except OSError as error:
            raise LogError(error.strerror or str(error)) from error

    def _part(self, line: bytes) -> bytes:
        """Read a line to its end, and keep what is there already."""
        while rest := self._stream.readline(self._limit):
            self.size += len(rest)
            if rest.endswith(b"\n"):
                break
        return line


def find_frame(line: bytes) -> bytes:
    """Return the frame in a line of a log; the whole line if there is none to be seen.

    Text before the frame is dropped. Text after it is dropped if there is text before it too, so
    that it is a logger's line, and if it cannot belong to the frame; otherwise it is given out for
    the decoder to refuse. A frame that is escaped in a string, as loggers of JSON and `key="value"`
    do it, is unescaped.
    """
    head = _HEAD.search(line)
    return line if head is None else _split(line, *head.span())[0]


def _split(line: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """Return the frame whose head is at `start` to `end`, and what the logger wrote around it."""
    before = line[:start]
    if not before.strip(_NO_LOGGER):
        return line, b""
    if line.endswith(b'\\"', start, end):
        body = _STRING_BODY.match(line, start)
        text = body.group() if body else b""
        try:
            frame = msgspec.json.decode(b'"%b"' % text, type=str).encode()
        except (msgspec.DecodeError, UnicodeError):
            return line[start:], before
        return frame, before + line[start + len(text) :]
    if line.endswith(b"}]"):
        return line[start:], before
    end = _array_end(line, start)
    if _is_log_suffix(line, start, end):
        return line[start:end], before + line[end:]
    return line[start:], before


def _array_end(line: bytes, start: int) -> int:
    """Return where the array that opens at `start` is closed; the line's end if it never is."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(line, start):
        if token.group() == b"[":
            depth += 1
        elif token.group() == b"]":
            depth -= 1
            if depth == 0:
                return token.end()
    return len(line)


def _is_log_suffix(line: bytes, start: int, end: int) -> bool:
    """Tell whether the text after `end` is the logger's, not the frame's."""
    before, rest = line[:start], line[end:]
    if before.count(b"{") > before.count(b"}"):
        return rest.lstrip(_BLANK)[:1] in (b",", b"}")
    if line[start - 1 : start] + rest[:1] in _WRAPPINGS:
        return True
    separated = rest[:1] in (b" ", b"\t", b"\x1b") and rest.lstrip(_BLANK)[:1] not in (
        b",",
        b"]",
        b"}",
    )
    return separated and not _HEAD.search(rest)

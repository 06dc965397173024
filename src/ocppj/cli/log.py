"""Reads logs, and finds the frame in each line.

Memory is bounded, however long a line is. Knows nothing of the meaning of frames, of files, of
terminals or of output.
"""

import re
from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias

import msgspec

__all__ = ["MAX_PREFIX_SIZE", "Line", "Log", "LogError", "Readable", "find_frame"]

MAX_PREFIX_SIZE: Final = 4096
"""Maximum number of bytes in a line besides the frame."""

Line: TypeAlias = tuple[int, bytes, bytes]
"""Line number, frame, and the logger's text around it."""

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_NO_LOGGER: Final = _BLANK + _BOM + b'"'
_BARE: Final = tuple(f"[{number},".encode() for number in range(2, 7))
# Either a message type and a string, or a message type of OCPP, something else, and then a string
# or a payload; the latter finds frames with an invalid id, so that the decoder can reject them. A
# logger's `[2026-01-31 10:00:00]`, `[main,5,x]`, `[2]` or `[3, 5] ms` does not match.
_HEAD: Final = re.compile(
    rb'\[\s*(?:(?:-?\d[\d.]*|"\d+"|true|false|null)\s*,\s*\\?"|[2-6]\s*,[^]"{]{0,64}+["{])',
    re.DOTALL,
)
# Possessive quantifiers: a hostile line must not make the match backtrack.
_STRING_BODY: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]]', re.DOTALL)
_WRAPPINGS: Final = {b'""', b"''", b"``", b"()", b"<>"}


class Readable(Protocol):
    """A stream of lines."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or its first `size` bytes; `b""` at the end."""


class LogError(Exception):
    """Reading the log failed."""


class Log:
    """The frames of a log, an iterable for one iteration.

    Args:
        stream: the log, binary.
        max_size: maximum size of a frame in bytes. A longer line is cut to a size that the decoder
            still rejects.
        strict: whether to yield lines without a frame, for the decoder to reject; otherwise they
            are skipped.

    Attributes:
        size: number of bytes read so far.
        skipped: number of lines skipped so far, without blank lines.
    """

    __slots__ = ("_limit", "_stream", "_strict", "size", "skipped")

    def __init__(self, stream: Readable, max_size: int, *, strict: bool = False) -> None:
        self._stream = stream
        self._limit = max_size + MAX_PREFIX_SIZE
        self._strict = strict
        self.size = self.skipped = 0

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines with a frame.

        Raises:
            LogError: reading failed.
        """
        readline, limit = self._stream.readline, self._limit
        number = 0
        try:
            while line := readline(limit):
                number += 1
                self.size += len(line)
                is_whole = len(line) < limit or line.endswith(b"\n")
                line = line.strip(_BLANK) if is_whole else self._drop_rest(line)
                if number == 1:
                    line = line.removeprefix(_BOM).lstrip(_BLANK)
                if line.startswith(_BARE):
                    yield number, line, b""
                elif head := _HEAD.search(line):
                    frame, around = _split(line, *head.span()) if is_whole else (line, b"")
                    yield number, frame, around
                elif line and self._strict:
                    yield number, line, b""
                elif line:
                    self.skipped += 1
        except OSError as error:
            raise LogError(error.strerror or str(error)) from error

    def _drop_rest(self, line: bytes) -> bytes:
        """Read a line to its end and return its beginning."""
        while rest := self._stream.readline(self._limit):
            self.size += len(rest)
            if rest.endswith(b"\n"):
                break
        return line


def find_frame(line: bytes) -> bytes:
    """Return the frame in a line of a log, or the whole line if no frame is found.

    Text before the frame is dropped. Text after it is dropped only if a logger must have written
    it: there is text before the frame as well, and the rest cannot belong to the frame. Otherwise
    it stays, for the decoder to reject. A frame that is escaped in a string, as in logs of JSON or
    `key="value"`, is unescaped.
    """
    head = _HEAD.search(line)
    return line if head is None else _split(line, *head.span())[0]


def _split(line: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """Return the frame whose head is at `start` to `end`, and the logger's text around it."""
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
    """Return the end of the array that opens at `start`, or of the line if it is not closed."""
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
    """Return whether a logger wrote the text after `end`, so that it is not part of the frame."""
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

"""Frames from a log: one a line, after whatever a logger has written before it.

Owns how a frame is found in a line, and that reading takes a bounded amount of memory. Knows
nothing of OCPP but what the head of a frame looks like.
"""

import re
from collections.abc import Iterator
from typing import IO, Final

import msgspec

__all__ = ["Log", "LogError", "find"]

PREFIX_SIZE: Final = 4096
"""Bytes that a line may have beyond the largest frame."""

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
_BARE: Final = tuple(f"[{number},".encode() for number in range(2, 7))
# A message type and a string; or a type of OCPP and anything, so that a frame with a bad id is
# shown to the decoder too. `[2026-01-31 10:00:00]`, `[main,5,x]` and `[2]` are a logger's.
_HEAD: Final = re.compile(
    rb'\[\s*(?:(?:-?\d[\d.]*|"\d+"|true|false|null)\s*,\s*\\?"|[2-6]\s*,)', re.DOTALL
)
# Possessive: hostile lines must not make it backtrack.
_STRING_BODY: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]]', re.DOTALL)
_WRAPPINGS: Final = {b'""', b"''", b"``", b"()", b"<>"}


class LogError(Exception):
    """The log cannot be read any further."""


class Log:
    """The frames of a log. To be gone through once.

    Args:
        stream: the log, binary.
        max_size: bytes that a frame may have. Of a longer line only a part is given out, which is
            still too large for the decoder; the rest is read and dropped.

    Attributes:
        size: bytes read so far.
    """

    __slots__ = ("_limit", "_stream", "size")

    def __init__(self, stream: IO[bytes], max_size: int) -> None:
        self._stream = stream
        self._limit = max_size + PREFIX_SIZE
        self.size = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield line number and frame of each line that is not blank.

        Raises:
            LogError: reading failed.
        """
        readline, limit = self._stream.readline, self._limit
        number = 0
        try:
            while line := readline(limit):
                number += 1
                self.size += len(line)
                if len(line) == limit and not line.endswith(b"\n"):
                    self._skip()
                    yield number, line
                    continue
                line = line.strip(_BLANK)
                if number == 1:
                    line = line.removeprefix(_BOM).lstrip(_BLANK)
                if line.startswith(_BARE):
                    yield number, line
                elif line:
                    yield number, find(line)
        except OSError as error:
            raise LogError(error.strerror or str(error)) from error

    def _skip(self) -> None:
        while rest := self._stream.readline(self._limit):
            self.size += len(rest)
            if rest.endswith(b"\n"):
                return


def find(line: bytes) -> bytes:
    """Return the frame in a line of a log; the whole line if there is none to be seen.

    What stands before the frame is dropped. What stands behind it is dropped if something stands
    before it too, so that it is a logger's line, and if it cannot belong to the frame; otherwise
    it is given out for the decoder to refuse. A frame that is escaped in a string, as loggers of
    JSON and `key="value"` do it, is unescaped.
    """
    head = _HEAD.search(line)
    if head is None:
        return line
    start = head.start()
    if not line[:start].strip(_BLANK + _BOM + b'"'):
        return line
    if head.group().endswith(b'\\"'):
        return _unescaped(line, start)
    if line.endswith(b"}]"):
        return line[start:]
    end = _end(line, start)
    return line[start:end] if _ends(line, start, end) else line[start:]


def _unescaped(line: bytes, start: int) -> bytes:
    body = _STRING_BODY.match(line, start)
    text = body.group() if body else b""
    try:
        return msgspec.json.decode(b'"%b"' % text, type=str).encode()
    except (msgspec.DecodeError, UnicodeError):
        return line[start:]


def _end(line: bytes, start: int) -> int:
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


def _ends(line: bytes, start: int, end: int) -> bool:
    """Tell whether what stands behind `end` is a logger's, not the frame's."""
    rest = line[end:]
    if line.startswith(b"{"):
        return rest.lstrip(_BLANK)[:1] in (b",", b"}")
    if line[start - 1 : start] + rest[:1] in _WRAPPINGS:
        return True
    apart = rest[:1] in (b" ", b"\t", b"\x1b") and rest.lstrip(_BLANK)[:1] not in (b",", b"]", b"}")
    return apart and not _HEAD.search(rest)

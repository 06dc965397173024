"""Where logs come from: files, stdin, and the samples that ship with the package.

Owns how stdin is told apart: a terminal, a pipe with data or without, a file, nothing at all.
"""

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ocppj.cli.log import Readable

__all__ = ["SAMPLES", "SILENCE", "File", "Sample", "Source", "Stdin"]

BUFFER_SIZE: Final = 2**18

END_KEYS: Final = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"

SILENCE: Final = 3.0
"""Seconds after which a pipe counts as silent."""

PAUSE: Final = 1.0
"""Seconds to wait for the next line before a sample of the lines so far is looked at."""


class Source(Protocol):
    """A log that can be opened."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    @property
    def size(self) -> int:
        """How many bytes it has, as far as is known."""

    def open(self) -> AbstractContextManager[Readable]:
        """Open it.

        Raises:
            OSError: it cannot be opened.
            ValueError: there is no such thing.
        """

    def has_line(self) -> bool:
        """Tell whether the next line, or the end, is there soon."""


class File:
    """A file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = path or "''"

    @property
    def size(self) -> int:
        """How many bytes it has, as far as is known."""
        try:
            found = Path(self._path).stat()
        except (OSError, ValueError):
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def open(self) -> AbstractContextManager[Readable]:
        """Open it."""
        return Path(self._path).open("rb", buffering=BUFFER_SIZE)

    def has_line(self) -> bool:
        """Tell whether the next line, or the end, is there soon."""
        return True


class _Shipped(NamedTuple):
    file: str
    text: str


SAMPLES: Final = {
    "session": _Shipped("session-2.0.1.jsonl", "a charging session, OCPP 2.0.1, all of it valid"),
    "faulty": _Shipped("faulty-1.6.log", "a station of OCPP 1.6 that breaks the schema"),
}
"""The first is checked where no log is given."""


class Sample:
    """A log that ships with the package."""

    def __init__(self, name: str = next(iter(SAMPLES))) -> None:
        self.name = SAMPLES[name].file
        self.size = 0

    def open(self) -> AbstractContextManager[Readable]:
        """Open it."""
        return (resources.files("ocppj.cli") / "samples" / self.name).open("rb")

    def has_line(self) -> bool:
        """Tell whether the next line, or the end, is there soon."""
        return True


class Stdin:
    """The standard input, which may be missing or closed."""

    name: Final = "<stdin>"

    def __init__(self) -> None:
        self._data, self._start = b"", 0
        try:
            self._descriptor = sys.stdin.fileno()
            self._mode = os.fstat(self._descriptor).st_mode
        except (AttributeError, OSError, ValueError):
            self._descriptor, self._mode = -1, 0

    @property
    def is_terminal(self) -> bool:
        """Whether someone types."""
        return self._descriptor >= 0 and os.isatty(self._descriptor)

    @property
    def is_redirected(self) -> bool:
        """Whether it is a pipe, a socket or a file: no terminal, not /dev/null, not closed."""
        kinds = stat.S_ISFIFO, stat.S_ISSOCK, stat.S_ISREG
        return any(is_kind(self._mode) for is_kind in kinds)

    @property
    def size(self) -> int:
        """How many bytes it has, as far as is known."""
        return os.fstat(self._descriptor).st_size if stat.S_ISREG(self._mode) else 0

    def waits(self, seconds: float) -> bool:
        """Tell whether something can be read within so many seconds; the end is something."""
        try:
            return bool(select.select([self._descriptor], [], [], seconds)[0])
        except (OSError, ValueError):  # Windows selects sockets only
            return True

    def announce(self, tell: Callable[[str], object]) -> None:
        """Say what is waited for, where nothing is there."""
        if self.is_terminal:
            tell(f"reading frames from the terminal, one a line; {END_KEYS} ends the input")
        elif not self.waits(SILENCE):
            tell("waiting for frames from stdin")

    def has_line(self) -> bool:
        """Tell whether the next line, or the end, is there soon."""
        return self._data.find(b"\n", self._start) >= 0 or self.waits(PAUSE)

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Open it; it stays open in the end."""
        if self._descriptor < 0:
            raise ValueError("stdin is closed")
        yield self

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or a part of it of at most so many bytes; nothing at the end."""
        while (end := self._data.find(b"\n", self._start, self._start + size) + 1) == 0:
            left = self._data[self._start :]
            if len(left) >= size or not (more := os.read(self._descriptor, BUFFER_SIZE)):
                end = self._start + min(size, len(left))
                break
            self._data, self._start = left + more, 0
        line = self._data[self._start : end]
        self._start = end
        return line

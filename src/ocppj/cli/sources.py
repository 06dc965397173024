"""Where logs come from: files, stdin, and the samples of the package.

Owns how kinds of stdin are distinguished: a terminal, a file, a pipe with or without data, closed.
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

__all__ = ["SAMPLES", "STDIN_TIMEOUT", "File", "Sample", "Source", "Stdin"]

BUFFER_SIZE: Final = 2**18

END_KEYS: Final = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"

STDIN_TIMEOUT: Final = 3.0
"""Seconds to wait for the first bytes from a pipe."""

LINE_TIMEOUT: Final = 1.0
"""Seconds to wait for the next line from a pipe while the version is guessed."""


class Source(Protocol):
    """A log that can be opened."""

    @property
    def name(self) -> str:
        """Its name in a report."""

    @property
    def size(self) -> int:
        """Its size in bytes, 0 if not known."""

    def open(self) -> AbstractContextManager[Readable]:
        """Open it.

        Raises:
            OSError: it cannot be opened.
            ValueError: its name is not a path, or stdin is closed.
        """

    def has_line(self) -> bool:
        """Return whether the next line, or the end, can be read without waiting long."""


class File:
    """A log in a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = path or "''"

    @property
    def size(self) -> int:
        """Its size in bytes, 0 if not known."""
        try:
            status = Path(self._path).stat()
        except (OSError, ValueError):
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def open(self) -> AbstractContextManager[Readable]:
        """Open it."""
        return Path(self._path).open("rb", buffering=BUFFER_SIZE)

    def has_line(self) -> bool:
        """Return `True`: files do not wait."""
        return True


class _SampleLog(NamedTuple):
    file: str
    text: str


SAMPLES: Final = {
    "session": _SampleLog("session-2.0.1.jsonl", "a charging session, OCPP 2.0.1, all valid"),
    "faulty": _SampleLog("faulty-1.6.log", "an OCPP 1.6 station that breaks the schema"),
}
"""By name. The first is the default."""


class Sample:
    """A log that ships with the package.

    Args:
        name: a key of `SAMPLES`.
    """

    def __init__(self, name: str = next(iter(SAMPLES))) -> None:
        self.name = SAMPLES[name].file
        self.size = 0

    def open(self) -> AbstractContextManager[Readable]:
        """Open it."""
        return (resources.files("ocppj.cli") / "samples" / self.name).open("rb")

    def has_line(self) -> bool:
        """Return `True`: files do not wait."""
        return True


class Stdin:
    """A log from standard input, which may be closed."""

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
        """Whether it is a terminal."""
        return self._descriptor >= 0 and os.isatty(self._descriptor)

    @property
    def is_redirected(self) -> bool:
        """Whether it is a pipe, a socket or a file, not a terminal, /dev/null or closed."""
        types = stat.S_ISFIFO, stat.S_ISSOCK, stat.S_ISREG
        return any(is_type(self._mode) for is_type in types)

    @property
    def size(self) -> int:
        """Its size in bytes, 0 if not known."""
        return os.fstat(self._descriptor).st_size if stat.S_ISREG(self._mode) else 0

    def is_ready(self, timeout: float) -> bool:
        """Wait until bytes or the end can be read, and return whether they can.

        Args:
            timeout: seconds to wait at most.
        """
        try:
            return bool(select.select([self._descriptor], [], [], timeout)[0])
        except (OSError, ValueError):  # Windows selects sockets only
            return True

    def announce(self, write: Callable[[str], object]) -> None:
        """Write that input is expected, unless it is there already."""
        if self.is_terminal:
            write(f"reading frames from the terminal, one per line; {END_KEYS} ends the input")
        elif not self.is_ready(STDIN_TIMEOUT):
            write("waiting for frames from stdin")

    def has_line(self) -> bool:
        """Return whether the next line, or the end, can be read without waiting long."""
        return self._data.find(b"\n", self._start) >= 0 or self.is_ready(LINE_TIMEOUT)

    @contextmanager
    def open(self) -> Iterator[Readable]:
        """Open it. It is not closed afterwards."""
        if self._descriptor < 0:
            raise ValueError("stdin is closed")
        yield self

    def readline(self, size: int, /) -> bytes:
        """Return the next line, or its first `size` bytes; `b""` at the end."""
        while (end := self._data.find(b"\n", self._start, self._start + size) + 1) == 0:
            left = self._data[self._start :]
            if len(left) >= size or not (more := os.read(self._descriptor, BUFFER_SIZE)):
                end = self._start + min(size, len(left))
                break
            self._data, self._start = left + more, 0
        line = self._data[self._start : end]
        self._start = end
        return line

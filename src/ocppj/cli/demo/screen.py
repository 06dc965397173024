"""The output of a command that runs until it is ended, and the event loop that it runs on.

Owns colours, the prompt, and how the run ends.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeAlias

from ocppj.cli.terminal import print_lines

__all__ = ["Colour", "Screen", "address", "run"]

Colour: TypeAlias = Literal["red", "green", "cyan", "grey", ""]
CODES: Final = {"red": "31", "green": "32", "cyan": "36", "grey": "90"}
CLEAR: Final = "\r\x1b[K"


class Screen:
    """Writes lines, above the prompt if there is one.

    Args:
        prompt: whether to prompt for commands, if stdout is a terminal.

    Attributes:
        ended: done when the run is to end, with the exit status or an error.
    """

    def __init__(self, *, prompt: bool = False) -> None:
        terminal = sys.stdout is not None and sys.stdout.isatty()
        self._coloured = terminal and not os.environ.get("NO_COLOR")
        self._prompt = "> " if prompt and terminal else ""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def write(self, line: str, colour: Colour = "") -> None:
        """Write a line at once. If stdout cannot be written to, the run ends."""
        before = CLEAR if self._prompt else ""
        after = f"\n{self._prompt}"
        if self._coloured and colour:
            before, after = f"{before}\x1b[{CODES[colour]}m", f"\x1b[0m{after}"
        self._put(line, before, after)

    def ask(self) -> None:
        """Show the prompt again, after the user has entered a line."""
        self._put("", CLEAR if self._prompt else "", self._prompt)

    def _put(self, line: str, before: str, after: str) -> None:
        try:
            print_lines(line, before=before, after=after)
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            self._fail(error)

    def end(self, status: int = 0) -> None:
        """End the run."""
        if not self.ended.done():
            self.ended.set_result(status)

    def watch(self, task: asyncio.Task[None]) -> None:
        """End the run with the error of a task, if it fails."""

        def failed(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fail(error)

        task.add_done_callback(failed)

    @contextmanager
    def show_log(self) -> Iterator[None]:
        """Show log records, those of `ocppj.aio` from INFO on."""
        root, ours, shown = logging.getLogger(), logging.getLogger("ocppj.aio"), _Log(self)
        level = ours.level
        root.addHandler(shown)
        ours.setLevel(logging.INFO)
        try:
            yield
        finally:
            ours.setLevel(level)
            root.removeHandler(shown)

    @contextmanager
    def end_on_sigterm(self) -> Iterator[None]:
        """End the run on SIGTERM."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, self.end)
        try:
            yield
        finally:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(signal.SIGTERM)

    def _fail(self, error: BaseException) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


class _Log(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info and record.exc_info[1]
        text = record.getMessage() + (f": {error!r}" if error else "")
        self._screen.write(text, "red" if record.levelno >= logging.WARNING else "grey")


def address(host: str, port: int) -> str:
    """Return the URL of a listener."""
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command, on uvloop if it is installed, and return the exit status."""
    factory = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())

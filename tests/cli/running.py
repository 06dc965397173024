"""A command as a process, whose lines are read as they come."""

import os
import subprocess
import sys
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Any

import pytest

from tests.conftest import interruptible

PATIENCE = 30.0


class Running:
    """A command at work; its lines are read as they come."""

    def __init__(self, *arguments: str, stdin: Any = subprocess.DEVNULL) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ocppj", *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "2000", "PYTHONIOENCODING": "utf-8"},
            preexec_fn=interruptible,
        )
        self.seen: list[str] = []
        self._lines: Queue[str | None] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def until(self, *texts: str) -> str:
        """Return the next line that has all of the texts."""
        end = monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(end - monotonic(), 0.01))
            except Empty:
                pytest.fail(f"no {texts} in {self.seen}")
            if line is None:
                pytest.fail(f"ended without {texts}: {self.seen}")
            self.seen.append(line)
            if all(text in line for text in texts):
                return line

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end, and return the exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.seen.append(line)
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    @property
    def url(self) -> str:
        return self.until("listening at ").split()[2].rstrip(";")

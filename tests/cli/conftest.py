"""What tests of several commands share: a run, a log, a standard input."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocppj.cli.main import main
from tests.cli.running import Running

COMMAND = [sys.executable, "-m", "ocppj"]


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """Write lines to a file and return its path."""

    def write(*lines: str | bytes, name: str = "a.log") -> str:
        path = tmp_path / name
        path.write_bytes(b"".join((s.encode() if isinstance(s, str) else s) + b"\n" for s in lines))
        return str(path)

    return write


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a file descriptor, or a path, the standard input."""
    streams = []

    def become(source: int | Path) -> None:
        streams.append(open(source, encoding="utf-8"))  # noqa: SIM115, PTH123  closed below; a descriptor is no path
        monkeypatch.setattr(sys, "stdin", streams[-1])

    yield become
    for stream in streams:
        stream.close()


@pytest.fixture
def piped(stdin: Any, tmp_path: Path) -> Any:
    """Make a file with a text the standard input."""

    def pipe(text: str | bytes) -> None:
        path = tmp_path / "stdin"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        stdin(path)

    return pipe


@pytest.fixture
def unpiped(stdin: Any) -> None:
    """Make /dev/null the standard input, as in CI."""
    stdin(Path(os.devnull))


class Run:
    """One run of `main`, with what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status = main(arguments)
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *arguments)


@pytest.fixture
def start() -> Iterator[Any]:
    """Start commands; they are ended with the test."""
    running = []

    def started(*arguments: str, **options: Any) -> Running:
        running.append(Running(*arguments, **options))
        return running[-1]

    yield started
    for process in running:
        process.close()


def row(out: str, action: str) -> list[str]:
    """Return the cells of an action in the table."""
    [line] = [line for line in out.splitlines() if line.startswith(f"{action}  ")]
    return line.removeprefix(action).split()

"""How commands record frames: `--record`."""

from collections.abc import Iterator
from contextlib import contextmanager

from ocppj.aio import Recorder
from ocppj.cli.terminal import printable

__all__ = ["RecordingError", "recording"]


class RecordingError(Exception):
    """Frames cannot be recorded: the text says why."""


@contextmanager
def recording(path: str | None) -> Iterator[Recorder | None]:
    """Open the file of `--record`; `None` if the option is not given.

    Raises:
        RecordingError: the file cannot be opened.
    """
    if path is None:
        yield None
        return
    try:
        recorder = Recorder(path)
    except OSError as error:
        raise RecordingError(printable(f"{path}: {error.strerror or error}")) from error
    with recorder:
        yield recorder

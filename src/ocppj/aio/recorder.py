"""A tap that writes frames to a file, and the removal of secrets from frames."""

import logging
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from ocppj._core.depth import nests_deeper_than
from ocppj._core.exponents import too_many_exponents
from ocppj.aio.tap import TappedFrame

__all__ = ["SECRETS", "Recorder", "Redaction"]

SECRETS: Final = (
    "$.idTag",
    "$.parentIdTag",
    "$.localAuthorizationList[*].idTag",
    "$..idToken",
    "$..groupIdToken",
    "$..password",
    "$..basicAuthPassword",
    "$..apnPassword",
)
"""Paths of identification tokens and passwords in the payloads of all versions."""

HIDDEN: Final = "***"
MAX_BYTES: Final = 64 * 2**20
MAX_DEPTH: Final = 64
CLOSED: Final = -1

PATH: Final = re.compile(r"\$\.?(\.\w+(\[\*\])?)+")
VARIABLE_NAMES: Final = ("key", "variable")
VARIABLE_VALUES: Final = frozenset(("value", "attributeValue"))
SECRET_WORDS: Final = ("password", "authorizationkey", "secret")
log: Final = logging.getLogger("ocppj.aio")


class Redaction:
    """Hides values in payloads, for frames that are stored or shown.

    Only strings and numbers are hidden, so that a frame keeps its shape: an `idToken` object keeps
    its `type`. Values of configuration keys and variables whose name tells of a password are hidden
    too, whatever the paths.

    Args:
        paths: where, within the payload: `$.idTag`, `$.list[*].idTag`, or `$..idToken` at any
            depth.

    Raises:
        ValueError: a path is not one of these forms.
    """

    def __init__(self, paths: Iterable[str] = SECRETS) -> None:
        parsed = [_parse(path) for path in paths]
        self._exact = frozenset(path for anywhere, path in parsed if not anywhere)
        self._anywhere = tuple(path for anywhere, path in parsed if anywhere)
        self._last_names = frozenset(path[-1] for _, path in parsed)

    def __call__(self, data: bytes) -> bytes | None:
        """Return a frame without its secrets; `None` if it cannot be read as JSON."""
        try:
            if too_many_exponents(data) or nests_deeper_than(data, MAX_DEPTH):
                return None
            frame = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not isinstance(frame, list):
            return None
        return msgspec.json.encode([self._redact(item, (), hide=False) for item in frame])

    def _redact(self, value: Any, path: tuple[str, ...], *, hide: bool) -> Any:
        if isinstance(value, dict):
            return self._redact_object(value, path, hide=hide)
        if isinstance(value, list):
            # All items have one path, and a peer may send 60,000 of them.
            inner = (*path, "*")
            hidden = hide or self._is_secret(inner)
            return [
                self._redact(item, inner, hide=hide)
                if item and isinstance(item, dict | list)
                else (HIDDEN if hidden and _is_shown(item) else item)
                for item in value
            ]
        return HIDDEN if _is_shown(value) and (hide or self._is_secret(path)) else value

    def _redact_object(
        self, value: dict[str, Any], path: tuple[str, ...], *, hide: bool
    ) -> dict[str, Any]:
        secret = _names_secret(value)
        return {
            key: self._redact(item, (*path, key), hide=hide or (secret and key in VARIABLE_VALUES))
            for key, item in value.items()
        }

    def _is_secret(self, path: tuple[str, ...]) -> bool:
        if not path or path[-1] not in self._last_names:  # as of nearly all
            return False
        return path in self._exact or any(path[-len(end) :] == end for end in self._anywhere)


def _is_shown(value: Any) -> bool:
    """Return whether a value is hidden if it is secret: a string or a number."""
    return not (value is None or isinstance(value, bool | dict | list))


def _parse(path: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a path matches at any depth, and its names; `*` stands for an index."""
    match = PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"{path!r}: use a path such as $.idTag, $.list[*].idTag or $..idToken")
    names = path.removeprefix("$").replace("[*]", ".*").strip(".").split(".")
    return path.startswith("$.."), tuple(names)


def _names_secret(value: dict[str, Any]) -> bool:
    for key in VARIABLE_NAMES:
        name = value.get(key)
        if isinstance(name, dict):
            name = name.get("name")
        if isinstance(name, str) and any(word in name.lower() for word in SECRET_WORDS):
            return True
    return False


DEFAULT: Final = Redaction()


class Recorder:
    """Writes frames to a file of JSON lines, which `ocppj check` reads.

    A line has `time`, `station`, `direction`, `outcome` and `frame`. A frame that is not JSON has
    `size`, its number of bytes, instead. Only the owner may read the file. When it cannot be
    written, one error is logged and frames are counted in `dropped`.

    Args:
        path: of the file; frames are appended.
        max_bytes: size at which the file is renamed to `path.1`, `path.1` to `path.2`, and so on.
        backups: how many renamed files are kept.
        redaction: what is hidden; `None` records frames unchanged.

    Raises:
        OSError: the file cannot be opened.

    Example:
        ```python
        with Recorder("frames.jsonl") as recorder:
            csms = CSMS({"2.0.1": Handler()}, tap=recorder)
        ```
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_bytes: int = MAX_BYTES,
        backups: int = 5,
        redaction: Redaction | None = DEFAULT,
    ) -> None:
        if max_bytes < 1 or backups < 0:
            raise ValueError("use max_bytes of 1 or more and backups of 0 or more")
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._backups = backups
        self._redaction = redaction
        self._failed = False
        self.dropped = 0
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def __call__(self, frame: TappedFrame) -> None:
        """Record a frame."""
        line = self._line(frame)
        try:
            if self._file == CLOSED:  # the last rotation has failed
                self._open()
            if self._size and self._size + len(line) > self._max_bytes:
                self._rotate()
            os.write(self._file, line)
        except OSError as error:
            self.dropped += 1
            if not self._failed:
                self._failed = True
                log.error("frames are not recorded: %s", error)  # noqa: TRY400  a full disk is not a bug
        else:
            self._size += len(line)

    def _line(self, frame: TappedFrame) -> bytes:
        row: dict[str, Any] = {
            "time": datetime.fromtimestamp(frame.time, UTC).isoformat(timespec="milliseconds"),
            "station": frame.station_id,
            "direction": frame.direction,
            "outcome": frame.outcome,
        }
        if self._redaction is not None:
            data = self._redaction(frame.data)
        else:
            data = frame.data if _is_json(frame.data) else None
        if data is None:
            row["size"] = len(frame.data)
        else:
            row["frame"] = msgspec.Raw(data)
        return msgspec.json.encode(row).replace(b"\n", b" ") + b"\n"

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._backups + 1))]
        for old, new in reversed(list(pairwise(names))):
            if old.exists():
                old.replace(new)
        if not self._backups:
            self._path.unlink()
        self._open()

    def close(self) -> None:
        """Close the file."""
        # The number of a closed file may soon be that of a socket.
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True

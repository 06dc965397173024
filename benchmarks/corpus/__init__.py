"""The frames that are timed. Knows nothing of the decoders."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["ENTRIES", "Entry", "frame_text", "payload_bytes"]


class Entry(NamedTuple):
    """A frame of the corpus.

    Attributes:
        name: the action, followed by `result` for the answer to it.
        version: the OCPP version's name.
        action: the action of a call, or of the call that a result answers.
        frame: the JSON array.
    """

    name: str
    version: str
    action: str
    frame: list[Any]

    @property
    def is_call(self) -> bool:
        """Whether the frame is a CALL; else it is a CALLRESULT."""
        return bool(self.frame[0] == 2)

    @property
    def label(self) -> str:
        """Name, version if it is not 2.0.1, and size in bytes."""
        shown = self.name if self.version == "2.0.1" else f"{self.version} {self.name}"
        return f"{shown} ({len(frame_text(self))})"

    @property
    def pending(self) -> dict[str, str]:
        """Message id -> action, of the call that a result answers."""
        return {self.frame[1]: self.action}

    @property
    def payload(self) -> Any:
        """The payload, untyped."""
        return self.frame[-1]

    def with_payload(self, payload: object) -> "Entry":
        """Return the same frame with another payload."""
        return self._replace(frame=[*self.frame[:-1], payload])


def frame_text(entry: Entry) -> str:
    """Return the frame as the text of a WebSocket message."""
    return json.dumps(entry.frame, separators=(",", ":"))


def payload_bytes(entry: Entry) -> bytes:
    """Return the bare payload."""
    return json.dumps(entry.payload, separators=(",", ":")).encode()


ENTRIES: Final = tuple(
    Entry(**json.loads(line))
    for line in Path(__file__).with_name("frames.jsonl").read_text("utf-8").splitlines()
)

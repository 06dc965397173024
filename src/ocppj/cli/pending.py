"""The pending calls of a station in a log, and how what is kept of a log is bounded."""

from itertools import islice
from typing import Final, TypeVar

__all__ = ["MAX_ID_LENGTH", "MAX_PENDING", "PendingCalls", "drop_older_half", "keep"]

MAX_PENDING: Final = 2**16
"""Maximum number of pending calls kept of a log; beyond it, the older half is dropped."""

MAX_ID_LENGTH: Final = 255
"""Maximum length of the message ids kept. A policy may tolerate longer ones."""

K = TypeVar("K")
V = TypeVar("V")


class PendingCalls:
    """The calls of a log that have no answer yet.

    The two ends of a connection, or stations that the log does not name, may use a message id at
    the same time. So an id may have several calls.

    Attributes:
        newest: message id -> action of the latest call.
    """

    def __init__(self) -> None:
        self.newest: dict[str, str] = {}
        self._older: dict[str, list[str]] = {}

    def add(self, message_id: str, action: str) -> None:
        """Add a call. The same id and action again is the same call, resent."""
        if len(message_id) > MAX_ID_LENGTH:
            return
        if message_id in self.newest:
            others = self._older.setdefault(message_id, [])
            others.append(self.newest.pop(message_id))
            if action in others:
                others.remove(action)
            if not others:
                del self._older[message_id]
        self.newest[message_id] = action

    def __len__(self) -> int:
        return len(self.newest)

    def drop_older_half(self) -> None:
        """Drop the older half of the calls."""
        for oldest in drop_older_half(self.newest):
            self._older.pop(oldest, None)

    def pop(self, message_id: str) -> str | None:
        """Remove the newest call of an id and return its action, `None` if there is no call."""
        action = self.newest.pop(message_id, None)
        if others := self._older.get(message_id):
            self.newest[message_id] = others.pop()
            if not others:
                del self._older[message_id]
        return action

    def older(self, message_id: str) -> tuple[str, ...]:
        """Return the actions of the calls of an id but the newest."""
        return tuple(self._older.get(message_id, ()))

    def prefer(self, message_id: str, action: str) -> None:
        """Make one of the older calls of an id the newest."""
        others = self._older[message_id]
        others.remove(action)
        others.append(self.newest[message_id])
        self.newest[message_id] = action


def drop_older_half(entries: dict[K, V]) -> dict[K, V]:
    """Drop the older half of a dict, and return it.

    Dropping one entry at a time would be slow: the first key of a dict is slow to find when many
    before it were deleted.
    """
    return {key: entries.pop(key) for key in list(islice(entries, len(entries) // 2))}


def keep(entries: dict[K, V], key: K, value: V) -> None:
    """Add an entry to a dict of at most `MAX_PENDING`."""
    if len(entries) >= MAX_PENDING:
        drop_older_half(entries)
    entries[key] = value

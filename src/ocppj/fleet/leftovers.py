"""Entries of stations that a node deletes some time after their connections have ended."""

from collections import deque
from time import monotonic
from typing import Final

from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.presence import Presence

__all__ = ["Leftovers"]

MAX_NOTED: Final = 100_000
KEPT_DELETION: Final = 60.0
"""Seconds that the deletion of an entry stays in the bucket, for those who follow it."""


class Leftovers:
    """What is left in the bucket of connections that have ended.

    Args:
        presence: the bucket.
        logbook: what is logged.
    """

    def __init__(self, presence: Presence, logbook: Logbook) -> None:
        self._presence = presence
        self._logbook = logbook
        # When, of which station, and the revision of the entry.
        self._moved: deque[tuple[float, str, int]] = deque(maxlen=MAX_NOTED)
        self._deletions: deque[tuple[float, str, int]] = deque(maxlen=MAX_NOTED)

    def note_moved(self, code: str, generation: int) -> None:
        """Note an entry that another node is about to replace."""
        self._moved.append((monotonic(), code, generation))

    async def release(self, code: str, generation: int, reason: str) -> None:
        """Delete an entry now."""
        try:
            if await self._presence.release(code, generation, reason):
                _, deletion = await self._presence.find(code)
                self._deletions.append((monotonic(), code, deletion))
        except (BrokerError, TimeoutError) as error:
            self._logbook.note("release", f"an entry is not deleted: {error}")

    async def tidy(self) -> None:
        """Delete entries that nobody has taken over, and what is left of deleted ones.

        Raises:
            BrokerError: there is no connection, or JetStream has rejected it.
        """
        while self._moved and monotonic() - self._moved[0][0] > self._presence.lease:
            _, code, generation = self._moved.popleft()
            await self._presence.release(code, generation)
        while self._deletions and monotonic() - self._deletions[0][0] > KEPT_DELETION:
            _, code, deletion = self._deletions.popleft()
            await self._presence.forget(code, deletion)

"""Where an outbox keeps its requests: the protocol of a store, and one in an SQLite file.

Owns the file and its table. Knows neither codecs nor connections.
"""

from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from typing import Any, Final, NamedTuple, Protocol

__all__ = ["OutboxStore", "SQLiteStore", "StoredRequest"]

COLUMNS: Final = "number, version, action, payload, message_id, attempts"
TABLE: Final = """
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    action TEXT NOT NULL,
    payload BLOB NOT NULL,
    message_id TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    expendable INTEGER NOT NULL
)
"""
SETTINGS: Final = (
    # One process has the file: a second one would deliver everything twice.
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit survives a loss of power, too
    TABLE,
)
LOCK_TIMEOUT: Final = 1.0
"""Seconds to wait for a process that is about to release the file."""


class StoredRequest(NamedTuple):
    """A request in an outbox.

    Attributes:
        number: a later request has a larger one.
        version: OCPP version of the request.
        action: its action.
        payload: its payload, as JSON.
        message_id: message id of the next attempt to send it.
        attempts: number of attempts that the CSMS failed to answer.
    """

    number: int
    version: str
    action: str
    payload: bytes
    message_id: str
    attempts: int


class OutboxStore(Protocol):
    """Keeps the requests of one `Outbox`.

    The outbox calls the methods one at a time, in a thread of its own. A change must be durable
    when the method returns: the outbox promises to its caller what the store promises to it.
    """

    def append(
        self, *, version: str, action: str, payload: bytes, message_id: str, expendable: bool
    ) -> None:
        """Add a request after all others, with no attempts.

        Its number must be larger than any that this store has given since it was opened.
        """

    def first(self, version: str) -> StoredRequest | None:
        """Return the oldest request of an OCPP version."""

    def update(self, number: int, *, attempts: int, message_id: str) -> None:
        """Change a request; do nothing if it is gone."""

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove requests, all or none; ignore those that are gone."""

    def expendable(self) -> Sequence[StoredRequest]:
        """Return the expendable requests, the oldest first."""

    def __len__(self) -> int:
        """Return the number of requests."""

    def close(self) -> None:
        """Release what the store holds. No other method is called afterwards."""


class SQLiteStore:
    """A store in an SQLite file.

    Args:
        path: of the file, which is created if there is none; `":memory:"` keeps nothing.

    Raises:
        sqlite3.Error: the file cannot be used, or another process has it open.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        import sqlite3  # noqa: PLC0415  systems for small machines may ship Python without it

        self._path = fspath(path)
        # The outbox uses it in one thread, but in another than this one.
        self._database = sqlite3.connect(
            self._path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            for statement in SETTINGS:
                self._database.execute(statement)
            found = self._query("SELECT count(*), coalesce(max(number), 0) FROM outbox")
        except BaseException:
            self._database.close()
            raise
        self._count: int = found[0][0]
        self._last: int = found[0][1]

    def _query(self, statement: str, *values: object) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def append(
        self, *, version: str, action: str, payload: bytes, message_id: str, expendable: bool
    ) -> None:
        """Add a request after all others, with no attempts."""
        # SQLite would give the number of a removed request again, and that one may be in flight.
        self._last += 1
        self._query(
            f"INSERT INTO outbox ({COLUMNS}, expendable) VALUES (?, ?, ?, ?, ?, 0, ?)",  # noqa: S608  constants
            self._last,
            version,
            action,
            payload,
            message_id,
            expendable,
        )
        self._count += 1

    def first(self, version: str) -> StoredRequest | None:
        """Return the oldest request of an OCPP version."""
        query = f"SELECT {COLUMNS} FROM outbox WHERE version = ? ORDER BY number LIMIT 1"  # noqa: S608  constants
        return next((StoredRequest(*row) for row in self._query(query, version)), None)

    def update(self, number: int, *, attempts: int, message_id: str) -> None:
        """Change a request; do nothing if it is gone."""
        statement = "UPDATE outbox SET attempts = ?, message_id = ? WHERE number = ?"
        self._query(statement, attempts, message_id, number)

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove requests, all or none; ignore those that are gone."""
        rows = [(number,) for number in numbers]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            cursor = self._database.executemany("DELETE FROM outbox WHERE number = ?", rows)
            self._database.execute("COMMIT")
        except BaseException:
            self._database.rollback()
            raise
        self._count -= max(cursor.rowcount, 0)

    def expendable(self) -> Sequence[StoredRequest]:
        """Return the expendable requests, the oldest first."""
        query = f"SELECT {COLUMNS} FROM outbox WHERE expendable ORDER BY number"  # noqa: S608  constants
        return [StoredRequest(*row) for row in self._query(query)]

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self._path!r}, {self._count} requests>"

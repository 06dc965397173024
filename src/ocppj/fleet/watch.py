"""Follows a key-value bucket: what it has, and each change, in order and without gaps.

A consumer of JetStream delivers the last value of each key, then the changes. When one is missing,
when its heartbeats stop or when the connection to the broker was lost, everything is read again,
and only what differs is reported.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from ocppj.fleet.broker import Broker, JetStreamError
from ocppj.fleet.client import BrokerError
from ocppj.fleet.presence import NANOSECONDS, is_deletion
from ocppj.fleet.subjects import status_of

__all__ = ["Change", "Watch"]

HEARTBEAT: Final = 2.0
"""Seconds between heartbeats of a consumer; it is given up after two and a half of them."""

RETRY: Final = 1.0
CONTROL: Final = 100

log: Final = logging.getLogger("ocppj.fleet")


class Change(NamedTuple):
    """A key was written or deleted.

    Attributes:
        key: without the bucket.
        revision: of the write; 0 if the deletion was noticed afterwards.
        value: what was written.
        deleted: whether it was deleted; the value may say why.
        age: seconds since, when it was read.
    """

    key: str
    revision: int
    value: bytes
    deleted: bool = False
    age: float = 0.0


class Watch:
    """Reports the changes of a bucket.

    Args:
        broker: connection to NATS.
        bucket: its name.
        changed: called with each change.
    """

    def __init__(self, broker: Broker, bucket: str, changed: Callable[[Change], None]) -> None:
        self._broker = broker
        self._stream = f"KV_{bucket}"
        self._keys = f"$KV.{bucket}."
        self._changed = changed
        self._revisions: dict[str, int] = {}  # of what was reported last
        self._sid: int | None = None
        self._next = 1  # number of the next message of the consumer
        self._unread: set[str] | None = None  # keys that the snapshot has not shown yet
        self._created = 0.0  # when the consumer was made, in the server's time
        self._alive = 0.0
        self._task: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._synced = asyncio.Event()

    async def start(self) -> None:
        """Read the bucket; return when all of it was reported.

        Raises:
            BrokerError: it cannot be read.
        """
        await self._read()
        self._broker.watch(self._synced.clear, self._returned)
        self._task = asyncio.create_task(self._follow())
        async with asyncio.timeout(HEARTBEAT * 10):
            await self._synced.wait()

    async def close(self) -> None:
        """Report no more changes."""
        if self._task is not None:
            self._task.cancel()
            self._broker.unwatch(self._synced.clear, self._returned)
        self._stop()

    def _stop(self) -> None:
        if self._sid is not None:
            self._broker.unlisten(self._sid)
            self._sid = None

    async def _returned(self) -> None:
        self._again.set()

    async def _follow(self) -> None:
        """Read everything again when something may have been missed."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await self._again.wait()
            except TimeoutError:
                if not self._broker.connected or loop.time() - self._alive < 2.5 * HEARTBEAT:
                    continue
            try:
                await self._read()
            except (BrokerError, TimeoutError) as error:
                log.warning("%s cannot be followed: %s", self._stream, error)
                await asyncio.sleep(RETRY)
                self._again.set()

    async def _read(self) -> None:
        """Make a consumer, which delivers the last value of each key first."""
        self._again.clear()
        self._stop()
        inbox = self._broker.new_inbox()
        self._next = 1
        self._unread = set(self._revisions)
        self._alive = asyncio.get_running_loop().time()
        self._sid = self._broker.listen(inbox, self._received, keep=False)
        config = {
            "deliver_subject": inbox,
            "filter_subject": f"{self._keys}>",
            "deliver_policy": "last_per_subject",
            "ack_policy": "none",
            "max_deliver": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT * NANOSECONDS),
            "inactive_threshold": int(10 * HEARTBEAT * NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        body = {"stream_name": self._stream, "config": config}
        info = await self._broker.api(f"CONSUMER.CREATE.{self._stream}", body)
        try:
            self._created = datetime.fromisoformat(info["created"]).timestamp()
            empty = not info["num_pending"] and not info["delivered"]["consumer_seq"]
        except (KeyError, TypeError, ValueError) as error:
            raise JetStreamError(f"JetStream: a consumer is not described: {error!r}") from error
        if empty:
            self._finish_snapshot()

    def _received(self, subject: str, reply: str, header_lines: bytes, payload: bytes) -> None:
        self._alive = asyncio.get_running_loop().time()
        if status_of(header_lines) == CONTROL:
            if reply:  # flow control
                self._broker.post(reply, b"")
            return
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<revision>.<number>.<time>.<pending>; with a
        # domain there are more tokens on both sides.
        parts = reply.split(".")
        first = 4 if len(parts) == 9 else 6
        try:
            revision, number, stored, pending = map(int, parts[first + 1 : first + 5])
        except ValueError:
            return
        if number != self._next:
            self._again.set()
            return
        self._next += 1
        key = subject[len(self._keys) :]
        if self._unread is not None:
            self._unread.discard(key)
        if self._revisions.get(key) != revision:
            deleted = is_deletion(header_lines)
            age = max(0.0, self._created - stored / NANOSECONDS)
            self._report(Change(key, revision, payload, deleted, age))
        if not pending and self._unread is not None:
            self._finish_snapshot()

    def _finish_snapshot(self) -> None:
        for key in self._unread or ():
            self._report(Change(key, 0, b"", deleted=True))
        self._unread = None
        self._synced.set()

    def _report(self, change: Change) -> None:
        known = change.key in self._revisions
        if change.deleted:
            self._revisions.pop(change.key, None)
        else:
            self._revisions[change.key] = change.revision
        if known or not change.deleted:
            self._changed(change)

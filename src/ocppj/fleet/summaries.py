"""Summaries of what the stations of each node do, for the operator's page.

Who wants them asks at `<prefix>.summary`, and again every few seconds. Each node then publishes one
every ten seconds at `<prefix>.summary.<node>`, until nobody has asked for `LEASE` seconds. Only
then does it count.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakSet

import msgspec

from ocppj.aio.events import Stream
from ocppj.aio.summary import SECONDS, Summarizer, Summary
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.subjects import parse_json, token

__all__ = ["RemoteSummaries", "Summaries", "SummaryStream"]

LEASE: Final = 30.0
"""Seconds that a node publishes after it was asked."""

RENEW: Final = 10.0
"""Seconds after which who wants summaries asks again."""

MAX_UNREAD: Final = 10_000


class Summaries:
    """A node's end: publishes what its `Summarizer` has counted.

    Args:
        broker: connection to NATS.
        node: its id.
        summarizer: counts.
        begin: makes connections tell it what happens.
        end: has them tell it nothing more.
        logbook: what is logged.
    """

    def __init__(
        self,
        broker: Broker,
        node: str,
        summarizer: Summarizer,
        *,
        begin: Callable[[], None],
        end: Callable[[], None],
        logbook: Logbook,
    ) -> None:
        self._broker = broker
        self._begin = begin
        self._end = end
        self._subject = broker.subjects.summary(token(node))
        self._summarizer = summarizer
        self._logbook = logbook
        self._publishing: asyncio.Task[None] | None = None
        self._subscription = 0
        self._until = 0.0

    def start(self) -> None:
        """Begin to listen."""
        self._subscription = self._broker.listen(self._broker.subjects.summary(), self._asked)

    def close(self) -> None:
        """Publish no more."""
        self._broker.unlisten(self._subscription)
        if self._publishing is not None:
            self._publishing.cancel()

    def _asked(self, _subject: str, _reply: str, _headers: bytes, _payload: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._until = loop.time() + LEASE
        self._begin()
        if self._publishing is None or self._publishing.done():
            self._publishing = loop.create_task(self._publish())

    async def _publish(self) -> None:
        loop = asyncio.get_running_loop()
        self._summarizer.take(0.0)  # what nobody has asked for
        try:
            while loop.time() < self._until:
                now = time.time()
                start = now - now % SECONDS
                await asyncio.sleep(start + SECONDS - now)
                summary = self._summarizer.take(start)
                try:
                    self._broker.post(self._subject, msgspec.json.encode(summary))
                except BrokerError as error:
                    self._logbook.note("summary", f"a summary is lost: {error}")
        finally:
            self._end()


class SummaryStream(Stream[Summary]):
    """Summaries from the moment that it was made, as an asynchronous iterator.

    The oldest is dropped where 10,000 are not read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unread = deque(maxlen=MAX_UNREAD)

    def put(self, summary: Summary) -> None:
        """Add a summary."""
        self._unread.append(summary)
        self._arrived.set()


class RemoteSummaries:
    """The other end: hands the summaries of all nodes to whoever reads them.

    Args:
        broker: connection to NATS.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._streams: WeakSet[SummaryStream] = WeakSet()
        self._subscription = 0
        self._renewing: asyncio.Task[None] | None = None

    def open(self) -> SummaryStream:
        """Return the summaries from now on."""
        stream = SummaryStream()
        self._streams.add(stream)
        if self._renewing is None or self._renewing.done():
            subject = self._broker.subjects.summary("*")
            self._subscription = self._broker.listen(subject, self._received)
            self._renewing = asyncio.create_task(self._renew())
        return stream

    async def _renew(self) -> None:
        try:
            while self._streams:
                with suppress(BrokerError):  # it is asked again
                    self._broker.post(self._broker.subjects.summary(), b"")
                await asyncio.sleep(RENEW)
        finally:
            self._broker.unlisten(self._subscription)

    def _received(self, _subject: str, _reply: str, _headers: bytes, payload: bytes) -> None:
        try:
            summary = parse_json(payload, Summary)
        except ValueError:
            return
        for stream in self._streams:
            stream.put(summary)

    async def close(self) -> None:
        """End all streams."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        for stream in self._streams:
            stream.close()

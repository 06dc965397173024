"""Frames that are acknowledged once JetStream has stored them, and handled by workers later.

Owns the stream, what makes two frames the same, and the durable consumers that all workers share.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ocppj.codec import Codec
from ocppj.errors import MESSAGE_ID_LENGTH
from ocppj.fleet.broker import NOT_FOUND, Broker, JetStreamError
from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.presence import NANOSECONDS
from ocppj.fleet.subjects import VERSION_TOKENS, status_of

__all__ = ["JOURNAL_SIZE", "Consumer", "check_stored", "frame_key", "journal"]

JOURNAL_SIZE: Final = 2**30
"""Bytes that the stream may have. When it is full nothing is acknowledged, and nothing is lost."""

DUPLICATES: Final = 120
"""Seconds for which JetStream knows a frame that it has stored."""

ACK_WAIT: Final = 60
"""Seconds that a worker has for a frame before another one gets it."""

BATCH: Final = 200
EXPIRES: Final = 5.0
RETRY: Final = 1.0
MAX_DELAY: Final = 60.0
"""Seconds between two attempts to handle a frame, at most."""

MAX_ACK_PENDING: Final = 10_000


def journal(broker: Broker, size: int = JOURNAL_SIZE) -> dict[str, Any]:
    """Return the configuration of the stream."""
    return {
        "name": broker.subjects.journal,
        "subjects": [f"{broker.subjects.prefix}.journal.>"],
        "retention": "workqueue",  # what is acknowledged is deleted
        "discard": "new",  # and nothing else is
        "storage": "file",
        "max_bytes": size,
        "max_consumers": -1,
        "duplicate_window": DUPLICATES * NANOSECONDS,
    }


def frame_key(station_token: str, message_id: str, data: bytes) -> str:
    """Return what is the same for two frames only if they are the same: `Nats-Msg-Id`.

    The message id alone is not enough: stations use their ids again.
    """
    code = quote(message_id[:MESSAGE_ID_LENGTH], safe="")
    return f"{station_token}.{code}.{blake2b(data, digest_size=16).hexdigest()}"


def check_stored(actions: Iterable[str], codecs: Iterable[Codec]) -> None:
    """Check that actions can be answered before anybody has handled them.

    Raises:
        ValueError: an action is unknown to all versions, or its response says something.
    """
    known = list(codecs)
    for action in actions:
        features = [one.features[action] for one in known if action in one.features]
        if not features:
            raise ValueError(f"stored: there is no action {action!r}")
        for feature in features:
            if feature.response_type is None or feature.sender == "csms":
                raise ValueError(f"stored: {action} is not a call of a station")
            fields = msgspec.structs.fields(feature.response_type)
            if any(field.required for field in fields):
                raise ValueError(f"stored: the response to {action} is not empty")


class Consumer:
    """A worker's share of the stored frames of one OCPP version.

    Args:
        broker: connection to NATS.
        version: of OCPP.
        handle: called with subject, reply subject, headers and payload of each frame. It calls
            `settle` in the end.
        room: returns how many frames can be handled at the moment.
        logbook: what is logged.
    """

    def __init__(
        self,
        broker: Broker,
        version: str,
        handle: Callable[[str, str, bytes, bytes], None],
        room: Callable[[], int],
        logbook: Logbook,
    ) -> None:
        self._broker = broker
        self._stream = broker.subjects.journal
        self._durable = f"workers_{VERSION_TOKENS[version]}"
        self._filter = broker.subjects.stored(version)
        self._handle = handle
        self._room = room
        self._logbook = logbook
        self._inbox = broker.new_inbox()
        self._sid = 0
        self._left = 0
        self._turn = asyncio.Event()
        self._prepared = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to handle frames, as soon as there is a stream."""
        self._sid = self._broker.listen(self._inbox, self._received)
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        """Take no more frames. Those on their way go to another worker, after a while."""
        if self._task is not None:
            self._task.cancel()
        self._broker.unlisten(self._sid)

    async def _prepare(self) -> None:
        config = {
            "durable_name": self._durable,
            "filter_subject": self._filter,
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT * NANOSECONDS,
            "deliver_policy": "all",
            "max_ack_pending": MAX_ACK_PENDING,
            "max_deliver": -1,
        }
        verb = f"CONSUMER.DURABLE.CREATE.{self._stream}.{self._durable}"
        await self._broker.api(verb, {"stream_name": self._stream, "config": config})
        self._prepared = True

    async def _run(self) -> None:
        while True:
            room = min(BATCH, self._room())
            try:
                if not self._broker.connected or not room:
                    await asyncio.sleep(RETRY / 10)
                    continue
                if not self._prepared:
                    await self._prepare()
                self._left = room
                self._turn.clear()
                self._ask(room)
                with suppress(TimeoutError):
                    async with asyncio.timeout(EXPIRES + 1):
                        await self._turn.wait()
            except (BrokerError, TimeoutError) as error:
                if not isinstance(error, JetStreamError) or error.code != NOT_FOUND:
                    self._logbook.note("journal", f"stored frames are not read: {error}")
                self._prepared = False
                await asyncio.sleep(RETRY)

    def _ask(self, batch: int) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}"
        body = {"batch": batch, "expires": int(EXPIRES * NANOSECONDS)}
        self._broker.post(subject, msgspec.json.encode(body), self._inbox)

    def _received(self, subject: str, reply: str, header_lines: bytes, payload: bytes) -> None:
        status = status_of(header_lines)
        if status is not None:  # the request has expired, or there is no consumer any more
            self._prepared = self._prepared and status in {404, 408}
            self._turn.set()
            return
        self._left -= 1
        if self._left <= 0:
            self._turn.set()
        self._handle(subject, reply, header_lines, payload)

    def settle(self, reply: str, *, handled: bool) -> None:
        """Say whether a frame was handled. If not, it comes again, later each time."""
        verdict = b"+ACK"
        if not handled:
            delay = min(MAX_DELAY, 2.0 ** min(_deliveries(reply) - 1, 10))
            verdict = b'-NAK {"delay": %d}' % int(delay * NANOSECONDS)
        try:
            self._broker.post(reply, verdict)
        except BrokerError as error:
            self._logbook.note("journal", f"a stored frame will come again: {error}")


def _deliveries(reply: str) -> int:
    """Return how often a frame was delivered, by the subject on which it is acknowledged."""
    parts = reply.split(".")
    count = parts[4] if len(parts) == 9 else parts[6] if len(parts) > 9 else ""
    return int(count) if count.isdigit() else 1

"""What the simulated station has to deliver: `ocppj station --outbox`.

Owns which messages these are, and who waits for the response to one.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ocppj.aio import ChargingStation, Outbox, OutboxFull, StoredRequest
from ocppj.cli.demo.messages import Message, request
from ocppj.cli.terminal import printable
from ocppj.codec import Codec

__all__ = ["Delivery", "OutboxError"]

HAVE_TO_ARRIVE: Final = frozenset(
    {"SecurityEventNotification", "StartTransaction", "StopTransaction", "TransactionEvent"}
)
TRANSACTION: Final = "transactionId"
"""A field of the MeterValues that have to arrive: those of a transaction, in OCPP 1.6."""


class OutboxError(Exception):
    """The outbox cannot be used: the text says why."""


class Delivery:
    """Sends through an outbox what has to arrive.

    Args:
        path: of the outbox.
        codecs: OCPP version -> codec.
        show: called with action and payload of each message that cannot be sent at once.

    Attributes:
        outbox: of the station.

    Raises:
        OutboxError: the file cannot be used.
    """

    def __init__(
        self, path: str, codecs: Mapping[str, Codec], show: Callable[[str, str], None]
    ) -> None:
        import sqlite3  # noqa: PLC0415  Python may lack it, and only --outbox needs it

        self._path = path
        self._codecs = codecs
        self._show = show
        self._failures = (sqlite3.Error, OutboxFull)
        self._waiting: list[tuple[object, asyncio.Future[Any]]] = []
        try:
            self.outbox = Outbox(path, on_response=self._answered, on_drop=self._dropped)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> OutboxError:
        return OutboxError(printable(f"{self._path}: {error}"))

    @staticmethod
    def keeps(message: Message) -> bool:
        """Return whether a message has to arrive."""
        action, payload = message
        return action in HAVE_TO_ARRIVE or TRANSACTION in payload

    async def send(
        self, station: ChargingStation, codec: Codec, message: Message, *, wait: bool
    ) -> Any:
        """Queue a message.

        Args:
            station: which sends it.
            codec: of its version.
            message: action and payload.
            wait: whether to wait for the response.

        Returns:
            The response; `None` if it was dropped, or was not waited for.

        Raises:
            OutboxError: it could not be written.
        """
        queued = request(codec, *message)
        entry = queued, asyncio.get_running_loop().create_future()
        if wait:
            self._waiting.append(entry)
        try:
            await station.queue(queued)
            if not station.connected:
                self._show(message[0], msgspec.json.encode(message[1]).decode())
            return await entry[1] if wait else None
        except self._failures as error:
            raise self._failed(error) from error
        finally:
            if wait:
                self._waiting.remove(entry)

    def _answered(self, request: object, response: Any) -> None:
        # What was sent has been in the file: it is equal, not the same.
        for waiting, future in self._waiting:
            if waiting == request and not future.done():
                future.set_result(response)

    def _dropped(self, stored: StoredRequest, _reason: str) -> None:
        codec = self._codecs[stored.version]
        self._answered(request(codec, stored.action, msgspec.Raw(stored.payload)), None)

"""What a charging station has to deliver, and keeps until its CSMS has acknowledged it.

Owns the order, the attempts and what goes first when there is no room. `ocppj.aio.store` keeps the
requests; the `ChargingStation` gives the connection.

Everything that touches the store runs in one thread: to commit may take a flash card seconds, and
the event loop has to answer pings meanwhile. The store is the only copy, so nothing in memory can
disagree with it after a cancelled task.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from typing import Any, Final, Self, TypeVar

import msgspec

from ocppj.aio.connection import Connection
from ocppj.aio.store import OutboxStore, SQLiteStore, StoredRequest
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, LocalProtocolError
from ocppj.frames import CALL, Call
from ocppj.ids import next_id

__all__ = ["Outbox", "OutboxFull", "is_expendable"]

PAUSE: Final = 0.2
"""Seconds before the next try when a connection is about to end, or has too many queued calls."""

STORE_PAUSE: Final = 10.0
"""Seconds before the next try when the store has failed."""

T = TypeVar("T")
log: Final = logging.getLogger("ocppj.aio")


class OutboxFull(LocalProtocolError):
    """The outbox is full, and nothing in it is expendable. The request was not kept."""


def is_expendable(request: object) -> bool:
    """Return whether a request may go when an outbox is full.

    Meter values may: `MeterValues`, and a `TransactionEvent` of type `Updated`. A transaction
    stays complete without some of them (P2-201 E04). Its start and its end may not, nor anything
    else.
    """
    event = getattr(request, "event_type", None)
    return type(request).__name__ == "MeterValuesRequest" or event == "Updated"


class Outbox:
    """The requests that a `ChargingStation` has to deliver: pass it as `outbox=`.

    `ChargingStation.queue` adds a request. The oldest is sent first, and removed when the CSMS has
    responded. While the station is not connected, all of them wait. A request whose connection was
    lost is sent again on the next one, with the same message id.

    A request fails if the CSMS answers with an error, or not in time. It is repeated after
    `interval` seconds, after twice as many the second time, and so on, with new message ids. After
    `attempts` failures it is dropped (J16 3.7.1, P2-201 E13). A lost connection is not a failure.

    Nothing is sent before a BootNotification that `ChargingStation.call` sent was accepted, as OCPP
    requires.

    Args:
        store: path of an SQLite file, which one outbox at a time may use; or an `OutboxStore`.
        attempts: how often the CSMS may fail to answer a request before it is dropped; `None`:
            without limit. `TransactionMessageAttempts` in OCPP 1.6, `MessageAttempts` in 2.x.
        interval: seconds to wait after the first failure. `TransactionMessageRetryInterval` in
            OCPP 1.6, `MessageAttemptInterval` in 2.x.
        max_requests: maximum number of requests. To make room, every second expendable one is
            dropped: a thinner series of meter values is left.
        expendable: returns whether a request may go when the outbox is full.
        prepare: called with each request before it is sent; returns what is sent instead.
        on_response: called with a request and its response, before the request is removed. May be
            async. After a crash it may be called again with the response to a repetition.
        on_drop: called with each request that is dropped, and why.
        boot_first: whether to wait for an accepted BootNotification.

    Attributes:
        attempts: as above; may be changed at any time.
        interval: as above; may be changed at any time.

    Raises:
        ValueError: a number is not above 0.
        sqlite3.Error: the file cannot be used.
    """

    def __init__(
        self,
        store: str | PathLike[str] | OutboxStore,
        *,
        attempts: int | None = 3,
        interval: float = 60.0,
        max_requests: int = 10_000,
        expendable: Callable[[Any], bool] = is_expendable,
        prepare: Callable[[Any], Any] | None = None,
        on_response: Callable[[Any, Any], Awaitable[None] | None] | None = None,
        on_drop: Callable[[StoredRequest, str], None] | None = None,
        boot_first: bool = True,
    ) -> None:
        numbers = {"attempts": attempts, "interval": interval, "max_requests": max_requests}
        for name, value in numbers.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value!r}: use a number above 0")
        self.attempts = attempts
        self.interval = interval
        self._max_requests = max_requests
        self._expendable = expendable
        self._prepare = prepare
        self._on_response = on_response
        self._on_drop = on_drop
        self._booted = asyncio.Event()
        if not boot_first:
            self._booted.set()
        self._changed = asyncio.Event()  # a request was added, or there is another connection
        self._delivered = asyncio.Event()
        self._store = SQLiteStore(store) if isinstance(store, str | PathLike) else store
        self._thread = ThreadPoolExecutor(1, "ocppj-outbox")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the store. Call it after the station's `connect` has ended."""
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    async def count(self) -> int:
        """Return the number of requests that are not acknowledged yet."""
        return await self._in_thread(self._store.__len__)

    async def join(self) -> None:
        """Wait until everything is delivered that the present connection can deliver.

        Requests of another OCPP version than that of the connection stay.
        """
        await self._delivered.wait()

    async def _in_thread(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run what uses the store. It ends even if the task that waits for it is cancelled."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, partial(function, *args, **kwargs))
        return await asyncio.shield(work)

    async def add(self, request: object, codec: Codec) -> None:
        """Keep a request: see `ChargingStation.queue`.

        Args:
            request: the payload.
            codec: validates and encodes it.
        """
        feature = codec.feature(request)
        if feature.sender == "csms":
            raise LocalProtocolError(f"{feature.name} is not sent by a charging_station")
        if feature.response_type is None:
            raise LocalProtocolError(f"{feature.name} is never acknowledged: use send")
        message_id = next_id()
        payload = codec.peek(codec.encode(Call(message_id, feature.name, request))).payload
        try:
            dropped = await self._in_thread(
                self._append,
                version=codec.version,
                action=feature.name,
                payload=bytes(payload),
                message_id=message_id,
                expendable=self._expendable(request),
            )
        finally:
            self.wake()
        for stored in dropped:
            self._report(stored, "the outbox is full")

    def _append(self, **request: Any) -> Sequence[StoredRequest]:
        """Store a request, and return what was dropped for it."""
        dropped: Sequence[StoredRequest] = ()
        if len(self._store) >= self._max_requests:
            candidates = self._store.expendable()
            # The oldest may be in flight. The others are thinned, not cut off.
            dropped = candidates[1::2] or candidates
            if not dropped:
                problem = f"{self._max_requests} requests are queued, and none is expendable"
                raise OutboxFull(problem)
        self._store.append(**request)
        try:
            if dropped:
                self._store.remove([stored.number for stored in dropped])
        except Exception:
            # The request is stored: the caller must not repeat it. The next one thins again.
            log.exception("the full outbox could not be thinned")
            return ()
        return dropped

    def wake(self) -> None:
        """Look again for something to deliver."""
        self._delivered.clear()
        self._changed.set()

    def booted(self, *, accepted: bool) -> None:
        """Note the response to a BootNotification: nothing is sent unless it was accepted."""
        if accepted:
            self._booted.set()
        else:
            self._booted.clear()

    async def deliver(self, connection: Callable[[], Awaitable[Connection]]) -> None:
        """Send what there is and what will be added, until cancelled.

        Args:
            connection: waits until the station is connected, and returns the connection.
        """
        while True:
            await self._booted.wait()
            current = await connection()
            self._changed.clear()
            try:
                stored = await self._in_thread(self._store.first, current.version)
                if stored is not None:
                    await self._send(current, stored)
                    continue
            except Exception:
                log.exception("%s: the outbox does not work", current.id)
                await asyncio.sleep(STORE_PAUSE)
                continue
            if not self._changed.is_set():
                self._delivered.set()
            await self._changed.wait()

    async def _send(self, connection: Connection, stored: StoredRequest) -> None:
        try:
            request = _decode(stored, connection.codec)
            if self._prepare is not None:
                request = self._prepare(request)
            response = await connection.call(request, message_id=stored.message_id)
        except (ConnectionLost, LocalProtocolError):
            if not connection.closed:
                await asyncio.sleep(PAUSE)
        except Exception as error:  # noqa: BLE001  a request that always fails must not block the others
            await self._fail(connection.id, stored, error)
        else:
            await self._acknowledged(connection.id, stored, request, response)

    async def _acknowledged(
        self, station_id: str, stored: StoredRequest, request: Any, response: Any
    ) -> None:
        if self._on_response is not None:
            try:
                waiting = self._on_response(request, response)
                if waiting is not None:
                    await waiting
            except Exception:
                log.exception("%s: on_response of %s failed", station_id, stored.action)
        await self._in_thread(self._store.remove, [stored.number])

    async def _fail(self, station_id: str, stored: StoredRequest, error: Exception) -> None:
        attempts = stored.attempts + 1
        problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if self.attempts is not None and attempts >= self.attempts:
            self._report(stored, f"attempt {attempts} failed: {problem}")
            await self._in_thread(self._store.remove, [stored.number])
            return
        seconds = self.interval * attempts
        log.warning(
            "%s: %s is sent again in %g s: %.300s", station_id, stored.action, seconds, problem
        )
        # A message id must not repeat on one connection (P4-201 4.1.4).
        await self._in_thread(
            self._store.update, stored.number, attempts=attempts, message_id=next_id()
        )
        await asyncio.sleep(seconds)

    def _report(self, stored: StoredRequest, reason: str) -> None:
        log.error("%s %s is dropped: %.300s", stored.action, stored.message_id, reason)
        if self._on_drop is not None:
            try:
                self._on_drop(stored, reason)
            except Exception:
                log.exception("on_drop of %s failed", stored.action)

    def __repr__(self) -> str:
        return f"<Outbox on {self._store!r}>"


def _decode(stored: StoredRequest, codec: Codec) -> Any:
    """Return the request that was stored, by a frame around its payload."""
    head = msgspec.json.encode([CALL, stored.message_id, stored.action])
    frame: Any = codec.decode(head[:-1] + b"," + stored.payload + b"]")
    return frame.payload

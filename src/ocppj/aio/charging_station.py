"""The charging station's end: connects to a CSMS, and reconnects.

Owns the address, the negotiation and the back-off. Knows transports only by name.
"""

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, overload

from ocppj.aio.connection import Connection
from ocppj.aio.endpoint import MAX_HANDLING, MAX_WAITING, endpoints
from ocppj.aio.link import Link
from ocppj.aio.metrics import Metrics
from ocppj.aio.outbox import Outbox
from ocppj.aio.security import path_segment
from ocppj.aio.tap import Tap, Wire, observed
from ocppj.aio.tracing import Tracing
from ocppj.aio.transport import ClientTransport, Receiver, Transport, TransportName, dial
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, EncodeError, LocalProtocolError, NotConnected
from ocppj.schema import Request
from ocppj.session import TIMEOUT

__all__ = ["Backoff", "ChargingStation"]

R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
log: Final = logging.getLogger("ocppj.aio")
GRACE: Final = 5.0
"""Seconds to wait for `on_disconnect` when the context ends."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before reconnecting (P4-201 5.3).

    Attributes:
        minimum: seconds before the first attempt: RetryBackOffWaitMinimum.
        random_range: maximum number of random seconds added: RetryBackOffRandomRange.
        repeat_times: how often the wait doubles: RetryBackOffRepeatTimes.
    """

    minimum: float = 10.0
    random_range: float = 10.0
    repeat_times: int = 5

    def waits(self) -> Iterator[float]:
        """Yield the wait before each attempt after a lost connection, in seconds."""
        doubled = 0
        while True:
            extra = random.uniform(0, self.random_range)  # noqa: S311  spreads reconnects, no secret
            yield self.minimum * 2**doubled + extra
            doubled = min(doubled + 1, self.repeat_times)


class ChargingStation:
    """A charging station: it calls its CSMS and answers the CSMS's calls.

    Args:
        station_id: its identity. In OCPP 2.x at most 48 characters and no colon.
        handlers: OCPP version -> object with a method for each action that it answers: see
            `ocppj.Handlers`. The versions are offered in this order. The methods take `(request)`.
            `on_connect(station)` and `on_disconnect(station)` are called for each connection, if
            they exist; both may be async.
        codecs: OCPP version -> codec, for versions that need another than `Codec(version)`.
        timeout: seconds to wait for the response to a call.
        max_waiting: maximum number of queued calls.
        max_handling: maximum number of calls of the CSMS that are handled at a time.
        metrics: counts frames, latencies and connections.
        tap: gets each frame as it passes: see `ocppj.aio.Recorder`.
        tracing: makes a span of each call: see `ocppj.aio.opentelemetry`.
        outbox: keeps what `queue` gets until the CSMS has acknowledged it. No other station may use
            it.

    Attributes:
        id: the identity.

    Raises:
        TypeError: a handler is a class, or its annotations are those of another version.
        ValueError: there is no handler, a version is unknown, the identity is not valid, or a
            method belongs to no action that a station receives.
    """

    def __init__(
        self,
        station_id: str,
        handlers: Mapping[str, object],
        *,
        codecs: Mapping[str, Codec] | None = None,
        timeout: float = TIMEOUT,
        max_waiting: int = MAX_WAITING,
        max_handling: int = MAX_HANDLING,
        metrics: Metrics | None = None,
        tap: Tap | None = None,
        tracing: Tracing | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.id = station_id
        self._endpoints = endpoints(
            handlers,
            codecs,
            "charging_station",
            timeout=timeout,
            max_waiting=max_waiting,
            max_handling=max_handling,
            metrics=observed(metrics, tap),
            tap=tap,
            tracing=tracing,
        )
        self._path = path_segment(station_id, self._endpoints)
        self._outbox = outbox
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._connecting = False
        self._connected = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the station is connected."""
        return self._link is not None and not self._link.closed

    @property
    def version(self) -> str:
        """The OCPP version of the connection.

        Raises:
            NotConnected: the station is not connected.
        """
        return self._require_connection().version

    @asynccontextmanager
    async def connect(
        self,
        url: str,
        *,
        transport: TransportName | ClientTransport = "websockets",
        password: str | bytes | None = None,
        backoff: Backoff | None = Backoff(),
        **options: Any,
    ) -> AsyncIterator[Self]:
        """Connect, and stay connected until the context ends.

        Args:
            url: address of the CSMS, `ws://` or `wss://`. The identity is appended to it,
                percent-encoded.
            transport: `"websockets"`, `"picows"`, or an object with the `connect` of
                `ocppj.aio.transport.ClientTransport`.
            password: for HTTP Basic authentication, with the identity as user.
            backoff: how long to wait before reconnecting; `None`: do not reconnect.
            options: `ssl`, `ping_interval` and `ping_timeout` (seconds; `None`: no pings), and the
                options of the transport's own function.

        Raises:
            ConnectionLost: the first attempt failed.
            LocalProtocolError: the station is connected or connecting already.
            ValueError: the address is not that of a WebSocket.
        """
        if not url.startswith(("ws://", "wss://")):
            raise ValueError(f"{url!r} is not a CSMS URL: use ws:// or wss://")
        if self._connecting:
            raise LocalProtocolError(f"{self.id} is already connecting")
        headers = dict(options.pop("headers", {}))
        if password is not None:
            secret = password.encode() if isinstance(password, str) else password
            token = b64encode(self.id.encode() + b":" + secret).decode()
            headers["Authorization"] = f"Basic {token}"
        url = f"{url.rstrip('/')}/{self._path}"

        max_size = max(endpoint.codec.max_size for endpoint in self._endpoints.values())

        async def redial() -> Awaitable[None]:
            names, attach = list(self._endpoints), self._attach
            return await dial(
                transport, url, names, attach, max_size=max_size, headers=headers, **options
            )

        self._connecting = True
        try:
            tasks = [asyncio.create_task(self._stay_connected(await redial(), redial, backoff))]
            if self._outbox is not None:
                tasks.append(asyncio.create_task(self._outbox.deliver(self._next_connection)))
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                if self._link is not None:
                    await self._link.close()
                    await self._link.endpoint.wait_background(GRACE)
        finally:
            self._connecting = False

    async def _stay_connected(
        self,
        ended: Awaitable[None],
        redial: Callable[[], Awaitable[Awaitable[None]]],
        backoff: Backoff | None,
    ) -> None:
        while True:
            await asyncio.shield(ended)  # cancelling this task must not end the connection
            self._connected.clear()
            if backoff is None:
                return
            for wait in backoff.waits():
                end = (self._link and self._link.end) or "reason unknown"
                log.info("%s reconnects in %.1f s: %s", self.id, wait, end)
                await asyncio.sleep(wait)
                try:
                    ended = await redial()
                except Exception as error:  # noqa: BLE001  any error may be temporary
                    log.info("%s: %s", self.id, error)
                else:
                    break

    def _attach(self, subprotocol: str | None, transport: Transport) -> Receiver:
        endpoint = self._endpoints.get(subprotocol or "")
        if endpoint is None:
            raise ConnectionLost(f"the CSMS supports none of {', '.join(self._endpoints)}")
        wire = None
        if endpoint.tap is not None:
            transport = wire = Wire(self.id, endpoint.metrics, endpoint.tap, transport)
        self._link = Link(self.id, endpoint, transport, self)
        self._connection = Connection(self._link)
        self._connected.set()
        if self._outbox is not None:
            self._outbox.wake()
        self._link.opened()
        return self._link if wire is None else wire.to(self._link)

    def _require_connection(self) -> Connection:
        if self._connection is None or self._link is None:
            raise NotConnected(f"{self.id} is not connected: see `connect`")
        if self._link.closed:
            raise self._link.gone(NotConnected)
        return self._connection

    async def wait_connected(self) -> None:
        """Wait until the station is connected."""
        await asyncio.sleep(0)  # a connection that has just failed a call may be about to end
        while not self.connected:
            self._connected.clear()
            await self._connected.wait()

    async def _next_connection(self) -> Connection:
        """Wait until the station is connected, and return the connection."""
        await self.wait_connected()
        return self._require_connection()

    async def queue(self, request: object) -> None:
        """Keep a request until the CSMS has acknowledged it, across reconnects and restarts.

        When this returns, the request is on disk. It is sent after all requests that were queued
        before it: see `ocppj.aio.Outbox`. What must arrive in order has to go through the queue;
        `call` does not wait for it.

        A request is stored as it is. Set `offline=True` and the sequence number of a
        TransactionEvent before you queue it.

        Args:
            request: the payload, of one of the station's OCPP versions.

        Raises:
            EncodeError: the request is invalid.
            LocalProtocolError: the station has no outbox or may not send the request, or the
                request is never acknowledged.
            OutboxFull: a `LocalProtocolError`: the outbox is full, and nothing in it is expendable.
            sqlite3.Error: the request could not be written; with another store, an error of that.
        """
        if self._outbox is None:
            raise LocalProtocolError(f"{self.id} has no outbox: pass outbox= to ChargingStation")
        for endpoint in self._endpoints.values():
            try:
                endpoint.codec.feature(request)
            except EncodeError as error:
                unknown = error
            else:
                return await self._outbox.add(request, endpoint.codec)
        raise unknown

    @overload
    async def call(self, request: Request[R], timeout: float | None = None) -> R: ...

    @overload  # a request of one version or another
    async def call(
        self,
        request: Request[R] | Request[R2] | Request[R3],
        timeout: float | None = None,
    ) -> R | R2 | R3: ...

    async def call(self, request: Request[Any], timeout: float | None = None) -> Any:
        """Call the CSMS and return its response: see `ocppj.aio.Connection.call`."""
        connection = self._require_connection()
        response = await connection.call(request, timeout)
        outbox = self._outbox
        if outbox and connection.codec.feature(request).name == "BootNotification":
            outbox.booted(accepted=response.status == "Accepted")
        return response

    async def send(self, request: object) -> None:
        """Send a SEND message (OCPP 2.1): see `ocppj.aio.Connection.send`."""
        await self._require_connection().send(request)

    def __repr__(self) -> str:
        state = f"OCPP {self.version}, connected" if self.connected else "not connected"
        return f"<ChargingStation {self.id!r}, {state}>"

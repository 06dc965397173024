"""The charging station's end: connects to a CSMS, and connects again.

Owns the address, the negotiation and the back-off. Knows transports only by name.
"""

import asyncio
import logging
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from ocppj.aio.connection import Connection
from ocppj.aio.endpoint import MAX_HANDLING, MAX_WAITING, endpoints
from ocppj.aio.link import Link
from ocppj.aio.metrics import Metrics
from ocppj.aio.security import path_segment
from ocppj.aio.tap import Tap, Wire, observed
from ocppj.aio.transport import ClientTransport, Receiver, Transport, TransportName, load, shown
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, LocalProtocolError
from ocppj.schema import Request
from ocppj.session import TIMEOUT

__all__ = ["Backoff", "ChargingStation"]

PERMANENT_ERRORS: Final = (ModuleNotFoundError, TypeError, ValueError)
"""What a call of `connect` raises that can never succeed."""

R = TypeVar("R")
log: Final = logging.getLogger("ocppj.aio")
GRACE: Final = 5.0
"""Seconds that `on_disconnect` has when the context ends."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before connecting again (P4-201 5.3); seconds.

    Attributes:
        minimum: before the first attempt: RetryBackOffWaitMinimum.
        random_range: up to so much more, at random: RetryBackOffRandomRange.
        repeat_times: so often the wait is doubled: RetryBackOffRepeatTimes.
    """

    minimum: float = 10.0
    random_range: float = 10.0
    repeat_times: int = 5

    def waits(self) -> Iterator[float]:
        """Yield the waits from one lost connection to the next that stands."""
        doubled = 0
        while True:
            extra = random.uniform(0, self.random_range)  # noqa: S311  it spreads a crowd
            yield self.minimum * 2**doubled + extra
            doubled = min(doubled + 1, self.repeat_times)


class ChargingStation:
    """A charging station: it calls its CSMS and answers the CSMS's calls.

    Args:
        station_id: its identity: in OCPP 2.x at most 48 characters and no colon.
        handlers: OCPP version -> object with a method for each action that is answered; see
            `ocppj.Handlers`. The versions are offered in this order. The methods take
            `(request)`. Where they exist, `on_connect(station)` and
            `on_disconnect(station)` are called for each connection; both may be async.
        codecs: OCPP version -> codec, where it is not the plain one.
        timeout: seconds for the answer to a call.
        max_waiting: so many calls may wait for their turn.
        max_handling: so many calls of the CSMS are handled at a time.
        metrics: counts frames, latencies and connections.
        tap: gets each frame as it passes: see `ocppj.aio.Recorder`.

    Attributes:
        id: the identity.

    Raises:
        ValueError: no version, no such identity, or a method that belongs to no action.
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
    ) -> None:
        self.id = station_id
        limits = {"timeout": timeout, "max_waiting": max_waiting, "max_handling": max_handling}
        self._endpoints = endpoints(
            handlers, codecs, "charging_station", metrics=observed(metrics, tap), tap=tap, **limits
        )
        self._path = path_segment(station_id, self._endpoints)
        self._link: Link | None = None
        self._connection: Connection | None = None
        self._connecting = False
        self._connected = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return self._link is not None and not self._link.closed

    @property
    def version(self) -> str:
        """The OCPP version of the connection.

        Raises:
            ConnectionLost: there is none.
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
        """Connect, and stay connected as long as the context lasts.

        Args:
            url: of the CSMS, `ws://` or `wss://`; the identity is appended, percent-encoded.
            transport: `"websockets"`, `"picows"`, or an object as for `CSMS.listen`.
            password: for HTTP Basic authentication, with the identity as user.
            backoff: how to connect again; `None`: not at all.
            options: `ssl`, `ping_interval` and `ping_timeout` (seconds; `None`: no pings), and what
                the transport's own function takes besides.

        Raises:
            ConnectionLost: the first attempt has failed.
            LocalProtocolError: the station is connected, or connecting, already.
            ValueError: the address is none.
        """
        if not url.startswith(("ws://", "wss://")):
            raise ValueError(f"{url!r} is no address of a CSMS: it begins with ws:// or wss://")
        if self._connecting:
            raise LocalProtocolError(f"{self.id} connects already, in another `connect`")
        headers = dict(options.pop("headers", {}))
        if password is not None:
            secret = password.encode() if isinstance(password, str) else password
            token = b64encode(self.id.encode() + b":" + secret).decode()
            headers["Authorization"] = f"Basic {token}"
        url = f"{url.rstrip('/')}/{self._path}"

        async def dial() -> Awaitable[None]:
            try:
                return await load(transport).connect(
                    url,
                    list(self._endpoints),
                    self._attach,
                    max_size=max(endpoint.codec.max_size for endpoint in self._endpoints.values()),
                    headers=headers,
                    **options,
                )
            except ConnectionLost:
                raise
            except Exception as error:
                # A certificate that does not verify is an OSError and a ValueError.
                if isinstance(error, PERMANENT_ERRORS) and not isinstance(error, OSError):
                    raise
                address = shown(url)
                problem = str(error).replace(url, address)
                raise ConnectionLost(f"cannot connect to {address}: {problem}") from error

        self._connecting = True
        try:
            reconnecting = asyncio.create_task(self._stay_connected(await dial(), dial, backoff))
            try:
                yield self
            finally:
                reconnecting.cancel()
                await asyncio.wait([reconnecting])
                if self._link is not None:
                    await self._link.close()
                    await self._link.endpoint.wait_background(GRACE)
        finally:
            self._connecting = False

    async def _stay_connected(
        self, ended: Awaitable[None], dial: Any, backoff: Backoff | None
    ) -> None:
        while True:
            await asyncio.shield(ended)  # giving up here does not end the connection
            self._connected.clear()
            if backoff is None:
                return
            for wait in backoff.waits():
                end = (self._link and self._link.end) or "no reason is known"
                log.info("%s connects again in %.1f s: %s", self.id, wait, end)
                await asyncio.sleep(wait)
                try:
                    ended = await dial()
                except Exception as error:  # noqa: BLE001  whatever it is, it may pass
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
        self._link.opened()
        return self._link if wire is None else wire.to(self._link)

    def _require_connection(self) -> Connection:
        if self._connection is None or self._link is None:
            raise ConnectionLost(f"{self.id} is not connected: see `connect`")
        if self._link.closed:
            raise self._link.gone()
        return self._connection

    async def wait_connected(self) -> None:
        """Wait until there is a connection."""
        await asyncio.sleep(0)  # one that has failed a call may be about to end
        while not self.connected:
            self._connected.clear()
            await self._connected.wait()

    async def call(self, request: Request[R], timeout: float | None = None) -> R:
        """Call the CSMS: see `ocppj.aio.Connection.call`."""
        return await self._require_connection().call(request, timeout)

    async def send(self, request: object) -> None:
        """Send a SEND, which is never answered (OCPP 2.1): see `ocppj.aio.Connection.send`."""
        await self._require_connection().send(request)

    def __repr__(self) -> str:
        state = f"OCPP {self.version}, connected" if self.connected else "not connected"
        return f"<ChargingStation {self.id!r}, {state}>"

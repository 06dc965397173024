"""The connection of one station to one mirror: a CSMS that only listens.

Owns what a mirror gets and when, and what it loses. See `ocppj.aio.relay`.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ocppj.aio.backlog import Backlog
from ocppj.aio.charging_station import Backoff
from ocppj.aio.transport import CLOSE_TIMEOUT, Receiver, Transport, shown
from ocppj.codec import Codec
from ocppj.errors import ConnectionLost, DecodeError
from ocppj.frames import CALL, CallError
from ocppj.ids import next_id
from ocppj.session import TIMEOUT

__all__ = ["Mirror", "MirrorLink"]

READ_ONLY: Final = "this connection only mirrors what the station sends"
log: Final = logging.getLogger("ocppj.aio")


@dataclass(slots=True)
class Mirror:
    """What a mirror got of all stations.

    Attributes:
        url: of the mirror.
        connections: number of open connections.
        sent: number of frames that were sent to it.
        dropped: number of frames that it lost: it was slow, or could not be reached.
        refused: number of calls of its own, which were answered with an error.
    """

    url: str
    connections: int = 0
    sent: int = 0
    dropped: int = 0
    refused: int = 0


class Mirrored(Protocol):
    """The station.

    Attributes:
        id: its identity.
        subprotocol: that was negotiated with it.
        codec: of its version.
        boot: its last BootNotification, if there was one.
    """

    id: str
    subprotocol: str
    codec: Codec
    boot: bytes | None


class Dialler(Protocol):
    """Connects to mirrors.

    Attributes:
        backoff: how long to wait before connecting again.
    """

    backoff: Backoff

    async def dial(self, url: str, relayed: Any, attach: Any) -> Any:
        """Connect to a URL for a station."""


class MirrorLink:
    """Keeps a station connected to a mirror, and copies frames to it.

    OCPP allows one call at a time, so the next frame is sent when the mirror has answered the last
    one, or has not for as long as a call may take. If no room is left, the oldest frame is dropped.

    A mirror that connects again gets the last BootNotification first, with a message id of its own:
    it may have been started in between.

    Args:
        station: whose frames are copied.
        mirror: where to, with its counts.
        dialler: connects to it.
        backlog: for the frames that wait.
    """

    def __init__(
        self, station: Mirrored, mirror: Mirror, dialler: Dialler, backlog: Backlog
    ) -> None:
        self._station = station
        self._mirror = mirror
        self._dialler = dialler
        self._backlog = backlog
        self._dropped = 0
        self._task: asyncio.Task[None] | None = None
        self._transport: Transport | None = None
        self._awaited: str | None = None
        self._answered = asyncio.Event()

    def start(self) -> None:
        """Connect to the mirror, and stay connected until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, data: bytes) -> None:
        """Add a frame. If there is no room, drop the oldest."""
        while not self._backlog.put(data):
            self._backlog.drop_oldest()
            self._drop()

    def _drop(self, count: int = 1) -> None:
        if count and not self._dropped:
            log.warning("%s: frames for %s are dropped", self._station.id, shown(self._mirror.url))
        self._dropped += count
        self._mirror.dropped += count

    async def _run(self) -> None:
        waits = self._dialler.backoff.waits()
        while True:
            try:
                ended = await self._dialler.dial(self._mirror.url, self._station, self._attach)
            except Exception as error:  # noqa: BLE001  any error may be temporary
                log.info("%s: mirror: %s", self._station.id, error)
            else:
                waits = self._dialler.backoff.waits()
                end = asyncio.ensure_future(ended)
                if self._transport is not None and await self._send_until(self._transport, end):
                    return
            await asyncio.sleep(next(waits))

    def _attach(self, subprotocol: str | None, transport: Transport) -> Receiver:
        if subprotocol != self._station.subprotocol:
            raise ConnectionLost(f"the mirror does not support {self._station.subprotocol}")
        self._transport = transport
        self._mirror.connections += 1
        return self

    async def _send_until(self, transport: Transport, end: asyncio.Future[None]) -> bool:
        """Send frames until the connection has ended; return whether there will be no more."""
        sending = asyncio.get_running_loop().create_task(self._send(transport))
        first: list[asyncio.Future[Any]] = [sending, end]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._mirror.connections -= 1
            sending.cancel()
        await asyncio.wait([sending])
        if not sending.cancelled() and sending.result():
            return True
        self._transport = None
        return False

    async def _send(self, transport: Transport) -> bool:
        boot = self._station.boot
        try:
            if boot is not None and boot not in self._backlog:
                await self._copy(transport, self._station.codec.peek(boot).reframe(next_id()))
            while (data := await self._backlog.get()) is not None:
                await self._copy(transport, data)
        except ConnectionLost:
            return False
        return True

    async def _copy(self, transport: Transport, data: bytes) -> None:
        head = self._station.codec.peek(data)
        self._awaited = head.message_id if head.message_type == CALL else None
        self._answered.clear()
        sent = False
        try:
            await transport.send(data)
            sent = True
        finally:
            if sent:
                self._mirror.sent += 1
            else:
                self._drop()
        if self._awaited is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), TIMEOUT)

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        """Drop an answer of the mirror; answer its own call with an error."""
        if late:
            return None
        codec = self._station.codec
        try:
            head = codec.peek(data)
        except DecodeError as error:
            self._end_call(error.message_id)
            return error.reply()
        if head.message_type != CALL:
            self._end_call(head.message_id)
            return None
        self._mirror.refused += 1
        return codec.encode(CallError(head.message_id, "NotSupported", READ_ONLY, {}))

    def _end_call(self, message_id: str | None) -> None:
        if message_id is not None and message_id == self._awaited:
            self._answered.set()

    def lost(self, reason: str = "") -> None:
        """Do nothing: the end of the connection is awaited."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, when the frames that are waiting are sent."""
        self._backlog.finish()
        if self._task is not None:
            if self._transport is not None:
                await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT)
            self._task.cancel()
            await asyncio.wait([self._task])
        self._drop(len(self._backlog))
        if self._dropped:
            problem = "%s: %d frames for %s were dropped"
            log.warning(problem, self._station.id, self._dropped, shown(self._mirror.url))
        if self._transport is not None:
            await self._transport.close(code, reason)

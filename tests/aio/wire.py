"""A WebSocket peer by hand, for what no library would do; and the two ends' usual handlers."""

import asyncio
import json
import socket
import struct
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from ocppj import v201

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, kind: int = TEXT, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it: masked, with a mask that changes nothing."""
    head = bytes([kind | 0x80 * fin])
    size = len(payload)
    if size < 126:
        head += bytes([size | 0x80])
    elif size < 2**16:
        head += struct.pack("!BH", 126 | 0x80, size)
    else:
        head += struct.pack("!BQ", 127 | 0x80, size)
    return head + bytes(4) + payload


class Raw:
    """A peer that does nothing on its own: it answers no ping and no close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.headers: dict[str, str] = {}
        self.status = 0

    async def handshake(self, path: str, headers: dict[str, str]) -> None:
        lines = {
            "Host": "localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version": "13",
            **headers,
        }
        request = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
        self.writer.write(("\r\n".join(request) + "\r\n\r\n").encode())
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        self.status = int(answer[0].split()[1])
        for line in filter(None, answer[1:]):
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def send(self, message: Any, kind: int = TEXT) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.writer.write(frame(data, kind))

    async def receive(self) -> tuple[int, bytes]:
        """Return the kind and the payload of the next frame."""
        kind, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return kind & 0xF, await self.reader.readexactly(size)

    async def message(self) -> Any:
        """Return the next message; let pings pass."""
        while True:
            kind, data = await self.receive()
            if kind == TEXT:
                return json.loads(data)
            assert kind == PING, (kind, data)

    async def close_code(self) -> int | None:
        """Return the code of the close that comes; `None` if the connection just ends."""
        try:
            while True:
                kind, data = await self.receive()
                if kind == CLOSE:
                    return int(struct.unpack("!H", data[:2])[0])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def ended(self) -> None:
        """Wait until the other side has ended the connection."""
        try:
            while await self.reader.read(2**16):
                pass
        except ConnectionError:
            pass

    def abort(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def dial(
    server: Any,
    path: str = "/ocpp/CS-1",
    headers: dict[str, str] | None = None,
    *,
    subprotocol: str | None = "ocpp2.0.1",
    buffer: int | None = None,
) -> AsyncIterator[Raw]:
    """Connect by hand; `buffer` is what the kernel may keep for a peer that does not read."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    raw = Raw(*await asyncio.open_connection(sock=sock, limit=buffer or 2**16))
    asked = {} if subprotocol is None else {"Sec-WebSocket-Protocol": subprotocol}
    try:
        await raw.handshake(path, {**asked, **(headers or {})})
        yield raw
    finally:
        raw.abort()


def password(user: str, secret: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(user.encode() + b":" + secret).decode()}


class Central:
    """A CSMS's handlers, which note what they get."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.gone = asyncio.Event()

    def on_connect(self, station: Any) -> None:
        self.events.append(("connect", station.id))

    def on_disconnect(self, station: Any) -> None:
        self.events.append(("disconnect", station.id))
        self.gone.set()

    def on_boot_notification(self, station: Any, request: Any) -> v201.BootNotificationResponse:
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(current_time=NOW, interval=300, status=status)

    async def on_heartbeat(self, station: Any, request: Any) -> v201.HeartbeatResponse:
        await asyncio.sleep(0)
        return v201.HeartbeatResponse(current_time=NOW)

    def on_data_transfer(self, station: Any, request: Any) -> Any:
        return v201.DataTransferResponse(status=v201.DataTransferStatusEnumType.ACCEPTED)


class Charger:
    """A charging station's handlers."""

    def on_unlock_connector(self, request: Any) -> v201.UnlockConnectorResponse:
        return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)

    async def on_clear_cache(self, request: Any) -> v201.ClearCacheResponse:
        await asyncio.sleep(0)
        return v201.ClearCacheResponse(status=v201.ClearCacheStatusEnumType.ACCEPTED)

    async def on_reset(self, request: Any) -> v201.ResetResponse:
        await asyncio.Event().wait()  # never
        raise AssertionError


class Gate(Charger):
    """Answers `Reset` when it may, and counts how many are asked at a time."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Any] = asyncio.Queue()
        self.free = asyncio.Semaphore(0)
        self.cancelled = asyncio.Event()

    async def on_reset(self, request: Any) -> Any:
        self.asked.put_nowait(request)
        try:
            await self.free.acquire()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return v201.ResetResponse(status=v201.ResetStatusEnumType.ACCEPTED)


BOOT = v201.BootNotificationRequest(
    reason=v201.BootReasonEnumType.POWER_UP,
    charging_station=v201.ChargingStationType(model="one", vendor_name="us"),
)
UNLOCK = v201.UnlockConnectorRequest(evse_id=1, connector_id=1)
RESET = v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE)
HEARTBEAT = [2, "h", "Heartbeat", {}]

"""A NATS client whose hot path is short: `nats.aio.client.Client` with a way around its queues.

nats-py parses each message by regular expressions, copies the rest of its buffer, decodes headers
and puts the message into the queue of a task: 21 us for a request and its reply on the machine of
`benchmarks/results`, 3.4 us here. Connecting, TLS, credentials and reconnecting are left to it.

What is used of its private parts is in this module alone; `tests/fleet/test_broker.py` fails if a
release of nats-py changes them.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from nats.aio.client import PING_PROTO
from nats.aio.client import Client as NatsClient
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from ocppj.errors import OcppError

__all__ = ["BrokerBusy", "BrokerError", "BrokerLost", "Callback", "Client"]

Callback: TypeAlias = Callable[[str, str, bytes, bytes], None]
"""Called with subject, reply subject (`""` if there is none), headers and payload."""

MAX_PENDING: Final = 8 * 2**20
"""Bytes that may wait for the broker to read them."""

MAX_LINE_SIZE: Final = 64 * 2**10
"""Bytes of a line of the protocol; the INFO of a cluster has some for each server."""

log: Final = logging.getLogger("ocppj.fleet")


class BrokerError(OcppError):
    """The broker cannot be used: it is not there, rejects us, or lacks what a fleet needs."""


class BrokerLost(BrokerError, ConnectionError):
    """There is no connection to the broker at the moment. Nothing was sent."""


class BrokerBusy(BrokerError):
    """The broker does not keep up, or too many requests are pending. Nothing was sent."""


class _Parser(Parser):
    """Hands messages of `Client.listen` to their callbacks; leaves everything else to nats-py.

    Attributes:
        busy: whether `parse` is at work.
        unread_size: bytes for `parse` that nats-py has not read yet.
    """

    nc: "Client"

    def reset(self) -> None:
        super().reset()
        self._unread = b""
        self.busy = False
        self.unread_size = 0

    async def parse(self, data: bytes = b"") -> None:
        """Handle what nats-py has read."""
        self.unread_size = max(self.unread_size - len(data), 0)
        data = self._unread + data if self._unread else data
        self.busy = True
        try:
            at, foreign = self._handle_messages(data)
            while foreign:
                end = data.find(b"\r\n", at)
                line = data[at:] if end < 0 else data[at : end + 2]
                if end < 0 or line.startswith((b"MSG ", b"HMSG ")):
                    raise ProtocolError(f"nats: malformed message: {line!r:.80}")
                # An INFO, a PING or an error. It may end the connection and reset this parser.
                self._unread = data[at + len(line) :]
                await super().parse(line)
                data = self._unread
                at, foreign = self._handle_messages(data)
            self._unread = data[at:]
        finally:
            self.busy = False

    def parse_at_once(self, data: bytes) -> bytes:
        """Handle messages as soon as they come; return the rest if `parse` has to go on with it."""
        data = self._unread + data if self._unread else data
        at, foreign = self._handle_messages(data)
        self._unread = b"" if foreign else data[at:]
        return data[at:] if foreign else b""

    def _handle_messages(self, data: bytes) -> tuple[int, bool]:
        """Call the callbacks of the messages that the data begins with.

        Returns:
            Where the rest begins, and whether it is something else than part of a message.
        """
        at, size, callbacks = 0, len(data), self.nc.callbacks
        while at < size:
            end = data.find(b"\r\n", at)
            if end < 0:
                return at, size - at > MAX_LINE_SIZE
            with_headers = data.startswith(b"HMSG ", at)
            if not with_headers and not data.startswith(b"MSG ", at):
                return at, True
            # MSG subject sid [reply] size, or HMSG subject sid [reply] header-size size
            parts = data[at:end].decode("utf-8", "replace").split()
            names = len(parts) - with_headers - 3
            try:
                start, sid, size_of_body = end + 2, int(parts[2]), int(parts[-1])
                size_of_headers = int(parts[-2]) if with_headers else 0
            except (IndexError, ValueError):
                names = 0
            if not 1 <= names <= 2 or not 0 <= size_of_headers <= size_of_body:
                return at, True
            body, stop = start + size_of_headers, start + size_of_body
            if stop + 2 > size:
                break
            at = stop + 2
            callback = callbacks.get(sid)
            if callback is None:  # unsubscribed meanwhile
                continue
            reply = parts[3] if names == 2 else ""
            try:
                callback(parts[1], reply, data[start:body], data[body:stop])
            except Exception:
                log.exception("a message to %.200s was not handled", parts[1])
        return at, False


class _Protocol:
    """Gets the bytes of a connection: messages go the short way, the rest to nats-py's protocol."""

    def __init__(self, parser: _Parser, behind: Any) -> None:
        self._parser = parser
        self._behind = behind
        self.connection_lost = behind.connection_lost
        self.eof_received = behind.eof_received
        self.pause_writing = behind.pause_writing
        self.resume_writing = behind.resume_writing

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if not parser.busy and not parser.unread_size:  # or it would come out of order
            data = parser.parse_at_once(data)
        if data:
            parser.unread_size += len(data)
            self._behind.data_received(data)


class Client(NatsClient):
    """A connection to NATS with subscriptions and messages that take the short way.

    Attributes:
        callbacks: subscription id -> what is called with its messages, from the reading task.
    """

    def __init__(self) -> None:
        super().__init__()
        self.callbacks: dict[int, Callback] = {}
        self._filters: dict[int, tuple[str, str]] = {}
        self._flushing = False
        self._socket: Any = None
        self._ps = _Parser(self)

    def listen(
        self, subject: str, callback: Callback, queue: str = "", *, keep: bool = True
    ) -> int:
        """Subscribe, and return the subscription's id.

        Args:
            subject: may have wildcards.
            callback: called with each message. It must not wait; what it raises is logged.
            queue: name of a queue group: each message goes to one of its members.
            keep: whether it is subscribed again after the connection was lost. If not, the
                subscription ends with the connection.
        """
        self._sid += 1
        sid: int = self._sid
        self.callbacks[sid] = callback
        if keep:
            self._filters[sid] = subject, queue
        if self.is_connected:
            self._subscribe(sid, subject, queue)
        return sid

    def _subscribe(self, sid: int, subject: str, queue: str) -> None:
        self._write(f"SUB {subject} {queue} {sid}\r\n".encode())

    def unsubscribe(self, sid: int) -> None:
        """Have the server send no more; messages on the way still reach the callback."""
        self._filters.pop(sid, None)
        if self.is_connected:
            self._write(b"UNSUB %d\r\n" % sid)

    def unlisten(self, sid: int) -> None:
        """End a subscription. Messages on the way are dropped."""
        if self.callbacks.pop(sid, None) is not None:
            self.unsubscribe(sid)

    def post(self, subject: str, payload: bytes, reply: str = "", headers: bytes = b"") -> None:
        """Publish a message; all that are posted in one turn of the event loop are sent at once.

        Raises:
            BrokerBusy: too much waits for the broker to read it.
            BrokerError: the message is larger than the broker allows.
            BrokerLost: there is no connection. Messages are never kept for the next one.
        """
        size = len(headers) + len(payload)
        if size > self.max_payload:
            raise BrokerError(f"a message of {size} bytes: the broker allows {self.max_payload}")
        if not self.is_connected:
            raise BrokerLost("there is no connection to the broker")
        if self._pending_data_size > MAX_PENDING:
            raise BrokerBusy(f"{self._pending_data_size} bytes wait for the broker to read them")
        if headers:
            line = f"HPUB {subject} {reply} {len(headers)} {size}\r\n".encode()
        else:
            line = f"PUB {subject} {reply} {size}\r\n".encode()
        self._write(b"".join((line, headers, payload, b"\r\n")))

    def _write(self, command: bytes) -> None:
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._kick)

    def _kick(self) -> None:
        """Send what is pending. While the broker does not read, nats-py's flusher waits for it."""
        self._flushing = False
        queue = self._flush_queue
        if not self.is_connected or queue is None:
            return
        if self._socket is not None and not self._socket.get_write_buffer_size():
            self._send(self._pending)
        elif queue.empty():
            queue.put_nowait(asyncio.get_running_loop().create_future())

    def _send(self, commands: list[bytes]) -> None:
        transport: Any = self._transport
        transport.writelines(commands)
        self._pending.clear()
        self._pending_data_size = 0

    async def settle(self, timeout: float) -> None:
        """Wait until the broker has seen all that was posted so far.

        Raises:
            BrokerLost: there is no connection, or no answer within `timeout` seconds.
        """
        if not self.is_connected or self._transport is None:
            raise BrokerLost("there is no connection to the broker")
        pong: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self._send([*self._pending, PING_PROTO])
        # It is not cancelled: nats-py sets the result of whatever comes first in its list.
        done, _ = await asyncio.wait({pong}, timeout=timeout)
        if not done:
            raise BrokerLost("the broker does not answer")

    async def _connect_to_server(self, s: Any) -> None:
        # nats-py leaves the last attempt's transport open.
        transport: Any = self._transport
        if transport is not None:
            transport.close()
        await super()._connect_to_server(s)
        connected: Any = self._transport
        # Before CPython 3.12.9 and 3.13.2, asyncio's own `writelines` knows no back-pressure
        # (CVE-2024-12254): what a broker does not read would pile up.
        connected.writelines = lambda lines: connected.write(b"".join(lines))

    async def _process_connect_init(self) -> None:
        await super()._process_connect_init()
        # TLS is there too, by now. A WebSocket has no stream: then nats-py reads and writes alone.
        writer = getattr(self._transport, "_io_writer", None)
        self._socket = None if writer is None else writer.transport
        if self._socket is not None:
            parser: Any = self._ps
            self._socket.set_protocol(_Protocol(parser, self._socket.get_protocol()))
        # Before anybody else can send a request: its reply would go to a subscription of the last
        # connection.
        for sid, (subject, queue) in self._filters.items():
            self._subscribe(sid, subject, queue)

    async def dial(self, url: str | list[str], settings: Mapping[str, Any]) -> None:
        """Connect, or fail at the first error. A connection that is lost later is made again."""
        self._server_pool.clear()
        first: dict[str, Any] = {"allow_reconnect": False, "max_reconnect_attempts": 1}
        try:
            await self.connect(url, **{**settings, **first})
        except BaseException:
            transport: Any = self._transport
            if transport is not None:
                transport.close()
            raise
        self.options |= {"allow_reconnect": True, "max_reconnect_attempts": -1}

    def forget(self) -> None:
        """Drop what was not sent before the connection was lost, and subscriptions not kept."""
        self._pending.clear()
        self._pending_data_size = 0
        for sid in self.callbacks.keys() - self._filters.keys():
            del self.callbacks[sid]

    @property
    def info(self) -> dict[str, Any]:
        """What the server says of itself."""
        info: dict[str, Any] = self._server_info
        return info

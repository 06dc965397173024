"""Connections that are accepted but have not sent a complete request.

Owns them and their TLS handshakes, so that a closing listener can drop them. An event loop does not
report a connection before its TLS handshake is complete. Knows no WebSocket library.
"""

import asyncio
import logging
import socket
from ssl import SSLContext
from typing import Any, Final

__all__ = ["HalfOpen"]

log: Final = logging.getLogger("ocppj.aio")


class HalfOpen:
    """The half-open connections of one listener.

    Args:
        ssl: the context for TLS; `None`: no TLS. The listener itself must not get it.
        timeouts: `ssl_handshake_timeout` and `ssl_shutdown_timeout`, seconds.

    Raises:
        TypeError: the context is not an `ssl.SSLContext`.
    """

    def __init__(self, ssl: SSLContext | None, **timeouts: Any) -> None:
        if not isinstance(ssl, SSLContext | None):
            raise TypeError(f"ssl={ssl!r}: use an ssl.SSLContext")
        self._ssl = ssl
        self._timeouts = timeouts
        self._transports: set[asyncio.Transport] = set()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._dropped = False

    def add(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> bool:
        """Add a connection when its `connection_made` is called.

        Returns:
            Whether the protocol may use the transport. If not, the connection has ended, or
            `connection_made` is called again when the TLS handshake is complete.
        """
        plain = transport.get_extra_info("ssl_object") is None
        if not self._dropped and (self._ssl is None or not plain):
            self._transports.add(transport)
            return True
        transport.set_protocol(asyncio.Protocol())
        try:
            if not self._dropped:
                self._start_tls(transport.get_extra_info("socket"), protocol)
        except OSError as error:  # no more file descriptors
            log.debug("cannot start TLS: %s", error)
        finally:
            transport.abort()
        return False

    def _start_tls(self, accepted: Any, protocol: asyncio.BaseProtocol) -> None:
        # The transport has read nothing, and ends. Another one takes over the duplicated socket.
        # `loop.start_tls` would come too late on uvloop, which starts to read by itself.
        again = socket.fromfd(accepted.fileno(), accepted.family, accepted.type)
        task = asyncio.get_running_loop().create_task(self._secure(again, protocol))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _secure(self, accepted: socket.socket, protocol: asyncio.BaseProtocol) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._ssl, **self._timeouts
            )
        except OSError as error:
            log.debug("TLS handshake failed: %s", error)

    def discard(self, transport: asyncio.Transport) -> None:
        """Remove a connection that is no longer half-open."""
        self._transports.discard(transport)

    def drop(self) -> None:
        """End all half-open connections, and any that are added later."""
        self._dropped = True
        for handshake in self._handshakes:
            handshake.cancel()
        for transport in self._transports:
            transport.abort()

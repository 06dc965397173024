"""Listening sockets that survive a lack of file descriptors.

Owns how connections are accepted. Knows no WebSocket library.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final, TypeVar

__all__ = ["ListeningSocket", "listen"]

LOG_INTERVAL: Final = 60.0
"""Minimum number of seconds between two identical log lines."""

S = TypeVar("S", bound=Any)
log: Final = logging.getLogger("ocppj.aio")


class ListeningSocket(socket.socket):
    """A listening socket that closes new connections while the process can open no more files.

    Otherwise they stay in the queue and the event loop tries to accept them again and again:
    asyncio logs hundreds of errors a second; aiofastnet, which picows uses, ten thousand, and does
    nothing else. On uvloop without aiofastnet, libuv does the same as this class.
    """

    __slots__ = ("_logged_at", "_spare")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._logged_at = -LOG_INTERVAL
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Without a free file descriptor, close it instead."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._spare < 0:
                raise
            self._close_new(error)
            raise BlockingIOError from None  # nothing to accept

    def _close_new(self, error: OSError) -> None:
        os.close(self._spare)
        self._spare = -1
        with suppress(OSError):
            super().accept()[0].close()
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)
        if monotonic() - self._logged_at > LOG_INTERVAL:
            self._logged_at = monotonic()
            log.error("new connections are closed: %s", error.strerror)

    def close(self) -> None:
        """Close the socket."""
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


async def _bound_sockets(
    host: str | Sequence[str] | None, port: int, options: dict[str, Any]
) -> list[ListeningSocket]:
    """Return a socket for each address that is bound.

    Args:
        host: address or addresses; all by default.
        port: 0 lets the system choose.
        options: options of `loop.create_server`. Those about binding are removed.
    """
    names = ("family", "flags", "reuse_address", "reuse_port", "sock")
    binding = {name: options.pop(name) for name in names if name in options}
    if "sock" not in binding:
        binding |= {"host": host, "port": port}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, start_serving=False, **binding)
    found = [
        ListeningSocket(fileno=socket.fromfd(one.fileno(), one.family, one.type).detach())
        for one in server.sockets
    ]
    server.close()
    return found


async def listen(
    host: str | Sequence[str] | None,
    port: int,
    options: dict[str, Any],
    serve: Callable[[ListeningSocket], Awaitable[S]],
) -> list[S]:
    """Return a server for each address that is bound. If one fails, close all.

    Args:
        host: address or addresses; all by default.
        port: 0 lets the system choose.
        options: options of `loop.create_server`. Those about binding are removed.
        serve: starts a server on a socket.
    """
    sockets = await _bound_sockets(host, port, options)
    servers: list[S] = []
    try:
        for bound in sockets:
            servers.append(await serve(bound))  # noqa: PERF401  if one fails, the others are closed
    except BaseException:
        for each in (*servers, *sockets):
            each.close()
        raise
    return servers

"""Listening sockets that get along without free file descriptors.

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

__all__ = ["Door", "listen"]

QUIET: Final = 60.0
"""Seconds between two lines in the log that say the same."""

S = TypeVar("S", bound=Any)
log: Final = logging.getLogger("ocppj.aio")


class Door(socket.socket):
    """Turns connections away as long as the process may open no more files.

    Otherwise they stay in the queue and the event loop tries to accept them again: asyncio logs
    hundreds of errors a second, aiofastnet (which picows uses) ten thousand and does nothing else.
    On uvloop without aiofastnet, libuv does what is done here.
    """

    __slots__ = ("_said", "_spare")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._said = -QUIET
        self._spare = os.open(os.devnull, os.O_RDONLY)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; say that there is none where it had to be turned away."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._spare < 0:
                raise
            self._turn_away(error)
            raise BlockingIOError from None  # there is nobody to be accepted

    def _turn_away(self, error: OSError) -> None:
        os.close(self._spare)
        self._spare = -1
        with suppress(OSError):
            super().accept()[0].close()
        with suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)
        if monotonic() - self._said > QUIET:
            self._said = monotonic()
            log.error("connections are turned away: %s", error.strerror)

    def close(self) -> None:
        """Close it."""
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


async def _doors(
    host: str | Sequence[str] | None, port: int, options: dict[str, Any]
) -> list[Door]:
    """Return sockets that are bound to an address.

    Args:
        host: address or addresses; all by default.
        port: 0 lets the system choose.
        options: of `loop.create_server`; those that are about binding are taken out.
    """
    names = ("family", "flags", "reuse_address", "reuse_port", "sock")
    binding = {name: options.pop(name) for name in names if name in options}
    if "sock" not in binding:
        binding |= {"host": host, "port": port}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, start_serving=False, **binding)
    found = [
        Door(fileno=socket.fromfd(one.fileno(), one.family, one.type).detach())
        for one in server.sockets
    ]
    server.close()
    return found


async def listen(
    host: str | Sequence[str] | None,
    port: int,
    options: dict[str, Any],
    serve: Callable[[Door], Awaitable[S]],
) -> list[S]:
    """Return a server for each socket that is bound to an address; all or none.

    Args:
        host: address or addresses; all by default.
        port: 0 lets the system choose.
        options: of `loop.create_server`; those that are about binding are taken out.
        serve: starts a server on a socket.
    """
    doors = await _doors(host, port, options)
    servers: list[S] = []
    try:
        for door in doors:
            servers.append(await serve(door))  # noqa: PERF401  those that serve are closed again
    except BaseException:
        for each in (*servers, *doors):
            each.close()
        raise
    return servers

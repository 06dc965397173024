"""ASGI servers on real sockets, in the event loop of the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest

from ocppj.aio import CSMS
from tests.aio.ends import End

__all__ = ["SERVERS", "AsgiEnd", "Served", "hypercorn", "uvicorn"]

LISTEN_OPTIONS = ("known", "authenticate", "path_parameter", "send_timeout")


@dataclass(frozen=True)
class Served:
    """An application that is served."""

    port: int
    application: Any = None

    async def close(self, *, grace: float = 5.0) -> None:
        await self.application.close(grace=grace)


def _bound() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen()  # a server may be slow to do so
    return sock


@asynccontextmanager
async def uvicorn(application: Any, **options: Any) -> AsyncIterator[Served]:
    """Serve with uvicorn: what its `serve` does, without its main loop of 0.1 s."""
    library = pytest.importorskip("uvicorn")
    settings = {"log_config": None, "lifespan": "on", "http": "h11", **options}
    config = library.Config(application, **settings)
    config.load()
    server = library.Server(config)
    server.lifespan = config.lifespan_class(config)
    sock = _bound()
    await server.startup(sockets=[sock])
    try:
        yield Served(sock.getsockname()[1], application)
    finally:
        await server.shutdown(sockets=[sock])


@asynccontextmanager
async def hypercorn(application: Any, **options: Any) -> AsyncIterator[Served]:
    """Serve with hypercorn."""
    library = pytest.importorskip("hypercorn.asyncio")
    config = pytest.importorskip("hypercorn").Config()
    sock = _bound()
    port = sock.getsockname()[1]
    config.bind = [f"fd://{sock.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 0.2
    for name, value in options.items():
        setattr(config, name, value)
    over = asyncio.Event()
    serving = asyncio.create_task(library.serve(application, config, shutdown_trigger=over.wait))
    try:
        yield Served(port, application)
    finally:
        over.set()
        await serving


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Served]]
SERVERS: dict[str, Serve] = {"uvicorn": uvicorn, "hypercorn": hypercorn}


@dataclass(frozen=True)
class AsgiEnd(End):
    """A CSMS as an ASGI application under a server; stations are on `websockets`."""

    serve: Serve = uvicorn

    def listen(self, csms: CSMS, **options: Any) -> Any:
        ours = {name: options.pop(name) for name in LISTEN_OPTIONS if name in options}
        return self.serve(csms.asgi(**ours), **options)

    def connect(self, station: Any, server: Any, **options: Any) -> Any:
        url = f"ws://127.0.0.1:{server.port}/ocpp"
        return station.connect(url, **{"backoff": None, **options})

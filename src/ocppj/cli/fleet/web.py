"""Serves the command API and the operator's page, alone or beside a gateway."""

import argparse
import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn

from ocppj.aio import Directory
from ocppj.cli.fleet.service import Unusable, broker, serve, stopped
from ocppj.cli.options import OK
from ocppj.cli.terminal import print_lines
from ocppj.fleet import Fleet
from ocppj.web import Monitor, Tokens, application

__all__ = ["run", "site"]

GRACE: Final = 2
"""Seconds that requests and streams have to end."""


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj web`."""
    return serve(lambda: _serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    async with (
        stopped() as stop,
        broker(arguments, "web") as connected,
        Fleet(connected) as fleet,
        site(arguments, fleet, ready=lambda: connected.connected),
    ):
        await stop.wait()
    return OK


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def site(
    arguments: argparse.Namespace,
    directory: Directory,
    monitor: Monitor | None = None,
    ready: Callable[[], bool] | None = None,
) -> AsyncIterator[None]:
    """Serve a directory at `--http` as long as the context lasts, if the option is given.

    Raises:
        Unusable: it cannot listen there, or tokens are missing or not valid.
    """
    if arguments.http is None:
        yield
        return
    app = application(directory, tokens=_tokens(arguments), monitor=monitor, ready=ready)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE)
    with _listening(arguments) as sock:
        host, port = sock.getsockname()[:2]
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        print_lines(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        sys.stdout.flush()
        try:
            yield
        finally:
            server.should_exit = True
            await serving


def _listening(arguments: argparse.Namespace) -> socket.socket:
    host, port = arguments.http
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unusable(
            f"cannot listen on {host}, port {port}: {error.strerror or error}"
        ) from error


def _tokens(arguments: argparse.Namespace) -> Tokens | None:
    if arguments.http_tokens is None:
        if not arguments.http.is_local:
            raise Unusable(
                f"{arguments.http.host} can be reached from other machines: give --http-tokens FILE"
            )
        return None
    try:
        return Tokens.from_file(arguments.http_tokens)
    except (OSError, ValueError) as error:
        raise Unusable(f"--http-tokens: {error}") from error

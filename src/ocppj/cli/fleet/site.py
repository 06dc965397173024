"""Serves the command API and the operator's page: `--http`."""

import argparse
import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn

from ocppj.aio import Directory
from ocppj.cli.fleet.service import Unusable
from ocppj.cli.fleet.telemetry import NOTHING, Watched, tracer
from ocppj.cli.terminal import print_lines
from ocppj.web import Tokens, application

__all__ = ["site"]

GRACE: Final = 2
"""Seconds that requests and streams have to end."""


class _Server(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def site(
    arguments: argparse.Namespace,
    directory: Directory,
    seen: Watched = NOTHING,
    *,
    ready: Callable[[], bool] | None = None,
    say: Callable[[str], None] = print_lines,
) -> AsyncIterator[None]:
    """Serve a directory at `--http` as long as the context lasts, if the option is given.

    Args:
        arguments: of the command.
        directory: see `application`.
        seen: what watches the stations.
        ready: see `application`.
        say: is told the address.

    Raises:
        Unusable: it cannot listen there, or tokens are missing or not valid.
    """
    if arguments.http is None:
        yield
        return
    app: Any = application(
        directory,
        tokens=_tokens(arguments),
        monitor=seen.monitor,
        ready=ready,
        metrics=seen.exposed,
    )
    if (tracing := tracer()) is not None:
        app = tracing.http(app)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE)
    with _listening(arguments) as sock:
        host, port = sock.getsockname()[:2]
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        say(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
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

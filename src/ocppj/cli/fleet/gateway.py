"""Runs `ocppj gateway`: a node of a fleet, or one process without a broker."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from ocppj.aio import CSMS
from ocppj.aio.node import Node
from ocppj.aio.transport import load
from ocppj.catalog import Version
from ocppj.cli.demo.recording import RecordingError, recording
from ocppj.cli.fleet.processes import run_processes
from ocppj.cli.fleet.service import (
    Unusable,
    broker,
    load_handlers,
    load_object,
    serve,
    stopped,
    tls_server,
)
from ocppj.cli.fleet.telemetry import tracer, watched
from ocppj.cli.options import ALL_VERSIONS, OK, UNUSABLE
from ocppj.cli.terminal import print_error, print_lines
from ocppj.codec import Codec

__all__ = ["run"]

GRACE: Final = 10.0
"""Seconds that workers have for what stations have called before they are closed."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        ModuleNotFoundError: the transport's library is not installed.
    """
    load(arguments.transport)
    if arguments.processes > 1:
        if arguments.http is not None or arguments.record is not None:
            print_error("--http and --record need one process; for all see `ocppj web`")
            return UNUSABLE
        return run_processes(arguments)
    return serve(lambda: _serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(stopped())
        try:
            recorder = stack.enter_context(recording(arguments.record))
        except RecordingError as error:
            raise Unusable(str(error)) from error
        codecs, handlers = _codecs(arguments)
        seen = watched(arguments, codecs.values(), recorder)
        making = _node(arguments, codecs, handlers, tap=seen.tap, metrics=seen.metrics)
        node = await stack.enter_async_context(making)
        options: dict[str, Any] = {
            name: load_object(value)
            for name in ("known", "authenticate")
            if (value := getattr(arguments, name)) is not None
        }
        if arguments.shared_port:
            options["reuse_port"] = True
        context = tls_server(arguments.tls_cert)
        listening = node.listen(
            arguments.host,
            arguments.port,
            transport=arguments.transport,
            ssl=context,
            **options,
        )
        try:
            server = await listening.__aenter__()
        except OSError as error:
            where = f"{arguments.host}, port {arguments.port}"
            raise Unusable(f"cannot listen on {where}: {error.strerror or error}") from error
        try:
            _announce(arguments, node, server.port, "ws" if context is None else "wss")
            if seen.monitor is not None:
                from ocppj.cli.fleet.site import site  # noqa: PLC0415  needs the extra web

                def ready() -> bool:
                    return getattr(node, "ready", True)

                await stack.enter_async_context(site(arguments, node, seen, ready=ready))
            await stop.wait()
            if arguments.nats is not None:
                drain: Any = getattr(node, "drain")  # noqa: B009  of a Gateway
                await drain(rate=arguments.drain, grace=GRACE)
        finally:
            await listening.__aexit__(*sys.exc_info())
    return OK


def _announce(arguments: argparse.Namespace, node: Node, port: int, scheme: str) -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    node_id = getattr(node, "node", None)
    name = "one process, no broker" if node_id is None else f"node {node_id}"
    print_lines(f"{name}: listening at {scheme}://{host}:{port}")
    if arguments.authenticate is None and arguments.host not in {"127.0.0.1", "::1", "localhost"}:
        print_lines("any station may connect: see --authenticate")
    sys.stdout.flush()


def _codecs(
    arguments: argparse.Namespace,
) -> tuple[dict[str, Codec], dict[str, object] | None]:
    """Return OCPP version -> codec, and the handlers, if there are any here.

    Raises:
        Unusable: nobody would answer, or an option is not valid.
    """
    if arguments.nats is None and arguments.handlers is None:
        raise Unusable("nobody would answer: give --nats URL, or --handlers MODULE:NAME")
    handlers = None
    versions = arguments.versions
    if arguments.handlers is not None:
        handlers = load_handlers(arguments.handlers, versions)
        versions = versions or list(handlers)
    names = [Version.named(name).name for name in versions or ALL_VERSIONS]
    return {name: Codec(name, policy=arguments.policy) for name in names}, handlers


@asynccontextmanager
async def _node(
    arguments: argparse.Namespace,
    codecs: dict[str, Codec],
    handlers: dict[str, object] | None,
    **seen_by: Any,
) -> AsyncIterator[Node]:
    """Yield what holds the stations."""
    try:
        if arguments.nats is None:
            yield CSMS(
                handlers or {},
                codecs=codecs,
                duplicates=arguments.duplicates,
                max_handshakes=arguments.max_handshakes,
                tracing=tracer(),
                **seen_by,
            )
            return
        from ocppj.fleet import Gateway  # noqa: PLC0415  without a broker nats-py is not needed

        async with broker(arguments, "gateway") as connected:
            yield Gateway(
                codecs,
                connected,
                handlers=handlers,
                codecs=codecs,
                stored=arguments.stored,
                duplicates=arguments.duplicates,
                name=arguments.name,
                max_handshakes=arguments.max_handshakes,
                **seen_by,
            )
    except (TypeError, ValueError) as error:
        raise Unusable(str(error)) from error

"""What services share: the broker, handlers by name, and an end by signal."""

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ocppj.catalog import Version
from ocppj.cli.fleet.telemetry import tracer
from ocppj.cli.options import UNUSABLE
from ocppj.cli.terminal import print_error
from ocppj.errors import OcppError

if TYPE_CHECKING:
    from ocppj.fleet import Broker

__all__ = ["Unusable", "broker", "load_handlers", "load_object", "serve", "stopped", "tls_server"]

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Unusable(Exception):
    """The command cannot be run: the text says why."""


def serve(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command, and say on stderr what keeps it from working."""
    logging.basicConfig(level=logging.INFO, format=FORMAT, stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # a line for each connection
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main())
    except (OcppError, Unusable) as error:  # the broker's errors are ours
        print_error(str(error))
        return UNUSABLE


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  of the extra picows
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


@asynccontextmanager
async def broker(arguments: argparse.Namespace, name: str) -> "AsyncIterator[Broker]":
    """Connect to the broker that the options name.

    Raises:
        BrokerError: it cannot be used.
        Unusable: an option is not valid.
    """
    from ocppj.fleet import connect  # noqa: PLC0415  a process without a broker needs no nats-py

    urls = arguments.nats.split(",")
    options: dict[str, Any] = {"inbox_prefix": arguments.inbox, "name": f"ocppj {name}"}
    try:
        connecting = connect(
            urls,
            prefix=arguments.prefix,
            credentials=arguments.nats_creds,
            tls=_tls(arguments),
            tracing=tracer(),
            **options,
        )
        made = await connecting.__aenter__()
    except (OSError, ValueError) as error:
        raise Unusable(str(error)) from error
    try:
        yield made
    finally:
        await connecting.__aexit__(None, None, None)


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.nats_ca is None and arguments.nats_cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=arguments.nats_ca)
        if arguments.nats_cert is not None:
            context.load_cert_chain(arguments.nats_cert)
    except OSError as error:
        raise Unusable(f"the certificates for the broker cannot be used: {error}") from error
    return context


def tls_server(path: str | None) -> ssl.SSLContext | None:
    """Return a context for a server with a certificate and its key.

    Raises:
        Unusable: the file is not one.
    """
    if path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(path)
    except OSError as error:
        raise Unusable(f"{path}: {error}") from error
    return context


def load_object(name: str) -> Any:
    """Return what `module:name` names.

    Raises:
        Unusable: there is no such thing.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise Unusable(f"{name!r}: use MODULE:NAME")
    if os.getcwd() not in sys.path:  # noqa: PTH109  sys.path has strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109  sys.path has strings
    try:
        found: Any = import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Unusable(f"{name}: {error}") from error
    return found


def load_handlers(name: str, versions: list[str] | None) -> dict[str, object]:
    """Return OCPP version -> handler.

    Args:
        name: `module:name` of a mapping, of a handler, or of what returns one.
        versions: which of the versions, or of which version the handler is.

    Raises:
        Unusable: there is no such thing, or it is not of these versions.
    """
    found = load_object(name)
    if callable(found) and not isinstance(found, Mapping):
        try:
            found = found()
        except TypeError as error:
            raise Unusable(f"{name}: {error}") from error
    if not isinstance(found, Mapping):
        if not versions or len(versions) != 1:
            raise Unusable(f"{name} is one handler: say for which version with --version")
        return {versions[0]: found}
    try:
        handlers = {Version.named(version).name: handler for version, handler in found.items()}
    except (TypeError, ValueError) as error:
        raise Unusable(f"{name}: {error}") from error
    missing = [version for version in versions or () if version not in handlers]
    if missing:
        raise Unusable(f"{name} has no handler for OCPP {missing[0]}")
    return {version: handlers[version] for version in versions or handlers}


@asynccontextmanager
async def stopped() -> AsyncIterator[asyncio.Event]:
    """Return an event that SIGTERM sets."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows
        loop.add_signal_handler(signal.SIGTERM, event.set)
    try:
        yield event
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)

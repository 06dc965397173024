"""How a process connects to NATS."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ocppj.aio.tracing import Tracing
from ocppj.fleet.broker import CONNECT_TIMEOUT, RECONNECT_WAIT, Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.subjects import Subjects

__all__ = ["connect"]

PING_INTERVAL: Final = 3
"""Seconds between pings to the broker; a connection that misses two is given up."""


@asynccontextmanager
async def connect(
    url: str | list[str] = "nats://127.0.0.1:4222",
    *,
    prefix: str = "ocpp",
    name: str | None = None,
    credentials: str | None = None,
    tls: ssl.SSLContext | None = None,
    inbox_prefix: str = "_INBOX",
    replicas: int = 1,
    tracing: Tracing | None = None,
    **options: Any,
) -> AsyncIterator[Broker]:
    """Connect to NATS as long as the context lasts.

    A connection that is lost is made again. Until then requests fail at once: nothing is kept to be
    sent later.

    Args:
        url: of the server, or of several of a cluster: `nats://host:4222` or `tls://host:4222`,
            with `user:password@` or `token@` before the host.
        prefix: of the fleet's subjects, buckets and stream.
        name: of this connection, in the server's monitoring.
        credentials: path of a `.creds` file.
        tls: context for TLS.
        inbox_prefix: of the subjects on which replies come. Users who may not read each other's
            replies need one each.
        replicas: of the buckets and the stream, where they do not exist yet; 3 in a cluster.
        tracing: makes a span of each call of gateways, workers and fleets on this connection, and
            passes traces on between them: see `ocppj.aio.opentelemetry`.
        options: of `nats.connect`, such as `user`, `password`, `token` and `nkeys_seed`.

    Raises:
        BrokerError: the server cannot be reached, rejects us, is older than 2.9, or has no
            JetStream.
        ValueError: the prefix is not valid.
    """
    if credentials is not None:
        _check_credentials(credentials)
    settings: dict[str, Any] = {
        "name": name,
        "tls": tls,
        "user_credentials": credentials,
        "inbox_prefix": inbox_prefix,
        "connect_timeout": CONNECT_TIMEOUT,
        "reconnect_time_wait": RECONNECT_WAIT,
        "ping_interval": PING_INTERVAL,
        "pending_size": 0,  # nothing is kept while there is no connection
    }
    broker = Broker(url, Subjects(prefix), replicas, tracing, settings | options)
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()


def _check_credentials(path: str) -> None:
    """Check that a file has credentials: nats-py would look for them for ever."""
    if find_spec("nkeys") is None:
        raise BrokerError("nkeys is not installed: pip install 'ocppj[nats]'")
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise BrokerError(f"cannot read the credentials: {error}") from error
    if not all(mark in text for mark in (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")):
        raise BrokerError(f"{path} is not a .creds file: it has no user JWT and nkey seed")

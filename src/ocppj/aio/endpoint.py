"""What the connections of one endpoint share: an engine for each version that is offered.

Owns the settings of an endpoint. Knows no connection and no WebSocket library.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ocppj.aio.metrics import Metrics
from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.handlers import Handlers
from ocppj.session import Role

__all__ = ["Endpoint", "endpoints"]

MAX_WAITING: Final = 64
MAX_HANDLING: Final = 16
"""What an endpoint has unless it is told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What all connections of one endpoint and version share.

    Attributes:
        codec: of the version.
        role: our side.
        handlers: what answers the peer's calls.
        timeout: seconds for the answer to a call of ours.
        max_waiting: so many calls of ours may wait for their turn, for each connection.
        max_handling: so many calls of the peer are handled at a time, for each connection; a peer
            that keeps to OCPP never has more than one.
        metrics: is told of each frame, if given.
        on_connect: is called with each new connection, if given; may be async.
        on_disconnect: is called with each connection that has ended, if given; may be async.
        background: what is still at work for connections that have ended.
    """

    codec: Codec
    role: Role
    handlers: Handlers
    timeout: float
    max_waiting: int
    max_handling: int
    metrics: Metrics | None
    on_connect: Callable[[Any], Any] | None
    on_disconnect: Callable[[Any], Any] | None
    background: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, minimum in (("timeout", 0.001), ("max_waiting", 0), ("max_handling", 1)):
            if not getattr(self, name) >= minimum:
                raise ValueError(f"{name}={getattr(self, name)!r}: use {minimum} or more")

    async def wait_background(self, grace: float) -> None:
        """Wait so many seconds at most for what is at work in the background."""
        if self.background:
            await asyncio.wait(set(self.background), timeout=grace)


HOOKS: Final = ("on_connect", "on_disconnect")


def endpoints(
    handlers: Mapping[str, object], codecs: Mapping[str, Codec] | None, role: Role, **shared: Any
) -> dict[str, Endpoint]:
    """Return an engine for each version that is offered, by its WebSocket subprotocol.

    Args:
        handlers: version -> handler object.
        codecs: version -> codec, where it is not the plain one.
        role: our side.
        shared: the rest of what an engine has.

    Raises:
        TypeError: a handler is a class.
        ValueError: there is no such version, none at all, or a method that belongs to no action
            or to one that the other side receives.
    """
    if not handlers:
        raise ValueError('no version is offered: give handlers for one, such as {"2.0.1": ...}')
    custom_codecs = {Version.named(name): codec for name, codec in (codecs or {}).items()}
    by_subprotocol = {}
    for name, handler in handlers.items():
        version = Version.named(name)
        codec = custom_codecs.pop(version, None) or Codec(version.name)
        if codec.version != version.name:
            raise ValueError(f"the codec for {name} is one for {codec.version}")
        if version.subprotocol in by_subprotocol:
            raise ValueError(f"two handlers for OCPP {version.name}")
        by_subprotocol[version.subprotocol] = Endpoint(
            codec=codec,
            role=role,
            handlers=Handlers(handler, codec, HOOKS, role=role),
            on_connect=getattr(handler, "on_connect", None),
            on_disconnect=getattr(handler, "on_disconnect", None),
            **shared,
        )
    if custom_codecs:
        raise ValueError(f"a codec for {next(iter(custom_codecs)).name}, which has no handlers")
    return by_subprotocol

"""What the connections of one endpoint share: an `Endpoint` for each version offered.

Owns the settings of an endpoint. Knows no connection and no WebSocket library.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from ocppj.aio.metrics import Metrics
from ocppj.aio.rate import check_rate
from ocppj.aio.tap import Tap
from ocppj.aio.tracing import Tracing
from ocppj.catalog import Version
from ocppj.codec import Codec
from ocppj.frames import Call, Send
from ocppj.handlers import Handlers, OnError
from ocppj.session import Role, Session

__all__ = ["Endpoint", "HandlerResponder", "Responder", "by_subprotocol", "endpoints"]

MAX_WAITING: Final = 64
"""Default maximum number of queued calls to one peer."""

MAX_HANDLING: Final = 16
"""Default maximum number of calls of one peer that are handled at a time."""

HOOKS: Final = ("on_connect", "on_disconnect")
T = TypeVar("T")


class Responder(Protocol):
    """Answers the peer's calls: handlers in this process, or a worker elsewhere."""

    def answer(
        self, session: Session, call: Call[Any], data: bytes, owner: Any, on_error: OnError, /
    ) -> bytes | Awaitable[bytes]:
        """Return the frame that answers a call, or an awaitable of it.

        Args:
            session: which received the call. Its `reply` or `fail` makes the frame.
            call: the call.
            data: the call as received.
            owner: `owner` of the connection's link: the `Station` at a CSMS.
            on_error: reports an error that the peer is not told about.
        """

    def notify(
        self, send: Send[Any], data: bytes, owner: Any, on_error: OnError
    ) -> Awaitable[None] | None:
        """Handle a SEND, which is never answered.

        Returns:
            An awaitable if there is something left to wait for.
        """


class HandlerResponder:
    """Answers calls by the methods of a handler object.

    Args:
        handlers: the methods.
        with_owner: whether a method takes the connection's owner before the request.
    """

    __slots__ = ("_handlers", "_with_owner", "answer")

    answer: Callable[[Session, Call[Any], bytes, Any, OnError], bytes | Awaitable[bytes]]
    """See `Responder.answer`."""

    def __init__(self, handlers: Handlers, *, with_owner: bool) -> None:
        self._handlers = handlers
        self._with_owner = with_owner
        self.answer = handlers.answer_for if with_owner else self._answer_without_owner

    def _answer_without_owner(
        self,
        session: Session,
        call: Call[Any],
        data: bytes,  # noqa: ARG002  the decoded call is enough
        owner: Any,  # noqa: ARG002  as `with_owner` says
        on_error: OnError,
    ) -> bytes | Awaitable[bytes]:
        return self._handlers.answer(session, call, (), on_error)

    def notify(
        self,
        send: Send[Any],
        data: bytes,  # noqa: ARG002  the decoded message is enough
        owner: Any,
        on_error: OnError,
    ) -> Awaitable[None] | None:
        """Call the method for a SEND."""
        context = (owner,) if self._with_owner else ()
        return self._handlers.notify(send, context, on_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Settings shared by all connections of one endpoint and version.

    Attributes:
        codec: of the version.
        role: our side.
        responder: answers the peer's calls.
        timeout: seconds to wait for the response to a call of ours.
        max_waiting: maximum number of queued calls of ours, for each connection.
        max_handling: maximum number of calls of the peer handled at a time, for each connection.
            A peer that conforms to OCPP never has more than one.
        max_frames: maximum number of frames per second of one peer, on average; `None`: no limit.
            See `ocppj.aio.throttle`.
        metrics: counts each frame, if given; from `ocppj.aio.tap.observed` if there is a tap.
        tap: gets each frame, if given.
        tracing: makes a span of each call, if given.
        on_connect: called with the owner of each new connection, if given; may be async.
        on_disconnect: called with the owner of each connection that has ended, if given; may be
            async.
        background: tasks still running for connections that have ended.

    Raises:
        ValueError: a limit is too low.
    """

    codec: Codec
    role: Role
    responder: Responder
    timeout: float
    max_waiting: int
    max_handling: int
    max_frames: float | None = None
    metrics: Metrics | None
    tap: Tap | None = None
    tracing: Tracing | None = None
    on_connect: Callable[[Any], Any] | None
    on_disconnect: Callable[[Any], Any] | None
    background: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, minimum in (("timeout", 0.001), ("max_waiting", 0), ("max_handling", 1)):
            if not getattr(self, name) >= minimum:
                raise ValueError(f"{name}={getattr(self, name)!r}: use {minimum} or more")
        check_rate("max_frames", self.max_frames)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what is left to do for a connection that ends."""
        task = asyncio.get_running_loop().create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def wait_background(self, grace: float) -> None:
        """Wait for the background tasks, at most for `grace` seconds."""
        if self.background:
            await asyncio.wait(set(self.background), timeout=grace)


def endpoints(
    handlers: Mapping[str, object], codecs: Mapping[str, Codec] | None, role: Role, **shared: Any
) -> dict[str, Endpoint]:
    """Return subprotocol -> endpoint whose calls are answered by a handler object.

    Args:
        handlers: version -> handler object.
        codecs: version -> codec, for versions that need another than `Codec(version)`.
        role: our side.
        shared: the remaining attributes of `Endpoint`.

    Raises:
        TypeError: a handler is a class, or its annotations are those of another version.
        ValueError: a version is unknown, or there is none; or a method belongs to no action or to
            one that this side does not receive.
    """

    def make(codec: Codec, handler: object) -> Endpoint:
        methods = Handlers(handler, codec, HOOKS, role=role)
        return Endpoint(
            codec=codec,
            role=role,
            responder=HandlerResponder(methods, with_owner=role == "csms"),
            on_connect=getattr(handler, "on_connect", None),
            on_disconnect=getattr(handler, "on_disconnect", None),
            **shared,
        )

    if not handlers:
        raise ValueError('no handlers: pass those of a version, such as {"2.0.1": ...}')
    return by_subprotocol(handlers, codecs, make)


def by_subprotocol(
    versions: Mapping[str, T],
    codecs: Mapping[str, Codec] | None,
    make: Callable[[Codec, T], Endpoint],
) -> dict[str, Endpoint]:
    """Return subprotocol -> endpoint, in the order of the versions.

    Args:
        versions: version -> second argument of `make`.
        codecs: version -> codec, for versions that need another than `Codec(version)`.
        make: returns the endpoint of a version.

    Raises:
        ValueError: a version is unknown or given twice, or a codec does not belong to its version.
    """
    custom_codecs = {Version.named(name): codec for name, codec in (codecs or {}).items()}
    made: dict[str, Endpoint] = {}
    for name, value in versions.items():
        version = Version.named(name)
        codec = custom_codecs.pop(version, None) or Codec(version.name)
        if codec.version != version.name:
            raise ValueError(f"the codec for {name} is for {codec.version}")
        if version.subprotocol in made:
            raise ValueError(f"OCPP {version.name} is given twice")
        endpoint = make(codec, value)
        if endpoint.tracing is not None:
            endpoint = replace(endpoint, responder=endpoint.tracing.responder(endpoint.responder))
        made[version.subprotocol] = endpoint
    if custom_codecs:
        raise ValueError(f"a codec for OCPP {next(iter(custom_codecs)).name}, which is not offered")
    return made

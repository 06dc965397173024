"""The end that holds the stations: a node of the fleet.

`Gateway` is an `ocppj.aio.node.Node` whose calls are answered by workers. What it does with frames
is the business of `ocppj.fleet.forward`, with commands of `ocppj.fleet.commands`, and against other
nodes of `ocppj.fleet.membership`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final, Self
from weakref import WeakSet

from ocppj.aio.endpoint import HOOKS, MAX_HANDLING, MAX_WAITING, Endpoint, by_subprotocol
from ocppj.aio.metrics import Metrics
from ocppj.aio.node import Node, NodeAcceptor, Server
from ocppj.aio.recorder import Redaction
from ocppj.aio.security import Authenticate, IsKnown
from ocppj.aio.stations import GOING_AWAY, Duplicates, Station
from ocppj.aio.summary import Summarizer
from ocppj.aio.tap import Tap, observed
from ocppj.codec import Codec
from ocppj.fleet.broker import Broker
from ocppj.fleet.commands import Commands
from ocppj.fleet.forward import Forwarder
from ocppj.fleet.journal import JOURNAL_SIZE, check_stored, journal
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.membership import Membership, node_id
from ocppj.fleet.presence import LEASE
from ocppj.fleet.subjects import token
from ocppj.fleet.summaries import Summaries
from ocppj.fleet.taps import Taps
from ocppj.handlers import Handlers
from ocppj.session import TIMEOUT

__all__ = ["Gateway"]

DEADLINE: Final = 20.0
MAX_IN_FLIGHT: Final = 10_000
MAX_COMMANDS: Final = 10_000
ASK_MARGIN: Final = 2.0
"""Seconds that another node has to answer, beside those for the ping of its station."""


class Gateway(Node):
    """Holds charging stations for a fleet; workers answer their calls.

    It enters the fleet as long as it listens, or as it is used as an asynchronous context manager.

    Args:
        versions: OCPP versions that are offered.
        broker: see `connect`.
        handlers: OCPP version -> object with methods for actions that are answered here, without a
            worker. Its hooks `on_connect` and `on_disconnect` are called here too.
        stored: actions whose calls are answered as soon as JetStream has stored them, for a worker
            to handle them later, at least once. Their response has to be empty.
        journal_size: bytes that may be stored, if the stream does not exist yet.
        heartbeat: whether Heartbeats are answered here, also while there is no broker.
        codecs: OCPP version -> codec, for versions that need another than `Codec(version)`:
            leniency, vendor features.
        deadline: seconds that a worker has to answer; stations usually wait for 30.
        timeout: seconds to wait for the response to a call of this process.
        duplicates: which connection stays when a connected station connects again, to this node or
            to another one: see `ocppj.aio.CSMS`.
        ping_timeout: seconds.
        lease: seconds after which a node that does not renew its entry counts as dead, if the fleet
            does not have one yet.
        name: beginning of the node's id; the host's name by default.
        max_waiting: maximum number of queued calls to one station.
        max_handling: maximum number of calls of one station that are handled at a time.
        max_frames: maximum number of frames per second of one station: see `ocppj.aio.CSMS`.
        max_in_flight: maximum number of calls that wait for workers. Further ones are answered
            GenericError.
        max_commands: maximum number of commands at a time. Further ones are `busy`.
        max_handshakes: maximum number of handshakes per second; what is beyond gets HTTP 503.
        metrics: counts frames, latencies and connections.
        tap: gets each frame as it passes: see `ocppj.aio.Recorder`.
        redaction: what is hidden in the frames that are shown to the fleet: see `Fleet.frames`.

    Attributes:
        stations: identity -> station, of all that are connected to this node.
        node: its id.
        broker: as given.
        deadline: as given.
        max_in_flight: as given.
        in_flight: number of calls that wait for workers at the moment.
        stored: as given.
        summarizer: counts for `Fleet.summaries`.

    Raises:
        TypeError: a handler is a class, not an instance.
        ValueError: there is no version, or one is unknown; or a method belongs to no action that a
            CSMS receives; or the response to a stored action is not empty; or a limit is too low.
    """

    def __init__(
        self,
        versions: Iterable[str],
        broker: Broker,
        *,
        handlers: Mapping[str, object] | None = None,
        stored: Iterable[str] = (),
        journal_size: int = JOURNAL_SIZE,
        heartbeat: bool = True,
        codecs: Mapping[str, Codec] | None = None,
        deadline: float = DEADLINE,
        timeout: float = TIMEOUT,
        duplicates: Duplicates = "ping",
        ping_timeout: float = 5.0,
        lease: float = LEASE,
        name: str | None = None,
        max_waiting: int = MAX_WAITING,
        max_handling: int = MAX_HANDLING,
        max_frames: float | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_commands: int = MAX_COMMANDS,
        max_handshakes: float | None = None,
        metrics: Metrics | None = None,
        tap: Tap | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        limits = {"deadline": deadline, "lease": lease, "max_in_flight": max_in_flight}
        limits["max_commands"] = max_commands
        for limit, value in limits.items():
            if not value > 0:
                raise ValueError(f"{limit}={value!r}: use more than 0")
        self.broker = broker
        self.deadline = deadline
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.stored = frozenset(stored)
        self.logbook = Logbook()
        self._journal_size = journal_size
        self._commands = Commands(broker, max_commands, self.logbook)
        self.node = node_id(name)
        self.summarizer = Summarizer(self.node, metrics)
        # Who has metrics or a tap pays for counting anyway; others while they are asked.
        counting = metrics is not None or tap is not None
        if counting:
            metrics = self.summarizer

        def make(codec: Codec, handler: object | None) -> Endpoint:
            methods = None
            if handler is not None:
                methods = Handlers(handler, codec, HOOKS, role="csms")
            return Endpoint(
                codec=codec,
                role="csms",
                responder=Forwarder(self, codec, methods, heartbeat=heartbeat),
                timeout=timeout,
                max_waiting=max_waiting,
                max_handling=max_handling,
                max_frames=max_frames,
                metrics=observed(metrics, tap),
                tap=tap,
                tracing=broker.tracing,
                on_connect=_after(self._entered, getattr(handler, "on_connect", None)),
                on_disconnect=_after(self._left, getattr(handler, "on_disconnect", None)),
            )

        local = dict(handlers or {})
        offered = {version: local.pop(version, None) for version in versions}
        if not offered:
            raise ValueError('no version is offered: name one, such as ["2.0.1"]')
        if local:
            raise ValueError(f"handlers for {min(local)}, which is not offered")
        self._offered = by_subprotocol(offered, codecs, make)
        self._exchanged = {} if counting else self._counting_endpoints()
        super().__init__(
            self._offered,
            duplicates=duplicates,
            ping_timeout=ping_timeout,
            max_handshakes=max_handshakes,
            claim=self._claim,
        )
        check_stored(self.stored, [one.codec for one in self._endpoints.values()])
        self._membership = Membership(
            broker,
            node=self.node,
            stations=self._stations,
            lease=lease,
            patience=ping_timeout + ASK_MARGIN,
            receive=self._commands.received,
            logbook=self.logbook,
        )
        self._taps = Taps(broker, self._stations.viewers, redaction or Redaction(), self.logbook)
        self._summaries = Summaries(
            broker,
            self.node,
            self.summarizer,
            begin=partial(self._exchange, 1),
            end=partial(self._exchange, 0),
            logbook=self.logbook,
        )
        self._acceptors: WeakSet[NodeAcceptor] = WeakSet()
        self._servers: WeakSet[Server] = WeakSet()
        self._users = 0
        self._joining = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Whether stations should connect here: the broker is there, and it is not draining."""
        return self._users > 0 and self._membership.ready and self._membership.accepting

    async def __aenter__(self) -> Self:
        async with self._joining:
            if not self._users:
                if self.stored:
                    await self.broker.ensure_stream(journal(self.broker, self._journal_size))
                await self._membership.join()
                self._commands.start()
                self._taps.start()
                self._summaries.start()
            self._users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._joining:
            self._users -= 1
            if not self._users:
                self._taps.close()
                self._summaries.close()
                await self._commands.close(ASK_MARGIN)
                await self._membership.leave()

    @asynccontextmanager
    async def listen(self, *args: Any, **options: Any) -> AsyncIterator[Server]:
        """Enter the fleet and listen for charging stations until the context ends.

        The arguments are those of `ocppj.aio.CSMS.listen`.

        Raises:
            BrokerError: the fleet cannot be entered.
        """
        async with self, super().listen(*args, **options) as server:
            self._servers.add(server)
            yield server

    def acceptor(
        self, *, known: IsKnown | None = None, authenticate: Authenticate | None = None
    ) -> NodeAcceptor:
        """Return what lets stations enter, for a transport: see `listen` for the arguments."""

        def named(station_id: str) -> bool | Awaitable[bool]:
            return _has_token(station_id) and (known is None or known(station_id))

        acceptor = super().acceptor(known=named, authenticate=authenticate)
        self._acceptors.add(acceptor)
        return acceptor

    async def drain(self, *, rate: float = 100.0, grace: float = 10.0) -> None:
        """Accept no more stations, and close those that are connected; they go to other nodes.

        Each station is closed with code 1001 (going away), after the answers to what it has called.
        `ready` is false from the beginning.

        Args:
            rate: stations that are closed per second, so that the other nodes are not stormed.
            grace: seconds to wait for the answers of workers, for each station.

        Raises:
            ValueError: the rate is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"rate={rate!r}: use more than 0")
        self._membership.accepting = False
        for server in self._servers:
            server.stop()
        for acceptor in self._acceptors:
            acceptor.stop()
        await self._membership.announce()
        loop, closing = asyncio.get_running_loop(), []
        due = loop.time()
        for station in list(self.stations.values()):
            closing.append(loop.create_task(station.close(*GOING_AWAY, grace=grace)))
            due += 1 / rate
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
        await asyncio.gather(*closing, return_exceptions=True)

    def _counting_endpoints(self) -> dict[str, tuple[Endpoint, Endpoint]]:
        """Return subprotocol -> endpoint that does not count, and one that does."""
        return {
            name: (endpoint, replace(endpoint, metrics=self.summarizer))
            for name, endpoint in self._offered.items()
        }

    def _exchange(self, place: int) -> None:
        """Have connections use the first or the second of their endpoints."""
        wanted = {}
        for name, pair in self._exchanged.items():
            self._offered[name] = wanted[id(pair[1 - place])] = pair[place]
        for link in self._stations.links():
            link.endpoint = wanted.get(id(link.endpoint), link.endpoint)

    def generation(self, station_id: str) -> int:
        """Return the number of a station's connection; 0 while it is not known."""
        return self._membership.generation(station_id)

    async def _claim(self, station: Station) -> bool:
        return await self._membership.claim(station)

    def _entered(self, station: Station) -> None:
        self._membership.entered(station)

    def _left(self, station: Station) -> None:
        self._membership.left(station)


def _has_token(station_id: str) -> bool:
    """Return whether an identity fits into a subject."""
    try:
        token(station_id)
    except ValueError:
        return False
    return True


def _after(
    first: Callable[[Station], None], hook: Callable[[Station], Any] | None
) -> Callable[[Station], Any]:
    """Return a hook that calls ours and then the user's."""
    if hook is None:
        return first

    def both(station: Station) -> Awaitable[Any] | Any:
        first(station)
        return hook(station)

    return both

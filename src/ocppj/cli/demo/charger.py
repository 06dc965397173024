"""A simulated charging station.

Owns its state and what it does on its own: it boots, sends heartbeats, and charges. The messages
that it sends depend on the OCPP version: they come from a dialect.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from ocppj.aio import ChargingStation
from ocppj.cli.demo.delivery import Delivery
from ocppj.cli.demo.messages import Message, request
from ocppj.codec import Codec
from ocppj.errors import CallFailed, CallTimeout, ConnectionLost, DecodeError

__all__ = ["Charge", "Charger", "Connector", "StationMessages"]

VENDOR: Final = "ocppj"
MODEL: Final = "Simulated"
POWER: Final = 11_000
"""In watts."""

STEP: Final = POWER // 60
"""Watt-hours between two meter values: those of a minute."""

VALUES: Final = 5
"""Number of meter values in a charging session."""

INTERVAL: Final = 10
"""Seconds between attempts to boot, or heartbeats, unless the CSMS sets an interval."""

PAUSE: Final = 0.1
"""Seconds between attempts to send on a connection that is being lost."""


@dataclass
class Charge:
    """A charging session.

    Attributes:
        connector: where it charges.
        token: who pays, in the form of the request that started it.
        remote_id: id of the remote start, if it has one.
        transaction: id of the transaction; `None` until it is known.
        sequence: number of the next event.
        start: the meter at the start, in Wh.
        reason: why it ends: left, remote, refused, reset or unlock.
        stopped: set to end it before the car is full.
        ended: set when it has ended.
    """

    connector: "Connector"
    token: Any
    remote_id: int | None = None
    transaction: int | str | None = None
    sequence: int = 0
    start: int = 0
    reason: str = "left"
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, reason: str) -> None:
        """End it."""
        if not self.stopped.is_set():
            self.reason = reason
            self.stopped.set()


@dataclass
class Connector:
    """A connector, the only one of its EVSE.

    Attributes:
        number: from 1.
        state: Available, Preparing, Charging, Finishing or Unavailable.
        operative: whether it may charge.
        meter: its reading, in Wh.
        charge: the current session.
        last_status: the status that was sent last.
    """

    number: int
    state: str = "Available"
    operative: bool = True
    meter: int = 0
    charge: Charge | None = None
    last_status: str | None = None


class StationMessages(Protocol):
    """The messages of the station in an OCPP version. `None` is not sent.

    Attributes:
        statuses: state of a `Connector` -> status in this version.
    """

    statuses: ClassVar[Mapping[str, str]]

    def boot(self, *, again: bool) -> Message:
        """The station has started, or started again after a reset."""

    def offline(self, message: Message) -> Message:
        """Mark a message that has to arrive but cannot be sent now."""

    def status(self, connector: Connector) -> Message:
        """A connector has changed its state."""

    def begin(self, charge: Charge) -> Message:
        """A transaction has started."""

    def begun(self, charge: Charge, response: Any) -> bool:
        """Handle the response to `begin`, and return whether the transaction may go on.

        The response is `None` if there was an error or no response.
        """

    def charging(self, charge: Charge) -> Message | None:
        """Energy flows."""

    def meter(self, charge: Charge) -> Message:
        """The meter has a new reading."""

    def end(self, charge: Charge) -> Message | None:
        """A transaction has ended."""


class Charger:
    """The station.

    Args:
        dialects: OCPP version -> codec and messages.
        pace: seconds between meter values.
        watch: called with each task.
        delivery: sends what has to arrive; without it, a message is lost with the process.

    Attributes:
        connectors: by number.
        interval: seconds between heartbeats, or attempts to boot; set by the CSMS.
        pace: seconds between meter values; the CSMS may change it.
        charged: set when a charging session has ended.
    """

    def __init__(
        self,
        dialects: Mapping[str, tuple[Codec, StationMessages]],
        pace: float,
        watch: Callable[[asyncio.Task[None]], None],
        delivery: Delivery | None = None,
    ) -> None:
        self.connectors = {number: Connector(number) for number in (1, 2)}
        self.interval = INTERVAL
        self.pace = pace
        self.charged = asyncio.Event()
        self._dialects = dialects
        self._watch = watch
        self._delivery = delivery
        self._ready = asyncio.Event()
        self._reset = False
        self._station: ChargingStation
        self._codec: Codec
        self._dialect = next(iter(dialects.values()))[1]
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, station: ChargingStation) -> None:
        """Boot, then send heartbeats until the endpoint cancels this, with the connection."""
        previous = self._dialect
        self._station = station
        self._codec, self._dialect = self._dialects[station.version]
        if self._dialect is not previous:
            self.close()  # a session cannot go on in another version
        await self._boot()
        while True:
            await asyncio.sleep(self.interval)
            await self._say(("Heartbeat", {}))

    def disconnected(self, _station: ChargingStation) -> None:
        """Hold back messages until the next connection has booted."""
        self._ready.clear()
        if self._delivery is not None:
            self._delivery.outbox.booted(accepted=False)

    async def _boot(self) -> None:
        self._ready.clear()
        while True:
            try:
                response = await self._once(self._dialect.boot(again=self._reset))
            except ConnectionLost:
                return  # the next connection boots
            if response is not None and response.interval > 0:
                self.interval = response.interval
            if response is not None and response.status == "Accepted":
                break
            await asyncio.sleep(self.interval)
        self._ready.set()
        for connector in self.connectors.values():
            connector.last_status = None
        for connector in self.connectors.values():
            await self._show(connector)

    async def _once(self, message: Message) -> Any:
        try:
            return await self._station.call(request(self._codec, *message))
        except ConnectionLost:
            raise
        except (CallFailed, CallTimeout, DecodeError):
            return None  # the traffic shows it

    async def _say(self, message: Message | None, *, wait: bool = False) -> Any:
        """Call the CSMS, again on the next connection if this one is lost.

        Args:
            message: action and payload.
            wait: whether to wait for the response even if the message is delivered later.

        Returns:
            The response; `None` if there was an error or no response.
        """
        delivery = self._delivery
        if message is not None and delivery is not None and delivery.keeps(message):
            if not self._station.connected:
                message = self._dialect.offline(message)
            return await delivery.send(self._station, self._codec, message, wait=wait)
        while message is not None:
            await self._ready.wait()
            try:
                return await self._once(message)
            except ConnectionLost:
                await asyncio.sleep(PAUSE)
        return None

    def say(self, *messages: Message) -> None:
        """Send messages, after the answer to the current call."""
        for message in messages:
            self._start(self._say(message))

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._watch(task)

    async def _show(self, connector: Connector, state: str | None = None) -> None:
        connector.state = connector.state if state is None else state
        status = self._dialect.statuses[connector.state]
        if status != connector.last_status:
            connector.last_status = status
            await self._say(self._dialect.status(connector))

    @property
    def charges(self) -> list[Charge]:
        """The current sessions."""
        return [c.charge for c in self.connectors.values() if c.charge is not None]

    def start(self, number: int | None, token: Any, remote_id: int | None = None) -> bool:
        """Start a session on an available connector, and return whether there is one.

        Args:
            number: of the connector; `None` for any.
            token: who pays.
            remote_id: id of the remote start.
        """
        for connector in self.connectors.values():
            if number in (None, connector.number) and connector.state == "Available":
                charge = Charge(connector, token, remote_id, start=connector.meter)
                connector.charge, connector.state = charge, "Preparing"
                self._start(self._charge(charge))
                return True
        return False

    def stop(self, transaction: int | str) -> bool:
        """Stop the session of a transaction, and return whether there is one."""
        for charge in self.charges:
            if charge.transaction == transaction:
                charge.stop("remote")
                return True
        return False

    async def _charge(self, charge: Charge) -> None:
        connector, dialect = charge.connector, self._dialect
        try:
            await self._show(connector)
            if dialect.begun(charge, await self._say(dialect.begin(charge), wait=True)):
                await self._show(connector, "Charging")
                await self._say(dialect.charging(charge))
                await self._fill(charge)
            else:
                charge.stop("refused")
            await self._say(dialect.end(charge))
            await self._show(connector, "Finishing")
        finally:
            connector.charge = None
            charge.ended.set()
        await self._show(connector, "Available" if connector.operative else "Unavailable")
        self.charged.set()

    async def _fill(self, charge: Charge) -> None:
        for _ in range(VALUES):
            with suppress(TimeoutError):
                await asyncio.wait_for(charge.stopped.wait(), self.pace)
                return
            charge.connector.meter += STEP
            await self._say(self._dialect.meter(charge))

    def change(self, numbers: Iterable[int], *, operative: bool) -> str:
        """Make connectors available or not, and return the status of the answer."""
        scheduled = False
        for connector in map(self.connectors.__getitem__, numbers):
            connector.operative = operative
            if connector.charge is None:
                self._start(self._show(connector, "Available" if operative else "Unavailable"))
            else:
                scheduled = scheduled or not operative
        return "Scheduled" if scheduled else "Accepted"

    def reset(self, *, at_once: bool = True) -> str:
        """Boot again when all sessions have ended, and return the status of the answer.

        Args:
            at_once: whether to stop the sessions.
        """
        scheduled = bool(self.charges) and not at_once
        if at_once:
            for charge in self.charges:
                charge.stop("reset")
        self._start(self._boot_again())
        return "Scheduled" if scheduled else "Accepted"

    async def _boot_again(self) -> None:
        for charge in self.charges:
            await charge.ended.wait()
        self._reset = True
        await self._boot()

    def close(self) -> None:
        """Cancel all sessions and pending messages."""
        for task in self._tasks:
            task.cancel()

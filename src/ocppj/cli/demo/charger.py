"""A simulated charging station, of no OCPP version in particular.

Owns its state and what it does by itself: it boots, keeps in touch, and charges. How it says so is
the dialect's business.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from ocppj.aio import ChargingStation
from ocppj.cli.demo.messages import Message, request
from ocppj.codec import Codec
from ocppj.errors import CallFailed, CallTimeout, ConnectionLost, DecodeError

__all__ = ["Charge", "Charger", "Connector", "Dialect"]

VENDOR: Final = "ocppj"
MODEL: Final = "Simulated"
POWER: Final = 11_000
STEP: Final = POWER // 60
"""Watt-hours from one meter value to the next, a minute later."""

VALUES: Final = 5
INTERVAL: Final = 10
"""Seconds to the next BootNotification or Heartbeat where the CSMS does not say."""

PAUSE: Final = 0.1
"""Seconds until a connection that cannot be written to is known to be lost."""


@dataclass
class Charge:
    """A charging session.

    Attributes:
        connector: where.
        token: who pays; as it came.
        remote_id: that of the remote start, where there is one.
        transaction: its id; `None` before there is one.
        sequence: number of the next event.
        start: of the meter, in Wh.
        reason: why it ends: left, remote, refused, reset or unlock.
        stopped: is set when it is to end before the car is full.
        ended: is set when it has ended.
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
        """Let it end."""
        if not self.stopped.is_set():
            self.reason = reason
            self.stopped.set()


@dataclass
class Connector:
    """A connector, on an EVSE of its own.

    Attributes:
        number: from 1.
        state: Available, Preparing, Charging, Finishing, Unavailable.
        operative: whether it may charge.
        meter: its register, in Wh.
        charge: the session that goes on.
        last_status: the status that the CSMS was told last.
    """

    number: int
    state: str = "Available"
    operative: bool = True
    meter: int = 0
    charge: Charge | None = None
    last_status: str | None = None


class Dialect(Protocol):
    """How a version says it. A message that is `None` is not sent.

    Attributes:
        statuses: of connectors: state here -> state there.
    """

    statuses: ClassVar[Mapping[str, str]]

    def boot(self, *, again: bool) -> Message:
        """Tell of a start, or of one after a reset."""

    def status(self, connector: Connector) -> Message:
        """Tell of a connector's state."""

    def begin(self, charge: Charge) -> Message:
        """Tell of the start of a transaction."""

    def begun(self, charge: Charge, response: Any) -> bool:
        """Take in the answer, `None` if there is no good one; tell whether it may go on."""

    def charging(self, charge: Charge) -> Message | None:
        """Tell that energy flows."""

    def meter(self, charge: Charge) -> Message:
        """Tell what the meter says."""

    def end(self, charge: Charge) -> Message | None:
        """Tell of the end of a transaction."""


class Charger:
    """The station.

    Args:
        dialects: OCPP version -> its codec and dialect.
        pace: seconds between meter values.
        watch: is told of each task.

    Attributes:
        connectors: by number.
        interval: seconds between heartbeats, or attempts to boot; the CSMS says how many.
        pace: as given, unless the CSMS changes it.
        charged: is set when a charging session has ended.
    """

    def __init__(
        self,
        dialects: Mapping[str, tuple[Codec, Dialect]],
        pace: float,
        watch: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self.connectors = {number: Connector(number) for number in (1, 2)}
        self.interval = INTERVAL
        self.pace = pace
        self.charged = asyncio.Event()
        self._dialects = dialects
        self._watch = watch
        self._ready = asyncio.Event()
        self._reset = False
        self._station: ChargingStation
        self._codec: Codec
        self._dialect = next(iter(dialects.values()))[1]
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, station: ChargingStation) -> None:
        """Boot, then send heartbeats; given up by the endpoint when the connection is lost."""
        previous = self._dialect
        self._station = station
        self._codec, self._dialect = self._dialects[station.version]
        if self._dialect is not previous:
            self.close()  # what goes on could not be told any more
        await self._boot()
        while True:
            await asyncio.sleep(self.interval)
            await self._say(("Heartbeat", {}))

    def disconnected(self, _station: ChargingStation) -> None:
        """Keep what there is to say until there is a connection."""
        self._ready.clear()

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
            return None  # seen in the traffic

    async def _say(self, message: Message | None) -> Any:
        """Call the CSMS, on the next connection if this one is lost.

        Returns:
            The response; `None` if there is no good one.
        """
        while message is not None:
            await self._ready.wait()
            try:
                return await self._once(message)
            except ConnectionLost:
                await asyncio.sleep(PAUSE)
        return None

    def say(self, *messages: Message) -> None:
        """Send messages once the answer to the CSMS, which is being made, has left."""
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
        """The sessions that go on."""
        return [c.charge for c in self.connectors.values() if c.charge is not None]

    def start(self, number: int | None, token: Any, remote_id: int | None = None) -> bool:
        """Start a session on a connector, any by default; return whether it could be."""
        for connector in self.connectors.values():
            if number in (None, connector.number) and connector.state == "Available":
                charge = Charge(connector, token, remote_id, start=connector.meter)
                connector.charge, connector.state = charge, "Preparing"
                self._start(self._charge(charge))
                return True
        return False

    def stop(self, transaction: int | str) -> bool:
        """Stop a session; return whether there is such a one."""
        for charge in self.charges:
            if charge.transaction == transaction:
                charge.stop("remote")
                return True
        return False

    async def _charge(self, charge: Charge) -> None:
        connector, dialect = charge.connector, self._dialect
        try:
            await self._show(connector)
            if dialect.begun(charge, await self._say(dialect.begin(charge))):
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
        """Make connectors available or not; return the status."""
        scheduled = False
        for connector in map(self.connectors.__getitem__, numbers):
            connector.operative = operative
            if connector.charge is None:
                self._start(self._show(connector, "Available" if operative else "Unavailable"))
            else:
                scheduled = scheduled or not operative
        return "Scheduled" if scheduled else "Accepted"

    def reset(self, *, at_once: bool = True) -> str:
        """Boot again, when the sessions have ended; return the status."""
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
        """Give up all that goes on."""
        for task in self._tasks:
            task.cancel()

"""Frames of single stations for whoever looks, anywhere in the fleet.

Who looks asks at `<prefix>.tap.<station>`, and again every few seconds. All nodes hear it; the one
that holds the station publishes its frames at `<prefix>.frame.<station>` until nobody has asked for
`LEASE` seconds. Secrets are removed before.
"""

import asyncio
from contextlib import suppress
from typing import Annotated, Final
from weakref import WeakSet

import msgspec

from ocppj.aio.metrics import Direction
from ocppj.aio.rate import TokenBucket
from ocppj.aio.recorder import Redaction
from ocppj.aio.tap import TappedFrame
from ocppj.aio.viewers import FrameStream, Viewers
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.subjects import parse_json, station_of, token
from ocppj.policy import Violation

__all__ = ["RemoteTaps", "ShownFrame", "Taps"]

LEASE: Final = 10.0
"""Seconds that a node shows the frames of a station after it was asked."""

RENEW: Final = 3.0
"""Seconds after which who looks asks again."""

MAX_LEASES: Final = 1_000
"""Maximum number of stations that a node shows, or would show, at a time."""

BYTES_PER_SECOND: Final = 2**18
"""Bytes of frames that a node shows, of all stations together; two seconds' worth at once.
A hostile frame of 128 KiB may take 20 ms until its secrets are removed."""

OVERHEAD: Final = 1_024
"""Bytes that each frame counts beside its own."""

MAX_VIOLATIONS: Final = 20
MAX_PATH: Final = 200
MAX_SIZE: Final = 16 * 2**20
MAX_TIME: Final = 1e11


class ShownViolation(msgspec.Struct):
    """A violation that was tolerated."""

    rule: str
    path: str


class ShownFrame(msgspec.Struct, rename="camel", omit_defaults=True):
    """A frame as a node shows it: the JSON of a message at `<prefix>.frame.<station>`.

    Attributes:
        time: Unix time in seconds.
        direction: received or sent, as the node sees it.
        size: bytes of the frame.
        frame: without secrets; nothing if it is not JSON.
        message_type: see `TappedFrame`.
        action: see `TappedFrame`.
        outcome: see `TappedFrame`.
        violations: the first 20.
        lost: number of frames that were not shown since the one before.
    """

    time: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIME)]
    direction: Direction
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE)]
    frame: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    message_type: int | None = None
    action: str | None = None
    outcome: str = ""
    violations: list[ShownViolation] = []
    lost: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Lease:
    """Publishes the frames of a station: a `Viewer`."""

    __slots__ = ("__weakref__", "_lost", "_subject", "_taps", "timer")

    def __init__(self, taps: "Taps", subject: str, timer: asyncio.TimerHandle) -> None:
        self._taps = taps
        self._subject = subject
        self._lost = 0
        self.timer = timer

    def put(self, frame: TappedFrame) -> None:
        """Publish a frame, or count it."""
        self._lost = 0 if self._taps.publish(self._subject, frame, self._lost) else self._lost + 1


class Taps:
    """A node's end: shows the frames that it is asked for.

    Args:
        broker: connection to NATS.
        viewers: of the node.
        redaction: removes secrets.
        logbook: what is logged.
    """

    def __init__(
        self, broker: Broker, viewers: Viewers, redaction: Redaction, logbook: Logbook
    ) -> None:
        self._broker = broker
        self._viewers = viewers
        self._redaction = redaction
        self._logbook = logbook
        self._leases: dict[str, _Lease] = {}
        self._budget = TokenBucket(BYTES_PER_SECOND, 2)
        self._subscription = 0

    def start(self) -> None:
        """Begin to listen."""
        self._subscription = self._broker.listen(self._broker.subjects.tap(), self._asked)

    def close(self) -> None:
        """Show nothing more."""
        self._broker.unlisten(self._subscription)
        for station_id in list(self._leases):
            self._expire(station_id)

    def _asked(self, subject: str, _reply: str, _headers: bytes, _payload: bytes) -> None:
        code = subject.rpartition(".")[2]
        try:
            station_id = station_of(code)
        except ValueError as error:
            self._logbook.note("tap", f"frames are not shown: {error}")
            return
        # It need not be connected here: it may come, with its first frames.
        lease = self._leases.get(station_id)
        timer = asyncio.get_running_loop().call_later(LEASE, self._expire, station_id)
        if lease is not None:
            lease.timer.cancel()
            lease.timer = timer
        elif len(self._leases) < MAX_LEASES:
            lease = _Lease(self, self._broker.subjects.frame(code), timer)
            self._leases[station_id] = lease
            self._viewers.add(station_id, lease)
        else:
            timer.cancel()
            problem = f"{station_id}: frames are not shown: those of {MAX_LEASES} stations are"
            self._logbook.note("tap", problem)

    def _expire(self, station_id: str) -> None:
        lease = self._leases.pop(station_id)
        lease.timer.cancel()
        self._viewers.discard(station_id, lease)

    def publish(self, subject: str, frame: TappedFrame, lost: int) -> bool:
        """Publish a frame, unless that is too much, or the broker does not take it."""
        size = len(frame.data)
        if not self._budget.take(size + OVERHEAD):
            return False
        data = self._redaction(frame.data)
        shown = ShownFrame(
            time=frame.time,
            direction=frame.direction,
            size=size,
            frame=msgspec.UNSET if data is None else msgspec.Raw(data),
            message_type=frame.message_type,
            action=frame.action,
            outcome=frame.outcome,
            violations=[
                ShownViolation(one.rule, one.path[:MAX_PATH])
                for one in frame.violations[:MAX_VIOLATIONS]
            ],
            lost=lost,
        )
        try:
            self._broker.post(subject, msgspec.json.encode(shown))
        except BrokerError:
            return False
        return True


class _Watched:
    """A station whose frames are asked for."""

    def __init__(self, broker: Broker, station_id: str) -> None:
        code = token(station_id)
        self.streams: WeakSet[FrameStream] = WeakSet()
        self._broker = broker
        self._id = station_id
        self._tap = broker.subjects.tap(code)
        self._subscription = broker.listen(broker.subjects.frame(code), self._received)

    def ask(self) -> None:
        """Ask for its frames."""
        with suppress(BrokerError):  # it is asked again
            self._broker.post(self._tap, b"")

    def end(self) -> None:
        """Ask no more."""
        self._broker.unlisten(self._subscription)
        for stream in self.streams:
            stream.close()

    def _received(self, _subject: str, _reply: str, _headers: bytes, payload: bytes) -> None:
        try:
            shown = parse_json(payload, ShownFrame)
        except ValueError:
            return
        frame = _tapped(self._id, shown)
        for stream in self.streams:
            stream.lost += shown.lost
            stream.put(frame)


def _tapped(station_id: str, shown: ShownFrame) -> TappedFrame:
    # What is not JSON is not sent; its size counts.
    data = bytes(shown.frame if isinstance(shown.frame, msgspec.Raw) else shown.size)
    violations = tuple(Violation(one.rule, one.path, None) for one in shown.violations)
    kind, action, outcome = shown.message_type, shown.action, shown.outcome
    return TappedFrame(
        shown.time, station_id, shown.direction, data, kind, action, outcome, violations
    )


class RemoteTaps:
    """The other end: asks for the frames of stations as long as somebody looks.

    Args:
        broker: connection to NATS.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._watched: dict[str, _Watched] = {}
        self._renewing: asyncio.Task[None] | None = None

    def open(self, station_id: str) -> FrameStream:
        """Return the frames of a station from now on.

        Raises:
            ValueError: no station of a fleet has this identity.
        """
        watched = self._watched.get(station_id)
        if watched is None:
            watched = self._watched[station_id] = _Watched(self._broker, station_id)
        stream = FrameStream()
        watched.streams.add(stream)
        watched.ask()
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())
        return stream

    async def _renew(self) -> None:
        while self._watched:
            await asyncio.sleep(RENEW)
            for station_id, watched in list(self._watched.items()):
                if watched.streams:
                    watched.ask()
                else:
                    watched.end()
                    del self._watched[station_id]

    async def close(self) -> None:
        """End all streams."""
        watched, self._watched = self._watched, {}
        for one in watched.values():
            one.end()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)

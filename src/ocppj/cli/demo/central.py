"""What the demonstration CSMS knows and answers.

Owns its answers, and what it remembers of stations: transactions, and what they have sent.
"""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import count
from typing import Any, Final

from msgspec.structs import fields

from ocppj.aio import CSMS, Station
from ocppj.catalog import VERSIONS
from ocppj.cli.demo.messages import Answer, handler, now
from ocppj.cli.demo.traffic import TrafficEvent
from ocppj.codec import Codec
from ocppj.policy import Policy

__all__ = ["Central"]

INTERVAL: Final = 60
"""Seconds between heartbeats."""

MAX_NOTES: Final = 1000
MAX_TEXT: Final = 2000
CALLS: Final = ("call", "send")


class Central:
    """The CSMS, and what it remembers.

    Args:
        lenient: whether faults of stations are tolerated.

    Attributes:
        csms: the endpoint.
        codecs: OCPP version -> codec.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        policy = Policy.lenient() if lenient else Policy.strict()
        self.codecs = {version.name: Codec(version.name, policy=policy) for version in VERSIONS}
        handlers = {
            name: handler(codec, {**_empty(codec), **ANSWERS}, self)
            for name, codec in self.codecs.items()
        }
        self.csms = CSMS(handlers, codecs=self.codecs)
        self._transactions: dict[str, list[int | str]] = {}
        self._numbers = count(1)
        self._notes: dict[str, deque[TrafficEvent]] = {}
        self._noted = asyncio.Event()

    def number(self) -> int:
        """Return the next number, for a transaction or a remote start."""
        return next(self._numbers)

    def begin(self, station_id: str, transaction: int | str) -> None:
        """Note that a transaction goes on."""
        known = self._transactions.setdefault(station_id, [])
        if transaction not in known:
            known.append(transaction)

    def end(self, station_id: str, transaction: int | str) -> None:
        """Note that a transaction has ended."""
        with suppress(ValueError):
            self.transactions(station_id).remove(transaction)

    def transactions(self, station_id: str) -> list[int | str]:
        """Return the ids of a station's transactions that go on, the latest last."""
        return self._transactions.get(station_id, [])

    def note(self, event: TrafficEvent) -> None:
        """Note what a station has sent, for `wait_for`."""
        if event.direction == "in" and event.label in CALLS:
            self._noted_of(event.station_id).append(event._replace(text=event.text[:MAX_TEXT]))
            self._noted.set()

    async def wait_for(self, station_id: str, action: str, text: str, seconds: float) -> None:
        """Wait until a station has sent a call, and forget what it has sent up to then.

        Args:
            station_id: of the station, which need not be connected yet.
            action: of the call.
            text: which is to be in its payload.
            seconds: at most.

        Raises:
            TimeoutError: it has not.
        """
        notes = self._noted_of(station_id)
        async with asyncio.timeout(seconds):
            while True:
                while notes:
                    event = notes.popleft()
                    if event.action == action and text in event.text:
                        return
                self._noted.clear()
                await self._noted.wait()

    def _noted_of(self, station_id: str) -> deque[TrafficEvent]:
        return self._notes.setdefault(station_id, deque(maxlen=MAX_NOTES))


def _empty(codec: Codec) -> dict[str, Answer]:
    """Return the answers to what needs but an acknowledgement."""
    return {
        feature.name: {}
        for feature in codec.features.values()
        if feature.sender == "charging_station"
        and feature.response_type is not None
        and not any(field.required for field in fields(feature.response_type))
    }


def _boot(_central: Central, _station: Station, _request: Any) -> dict[str, Any]:
    return {"status": "Accepted", "currentTime": now(), "interval": INTERVAL}


def _heartbeat(_central: Central, _station: Station, _request: Any) -> dict[str, Any]:
    return {"currentTime": now()}


def _authorize(_central: Central, station: Station, _request: Any) -> dict[str, Any]:
    return {"idTagInfo" if station.version == "1.6" else "idTokenInfo": ACCEPTED}


def _start(central: Central, station: Station, _request: Any) -> dict[str, Any]:
    transaction = central.number()
    central.begin(station.id, transaction)
    return {"transactionId": transaction, "idTagInfo": ACCEPTED}


def _stop(central: Central, station: Station, request: Any) -> dict[str, Any]:
    central.end(station.id, request.transaction_id)
    return {}


def _event(central: Central, station: Station, request: Any) -> dict[str, Any]:
    note = central.end if request.event_type == "Ended" else central.begin
    note(station.id, request.transaction_info.transaction_id)
    return {"idTokenInfo": ACCEPTED} if request.id_token is not None else {}


ACCEPTED: Final = {"status": "Accepted"}
REJECTED: Final = {"status": "Rejected"}

ANSWERS: Final[dict[str, Answer]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "DataTransfer": {"status": "UnknownVendorId"},
    "GetCertificateStatus": {"status": "Failed"},
    "Heartbeat": _heartbeat,
    "NotifyEVChargingNeeds": REJECTED,
    "NotifyEVChargingSchedule": ACCEPTED,
    "OpenPeriodicEventStream": ACCEPTED,
    "PullDynamicScheduleUpdate": REJECTED,
    "SignCertificate": REJECTED,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "TransactionEvent": _event,
}
"""What is not here and needs more than an acknowledgement is NotSupported."""

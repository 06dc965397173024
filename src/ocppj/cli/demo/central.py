"""The state of the demonstration CSMS, and its answers.

Owns what it remembers of stations: transactions, and the calls that they have sent.
"""

import asyncio
from collections import deque
from contextlib import suppress
from itertools import count
from typing import Any, Final

from msgspec.structs import fields

from ocppj.aio import CSMS, Metrics, Station, Tap
from ocppj.catalog import VERSIONS
from ocppj.cli.demo.dialect import ACCEPTED, REJECTED
from ocppj.cli.demo.dialects import DIALECTS
from ocppj.cli.demo.messages import Answer, Payload, handler, now
from ocppj.cli.demo.traffic import TrafficEvent
from ocppj.codec import Codec
from ocppj.policy import Policy

__all__ = ["Central"]

INTERVAL: Final = 60
"""Seconds between heartbeats."""

MAX_CALLS: Final = 1000
"""Maximum number of calls remembered for each station."""

MAX_TEXT: Final = 2000
"""Maximum length of the text remembered of a payload."""

CALLS: Final = ("call", "send")


class Central:
    """The CSMS and its state.

    Args:
        lenient: whether violations are tolerated.
        tap: gets each frame, if given.
        metrics: counts, if given.

    Attributes:
        csms: the endpoint.
        codecs: OCPP version -> codec.
        transaction_ids: of transactions that the CSMS numbers.
        remote_ids: of remote starts.
    """

    def __init__(
        self,
        *,
        lenient: bool = False,
        tap: Tap | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        policy = Policy.lenient() if lenient else Policy.strict()
        self.codecs = {version.name: Codec(version.name, policy=policy) for version in VERSIONS}
        handlers = {
            name: handler(codec, {**_acknowledgements(codec), **ANSWERS}, self)
            for name, codec in self.codecs.items()
        }
        self.csms = CSMS(handlers, codecs=self.codecs, tap=tap, metrics=metrics)
        self.transaction_ids = count(1)
        self.remote_ids = count(1)
        self._transactions: dict[str, list[int | str]] = {}
        self._calls: dict[str, deque[TrafficEvent]] = {}
        self._called = asyncio.Event()

    def begin(self, station_id: str, transaction: int | str) -> None:
        """Remember that a transaction is ongoing."""
        ongoing = self._transactions.setdefault(station_id, [])
        if transaction not in ongoing:
            ongoing.append(transaction)

    def end(self, station_id: str, transaction: int | str) -> None:
        """Forget a transaction: it has ended."""
        with suppress(ValueError):
            self.transactions(station_id).remove(transaction)

    def transactions(self, station_id: str) -> list[int | str]:
        """Return the ids of the ongoing transactions of a station, the latest last."""
        return self._transactions.get(station_id, [])

    def note(self, event: TrafficEvent) -> None:
        """Remember a call of a station for `wait_for`."""
        if event.direction == "in" and event.label in CALLS:
            self._calls_of(event.station_id).append(event._replace(text=event.text[:MAX_TEXT]))
            self._called.set()

    async def wait_for(self, station_id: str, action: str, text: str, timeout: float) -> None:
        """Wait until a station has sent a call, and forget the calls up to it.

        Args:
            station_id: of the station, which may not be connected yet.
            action: of the call.
            text: must be in its payload.
            timeout: in seconds.

        Raises:
            TimeoutError: the station has not sent the call.
        """
        calls = self._calls_of(station_id)
        async with asyncio.timeout(timeout):
            while True:
                while calls:
                    event = calls.popleft()
                    if event.action == action and text in event.text:
                        return
                self._called.clear()
                await self._called.wait()

    def _calls_of(self, station_id: str) -> deque[TrafficEvent]:
        return self._calls.setdefault(station_id, deque(maxlen=MAX_CALLS))


def _acknowledgements(codec: Codec) -> dict[str, Answer]:
    """Return empty answers to the actions of stations whose response has no required field."""
    return {
        feature.name: {}
        for feature in codec.features.values()
        if feature.sender == "charging_station"
        and feature.response_type is not None
        and not any(field.required for field in fields(feature.response_type))
    }


def _boot(_central: Central, _station: Station, _request: Any) -> Payload:
    return {"status": "Accepted", "currentTime": now(), "interval": INTERVAL}


def _heartbeat(_central: Central, _station: Station, _request: Any) -> Payload:
    return {"currentTime": now()}


def _authorize(_central: Central, station: Station, _request: Any) -> Payload:
    return DIALECTS[station.version].csms.authorized


def _start(central: Central, station: Station, _request: Any) -> Payload:
    transaction = next(central.transaction_ids)
    central.begin(station.id, transaction)
    return {"transactionId": transaction, "idTagInfo": ACCEPTED}


def _stop(central: Central, station: Station, request: Any) -> Payload:
    central.end(station.id, request.transaction_id)
    return {}


def _event(central: Central, station: Station, request: Any) -> Payload:
    change = central.end if request.event_type == "Ended" else central.begin
    change(station.id, request.transaction_info.transaction_id)
    return {"idTokenInfo": ACCEPTED} if request.id_token is not None else {}


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
"""Further actions are acknowledged if their response may be empty, and NotSupported otherwise."""

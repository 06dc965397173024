"""What the two ends say in an OCPP version, as tables of messages.

Owns what the versions have in common. `ocpp16` and `ocpp2` have the rest, `dialects` lists them.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeAlias

from ocppj.cli.demo.charger import POWER, Charger, Connector, StationMessages
from ocppj.cli.demo.messages import Answer, Message, Payload

__all__ = [
    "ACCEPTED",
    "REJECTED",
    "SHARED_ANSWERS",
    "TRIGGERS",
    "CSMSDialect",
    "Dialect",
    "StationDialect",
    "Triggered",
    "accepted_if",
    "meter_readings",
    "set_seconds",
]

Triggered: TypeAlias = Callable[[Any, Charger, list[Connector]], list[Message]]
"""Returns the messages that a trigger asks for, given the dialect, the station and connectors."""

MAX_SECONDS: Final = 10**6
ACCEPTED: Final = {"status": "Accepted"}
REJECTED: Final = {"status": "Rejected"}


class CSMSDialect(Protocol):
    """The calls and answers of the CSMS that differ between versions.

    Attributes:
        authorized: the payload that accepts an Authorize.
    """

    authorized: ClassVar[Payload]

    def start(self, number: int, token: str, remote_id: int) -> Message:
        """Start a transaction at a connector (OCPP 2.x: an EVSE)."""

    def stop(self, transaction: int | str) -> Message:
        """Stop a transaction.

        Raises:
            ValueError: the transaction is not a number, but has to be.
        """

    def unlock(self, number: int, connector: int) -> Message:
        """Unlock a connector (OCPP 2.x: of an EVSE)."""

    def reset(self) -> Message:
        """Reset the station, and stop its transactions."""


class StationDialect(StationMessages):
    """The messages and answers of the station.

    Attributes:
        answers: action -> payload, or a function of the dialect, the station and the request that
            returns it. Other actions are NotSupported.
        triggers: message that can be requested -> function that returns it.
    """

    answers: ClassVar[Mapping[str, Answer]]
    triggers: ClassVar[Mapping[str, Triggered]]

    def offline(self, message: Message) -> Message:
        """Return the message: only OCPP 2.x marks it."""
        return message

    def trigger(self, charger: Charger, name: str, number: int | None) -> Payload:
        """Answer the request for a message. The message is sent after the answer."""
        if name not in self.triggers:
            return {"status": "NotImplemented"}
        known = charger.connectors
        connectors = [known[number]] if number in known else [] if number else list(known.values())
        messages = self.triggers[name](self, charger, connectors)
        charger.say(*messages)
        return accepted_if(messages)


class Dialect(NamedTuple):
    """What the two ends say in a version."""

    csms: CSMSDialect
    station: StationDialect


def accepted_if(success: object) -> Payload:
    """Return the payload with status Accepted, or Rejected if `success` is false."""
    return ACCEPTED if success else REJECTED


TRIGGERS: Final[dict[str, Triggered]] = {
    "BootNotification": lambda dialect, *_: [dialect.boot(again=True)],
    "Heartbeat": lambda *_: [("Heartbeat", {})],
    "StatusNotification": lambda dialect, _, connectors: [dialect.status(c) for c in connectors],
    "FirmwareStatusNotification": lambda *_: [("FirmwareStatusNotification", {"status": "Idle"})],
    "LogStatusNotification": lambda *_: [("LogStatusNotification", {"status": "Idle"})],
}
"""Messages that can be requested in all versions."""

SHARED_ANSWERS: Final[dict[str, Answer]] = {
    "CancelReservation": REJECTED,
    "ClearCache": ACCEPTED,
    "ClearChargingProfile": {"status": "Unknown"},
    "DataTransfer": {"status": "UnknownVendorId"},
    "GetCompositeSchedule": REJECTED,
    "GetInstalledCertificateIds": {"status": "NotFound"},
    "GetLog": REJECTED,
    "InstallCertificate": REJECTED,
    "ReserveNow": REJECTED,
    "SendLocalList": {"status": "Failed"},
    "SetChargingProfile": REJECTED,
}
"""Answers that are the same in all versions."""


def meter_readings(connector: Connector) -> list[tuple[str, int, str]]:
    """Return the readings of a meter: measurand, value, unit."""
    power = POWER if connector.state == "Charging" else 0
    return [
        ("Energy.Active.Import.Register", connector.meter, "Wh"),
        ("Power.Active.Import", power, "W"),
    ]


def set_seconds(charger: Charger, name: str, text: str) -> bool:
    """Set an attribute of the station to a number of seconds, and return whether it is valid."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_SECONDS:
        return False
    setattr(charger, name, int(text))
    return True

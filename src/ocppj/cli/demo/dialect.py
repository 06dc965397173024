"""How the simulated station speaks and answers, as tables of messages.

Owns what the OCPP versions have in common; their modules have the rest.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeAlias

from ocppj.cli.demo.charger import POWER, Charger, Connector, Dialect
from ocppj.cli.demo.messages import Answer, Message

__all__ = [
    "ACCEPTED",
    "REJECTED",
    "SHARED_ANSWERS",
    "TRIGGERS",
    "Speaker",
    "Triggered",
    "accepted_or_rejected",
    "meter_readings",
    "set_seconds",
]

Triggered: TypeAlias = Callable[[Any, Charger, list[Connector]], list[Message]]
"""Gives the messages that were asked for: from the dialect, the station, and its connectors."""

MAX_SECONDS: Final = 10**6
ACCEPTED: Final = {"status": "Accepted"}
REJECTED: Final = {"status": "Rejected"}


class Speaker(Dialect):
    """A dialect, and how the station answers in it.

    Attributes:
        answers: action -> answer; a function gets the dialect, the station and the request.
            What is not here is NotSupported.
        triggers: message that can be asked for -> what makes it.
    """

    answers: ClassVar[Mapping[str, Answer]]
    triggers: ClassVar[Mapping[str, Triggered]]

    def trigger(self, charger: Charger, name: str, number: int | None) -> dict[str, Any]:
        """Answer a request for a message, which goes out afterwards."""
        if name not in self.triggers:
            return {"status": "NotImplemented"}
        known = charger.connectors
        connectors = [known[number]] if number in known else [] if number else list(known.values())
        messages = self.triggers[name](self, charger, connectors)
        charger.say(*messages)
        return ACCEPTED if messages else REJECTED


def accepted_or_rejected(accepted: bool) -> dict[str, Any]:  # noqa: FBT001
    """Return the answer to what has been done, or not."""
    return ACCEPTED if accepted else REJECTED


TRIGGERS: Final[dict[str, Triggered]] = {
    "BootNotification": lambda speaker, *_: [speaker.boot(again=True)],
    "Heartbeat": lambda *_: [("Heartbeat", {})],
    "StatusNotification": lambda speaker, _, connectors: [speaker.status(c) for c in connectors],
    "FirmwareStatusNotification": lambda *_: [("FirmwareStatusNotification", {"status": "Idle"})],
    "LogStatusNotification": lambda *_: [("LogStatusNotification", {"status": "Idle"})],
}

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
"""What is answered alike in all versions."""


def meter_readings(connector: Connector) -> list[tuple[str, int, str]]:
    """Return what the meter says: measurand, value, unit."""
    power = POWER if connector.state == "Charging" else 0
    return [
        ("Energy.Active.Import.Register", connector.meter, "Wh"),
        ("Power.Active.Import", power, "W"),
    ]


def set_seconds(charger: Charger, name: str, text: str) -> bool:
    """Change a number of seconds, if it is one."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_SECONDS:
        return False
    setattr(charger, name, int(text))
    return True

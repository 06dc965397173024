"""The simulated station in OCPP 1.6.

Owns its messages and answers in this version.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from ocppj.cli.demo.charger import MODEL, VENDOR, Charge, Charger, Connector
from ocppj.cli.demo.dialect import (
    REJECTED,
    SHARED_ANSWERS,
    TRIGGERS,
    Speaker,
    Triggered,
    accepted_or_rejected,
    meter_readings,
    set_seconds,
)
from ocppj.cli.demo.messages import Answer, Message, now

__all__ = ["SPEAKER"]


class _Speaker(Speaker):
    """OCPP 1.6."""

    statuses: ClassVar[Mapping[str, str]] = {
        name: name for name in ("Available", "Preparing", "Charging", "Finishing", "Unavailable")
    }
    reasons: ClassVar = {
        "left": "EVDisconnected",
        "remote": "Remote",
        "refused": "DeAuthorized",
        "reset": "SoftReset",
        "unlock": "UnlockCommand",
    }

    def boot(self, *, again: bool) -> Message:  # noqa: ARG002  OCPP 1.6 does not say why
        return "BootNotification", {"chargePointVendor": VENDOR, "chargePointModel": MODEL}

    def status(self, connector: Connector) -> Message:
        return "StatusNotification", {
            "connectorId": connector.number,
            "errorCode": "NoError",
            "status": self.statuses[connector.state],
            "timestamp": now(),
        }

    def begin(self, charge: Charge) -> Message:
        return "StartTransaction", {
            "connectorId": charge.connector.number,
            "idTag": charge.token,
            "meterStart": charge.start,
            "timestamp": now(),
        }

    def begun(self, charge: Charge, response: Any) -> bool:
        if response is None:
            return False
        charge.transaction = response.transaction_id
        return bool(response.id_tag_info.status == "Accepted")

    def charging(self, charge: Charge) -> None:  # noqa: ARG002  its status says it
        return None

    def meter(self, charge: Charge) -> Message:
        return self.values(charge.connector)

    def values(self, connector: Connector) -> Message:
        """Tell what a meter says, in a transaction or not."""
        going = None if connector.charge is None else connector.charge.transaction
        values = [
            {"value": str(value), "measurand": measurand, "unit": unit}
            for measurand, value, unit in meter_readings(connector)
        ]
        return "MeterValues", {
            "connectorId": connector.number,
            "meterValue": [{"timestamp": now(), "sampledValue": values}],
            **({} if going is None else {"transactionId": going}),
        }

    def end(self, charge: Charge) -> Message | None:
        if charge.transaction is None:
            return None
        return "StopTransaction", {
            "transactionId": charge.transaction,
            "meterStop": charge.connector.meter,
            "timestamp": now(),
            "reason": self.reasons[charge.reason],
        }

    triggers: ClassVar[Mapping[str, Triggered]] = {
        **TRIGGERS,
        "DiagnosticsStatusNotification": lambda *_: [
            ("DiagnosticsStatusNotification", {"status": "Idle"})
        ],
        "MeterValues": lambda speaker, _, connectors: [speaker.values(c) for c in connectors],
    }

    def _start(self, charger: Charger, request: Any) -> dict[str, Any]:
        return accepted_or_rejected(charger.start(request.connector_id, request.id_tag))

    def _stop(self, charger: Charger, request: Any) -> dict[str, Any]:
        return accepted_or_rejected(charger.stop(request.transaction_id))

    def _trigger(self, charger: Charger, request: Any) -> dict[str, Any]:
        return self.trigger(charger, request.requested_message, request.connector_id)

    def _unlock(self, charger: Charger, request: Any) -> dict[str, Any]:
        connector = charger.connectors.get(request.connector_id)
        if connector is None:
            return {"status": "NotSupported"}
        if connector.charge is not None:
            connector.charge.stop("unlock")
        return {"status": "Unlocked"}

    def _reset(self, charger: Charger, _request: Any) -> dict[str, Any]:
        return {"status": charger.reset()}

    def _availability(self, charger: Charger, request: Any) -> dict[str, Any]:
        number = request.connector_id
        numbers = [number] if number else list(charger.connectors)
        if not charger.connectors.keys() >= set(numbers):
            return REJECTED
        return {"status": charger.change(numbers, operative=request.type == "Operative")}

    def _get(self, charger: Charger, request: Any) -> dict[str, Any]:
        known = {name: getattr(charger, name_here) for name, name_here in self.settings.items()}
        asked = request.key or list(known)
        found = [
            {"key": name, "readonly": False, "value": f"{known[name]:g}"}
            for name in asked
            if name in known
        ]
        return {
            "configurationKey": found,
            "unknownKey": [name for name in asked if name not in known],
        }

    def _set(self, charger: Charger, request: Any) -> dict[str, Any]:
        if request.key not in self.settings:
            return {"status": "NotSupported"}
        return accepted_or_rejected(set_seconds(charger, self.settings[request.key], request.value))

    settings: ClassVar = {"HeartbeatInterval": "interval", "MeterValueSampleInterval": "pace"}

    answers: ClassVar[Mapping[str, Answer]] = {
        **SHARED_ANSWERS,
        "ChangeAvailability": _availability,
        "ChangeConfiguration": _set,
        "GetConfiguration": _get,
        "GetDiagnostics": {},
        "GetLocalListVersion": {"listVersion": 0},
        "RemoteStartTransaction": _start,
        "RemoteStopTransaction": _stop,
        "Reset": _reset,
        "TriggerMessage": _trigger,
        "ExtendedTriggerMessage": _trigger,
        "UnlockConnector": _unlock,
    }


SPEAKER = _Speaker()

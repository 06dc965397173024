"""The messages and answers of the two ends in OCPP 1.6."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ocppj.cli.demo.charger import MODEL, VENDOR, Charge, Charger, Connector
from ocppj.cli.demo.dialect import (
    ACCEPTED,
    REJECTED,
    SHARED_ANSWERS,
    TRIGGERS,
    CSMSDialect,
    Dialect,
    StationDialect,
    Triggered,
    accepted_if,
    meter_readings,
    set_seconds,
)
from ocppj.cli.demo.messages import Answer, Message, Payload, now

__all__ = ["DIALECT"]


class _CSMS(CSMSDialect):
    """The CSMS in OCPP 1.6."""

    authorized: ClassVar[Payload] = {"idTagInfo": ACCEPTED}

    def start(self, number: int, token: str, remote_id: int) -> Message:  # noqa: ARG002  only 2.x
        return "RemoteStartTransaction", {"connectorId": number, "idTag": token}

    def stop(self, transaction: int | str) -> Message:
        return "RemoteStopTransaction", {"transactionId": int(transaction)}

    def unlock(self, number: int, connector: int) -> Message:  # noqa: ARG002  there are no EVSEs
        return "UnlockConnector", {"connectorId": number}

    def reset(self) -> Message:
        return "Reset", {"type": "Soft"}


class _Station(StationDialect):
    """The station in OCPP 1.6."""

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

    def boot(self, *, again: bool) -> Message:  # noqa: ARG002  OCPP 1.6 gives no reason
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

    def charging(self, charge: Charge) -> None:  # noqa: ARG002  its status tells
        return None

    def meter(self, charge: Charge) -> Message:
        return self.values(charge.connector)

    def values(self, connector: Connector) -> Message:
        """Return the readings of a meter, in a transaction or not."""
        transaction = None if connector.charge is None else connector.charge.transaction
        values = [
            {"value": str(value), "measurand": measurand, "unit": unit}
            for measurand, value, unit in meter_readings(connector)
        ]
        return "MeterValues", {
            "connectorId": connector.number,
            "meterValue": [{"timestamp": now(), "sampledValue": values}],
            **({} if transaction is None else {"transactionId": transaction}),
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
        "MeterValues": lambda dialect, _, connectors: [dialect.values(c) for c in connectors],
    }

    def _start(self, charger: Charger, request: Any) -> Payload:
        return accepted_if(charger.start(request.connector_id, request.id_tag))

    def _stop(self, charger: Charger, request: Any) -> Payload:
        return accepted_if(charger.stop(request.transaction_id))

    def _trigger(self, charger: Charger, request: Any) -> Payload:
        return self.trigger(charger, request.requested_message, request.connector_id)

    def _unlock(self, charger: Charger, request: Any) -> Payload:
        connector = charger.connectors.get(request.connector_id)
        if connector is None:
            return {"status": "NotSupported"}
        if connector.charge is not None:
            connector.charge.stop("unlock")
        return {"status": "Unlocked"}

    def _reset(self, charger: Charger, _request: Any) -> dict[str, Any]:
        return {"status": charger.reset()}

    def _availability(self, charger: Charger, request: Any) -> Payload:
        number = request.connector_id
        numbers = [number] if number else list(charger.connectors)
        if not charger.connectors.keys() >= set(numbers):
            return REJECTED
        return {"status": charger.change(numbers, operative=request.type == "Operative")}

    def _get(self, charger: Charger, request: Any) -> Payload:
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

    def _set(self, charger: Charger, request: Any) -> Payload:
        if request.key not in self.settings:
            return {"status": "NotSupported"}
        return accepted_if(set_seconds(charger, self.settings[request.key], request.value))

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


DIALECT = Dialect(_CSMS(), _Station())

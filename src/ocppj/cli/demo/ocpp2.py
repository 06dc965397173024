"""The messages and answers of the two ends in OCPP 2.0.1 and 2.1, which are the same."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

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
    """The CSMS in OCPP 2.0.1 and 2.1."""

    authorized: ClassVar[Payload] = {"idTokenInfo": ACCEPTED}

    def start(self, number: int, token: str, remote_id: int) -> Message:
        return "RequestStartTransaction", {
            "evseId": number,
            "idToken": {"idToken": token, "type": "Central"},
            "remoteStartId": remote_id,
        }

    def stop(self, transaction: int | str) -> Message:
        return "RequestStopTransaction", {"transactionId": transaction}

    def unlock(self, number: int, connector: int) -> Message:
        return "UnlockConnector", {"evseId": number, "connectorId": connector}

    def reset(self) -> Message:
        return "Reset", {"type": "Immediate"}


class _Station(StationDialect):
    """The station in OCPP 2.0.1 and 2.1."""

    statuses: ClassVar[Mapping[str, str]] = {
        "Available": "Available",
        "Preparing": "Occupied",
        "Charging": "Occupied",
        "Finishing": "Occupied",
        "Unavailable": "Unavailable",
    }
    reasons: ClassVar = {
        "left": ("EVDeparted", "EVDisconnected"),
        "remote": ("RemoteStop", "Remote"),
        "refused": ("Deauthorized", "DeAuthorized"),
        "reset": ("ResetCommand", "ImmediateReset"),
    }

    def boot(self, *, again: bool) -> Message:
        return "BootNotification", {
            "reason": "RemoteReset" if again else "PowerUp",
            "chargingStation": {"vendorName": VENDOR, "model": MODEL},
        }

    def offline(self, message: Message) -> Message:
        action, payload = message
        return (action, {**payload, "offline": True}) if action == "TransactionEvent" else message

    def status(self, connector: Connector) -> Message:
        return "StatusNotification", {
            "timestamp": now(),
            "connectorStatus": self.statuses[connector.state],
            "evseId": connector.number,
            "connectorId": 1,
        }

    def begin(self, charge: Charge) -> Message:
        charge.transaction = str(uuid4())
        remote = {} if charge.remote_id is None else {"remoteStartId": charge.remote_id}
        return self.event(
            charge,
            ("Started", "RemoteStart"),
            {"chargingState": "EVConnected", **remote},
            evse={"id": charge.connector.number, "connectorId": 1},
            idToken=charge.token,
        )

    def begun(self, charge: Charge, response: Any) -> bool:  # noqa: ARG002  of the protocol
        info = None if response is None else response.id_token_info
        return info is None or bool(info.status == "Accepted")

    def charging(self, charge: Charge) -> Message:
        state = {"chargingState": "Charging"}
        return self.event(charge, ("Updated", "ChargingStateChanged"), state)

    def meter(self, charge: Charge) -> Message:
        event_type = ("Updated", "MeterValuePeriodic")
        return self.event(charge, event_type, {}, meterValue=_values(charge.connector))

    def end(self, charge: Charge) -> Message:
        trigger, reason = self.reasons[charge.reason]
        facts = {"chargingState": "Idle", "stoppedReason": reason}
        values = _values(charge.connector)
        return self.event(charge, ("Ended", trigger), facts, meterValue=values)

    def event(
        self, charge: Charge, event_type: tuple[str, str], facts: Mapping[str, Any], **more: Any
    ) -> Message:
        """Return a TransactionEvent."""
        charge.sequence += 1
        return "TransactionEvent", {
            "eventType": event_type[0],
            "timestamp": now(),
            "triggerReason": event_type[1],
            "seqNo": charge.sequence - 1,
            "transactionInfo": {"transactionId": charge.transaction, **facts},
            **more,
        }

    def _events(self, _charger: Charger, connectors: list[Connector]) -> list[Message]:
        return [
            self.event(c.charge, ("Updated", "Trigger"), {}, meterValue=_values(c))
            for c in connectors
            if c.charge is not None and c.charge.transaction is not None
        ]

    def _meters(self, _charger: Charger, connectors: list[Connector]) -> list[Message]:
        return [("MeterValues", {"evseId": c.number, "meterValue": _values(c)}) for c in connectors]

    triggers: ClassVar[Mapping[str, Triggered]] = {
        **TRIGGERS,
        "MeterValues": _meters,
        "TransactionEvent": _events,
    }

    def _start(self, charger: Charger, request: Any) -> Payload:
        started = charger.start(request.evse_id, request.id_token, request.remote_start_id)
        return accepted_if(started)

    def _stop(self, charger: Charger, request: Any) -> Payload:
        return accepted_if(charger.stop(request.transaction_id))

    def _trigger(self, charger: Charger, request: Any) -> Payload:
        number = None if request.evse is None else request.evse.id
        return self.trigger(charger, request.requested_message, number)

    def _unlock(self, charger: Charger, request: Any) -> Payload:
        connector = charger.connectors.get(request.evse_id)
        if connector is None or request.connector_id != 1:
            return {"status": "UnknownConnector"}
        if connector.charge is not None:
            return {"status": "OngoingAuthorizedTransaction"}
        return {"status": "Unlocked"}

    def _reset(self, charger: Charger, request: Any) -> Payload:
        return {"status": charger.reset(at_once=request.type == "Immediate")}

    def _availability(self, charger: Charger, request: Any) -> Payload:
        numbers = list(charger.connectors) if request.evse is None else [request.evse.id]
        if not charger.connectors.keys() >= set(numbers):
            return REJECTED
        operative = request.operational_status == "Operative"
        return {"status": charger.change(numbers, operative=operative)}

    def _ongoing(self, charger: Charger, request: Any) -> Payload:
        if request.transaction_id is None:
            return {"messagesInQueue": False}
        ongoing = any(c.transaction == request.transaction_id for c in charger.charges)
        return {"ongoingIndicator": ongoing, "messagesInQueue": False}

    def _get(self, charger: Charger, request: Any) -> Payload:
        results = []
        for asked in request.get_variable_data:
            status, name = self._setting(asked)
            value = {} if name is None else {"attributeValue": f"{getattr(charger, name):g}"}
            results.append({**_about(asked, status), **value})
        return {"getVariableResult": results}

    def _set(self, charger: Charger, request: Any) -> Payload:
        results = []
        for asked in request.set_variable_data:
            status, name = self._setting(asked)
            if name is not None and not set_seconds(charger, name, asked.attribute_value):
                status = "Rejected"
            results.append(_about(asked, status))
        return {"setVariableResult": results}

    def _setting(self, asked: Any) -> tuple[str, str | None]:
        variables = self.settings.get(asked.component.name)
        if variables is None:
            return "UnknownComponent", None
        if asked.variable.name not in variables:
            return "UnknownVariable", None
        if asked.attribute_type not in (None, "Actual"):
            return "NotSupportedAttributeType", None
        return "Accepted", variables[asked.variable.name]

    settings: ClassVar = {
        "OCPPCommCtrlr": {"HeartbeatInterval": "interval"},
        "SampledDataCtrlr": {"TxUpdatedInterval": "pace"},
    }

    answers: ClassVar[Mapping[str, Answer]] = {
        **SHARED_ANSWERS,
        "ChangeAvailability": _availability,
        "ClearDisplayMessage": {"status": "Unknown"},
        "CostUpdated": {},
        "CustomerInformation": REJECTED,
        "GetBaseReport": {"status": "NotSupported"},
        "GetChargingProfiles": {"status": "NoProfiles"},
        "GetDisplayMessages": {"status": "Unknown"},
        "GetLocalListVersion": {"versionNumber": 0},
        "GetMonitoringReport": {"status": "EmptyResultSet"},
        "GetReport": {"status": "NotSupported"},
        "GetTransactionStatus": _ongoing,
        "GetVariables": _get,
        "RequestStartTransaction": _start,
        "RequestStopTransaction": _stop,
        "Reset": _reset,
        "SetVariables": _set,
        "TriggerMessage": _trigger,
        "UnlockConnector": _unlock,
    }


def _values(connector: Connector) -> list[dict[str, Any]]:
    values = [
        {"value": value, "measurand": measurand, "unitOfMeasure": {"unit": unit}}
        for measurand, value, unit in meter_readings(connector)
    ]
    return [{"timestamp": now(), "sampledValue": values}]


def _about(asked: Any, status: str) -> dict[str, Any]:
    return {
        "attributeStatus": status,
        "component": asked.component,
        "variable": asked.variable,
    }


DIALECT = Dialect(_CSMS(), _Station())

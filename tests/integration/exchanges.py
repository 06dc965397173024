"""Typical exchanges of each version, for peers of other makes on both sides."""

import json
from types import SimpleNamespace
from typing import Any

import ocppj

TIME = "2026-01-02T03:04:05Z"
CARD = {"idToken": "045918E24B4D80", "type": "ISO14443"}
EVSE = {"id": 1, "connectorId": 1}

Exchange = tuple[str, dict[str, Any], dict[str, Any]]

_UP_2: list[Exchange] = [
    (
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {"model": "one", "vendorName": "us", "modem": {"iccid": "8931"}},
        },
        {"currentTime": TIME, "interval": 300, "status": "Accepted"},
    ),
    ("Heartbeat", {}, {"currentTime": TIME}),
    (
        "StatusNotification",
        {"timestamp": TIME, "connectorStatus": "Available", "evseId": 1, "connectorId": 1},
        {},
    ),
    ("Authorize", {"idToken": CARD}, {"idTokenInfo": {"status": "Accepted"}}),
    (
        "TransactionEvent",
        {
            "eventType": "Updated",
            "timestamp": TIME,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 1,
            "offline": False,
            "transactionInfo": {"transactionId": "t-1", "chargingState": "Charging"},
            "evse": EVSE,
            "meterValue": [
                {
                    "timestamp": TIME,
                    "sampledValue": [{"value": 1.5, "unitOfMeasure": {"unit": "kWh"}}],
                }
            ],
        },
        {"totalCost": 2.25},
    ),
]
_DOWN_2: list[Exchange] = [
    (
        "RequestStartTransaction",
        {"remoteStartId": 7, "idToken": CARD, "evseId": 1},
        {"status": "Accepted", "transactionId": "t-1"},
    ),
    ("RequestStopTransaction", {"transactionId": "t-1"}, {"status": "Rejected"}),
    (
        "TriggerMessage",
        {"requestedMessage": "StatusNotification", "evse": EVSE},
        {"status": "Accepted"},
    ),
    ("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": "Unlocked"}),
    ("Reset", {"type": "OnIdle"}, {"status": "Scheduled"}),
    (
        "GetVariables",
        {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "x"}}]},
        {
            "getVariableResult": [
                {
                    "attributeStatus": "UnknownVariable",
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": "x"},
                }
            ]
        },
    ),
]

UP: dict[str, list[Exchange]] = {
    "1.6": [
        (
            "BootNotification",
            {"chargePointModel": "one", "chargePointVendor": "us"},
            {"currentTime": TIME, "interval": 300, "status": "Accepted"},
        ),
        ("Heartbeat", {}, {"currentTime": TIME}),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": TIME},
            {},
        ),
        ("Authorize", {"idTag": "card"}, {"idTagInfo": {"status": "Accepted"}}),
        (
            "StartTransaction",
            {"connectorId": 1, "idTag": "card", "meterStart": 0, "timestamp": TIME},
            {"transactionId": 3, "idTagInfo": {"status": "Accepted"}},
        ),
        (
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 3,
                "meterValue": [{"timestamp": TIME, "sampledValue": [{"value": "1.5"}]}],
            },
            {},
        ),
        (
            "StopTransaction",
            {"transactionId": 3, "meterStop": 9, "timestamp": TIME, "reason": "Remote"},
            {"idTagInfo": {"status": "Accepted"}},
        ),
    ],
    "2.0.1": _UP_2,
    "2.1": _UP_2,
}
"""Version -> what a station calls, and the answer."""

DOWN: dict[str, list[Exchange]] = {
    "1.6": [
        ("RemoteStartTransaction", {"idTag": "card", "connectorId": 1}, {"status": "Accepted"}),
        ("RemoteStopTransaction", {"transactionId": 3}, {"status": "Rejected"}),
        (
            "TriggerMessage",
            {"requestedMessage": "MeterValues", "connectorId": 1},
            {"status": "Accepted"},
        ),
        ("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}),
        ("Reset", {"type": "Soft"}, {"status": "Accepted"}),
        (
            "GetConfiguration",
            {"key": ["a"]},
            {"configurationKey": [{"key": "a", "readonly": False, "value": "1"}]},
        ),
    ],
    "2.0.1": _DOWN_2,
    "2.1": _DOWN_2,
}
"""Version -> what a CSMS calls, and the answer."""


def handler(version: str, exchanges: list[Exchange]) -> tuple[Any, list[tuple[str, Any]]]:
    """Return a handler that gives the answers, and the list of calls that it gets."""
    codec = ocppj.Codec(version)
    asked: list[tuple[str, Any]] = []

    def method(action: str, answer: Any) -> Any:
        async def handle(*arguments: Any) -> Any:
            asked.append((action, wire(codec, arguments[-1])))
            return decoded(codec, [3, "1", answer], action)

        return handle

    features = codec.features
    made = {features[action].method: method(action, answer) for action, _, answer in exchanges}
    return SimpleNamespace(**made), asked


def decoded(codec: ocppj.Codec, frame: list[Any], action: str) -> Any:
    frame_: Any = codec.decode(json.dumps(frame), pending={frame[1]: action})
    return frame_.payload


def wire(codec: ocppj.Codec, payload: Any) -> Any:
    """Return the wire form of a payload."""
    action = type(payload).__name__
    if action.endswith("Response"):
        return json.loads(codec.encode(ocppj.CallResult("1", payload)))[2]
    return json.loads(codec.encode(ocppj.Call("1", action.removesuffix("Request"), payload)))[3]


async def calls(version: str, peer: Any, exchanges: list[Exchange]) -> None:
    """Make our calls, and check the answers."""
    codec = ocppj.Codec(version)
    for action, request, answer in exchanges:
        got = await peer.call(decoded(codec, [2, "1", action, request], action))
        assert wire(codec, got) == answer


def requests(exchanges: list[Exchange]) -> list[tuple[str, Any]]:
    return [(action, request) for action, request, _ in exchanges]

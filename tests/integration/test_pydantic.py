"""Messages as types of pydantic and FastAPI: the verdict of decoding, JSON paths, named schemas."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from ocppj import v16, v21, v201
from ocppj.schema import JSON
from tests import strategies
from tests.asgi import post, request

pydantic = pytest.importorskip("pydantic")
REQUEST = pydantic.TypeAdapter(v201.UnlockConnectorRequest)
EVENT = {
    "eventType": "Started",
    "timestamp": "2026-11-22T10:00:00.5Z",
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "x"},
    "meterValue": [{"timestamp": "2026-11-22T10:00:00Z", "sampledValue": [{"value": 3.5}]}],
}


def errors(cls: Any, value: Any) -> list[Any]:
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(cls).validate_python(value)
    found: list[Any] = caught.value.errors(include_url=False)
    return found


def test_nothing_of_pydantic_is_loaded_unless_it_asks() -> None:
    program = "import sys, ocppj.v201, ocppj.aio; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_payload_becomes_its_message_and_back() -> None:
    event = pydantic.TypeAdapter(v201.TransactionEventRequest)
    found = event.validate_python(EVENT)
    assert isinstance(found, v201.TransactionEventRequest)
    assert found.meter_value is not None
    assert found.meter_value[0].sampled_value[0].value == 3.5
    assert event.validate_json(json.dumps(EVENT)) == found
    assert event.validate_python(found) is found
    written = EVENT | {"timestamp": "2026-11-22T10:00:00.500000Z"}
    assert json.loads(event.dump_json(found)) == written
    assert event.dump_python(found) == written


@given(strategies.payloads(v201.TransactionEventRequest))
def test_whatever_can_be_encoded_is_valid(payload: Any) -> None:
    adapter = pydantic.TypeAdapter(v201.TransactionEventRequest)
    assert adapter.validate_python(payload) is payload
    assert adapter.validate_json(adapter.dump_json(payload)) == payload


def test_vendor_data_keeps_its_keys() -> None:
    value = {"evseId": 1, "connectorId": 1, "customData": {"vendorId": "acme", "fan_speed": 3}}
    found = REQUEST.validate_python(value)
    assert type(found.custom_data) is ocppj.CustomData
    assert REQUEST.dump_python(found) == value


def test_an_error_has_the_path_and_what_is_there() -> None:
    value = EVENT | {"meterValue": [{**EVENT["meterValue"][0], "sampledValue": [{"value": "x"}]}]}  # type: ignore[index]
    (error,) = errors(v201.TransactionEventRequest, value)
    path = "$.meterValue[0].sampledValue[0].value"
    assert error == {
        "type": "ocpp",
        "loc": ("meterValue", 0, "sampledValue", 0, "value"),
        "msg": f"expected float, got str at {path}",
        "input": "x",
        "ctx": {"problem": "expected float, got str", "path": path},
    }


def test_an_error_of_a_missing_field_has_its_parent() -> None:
    (error,) = errors(v201.UnlockConnectorRequest, {"evseId": 1})
    assert (error["loc"], error["input"]) == ((), {"evseId": 1})
    assert error["msg"] == "required field connectorId is missing at $"


@pytest.mark.parametrize(
    "data",
    ["\ud800", float("nan"), float("inf"), {1, "a"}, 2**70, b"bytes", b"", [[]], object(), None],
)
def test_what_no_peer_could_send_is_invalid(data: Any) -> None:
    (error,) = errors(v201.UnlockConnectorRequest, {"evseId": data, "connectorId": 1})
    json.dumps(error["input"], allow_nan=False).encode()


@pytest.mark.parametrize("text", ["\ud800", "x" * 51])
def test_a_message_of_ours_that_cannot_be_sent_is_invalid(text: str) -> None:
    errors(v201.SetMonitoringLevelRequest, v201.SetMonitoringLevelRequest(severity="1"))  # type: ignore[arg-type]
    errors(v201.StatusInfoType, v201.StatusInfoType(reason_code=text))


def test_a_message_that_would_be_read_as_another_is_invalid() -> None:
    (error,) = errors(v201.StatusInfoType, v201.StatusInfoType(reason_code=b"x"))  # type: ignore[arg-type]
    assert error["msg"] == "would be read as another value at $"


def test_a_very_deep_value_is_invalid() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    (error,) = errors(v201.DataTransferRequest, {"vendorId": "x", "data": deep})
    assert error["ctx"]["problem"].startswith("not a value")
    for _ in range(100_000):
        deep = [deep]
    (error,) = errors(v201.DataTransferRequest, {"vendorId": "x", "data": deep})
    assert error["msg"].startswith("not JSON")
    while deep != 1:
        (deep,) = deep


FIELDS = st.sampled_from(["vendorId", "messageId", "data", "customData"]) | strategies.text


@given(st.dictionaries(FIELDS, strategies.values, max_size=4) | strategies.values)
def test_the_verdict_is_that_of_decoding(value: Any) -> None:
    try:
        call = ocppj.Codec("2.0.1").decode(json.dumps([2, "1", "DataTransfer", value]))
        expected = call.payload  # type: ignore[union-attr]
    except ocppj.DecodeError as error:
        (found,) = errors(v201.DataTransferRequest, value)
        if not found["msg"].startswith("not JSON"):
            assert found["ctx"]["path"] == error.path
        json.dumps(found["input"], allow_nan=False).encode()
    else:
        assert pydantic.TypeAdapter(v201.DataTransferRequest).validate_python(value) == expected


def test_models_of_ones_own_may_have_messages_inside() -> None:
    class Command(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        station: str
        request: v201.UnlockConnectorRequest
        extra: ocppj.CustomData | None = None

    value = {"station": "CS-1", "request": {"evseId": 1, "connectorId": 2}}
    command = Command.model_validate(value | {"extra": {"vendorId": "acme"}})
    assert command.request == v201.UnlockConnectorRequest(evse_id=1, connector_id=2)
    assert command.model_dump(exclude_none=True) == value | {"extra": {"vendorId": "acme"}}
    with pytest.raises(pydantic.ValidationError) as caught:
        Command.model_validate({"station": "CS-1", "request": {"evseId": 1}, "extra": {}})
    assert [error["loc"] for error in caught.value.errors()] == [("request",), ("extra",)]


class Tree(ocppj.Message, kw_only=True):
    leaves: ocppj.Maybe[list["Tree"]] = None
    data: ocppj.Maybe[JSON] = None


def test_types_inside_are_components_of_their_own() -> None:
    class Report(pydantic.BaseModel):  # type: ignore[misc,name-defined]
        answer: v201.UnlockConnectorResponse
        reason: v201.StatusInfoType
        tree: Tree

    schema = Report.model_json_schema()
    definitions = schema["$defs"]
    assert schema["properties"]["answer"] == {"$ref": "#/$defs/UnlockConnectorResponse"}
    assert definitions["UnlockConnectorResponse"]["properties"] == {
        "customData": {"$ref": "#/$defs/CustomData"},
        "status": {"$ref": "#/$defs/UnlockStatusEnumType"},
        "statusInfo": {"$ref": "#/$defs/StatusInfoType"},
    }
    assert definitions["UnlockConnectorResponse"]["additionalProperties"] is False
    assert definitions["StatusInfoType"] == definitions["StatusInfoType"] | {
        "title": "StatusInfoType",
        "required": ["reasonCode"],
    }
    assert definitions["Tree"]["properties"]["leaves"]["items"] == {"$ref": "#/$defs/Tree"}


def test_types_inside_that_have_one_name_are_told_apart() -> None:
    class Both(ocppj.Message):
        old: v201.IdTokenType
        new: v21.IdTokenType

    schema = pydantic.TypeAdapter(Both).json_schema()
    names = {part["$ref"].rpartition("/")[2] for part in schema["properties"].values()}
    assert len(names) == 2
    assert names <= schema["$defs"].keys()


def test_fastapi_takes_messages_as_bodies_and_results() -> None:
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    body = fastapi.Body()

    @app.post("/unlock/{station_id}")  # type: ignore[untyped-decorator]
    async def unlock(
        station_id: str, request: Annotated[v201.UnlockConnectorRequest, body]
    ) -> v201.UnlockConnectorResponse:
        status = v201.UnlockStatusEnumType.UNLOCKED
        return v201.UnlockConnectorResponse(status=status, custom_data=request.custom_data)

    @app.post("/profile")  # type: ignore[untyped-decorator]
    async def profile(
        request: Annotated[v16.SetChargingProfileRequest, body],
    ) -> list[v16.HeartbeatResponse]:
        return [v16.HeartbeatResponse(current_time=datetime.now(UTC))]

    right = {"evseId": 1, "connectorId": 2}
    assert post(app, "/unlock/CS-1", right) == (200, {"status": "Unlocked"})
    custom = {"customData": {"vendorId": "x", "n": [1]}}
    assert post(app, "/unlock/CS-1", right | custom) == (200, {"status": "Unlocked"} | custom)
    status, answer = post(app, "/unlock/CS-1", right | {"evseId": "one"})
    assert status == 422
    assert answer["detail"][0]["loc"] == ["body", "evseId"]
    assert answer["detail"][0]["msg"] == "expected int, got str at $.evseId"
    hostile = b'{"evseId":NaN,"connectorId":"\\ud800"}'
    assert request(app, "POST", "/unlock/CS-1", hostile)[0] == 422
    _, document = request(app, "GET", "/openapi.json")
    schemas = document["components"]["schemas"]
    route = document["paths"]["/unlock/{station_id}"]["post"]
    content = route["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/UnlockConnectorRequest"}
    _, components = ocppj.json_schema_components([v16.SetChargingProfileRequest])
    for name, schema in components.items():
        assert schemas[name] == schema

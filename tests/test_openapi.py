"""JSON Schema of messages: what it says, and that it is a valid schema."""

from enum import StrEnum
from typing import Annotated, Any

import jsonschema
import jsonschema_rs
import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj.schema import JSON
from tests.conftest import VERSIONS


def types(version: str) -> list[Any]:
    features = ocppj.Codec(version).features.values()
    found = (cls for one in features for cls in (one.request_type, one.response_type))
    return [cls for cls in found if cls is not None]


def test_a_request_is_described() -> None:
    assert ocppj.json_schema(v201.UnlockConnectorRequest) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "UnlockConnectorRequest",
        "description": "Ask the station to release the lock on a plug.\n\nSent by the CSMS. When a "
        "driver cannot pull out the plug, for instance because the cable is\nunder tension. It "
        "does not stop a transaction.",
        "type": "object",
        "properties": {
            "customData": {"$ref": "#/$defs/CustomDataType"},
            "evseId": {"type": "integer", "minimum": 0, "format": "int64"},
            "connectorId": {"type": "integer", "minimum": 0, "format": "int64"},
        },
        "required": ["evseId", "connectorId"],
        "additionalProperties": False,
        "$defs": {
            "CustomDataType": {
                "title": "CustomDataType",
                "description": "Vendor data: any object with a vendor id.",
                "type": "object",
                "properties": {"vendorId": {"type": "string", "maxLength": 255}},
                "required": ["vendorId"],
            }
        },
    }


def test_enums_lengths_and_sizes_are_there() -> None:
    definitions = ocppj.json_schema(v201.TransactionEventRequest)["$defs"]
    values = [one.value for one in v201.TransactionEventEnumType]
    assert sorted(definitions["TransactionEventEnumType"]["enum"]) == sorted(values)
    assert definitions["TransactionEventEnumType"]["type"] == "string"
    assert definitions["IdTokenType"]["properties"]["idToken"]["maxLength"] == 36
    assert definitions["MeterValueType"]["properties"]["sampledValue"]["minItems"] == 1


def test_integers_of_64_bits_are_a_format() -> None:
    # As bounds, they are no numbers to JavaScript.
    schema = ocppj.json_schema(v16.ChangeAvailabilityRequest)
    assert schema["properties"]["connectorId"] == {"type": "integer", "format": "int64"}


def test_tenths_of_ocpp_16_are_there() -> None:
    definitions = ocppj.json_schema(v16.SetChargingProfileRequest)["$defs"]
    limit = definitions["ChargingSchedulePeriod"]["properties"]["limit"]
    assert limit == {"type": "number", "multipleOf": 0.1}


def test_null_is_never_valid_for_an_optional_field() -> None:
    validator = jsonschema_rs.validator_for(ocppj.json_schema(v201.StatusInfoType))
    assert validator.is_valid({"reasonCode": "x"})
    assert not validator.is_valid({"reasonCode": "x", "additionalInfo": None})


@pytest.mark.parametrize("version", VERSIONS)
def test_all_messages_are_valid_schemas(version: str) -> None:
    for cls in types(version):
        schema = ocppj.json_schema(cls)
        jsonschema_rs.meta.validate(schema)
        assert schema["title"] == cls.__name__
        assert schema["description"] == "\n".join(
            line.strip() for line in (cls.__doc__ or "").strip().split("\n")
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_components_are_those_of_the_single_schemas(version: str) -> None:
    references, components = ocppj.json_schema_components(types(version))
    for cls in types(version):
        assert references[cls] == {"$ref": f"#/components/schemas/{cls.__name__}"}
    document = {"openapi": "3.1.0", "components": {"schemas": components}}
    registry_document = {"$id": "http://test/", **document}
    for cls in (v201.UnlockConnectorRequest, v21.UnlockConnectorRequest):
        if cls in references:
            schema = {**registry_document, **references[cls]}
            validator = jsonschema.Draft202012Validator(schema)
            assert validator.is_valid({"evseId": 1, "connectorId": 1})
            assert not validator.is_valid({"evseId": 1, "connectorId": 1, "customData": {}})


def test_types_of_one_name_are_told_apart() -> None:
    references, components = ocppj.json_schema_components(
        [v16.HeartbeatRequest, v201.HeartbeatRequest], ref_template="x/{name}.json"
    )
    assert references[v201.HeartbeatRequest] == {
        "$ref": "x/ocppj.v201.availability.HeartbeatRequest.json"
    }
    assert components["ocppj.v16.core.HeartbeatRequest"]["properties"] == {}
    assert components["ocppj.v201.availability.HeartbeatRequest"]["properties"] == {
        "customData": {"$ref": "x/CustomDataType.json"}
    }


class Colour(StrEnum):
    RED = "red"


class Tree(ocppj.Message, kw_only=True):
    leaves: ocppj.Maybe[list["Tree"]] = None
    colour: Colour = Colour.RED
    note: ocppj.Maybe[Annotated[str, msgspec.Meta(pattern="^a", description="What for.")]] = None
    data: ocppj.Maybe[JSON] = None


def test_a_vendors_type_may_refer_to_itself() -> None:
    schema = ocppj.json_schema(Tree)
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid({"leaves": [{"leaves": [], "data": 3}], "note": "ab"})
    assert not validator.is_valid({"leaves": [{"leaves": [{"note": "b"}]}]})
    assert not validator.is_valid({"colour": "blue"})
    properties = schema["$defs"]["Tree"]["properties"]
    assert properties["note"]["description"] == "What for."
    assert properties["data"] == {"description": "any JSON value"}
    assert properties["colour"]["default"] == "red"


def test_custom_data_alone_is_described() -> None:
    assert ocppj.json_schema(ocppj.CustomData)["required"] == ["vendorId"]


@pytest.mark.parametrize("cls", [3, v201.HeartbeatRequest(), int, "Heartbeat", list[int]])
def test_what_is_no_message_class_is_rejected(cls: Any) -> None:
    with pytest.raises(TypeError, match="use a Message class"):
        ocppj.json_schema(cls)


def test_a_field_without_a_schema_is_rejected() -> None:
    class Odd(ocppj.Message):
        number: complex

    with pytest.raises(TypeError, match="complex"):
        ocppj.json_schema(Odd)

"""The messages: Remote Control in detail, and rules for all messages of all versions."""

import importlib
import inspect
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj._core.plan import nesting
from ocppj._core.table import MAX_FRAME_DEPTH
from ocppj.schema import Feature, Message
from ocppj.v201 import remote_control
from tests.conftest import PACKAGES, VERSIONS

ACTIONS = {"1.6": 39, "2.0.1": 64, "2.1": 91}
BLOCKS = {"1.6": 7, "2.0.1": 16, "2.1": 19}

FEATURES = [
    pytest.param(version, feature, id=f"{version}-{feature.name}")
    for version in VERSIONS
    for profile in PACKAGES[version].PROFILES
    for feature in profile.features
]


def test_remote_control_is_complete() -> None:
    assert remote_control.PROFILE_NAME == remote_control.PROFILE.name == "remoteControl"
    names = [feature.name for feature in remote_control.PROFILE.features]
    assert names == [
        remote_control.REQUEST_START_TRANSACTION_FEATURE_NAME,
        remote_control.REQUEST_STOP_TRANSACTION_FEATURE_NAME,
        remote_control.TRIGGER_MESSAGE_FEATURE_NAME,
        remote_control.UNLOCK_CONNECTOR_FEATURE_NAME,
    ]
    assert names == [
        "RequestStartTransaction",
        "RequestStopTransaction",
        "TriggerMessage",
        "UnlockConnector",
    ]
    feature = remote_control.REQUEST_START_TRANSACTION
    assert feature.request_type is remote_control.RequestStartTransactionRequest
    assert feature.response_type is remote_control.RequestStartTransactionResponse
    assert feature.sender == "csms"


def methods(handler: type[Any]) -> set[str]:
    return {name for name in vars(handler) if name.startswith("on_")}


def test_remote_control_is_handled_by_the_station() -> None:
    assert methods(remote_control.CSMSHandler) == set()
    assert methods(remote_control.ChargingStationHandler) == {
        "on_request_start_transaction",
        "on_request_stop_transaction",
        "on_trigger_message",
        "on_unlock_connector",
    }


def test_requests_are_made_of_their_required_fields() -> None:
    token = v201.IdTokenType(id_token="T", type=v201.IdTokenEnumType.KEY_CODE)
    request = remote_control.RequestStartTransactionRequest(remote_start_id=0, id_token=token)
    assert request.evse_id is request.group_id_token is request.charging_profile is None
    request.evse_id = 1
    assert request.feature_name == "RequestStartTransaction"
    assert request.response_type is remote_control.RequestStartTransactionResponse
    assert request.response_type.feature_name == "RequestStartTransaction"


TOKEN = '"idToken":{"idToken":"T","type":"Central"}'
BOUNDS = [
    ("RequestStartTransaction", '{"remoteStartId":%d,' + TOKEN + "}", 0, -1),
    ("RequestStartTransaction", '{"remoteStartId":0,"evseId":%d,' + TOKEN + "}", 1, 0),
    ("UnlockConnector", '{"evseId":%d,"connectorId":0}', 0, -1),
    ("UnlockConnector", '{"evseId":0,"connectorId":%d}', 0, -1),
]


@pytest.mark.parametrize(("action", "payload", "good", "bad"), BOUNDS)
def test_remote_control_is_tighter_than_the_schema(
    codec: ocppj.Codec, action: str, payload: str, good: int, bad: int
) -> None:
    assert codec.decode(f'[2,"i","{action}",{payload % good}]')
    with pytest.raises(ocppj.PayloadError) as caught:
        codec.decode(f'[2,"i","{action}",{payload % bad}]')
    assert caught.value.error_code == "PropertyConstraintViolation"
    with pytest.raises(ocppj.PayloadError):
        codec.decode('[2,"i","RequestStopTransaction",{"transactionId":""}]')


def test_the_triggers_and_the_states_are_those_of_the_specification() -> None:
    assert len(remote_control.MessageTriggerEnumType) == 11
    assert [status.value for status in remote_control.UnlockStatusEnumType] == [
        "Unlocked",
        "UnlockFailed",
        "OngoingAuthorizedTransaction",
        "UnknownConnector",
    ]
    assert set(remote_control.RequestStartStopStatusEnumType) == {"Accepted", "Rejected"}
    assert set(remote_control.TriggerMessageStatusEnumType) == {
        "Accepted",
        "Rejected",
        "NotImplemented",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_all_its_actions(version: str) -> None:
    profiles = PACKAGES[version].PROFILES
    names = [feature.name for profile in profiles for feature in profile.features]
    assert len(names) == len(set(names)) == ACTIONS[version]
    assert len(profiles) == len({profile.name for profile in profiles}) == BLOCKS[version]
    assert ocppj.Codec(version).profiles == profiles


@pytest.mark.parametrize(("version", "feature"), FEATURES)
def test_a_feature_and_its_messages_know_each_other(
    version: str, feature: Feature[Any, Any]
) -> None:
    package = PACKAGES[version]
    request, response = feature.request_type, feature.response_type
    assert request is getattr(package, f"{feature.name}Request")
    assert request.feature_name == feature.name
    if feature.name == "NotifyPeriodicEventStream":
        assert response is None
    else:
        assert response is getattr(package, f"{feature.name}Response")
        assert response.feature_name == feature.name
        assert request.response_type is response
    for message in filter(None, (request, response)):
        assert issubclass(message, Message)
        assert len(inspect.getdoc(message) or "") > 40
        assert message.__module__.startswith(package.__name__)


@pytest.mark.parametrize(("version", "feature"), FEATURES)
def test_a_feature_is_handled_by_the_other_side(version: str, feature: Feature[Any, Any]) -> None:
    module = importlib.import_module(feature.request_type.__module__)
    assert feature in module.PROFILE.features
    by_csms = methods(module.CSMSHandler)
    by_station = methods(module.ChargingStationHandler)
    method = next(
        name for name in by_csms | by_station if name[3:].replace("_", "") == feature.name.lower()
    )
    assert (method in by_csms) == (feature.sender != "csms")
    assert (method in by_station) == (feature.sender != "charging_station")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_message_nests_deeper_than_the_table_assumes(version: str) -> None:
    for profile in PACKAGES[version].PROFILES:
        for feature in profile.features:
            for kind in filter(None, (feature.request_type, feature.response_type)):
                assert 1 + nesting(kind) <= MAX_FRAME_DEPTH


def structs(version: str) -> list[type[msgspec.Struct]]:
    members = vars(PACKAGES[version]).values()
    return [kind for kind in members if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize("version", VERSIONS)
def test_structs_forbid_unknown_fields_and_are_not_tracked(version: str) -> None:
    for kind in structs(version):
        if kind is ocppj.Profile:
            continue
        config = kind.__struct_config__
        assert config.forbid_unknown_fields
        assert config.omit_defaults
        assert not config.gc
        assert config.dict is False


@pytest.mark.parametrize("version", VERSIONS)
def test_enum_members_are_upper_snake_and_values_the_wires(version: str) -> None:
    enums = [
        kind
        for kind in vars(PACKAGES[version]).values()
        if isinstance(kind, type) and issubclass(kind, StrEnum)
    ]
    assert len(enums) > 40
    for kind in enums:
        for member in kind:
            assert member.name == member.name.upper()
            assert member.name.isidentifier()
            assert kind(member.value) is member


def test_exceptional_names() -> None:
    fields = dict(
        zip(
            v21.ChargingSchedulePeriodType.__struct_fields__,
            v21.ChargingSchedulePeriodType.__struct_encode_fields__,
            strict=True,
        )
    )
    assert fields["limit_l2"] == "limit_L2"
    assert fields["setpoint_reactive_l3"] == "setpointReactive_L3"
    assert v201.OCSPRequestDataType.__struct_encode_fields__[-1] == "responderURL"
    assert v201.OCSPRequestDataType.__struct_fields__[-1] == "responder_url"
    assert v16.UnitOfMeasure("Celsius") is not v16.UnitOfMeasure("Celcius")
    assert v16.UnitOfMeasure("Hertz") == "Hertz"
    assert v201.MeasurandEnumType.ENERGY_ACTIVE_IMPORT_REGISTER == "Energy.Active.Import.Register"
    assert v201.MessageTriggerEnumType.SIGN_V2G_CERTIFICATE == "SignV2GCertificate"


def test_custom_data_keeps_its_keys_on_every_level(codec: ocppj.Codec) -> None:
    text = (
        '[2,"i","Authorize",{"customData":{"vendorId":"v","snake_key":{"CamelKey":[1,2.5,null]}},'
        '"idToken":{"customData":{"vendorId":"w","x":"é"},"idToken":"T","type":"Central"}}]'
    ).encode()
    frame = codec.decode(text)
    assert isinstance(frame, ocppj.Call)
    assert frame.payload.custom_data["snake_key"] == {"CamelKey": [1, 2.5, None]}
    assert isinstance(frame.payload.id_token.custom_data, ocppj.CustomData)
    assert codec.encode(frame) == text


def test_an_explicit_default_survives(codec: ocppj.Codec) -> None:
    text = (
        b'[2,"i","NotifyReport",'
        b'{"requestId":1,"generatedAt":"2026-11-22T10:00:00Z","tbc":false,"seqNo":0}]'
    )
    frame = codec.decode(text)
    assert isinstance(frame, ocppj.Call)
    assert frame.payload.tbc is False
    assert codec.encode(frame) == text


def test_timestamps_are_aware(codec: ocppj.Codec) -> None:
    frame = codec.decode('[3,"i",{"currentTime":"2026-11-22T10:00:00+02:00"}]', {"i": "Heartbeat"})
    assert isinstance(frame, ocppj.CallResult)
    assert isinstance(frame.payload.current_time, datetime)
    assert frame.payload.current_time.utcoffset() is not None

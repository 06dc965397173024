"""Every rule, on every version and both backends; nothing else is tolerated."""

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given

import ocppj
from ocppj import v16, v21, v201
from ocppj.policy import RULES, Policy, Violation
from tests.conftest import VERSIONS, Make
from tests.strategies import examples, texts

BOOT = {
    "1.6": {"chargePointModel": "M", "chargePointVendor": "V"},
    "2.0.1": {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
}
BOOT["2.1"] = BOOT["2.0.1"]
STATUS = {
    "1.6": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "2.0.1": {
        "timestamp": "2026-01-31T12:00:00Z",
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    },
}
STATUS["2.1"] = STATUS["2.0.1"]
METER: dict[str, Any] = {
    "1.6": {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-01-31T12:00:00Z", "sampledValue": [{"value": "1"}]}],
    },
    "2.0.1": {
        "evseId": 1,
        "meterValue": [{"timestamp": "2026-01-31T12:00:00Z", "sampledValue": [{"value": 1.0}]}],
    },
}
METER["2.1"] = METER["2.0.1"]
NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def call(action: str, payload: Any, message_id: Any = "i") -> str:
    return json.dumps([2, message_id, action, payload])


def change(payload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a payload with another value at a path like `a.0.b`."""
    copied: dict[str, Any] = json.loads(json.dumps(payload))
    *steps, last = (int(s) if s.isdigit() else s for s in path.split("."))
    inner: Any = copied
    for step in steps:
        inner = inner[step]
    inner[last] = value
    return copied


# rule: action, payloads, path to change, what is put there, its JSON path, what is read
Case = tuple[str, dict[str, Any], str, Any, str, Any]
CASES: list[tuple[str, Case]] = [
    ("unknown_field", ("BootNotification", BOOT, "extra", {"a": [1]}, "$.extra", None)),
    ("unknown_field", ("MeterValues", METER, "meterValue.0.x", 5, "$.meterValue[0].x", None)),
    ("null", ("MeterValues", METER, "meterValue.0.sampledValue.0.phase", None,
              "$.meterValue[0].sampledValue[0].phase", None)),
    ("number_form", ("StatusNotification", STATUS, "connectorId", 1.0, "$.connectorId", 1)),
    ("number_form", ("StatusNotification", STATUS, "connectorId", "12", "$.connectorId", 12)),
    ("number_form", ("StatusNotification", STATUS, "connectorId", " 7.0", "$.connectorId", 7)),
    ("letter_case", ("MeterValues", METER, "meterValue.0.sampledValue.0.context",
                     "sample.periodic", "$.meterValue[0].sampledValue[0].context",
                     "Sample.Periodic")),
    ("unknown_enum", ("MeterValues", METER, "meterValue.0.sampledValue.0.location", "Moon",
                      "$.meterValue[0].sampledValue[0].location", "Moon")),
    ("array_size", ("MeterValues", METER, "meterValue", [], "$.meterValue", [])),
    ("array_size", ("MeterValues", METER, "meterValue.0.sampledValue", [],
                    "$.meterValue[0].sampledValue", [])),
]  # fmt: skip
MOMENTS = [
    ("2026-01-31T12:00:00", NOON),
    ("2026-01-31 12:00:00", NOON),
    ("2026-01-31T12:00", NOON),
    ("2026-01-31T12:00Z", NOON),
    ("2026-01-31T14:00:00+02", NOON),
    ("2026-01-31T12:00:00.1234567", NOON.replace(microsecond=123457)),
    ("2026-01-30T24:00:00Z", datetime(2026, 1, 31, tzinfo=UTC)),
    ("2026-01-31T11:59:60Z", NOON),
    (" 2026-01-31T12:00:00Z ", NOON),
    ("2026-01-31T12:00:00,5Z", NOON.replace(microsecond=500_000)),
]
for text, moment in MOMENTS:
    case = (
        "MeterValues",
        METER,
        "meterValue.0.timestamp",
        text,
        "$.meterValue[0].timestamp",
        moment,
    )
    CASES.append(("timestamp", case))


def at(value: Any, path: str) -> Any:
    """Return what a typed payload has at a JSON path."""
    for step in path[2:].replace("[", ".[").split("."):
        if step.startswith("["):
            value = value[int(step[1:-1])]
        else:
            names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
            value = getattr(value, names[step])
    return value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{r}-{c[2]}-{c[3]}" for r, c in CASES])
def test_a_rule(make_backend: Make, version: str, rule: str, case: Case) -> None:
    action, payloads, where, value, path, read = case
    text = call(action, change(payloads[version], where, value))
    make = make_backend
    with pytest.raises(ocppj.PayloadError) as strict:
        make(version).decode(text)
    others = Policy(**{name: "report" for name in RULES if name != rule})  # type: ignore[arg-type]
    if rule == "letter_case":
        others = msgspec.structs.replace(others, unknown_enum="reject")
    with pytest.raises(ocppj.PayloadError) as refused:
        with_policy(make, version, others).decode(text)
    assert (str(refused.value), refused.value.path) == (str(strict.value), strict.value.path)
    frame = with_policy(make, version, Policy(**{rule: "report"})).decode(text)  # type: ignore[arg-type]
    assert frame.violations == (Violation(rule, path, value),)
    if rule != "unknown_field":
        assert at(frame.payload, path) == read
    accepted = with_policy(make, version, Policy(**{rule: "accept"})).decode(text)  # type: ignore[arg-type]
    assert accepted.violations == ()
    assert accepted.payload == frame.payload
    assert type(accepted) is ocppj.Call
    assert isinstance(frame, ocppj.Call)


def with_policy(make: Make, version: str, policy: Policy) -> Any:
    made = make(version)
    return type(made)(made._table, policy)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_string_too_long_is_kept_whole(make_backend: Make, version: str) -> None:
    text = call("DataTransfer", {"vendorId": "v" * 300})
    frame = with_policy(make_backend, version, Policy.lenient()).decode(text)
    assert frame.payload.vendor_id == "v" * 300
    assert frame.violations == (Violation("too_long", "$.vendorId", "v" * 300),)


def test_decimals_of_1_6(make_backend: Make) -> None:
    periods = [{"startPeriod": 0, "limit": 8.13}, {"startPeriod": 1, "limit": 8.1}]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, "minChargingRate": 0.11}
    text = json.dumps([3, "i", {"status": "Accepted", "chargingSchedule": schedule}])
    backend = with_policy(make_backend, "1.6", Policy(decimal="report"))
    frame = backend.decode(text, {"i": "GetCompositeSchedule"})
    assert [violation.path for violation in frame.violations] == [
        "$.chargingSchedule.chargingSchedulePeriod[0].limit",
        "$.chargingSchedule.minChargingRate",
    ]
    period, other = frame.payload.charging_schedule.charging_schedule_period
    assert (period.limit, other.limit) == (8.13, 8.1)
    assert frame.payload.charging_schedule.min_charging_rate == 0.11
    strict = make_backend("1.6")
    with pytest.raises(ocppj.EncodeError, match="at most one decimal"):
        strict.encode(frame)
    assert json.loads(strict.encode(frame, validate=False)) == json.loads(text)


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_numbers_beyond_their_bounds(make_backend: Make, version: str) -> None:
    backend = with_policy(make_backend, version, Policy(number_bound="report"))
    unlock = call("UnlockConnector", {"evseId": -1, "connectorId": 1})
    assert backend.decode(unlock).violations == (Violation("number_bound", "$.evseId", -1),)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_object_where_an_array_belongs_is_its_one_item(make_backend: Make, version: str) -> None:
    (item,) = METER[version]["meterValue"]
    text = call("MeterValues", METER[version] | {"meterValue": item})
    right = make_backend(version).decode(call("MeterValues", METER[version]))
    for policy in (Policy(single_item="report"), Policy.lenient(), Policy.repair()):
        frame = with_policy(make_backend, version, policy).decode(text)
        assert frame.payload == right.payload
        assert frame.violations == (Violation("single_item", "$.meterValue", item),)
        assert make_backend(version).encode(frame) == make_backend(version).encode(right)
    accepted = with_policy(make_backend, version, Policy(single_item="accept")).decode(text)
    assert (accepted.payload, accepted.violations) == (right.payload, ())
    others = Policy(**{rule: "report" for rule in RULES if rule != "single_item"})  # type: ignore[arg-type]
    for backend in (make_backend(version), with_policy(make_backend, version, others)):
        with pytest.raises(ocppj.PayloadError) as caught:
            backend.decode(text)
        assert caught.value.path == "$.meterValue"


def test_faults_within_a_single_item_have_the_path_that_was_sent(make_backend: Make) -> None:
    sample = {"value": "1", "unit": "wh", "extra": 1}
    sent = {"timestamp": "2026-01-31T12:00:00", "sampledValue": sample}
    text = call("MeterValues", {"connectorId": "1", "meterValue": sent})
    frame = with_policy(make_backend, "1.6", Policy.lenient()).decode(text)
    assert frame.violations == (
        Violation("number_form", "$.connectorId", "1"),
        Violation("single_item", "$.meterValue", sent),
        Violation("timestamp", "$.meterValue.timestamp", "2026-01-31T12:00:00"),
        Violation("single_item", "$.meterValue.sampledValue", sample),
        Violation("unknown_field", "$.meterValue.sampledValue.extra", 1),
        Violation("letter_case", "$.meterValue.sampledValue.unit", "wh"),
    )


def test_a_single_item_counts_as_one(make_backend: Make) -> None:
    pair = msgspec.Meta(min_length=2)
    item = msgspec.defstruct("Item", [("n", int)], forbid_unknown_fields=True)
    pairs = msgspec.defstruct("Pairs", [("items", Annotated[list[item], pair])])  # type: ignore[valid-type]
    feature = ocppj.Feature("Pairs", pairs, pairs)
    made = make_backend(profiles=[ocppj.Profile("vendor", (feature,))])
    text = call("Pairs", {"items": {"n": 1}})
    frame = type(made)(made._table, Policy.lenient()).decode(text)
    assert [violation.rule for violation in frame.violations] == ["single_item", "array_size"]
    with pytest.raises(ocppj.PayloadError):
        type(made)(made._table, Policy(single_item="report")).decode(text)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_field_is_none(make_backend: Make, version: str) -> None:
    text = call("MeterValues", {"meterValue": METER[version]["meterValue"]})
    name = "connectorId" if version == "1.6" else "evseId"
    with pytest.raises(ocppj.PayloadError):
        with_policy(make_backend, version, Policy.lenient()).decode(text)
    frame = with_policy(make_backend, version, Policy(missing="report")).decode(text)
    assert frame.violations == (Violation("missing", f"$.{name}", None),)
    with pytest.raises(ocppj.EncodeError, match="None"):
        make_backend(version).encode(frame)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_null_payload_is_an_empty_one(make_backend: Make, version: str) -> None:
    backend = with_policy(make_backend, version, Policy.repair())
    frame = backend.decode('[2,"i","Heartbeat",null]')
    assert frame.violations == (Violation("null", "$", None),)
    assert backend.encode(frame) == b'[2,"i","Heartbeat",{}]'


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("given_id", "read"), [(42, "42"), (-1, "-1"), ("x" * 40, "x" * 40)])
def test_message_ids(make_backend: Make, version: str, given_id: Any, read: str) -> None:
    backend = with_policy(make_backend, version, Policy(message_id="report"))
    for text in (call("Heartbeat", {}, given_id), json.dumps([4, given_id, "A", "", {}])):
        frame = backend.decode(text)
        assert frame.message_id == read
        assert frame.violations == (Violation("message_id", "message_id", given_id),)
        assert backend.peek(text).message_id == read
    result = backend.decode(json.dumps([3, given_id, {}]))
    typed = backend.decode(json.dumps([3, given_id, {"status": "Accepted"}]), {read: "ClearCache"})
    assert result.message_id == typed.message_id == read
    for bad in (1.5, None, [], True):
        with pytest.raises(ocppj.FrameError):
            backend.decode(call("Heartbeat", {}, bad))


@pytest.mark.parametrize(
    ("value", "read"), [(1, True), (0, False), ("true", True), ("FALSE", False)]
)
def test_booleans(make_backend: Make, value: Any, read: Any) -> None:
    payload = {"requestId": 1, "generatedAt": "2026-01-31T12:00:00Z", "tbc": value, "seqNo": 0}
    for version in ("2.0.1", "2.1"):
        backend = with_policy(make_backend, version, Policy.repair())
        if read is None:
            with pytest.raises(ocppj.PayloadError):
                backend.decode(call("NotifyReport", payload))
            continue
        frame = backend.decode(call("NotifyReport", payload))
        assert frame.payload.tbc is read
        assert frame.violations == (Violation("number_form", "$.tbc", value),)
        assert make_backend(version).encode(frame)


@pytest.mark.parametrize(("value", "read"), [(0, "0"), (1.5, "1.5"), (True, "true"), (-3, "-3")])
def test_numbers_for_strings(make_backend: Make, value: Any, read: str) -> None:
    payload = change(METER["1.6"], "meterValue.0.sampledValue.0.value", value)
    frame = with_policy(make_backend, "1.6", Policy.repair()).decode(call("MeterValues", payload))
    assert frame.payload.meter_value[0].sampled_value[0].value == read


def test_keys_in_other_letters(make_backend: Make) -> None:
    payload = {"ConnectorID": 1, "errorcode": "noerror", "status": "AVAILABLE"}
    backend = with_policy(make_backend, "1.6", Policy.repair())
    frame = backend.decode(call("StatusNotification", payload))
    assert frame.payload == v16.StatusNotificationRequest(
        connector_id=1,
        error_code=v16.ChargePointErrorCode.NO_ERROR,
        status=v16.ChargePointStatus.AVAILABLE,
    )
    assert [v.rule for v in frame.violations] == ["letter_case"] * 4
    assert b'"connectorId":1,"errorCode":"NoError"' in backend.encode(frame)
    both = payload | {"connectorId": 2}
    with pytest.raises(ocppj.PayloadError):
        backend.decode(call("StatusNotification", both))
    frame = with_policy(make_backend, "1.6", Policy.lenient()).decode(
        call("StatusNotification", both)
    )
    assert frame.payload.connector_id == 2
    assert Violation("unknown_field", "$.ConnectorID", 1) in frame.violations


def test_the_zone_of_timestamps_without_one(make_backend: Make) -> None:
    zone = timezone(timedelta(hours=3))
    payload = STATUS["1.6"] | {"timestamp": "2026-01-31T12:00:00"}
    backend = with_policy(make_backend, "1.6", Policy(timestamp="accept", zone=zone))
    read = backend.decode(call("StatusNotification", payload)).payload.timestamp
    assert read == NOON - timedelta(hours=3)
    assert read.utcoffset() == timedelta(hours=3)


def test_vendor_data(make_backend: Make) -> None:
    backend = with_policy(make_backend, "2.0.1", Policy.lenient())
    assert (
        backend.decode(call("Heartbeat", {"customData": None})).payload == v201.HeartbeatRequest()
    )
    long = {"vendorId": "v" * 300, "x": 1}
    frame = backend.decode(call("Heartbeat", {"customData": long}))
    assert frame.payload.custom_data == long
    assert frame.violations[0].rule == "too_long"
    null = backend.decode(call("DataTransfer", {"vendorId": "v", "data": None, "x": 1}))
    assert [v.rule for v in null.violations] == ["unknown_field"]
    for bad in ({"customData": {}}, {"customData": []}, {"customData": {"vendorId": []}}):
        with pytest.raises(ocppj.PayloadError):
            backend.decode(call("Heartbeat", bad))


NEVER = [
    '[2,"i","Heartbeat",{}',
    '[2,"i","Nope",{}]',
    '[2,"i","Heartbeat"]',
    '[9,"i",{}]',
    '[2,"i","Heartbeat",[]]',
    '[2,"i","Heartbeat","x"]',
    '[2,"i","CancelReservation",{"reservationId":[1]}]',
    '[2,"i","CancelReservation",{"reservationId":"one"}]',
    '[2,"i","CancelReservation",{"reservationId":1.5}]',
    '[2,"i","CancelReservation",{"reservationId":true}]',
    '[2,"i","CancelReservation",{"reservationId":9223372036854775808}]',
    '[2,"i","CancelReservation",{"reservationId":"9223372036854775808"}]',
    '[2,"i","Reset",{"type":5}]',
    '[2,"i","Authorize",{"idToken":"x"}]',
    '[2,"i","MeterValues",{"evseId":1,"meterValue":5}]',
    '[2,"i","ClearVariableMonitoring",{"id":{"id":5}}]',
    '[2,"i","DataTransfer",{"vendorId":"v","x":1,"data":%s}]' % ("[" * 40 + "]" * 40),
]


@pytest.mark.parametrize("text", NEVER)
def test_what_no_policy_takes(make_backend: Make, text: str) -> None:
    everything = Policy(**dict.fromkeys(RULES, "accept"))  # type: ignore[arg-type]
    with pytest.raises(ocppj.DecodeError) as caught:
        with_policy(make_backend, "2.0.1", everything).decode(text)
    with pytest.raises(ocppj.DecodeError) as strict:
        make_backend("2.0.1").decode(text)
    assert str(caught.value) == str(strict.value)


def test_violations_of_results_decoded_later() -> None:
    codec = ocppj.Codec("1.6", policy=Policy.lenient())
    frame = codec.decode('[3,"i",{"status":"accepted","x":1}]')
    assert isinstance(frame, ocppj.CallResult)
    typed = codec.decode_result(frame, "Reset")
    assert {v.rule for v in typed.violations} == {"letter_case", "unknown_field"}
    assert typed.payload.status is v16.ResetStatus.ACCEPTED


def test_sends_are_decoded_leniently_too(make_backend: Make) -> None:
    payload = {"id": "1", "pending": 0, "basetime": "2026-01-31T12:00:00", "data": []}
    text = json.dumps([6, "i", "NotifyPeriodicEventStream", payload])
    frame = with_policy(make_backend, "2.1", Policy.lenient()).decode(text)
    assert isinstance(frame, ocppj.Send)
    assert isinstance(frame.payload, v21.NotifyPeriodicEventStreamRequest)
    assert {v.rule for v in frame.violations} == {"number_form", "timestamp", "array_size"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_conforming_frame_never_meets_the_policy(version: str) -> None:
    strict = ocppj.Codec(version)
    lenient = strict.with_policy(Policy(**dict.fromkeys(RULES, "report")))  # type: ignore[arg-type]

    @examples(200)
    @given(texts(version))
    def check(frame: tuple[bytes, str, str]) -> None:
        data, message_id, action = frame
        pending = {message_id: action}
        taken = lenient.decode(data, pending)
        assert taken == strict.decode(data, pending)
        assert taken.violations == ()

    check()


@pytest.mark.parametrize("number", [4, 5])
@pytest.mark.parametrize(
    ("rest", "read", "paths"),
    [
        ('"oops",null', "oops", ["error_details"]),
        ('"oops",[1]', "oops", ["error_details"]),
        ('"oops","why"', "oops", ["error_details"]),
        ('"oops"', "oops", ["error_details"]),
        ("null,{}", "", ["error_description"]),
        ("null", "", ["error_details", "error_description"]),
    ],
)
def test_error_details(
    make_backend: Make, number: int, rest: str, read: str, paths: list[str]
) -> None:
    text = f'[{number},"i","InternalError",{rest}]'
    for policy in (Policy(error_details="report"), Policy.lenient(), Policy.repair()):
        frame = with_policy(make_backend, "2.1", policy).decode(text)
        assert (frame.error_code, frame.error_description) == ("InternalError", read)
        assert frame.error_details == {}
        assert [violation.path for violation in frame.violations] == paths
        assert {violation.rule for violation in frame.violations} == {"error_details"}
    silent = with_policy(make_backend, "2.1", Policy(error_details="accept")).decode(text)
    assert (silent.error_description, silent.error_details) == (read, {})
    assert silent.violations == ()
    with pytest.raises(ocppj.FrameError, match="the peer reports InternalError, but") as caught:
        make_backend("2.1").decode(text)
    assert caught.value.peer_error == ("InternalError", read)
    assert pickle.loads(pickle.dumps(caught.value)).peer_error == caught.value.peer_error
    assert caught.value.reply() is None


@pytest.mark.parametrize("rest", ['1,"x",{}', '"E",1,{}', '"E"', '"E","x",{"a":%s}' % ("9" * 400)])
def test_no_error_to_be_read(make_backend: Make, rest: str) -> None:
    for backend in (make_backend("2.1"), with_policy(make_backend, "2.1", Policy.lenient())):
        with pytest.raises(ocppj.FrameError) as caught:
            backend.decode(f'[4,"i",{rest}]')
        assert caught.value.peer_error is None

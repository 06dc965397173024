"""`encode` emits what `decode` accepts, with the same meaning, or raises `EncodeError`."""

import copy
import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj.schema import Timestamp
from tests.conftest import backend_factory

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
TOKEN = v201.IdTokenType(id_token="T", type=v201.IdTokenEnumType.CENTRAL)


def heartbeat(**changes: Any) -> ocppj.CallResult[Any]:
    return ocppj.CallResult("i", v201.HeartbeatResponse(**{"current_time": NOW, **changes}))


def transfer(data: Any) -> ocppj.Call[Any]:
    return ocppj.Call("i", "DataTransfer", v201.DataTransferRequest(vendor_id="v", data=data))


def boot(station: Any) -> ocppj.Call[Any]:
    reason = v201.BootReasonEnumType.POWER_UP
    request = v201.BootNotificationRequest(charging_station=station, reason=reason)
    return ocppj.Call("i", "BootNotification", request)


def meter(value: Any, **more: Any) -> ocppj.Call[Any]:
    sample = v201.SampledValueType(value=value, **more)
    values = [v201.MeterValueType(timestamp=NOW, sampled_value=[sample])]
    return ocppj.Call("i", "MeterValues", v201.MeterValuesRequest(evse_id=1, meter_value=values))


def test_output_is_compact_and_in_the_order_of_the_schema(codec: ocppj.Codec) -> None:
    request = v201.RequestStartTransactionRequest(remote_start_id=42, id_token=TOKEN)
    request.evse_id = 1
    data = codec.encode(ocppj.Call("i", "RequestStartTransaction", request))
    assert data == (
        b'[2,"i","RequestStartTransaction",'
        b'{"evseId":1,"idToken":{"idToken":"T","type":"Central"},"remoteStartId":42}]'
    )


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-11-22T10:00:00Z"),
        (NOW.replace(microsecond=123_000), "2026-11-22T10:00:00.123Z"),
        (NOW.replace(microsecond=123_456), "2026-11-22T10:00:00.123Z"),
        (NOW.replace(microsecond=123_500), "2026-11-22T10:00:00.124Z"),
        (NOW.replace(microsecond=999_600), "2026-11-22T10:00:01Z"),
        (NOW.replace(microsecond=400), "2026-11-22T10:00:00Z"),
        (NOW.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-11-22T10:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
)
def test_timestamps_are_sent_in_utc_and_milliseconds(
    codec: ocppj.Codec, moment: datetime, text: str
) -> None:
    frame = heartbeat(current_time=moment)
    before = copy.deepcopy(frame)
    assert codec.encode(frame) == b'[3,"i",{"currentTime":"%s"}]' % text.encode()
    assert frame == before
    assert frame.payload.current_time is moment


def test_nested_timestamps_are_settled_and_the_payload_is_left_alone(codec: ocppj.Codec) -> None:
    frame = meter(1.5)
    moment = NOW.replace(microsecond=1)
    frame.payload.meter_value[0].timestamp = moment
    assert b'"timestamp":"2026-11-22T10:00:00Z"' in codec.encode(frame)
    assert frame.payload.meter_value[0].timestamp is moment


class Str(str):
    __slots__ = ()


STRUCT = "expected ChargingStationType, got dict"
BAD: dict[str, tuple[Any, str | None, str]] = {
    "naive timestamp": (
        heartbeat(current_time=NOW.replace(tzinfo=None)),
        "$.currentTime",
        "with a zone",
    ),
    "timestamp beyond the calendar": (
        heartbeat(current_time=datetime.max.replace(tzinfo=UTC)),
        "$.currentTime",
        "out of range",
    ),
    "timestamp before the calendar": (
        heartbeat(current_time=datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))),
        "$.currentTime",
        "out of range",
    ),
    "string for a timestamp": (
        heartbeat(current_time="2026-01-31T12:00:00Z"),
        "$.currentTime",
        "expected a datetime with a time zone, got str",
    ),
    "wrong string for a timestamp": (
        heartbeat(current_time="soon"),
        "$.currentTime",
        "expected a datetime with a time zone, got str",
    ),
    "date for a timestamp": (
        heartbeat(current_time=date(2026, 1, 1)),
        "$.currentTime",
        "expected a datetime with a time zone, got date",
    ),
    "number for a timestamp": (
        heartbeat(current_time=5),
        "$.currentTime",
        "expected a datetime with a time zone, got int",
    ),
    "None for a required field": (
        heartbeat(current_time=None),
        "$.currentTime",
        "a value is required, got None",
    ),
    "None in a list": (
        ocppj.Call("i", "MeterValues", v201.MeterValuesRequest(evse_id=1, meter_value=[None])),  # type: ignore[list-item]
        "$.meterValue[0]",
        "a value is required, got None",
    ),
    "dict for a Struct": (boot({"model": "m", "vendorName": "v"}), "$.chargingStation", STRUCT),
    "wrong dict for a Struct": (boot({"model": 5}), "$.chargingStation", STRUCT),
    "NaN": (meter(math.nan), "$.meterValue[0].sampledValue[0].value", "NaN"),
    "infinity": (meter(-math.inf), "$.meterValue[0].sampledValue[0].value", "infinit"),
    "Decimal": (meter(Decimal("1.5")), "$.meterValue[0].sampledValue[0].value", "expected float"),
    "str for a number": (meter("1.5"), "$.meterValue[0].sampledValue[0].value", "expected float"),
    "bool for a number": (meter(True), "$.meterValue[0].sampledValue[0].value", "expected float"),
    "NaN in free data": (transfer([0, {"a": [math.nan]}]), "$.data[1].a[0]", "nan"),
    "infinity in vendor data": (
        heartbeat(custom_data=ocppj.CustomData(vendorId="v", x=math.inf)),
        "$.customData.x",
        "inf",
    ),
    "tuple in free data": (transfer([(1, 2)]), "$.data[0]", "read as"),
    "bytes in free data": (transfer(b"abc"), "$.data", "read as"),
    "numeric key": (transfer({1: 2}), "$.data", "read as"),
    "set": (transfer({5}), "$.data", "read as"),
    "object": (transfer([object()]), "$.data[0]", "unsupported"),
    "integer of 65 bits": (transfer({"n": 2**63}), "$.data", "64 bits"),
    "vast integer": (transfer(2**20_000), "$.data", ""),
    "half a surrogate pair": (transfer(["", "\ud800"]), "$.data[1]", "surrogates"),
    "vendor data without vendor": (heartbeat(custom_data={"a": 1}), "$.customData", "vendorId"),
    "vendor data that is no object": (heartbeat(custom_data=[1]), "$.customData", "object"),
    "long string": (
        ocppj.Call("i", "DataTransfer", v201.DataTransferRequest(vendor_id="v" * 256)),
        "$.vendorId",
        "length <= 255",
    ),
    "UUID for a string": (
        ocppj.Call("i", "DataTransfer", v201.DataTransferRequest(vendor_id=uuid.UUID(int=0))),  # type: ignore[arg-type]
        "$.vendorId",
        "read as",
    ),
    "bytes for a string": (
        ocppj.Call("i", "DataTransfer", v201.DataTransferRequest(vendor_id=b"abc")),  # type: ignore[arg-type]
        "$.vendorId",
        "read as",
    ),
    "unknown enum value": (
        ocppj.Call("i", "Reset", v201.ResetRequest(type="Soon")),  # type: ignore[arg-type]
        "$.type",
        "'Soon' is not a value of ResetEnumType: use Immediate, OnIdle",
    ),
    "unknown value of a long enum": (
        meter(1.5, measurand="x" * 100),
        "$.meterValue[0].sampledValue[0].measurand",
        f"'{'x' * 79} is not a value of MeasurandEnumType: use Current.Export, ",
    ),
    "value of another enum": (
        ocppj.Call("i", "Reset", v201.ResetRequest(type=v201.BootReasonEnumType.UNKNOWN)),  # type: ignore[arg-type]
        "$.type",
        "is not a value of ResetEnumType",
    ),
    "bool for an integer": (
        ocppj.Call("i", "CancelReservation", v201.CancelReservationRequest(reservation_id=True)),
        "$.reservationId",
        "expected int",
    ),
    "float for an integer": (
        ocppj.Call("i", "CancelReservation", v201.CancelReservationRequest(reservation_id=1.0)),  # type: ignore[arg-type]
        "$.reservationId",
        "expected int",
    ),
    "empty list": (
        ocppj.Call("i", "MeterValues", v201.MeterValuesRequest(evse_id=1, meter_value=[])),
        "$.meterValue",
        "length >= 1",
    ),
    "list of the wrong thing": (
        ocppj.Call("i", "MeterValues", v201.MeterValuesRequest(evse_id=1, meter_value=[TOKEN])),  # type: ignore[list-item]
        "$.meterValue[0]",
        "",
    ),
    "tuple for a list": (
        ocppj.Call(
            "i",
            "ClearVariableMonitoring",
            v201.ClearVariableMonitoringRequest(id=(1, 2)),  # type: ignore[arg-type]
        ),
        "$.id",
        "read as",
    ),
    "tighter bound": (
        ocppj.Call(
            "i", "RequestStopTransaction", v201.RequestStopTransactionRequest(transaction_id="")
        ),
        "$.transactionId",
        "length >= 1",
    ),
    "too deep": (transfer(eval("[" * 31 + "]" * 31)), None, "nested deeper than 32"),
    "payload a dict": (ocppj.Call("i", "Heartbeat", {}), "$", "is a HeartbeatRequest, not a dict"),
    "payload of another action": (
        ocppj.Call("i", "Heartbeat", v201.ClearCacheRequest()),
        "$",
        "not a ClearCacheRequest",
    ),
    "payload of another version": (
        ocppj.Call("i", "Heartbeat", v16.HeartbeatRequest()),
        "$",
        "is ocppj.v201.availability.HeartbeatRequest, not ocppj.v16.core.HeartbeatRequest",
    ),
    "response of another version": (
        ocppj.CallResult("i", v16.HeartbeatResponse(current_time=NOW)),
        "$",
        "ocppj.v16.core.HeartbeatResponse is not a response",
    ),
    "class as a request": (ocppj.Call("i", "Heartbeat", v201.HeartbeatRequest), "$", "is a class"),
    "class as a response": (ocppj.CallResult("i", v201.HeartbeatResponse), "$", "is a class"),
    "request as a result": (ocppj.CallResult("i", v201.HeartbeatRequest()), "$", "not a response"),
    "unknown action": (ocppj.Call("i", "Nope", v201.HeartbeatRequest()), None, "'Nope'"),
    "long id": (ocppj.Call("i" * 37, "Heartbeat", v201.HeartbeatRequest()), None, "36"),
    "numeric id": (ocppj.Call(1, "Heartbeat", v201.HeartbeatRequest()), None, "message_id"),  # type: ignore[arg-type]
    "unhashable id": (ocppj.CallResult([], v201.ResetResponse), None, "message_id"),  # type: ignore[arg-type]
    "bytes as action": (ocppj.Call("i", b"Reset", v201.HeartbeatRequest()), None, "action"),  # type: ignore[arg-type]
    "unknown error code": (ocppj.CallError("i", "Oops"), None, "use FormatViolation, "),
    "error code of 1.6": (ocppj.CallError("i", "FormationViolation"), None, "not an error code"),
    "numeric description": (ocppj.CallError("i", "GenericError", 5), None, "error_description"),  # type: ignore[arg-type]
    "details no object": (ocppj.CallError("i", "GenericError", "", []), None, "object as details"),  # type: ignore[arg-type]
    "NaN in details": (ocppj.CallError("i", "GenericError", "", {"x": math.nan}), "$.x", "nan"),
    "frame of 2.1": (ocppj.CallResultError("i", "GenericError"), None, "not a frame of OCPP 2.0.1"),
    "no frame": (v201.HeartbeatRequest(), None, "not a frame"),
    "None": (None, None, "not a frame"),
    "bad raw payload": (ocppj.Call("i", "Heartbeat", msgspec.Raw(b"[1]")), "$", "expected object"),
    "raw payload, no JSON": (ocppj.CallResult("i", msgspec.Raw(b"{]")), None, "not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_sent_is_refused_with_its_place(codec: ocppj.Codec, name: str) -> None:
    frame, path, problem = BAD[name]
    with pytest.raises(ocppj.EncodeError) as caught:
        codec.encode(frame)
    assert caught.value.path == path
    assert problem in str(caught.value)
    if path:
        assert str(caught.value).endswith(f" at {path}")


def test_the_values_of_a_long_enum_are_cut(codec: ocppj.Codec) -> None:
    with pytest.raises(ocppj.EncodeError) as caught:
        codec.encode(meter(1.5, measurand="x" * 1000))
    assert ", ... at $.meterValue" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_without_validation_a_frame_is_only_encoded(codec: ocppj.Codec) -> None:
    moment = NOW.replace(microsecond=123_456)
    odd = v201.ResetRequest(type="Soon")  # type: ignore[arg-type]
    assert codec.encode(ocppj.Call("i", "Reset", odd), validate=False) == (
        b'[2,"i","Reset",{"type":"Soon"}]'
    )
    assert codec.encode(heartbeat(current_time=moment), validate=False) == (
        b'[3,"i",{"currentTime":"2026-11-22T10:00:00.123Z"}]'
    )
    assert codec.encode(ocppj.CallError("i" * 40, "Oops"), validate=False).endswith(
        b'"Oops","",{}]'
    )
    for bad in (
        transfer(object()),
        transfer("\ud800"),
        v201.HeartbeatRequest(),
        None,
        ocppj.CallError("i", "A", 5),
    ):
        with pytest.raises(ocppj.EncodeError):
            codec.encode(bad, validate=False)  # type: ignore[arg-type]


def test_a_cycle_is_refused(codec: ocppj.Codec) -> None:
    loop: dict[str, Any] = {"vendorId": "v"}
    loop["me"] = loop
    with pytest.raises(ocppj.EncodeError, match=r"nested without end at \$\.customData$"):
        codec.encode(heartbeat(custom_data=loop))


def test_what_is_as_good_is_taken(codec: ocppj.Codec) -> None:
    good = [
        meter(5),
        ocppj.Call("i", "Reset", v201.ResetRequest(type="Immediate")),  # type: ignore[arg-type]
        heartbeat(custom_data={"vendorId": "v", "a": [None, True, {"b": 1.5}]}),
        transfer(0),
        transfer(""),
        transfer([]),
        ocppj.CallError("", "GenericError", "", {"deep": [[{"a": None}]]}),
    ]
    for frame in good:
        assert codec.encode(frame)


def test_raw_payloads_pass_through(codec: ocppj.Codec) -> None:
    text = b'[3,"i",{"anything":[1,2]}]'
    assert codec.encode(codec.decode(text)) == text
    call = ocppj.Call("i", "Heartbeat", msgspec.Raw(b"{}"))
    assert codec.encode(call) == b'[2,"i","Heartbeat",{}]'


def test_a_description_is_cut_where_the_version_wants_it() -> None:
    frame = ocppj.CallError("i", "GenericError", "é" * 300)
    for version, length in (("1.6", 300), ("2.0.1", 255), ("2.1", 255)):
        codec = ocppj.Codec(version)
        again = codec.decode(codec.encode(frame))
        assert isinstance(again, ocppj.CallError)
        assert again.error_description == "é" * length


def test_frames_of_2_1() -> None:
    codec = ocppj.Codec("2.1")
    data = [v21.StreamDataElementType(t=0.5, v="230")]
    payload = v21.NotifyPeriodicEventStreamRequest(id=1, pending=0, basetime=NOW, data=data)
    for frame in (
        ocppj.Send("i", "NotifyPeriodicEventStream", payload),
        ocppj.CallResultError("i", "FormatViolation", "why", {"a": 1}),
    ):
        assert codec.decode(codec.encode(frame)) == frame
    with pytest.raises(ocppj.EncodeError, match="for a Call"):
        codec.encode(ocppj.Call("i", "NotifyPeriodicEventStream", payload))


def test_one_decimal_in_1_6() -> None:
    codec = ocppj.Codec("1.6")

    def profile(limit: Any) -> ocppj.Call[Any]:
        schedule = v16.ChargingSchedule(
            charging_rate_unit=v16.ChargingRateUnitType.A,
            charging_schedule_period=[v16.ChargingSchedulePeriod(start_period=0, limit=16)],
        )
        schedule.charging_schedule_period[0].limit = limit
        charging_profile = v16.ChargingProfile(
            charging_profile_id=1,
            stack_level=0,
            charging_profile_purpose=v16.ChargingProfilePurposeType.TX_PROFILE,
            charging_profile_kind=v16.ChargingProfileKindType.ABSOLUTE,
            charging_schedule=schedule,
        )
        request = v16.SetChargingProfileRequest(
            connector_id=1, cs_charging_profiles=charging_profile
        )
        return ocppj.Call("i", "SetChargingProfile", request)

    for good in (0.1, 0.3, 8.1, 16, 16.0, 21.4, -0.1, 1e15, 123456789.1):
        assert codec.encode(profile(good))
    for bad in (8.13, 0.01, 1e-7, 21.45):
        with pytest.raises(
            ocppj.EncodeError, match=r"at most one decimal at \$.*Period\[0\]\.limit$"
        ):
            codec.encode(profile(bad))


class Odd(msgspec.Struct, eq=False):
    n: int
    at: datetime | None = None


class Row(ocppj.Message, array_like=True):
    a: int
    b: ocppj.Maybe[int] = None


class Stamped(ocppj.Message, kw_only=True):
    at: Timestamp = NOW.replace(microsecond=123_456)
    note: str = ""


T = TypeVar("T")


class Box(ocppj.Message, Generic[T], kw_only=True):
    item: T


class Boxed(ocppj.Message, kw_only=True):
    box: Box[int]
    rows: ocppj.Maybe[list[Row]] = None


VENDOR = ocppj.Profile(
    "v",
    tuple(
        ocppj.Feature(name, kind, kind)
        for name, kind in {"Odd": Odd, "Stamped": Stamped, "Boxed": Boxed, 'a\\b"': Odd}.items()
    ),
)


@pytest.mark.parametrize("backend_name", ["cython", "python"])
def test_odd_structs_of_a_vendor(backend_name: str) -> None:
    backend = backend_factory(backend_name)(profiles=[VENDOR])

    def send(payload: Any) -> bytes:
        data: bytes = backend.encode(ocppj.Call("i", type(payload).__name__, payload))
        return data

    assert send(Odd(1)) == b'[2,"i","Odd",{"n":1,"at":null}]'
    assert backend.encode(ocppj.Call("i", 'a\\b"', Odd(1))).startswith(b'[2,"i","a\\\\b\\"",')
    note = Stamped(note="2026-11-22T10:00:00.123456Z")
    assert send(note).endswith(b'"note":"2026-11-22T10:00:00.123456Z"}]')
    assert send(Boxed(box=Box(item=1))) == b'[2,"i","Boxed",{"box":{"item":1}}]'
    for bad in (
        Boxed(box=Box(item="no")),  # type: ignore[arg-type]
        Boxed(box=Box(item=1), rows=[Row(1)]),
    ):
        for _ in range(2):
            with pytest.raises(ocppj.EncodeError):
                send(bad)


@pytest.mark.parametrize("backend_name", ["cython", "python"])
def test_a_dict_is_no_generic_struct(backend_name: str) -> None:
    backend = backend_factory(backend_name)(profiles=[VENDOR])
    with pytest.raises(ocppj.EncodeError, match=r"^expected Box.*, got dict at \$\.box$"):
        backend.encode(ocppj.Call("i", "Boxed", Boxed(box={"item": 1})))  # type: ignore[arg-type]
    with pytest.raises(ocppj.EncodeError, match=r"^expected int, got str at \$\.box\.item$"):
        backend.encode(ocppj.Call("i", "Boxed", Boxed(box=Box(item="no"))))  # type: ignore[arg-type]


def test_a_field_that_was_deleted_is_an_error(codec: ocppj.Codec) -> None:
    frame = ocppj.Call("i", "Reset", v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE))
    del frame.payload.type
    for validate in (True, False):
        with pytest.raises(ocppj.EncodeError):
            codec.encode(frame, validate=validate)


def test_integers_that_no_float_can_hold(codec: ocppj.Codec) -> None:
    for number in (2**53, -(2**53)):
        assert codec.encode(ocppj.CallResult("i", v201.TransactionEventResponse(total_cost=number)))
    for number in (2**53 + 1, -(2**53) - 1, 2**60 + 1):
        with pytest.raises(ocppj.EncodeError):
            codec.encode(ocppj.CallResult("i", v201.TransactionEventResponse(total_cost=number)))


class Moment(datetime):
    """A subclass, as pendulum and others have it."""


class Values(list[Any]):
    """A subclass of list."""


@pytest.mark.parametrize("microsecond", [0, 200, 1000, 123_456])
def test_subclasses_of_datetime_and_list(codec: ocppj.Codec, microsecond: int) -> None:
    moment = Moment(2026, 11, 22, 10, 0, 0, microsecond, tzinfo=UTC)
    text = codec.encode(heartbeat(current_time=moment))
    plain = NOW.replace(microsecond=microsecond)
    assert text == codec.encode(heartbeat(current_time=plain))
    frame = meter(1.5)
    frame.payload.meter_value[0].timestamp = moment
    wanted = codec.encode(frame)
    frame.payload.meter_value = Values(frame.payload.meter_value)
    assert codec.encode(frame) == wanted

"""The fast paths of `encode` and `peek` in pure Python are used, and agree with the slow paths."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj._core import backend_py, roundtrip
from ocppj._core.encoding import encode
from ocppj.schema import Timestamp
from tests.conftest import VERSIONS, backend_factory
from tests.strategies import good

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
NOON = "2026-11-22T12:00:00.250000Z"


def made(version: str = "2.0.1", **options: Any) -> Any:
    return backend_factory("python")(version, **options)


def slowly(backend: Any, frame: ocppj.Frame) -> bytes:
    return encode(frame, backend._table, backend.decode)


def fail(*arguments: Any, **_: Any) -> Any:
    raise AssertionError(arguments)


@pytest.mark.parametrize("version", VERSIONS)
def test_valid_frames_take_the_fast_paths(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = made(version)
    frames = []
    for data, message_id, action in good(version, 60):
        frame = backend.decode(data, {message_id: action})
        if isinstance(frame, ocppj.Call | ocppj.CallResult):
            frames.append((frame, slowly(backend, frame), backend.decode))
    monkeypatch.setattr(backend_py, "encode", fail)
    monkeypatch.setattr(backend_py, "FrameReader", fail)
    for frame, data, _ in frames:
        assert backend.encode(frame) == data
        if data.isascii() and b"\\" not in data.split(b",")[1]:
            for text in (data, data.decode()):
                envelope = backend.peek(text)
                assert envelope.message_id == frame.message_id
                assert envelope.action == getattr(frame, "action", None)
                assert envelope.payload == msgspec.json.encode(msgspec.json.decode(data)[-1])


def sampled(*moments: datetime) -> ocppj.Call[Any]:
    samples = [v201.SampledValueType(value=1.5)]
    values = [v201.MeterValueType(timestamp=at, sampled_value=samples) for at in moments]
    return ocppj.Call("i", "MeterValues", v201.MeterValuesRequest(evse_id=1, meter_value=values))


def test_timestamps_are_rounded_as_on_the_slow_path(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(7)
    backend = made()
    frames = []
    for _ in range(300):
        micros = [
            chance.choice([0, 1, 499, 500, 1000, 250_000, 123_456, 999_499]) for _ in range(4)
        ]
        frame = sampled(*(NOW + timedelta(microseconds=micro) for micro in micros))
        frames.append((frame, slowly(backend, frame)))
    monkeypatch.setattr(backend_py, "encode", fail)
    for frame, data in frames:
        assert backend.encode(frame) == data


@pytest.mark.parametrize(
    "moment",
    [
        NOW.replace(microsecond=999_500),
        NOW.astimezone(timezone(timedelta(hours=2))),
        NOW.replace(microsecond=5, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_other_timestamps_take_the_slow_path(moment: datetime) -> None:
    backend = made()
    frame = sampled(NOW, moment)
    assert backend.encode(frame) == slowly(backend, frame)


@pytest.mark.parametrize("text", [NOON, "7000Z"])
def test_a_string_that_reads_like_a_timestamp_is_left_alone(text: str) -> None:
    backend = made("2.1")
    at = datetime.fromisoformat(NOON)
    texts = ocppj.CustomData(vendorId=text, x=[text])
    status = v21.StatusNotificationRequest(
        timestamp=at,
        connector_status=v21.ConnectorStatusEnumType.AVAILABLE,
        evse_id=1,
        connector_id=1,
        custom_data=texts,
    )
    data = backend.encode(ocppj.Call("i", "StatusNotification", status))
    assert data.count(text.encode()) == 2
    assert b'"timestamp":"2026-11-22T12:00:00.250Z"' in data


def test_milliseconds_are_shortened_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = made()
    moments = (NOW + timedelta(milliseconds=n) for n in range(roundtrip.MAX_ROUNDED + 3))
    frame = sampled(*moments)
    data = slowly(backend, frame)
    monkeypatch.setattr(backend_py, "encode", fail)
    monkeypatch.setattr(roundtrip, "_round_each", fail)
    assert backend.encode(frame) == data


def test_many_fractions_take_the_slow_path() -> None:
    backend = made()
    moments = [NOW + timedelta(microseconds=n) for n in range(1, roundtrip.MAX_ROUNDED + 2)]
    for frame in (sampled(*moments), sampled(*moments[1:])):
        assert backend.encode(frame) == slowly(backend, frame)


def vendor(kind: Any) -> Any:
    profile = ocppj.Profile("vendor", (ocppj.Feature("Vendor", kind, kind),))
    return made(profiles=[profile])


def test_a_type_may_be_that_of_requests_and_responses() -> None:
    kind = msgspec.defstruct("Both", [("n", int)], forbid_unknown_fields=True)
    backend = vendor(kind)
    for _ in range(2):
        assert backend.encode(ocppj.CallResult("i", kind(n=1))) == b'[3,"i",{"n":1}]'
        assert backend.encode(ocppj.Call("i", "Vendor", kind(n=1))) == b'[2,"i","Vendor",{"n":1}]'
        with pytest.raises(ocppj.EncodeError, match="no action 'Other'"):
            backend.encode(ocppj.Call("i", "Other", kind(n=1)))


def test_a_timestamp_that_may_be_left_out_takes_the_slow_path() -> None:
    at = NOW.replace(microsecond=250_000)
    text = "2026-11-22T10:00:00.250000Z"
    kind = msgspec.defstruct(
        "Defaulted",
        [("text", str), ("at", Timestamp, at)],
        omit_defaults=True,
        forbid_unknown_fields=True,
    )
    backend = vendor(kind)
    frame = ocppj.Call("i", "Vendor", kind(text=text))
    assert backend.encode(frame) == slowly(backend, frame)
    assert b'"text":"%s"' % text.encode() in backend.encode(frame)


@pytest.mark.parametrize("moments", [list[Timestamp], Timestamp | int, dict[str, Timestamp]])
def test_timestamps_in_odd_places_take_the_slow_path(moments: Any) -> None:
    kind = msgspec.defstruct("Odd", [("at", moments)], forbid_unknown_fields=True)
    at = NOW.replace(microsecond=250_000)
    value = {"list": [at], "dict": {"x": at}}.get(getattr(moments, "__name__", ""), at)
    backend = vendor(kind)
    frame = ocppj.Call("i", "Vendor", kind(at=value))
    assert backend.encode(frame) == slowly(backend, frame)


def test_the_limits_hold_on_the_fast_path() -> None:
    request = v16.DataTransferRequest(vendor_id="v", data="x" * 100)
    frame = ocppj.Call("i", "DataTransfer", request)
    size = len(made("1.6").encode(frame))
    assert made("1.6", max_size=size).encode(frame)
    with pytest.raises(ocppj.EncodeError, match=f"larger than {size - 1} bytes"):
        made("1.6", max_size=size - 1).encode(frame)
    with pytest.raises(ocppj.EncodeError, match="36"):
        made("1.6").encode(ocppj.Call("i" * 37, "DataTransfer", request))
    free = v201.DataTransferRequest(vendor_id="v", data=[9e302] * 600)
    with pytest.raises(ocppj.EncodeError, match="exponent"):
        made().encode(ocppj.Call("i", "DataTransfer", free))


def test_a_check_is_made_once() -> None:
    backend = made(profiles=[v201.availability.PROFILE])
    table = backend._table
    assert not table.call_checks
    backend.encode(ocppj.Call("i", "Heartbeat", v201.HeartbeatRequest()))
    backend.encode(ocppj.CallResult("i", v201.HeartbeatResponse(current_time=NOW)))
    checks = [*table.call_checks.values(), *table.result_checks.values()]
    backend.encode(ocppj.Call("j", "Heartbeat", v201.HeartbeatRequest()))
    assert len(checks) == 2
    assert checks[0] is table.call_checks[v201.HeartbeatRequest]
    assert checks[0].timestamps == ()
    assert checks[1].timestamps == (("current_time", None),)

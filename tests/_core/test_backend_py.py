"""Both backends: frames from bytes, and every rule of the wire."""

import array
import collections
import json
import types
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v21, v201
from tests.conftest import Make

ID = "0f5e6f2c-9d3a-4b7e-8a51-3f0c2d9e7b10"
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


def call(action: str = "Heartbeat", payload: Any = None, message_id: Any = ID) -> str:
    return json.dumps([2, message_id, action, {} if payload is None else payload])


SPELLINGS = {
    "compact": '[2,"x","Heartbeat",{}]',
    "spaces": '[2, "x", "Heartbeat", {}]',
    "more spaces": ' [ 2 ,  "x"\t, "Heartbeat" , { } ] ',
    "lines": '[\n  2,\r\n  "x",\n  "Heartbeat",\n  {}\n]\n',
    "escaped id": '[2,"\\u0078","Heartbeat",{}]',
    "escaped action": '[2,"x","\\u0048eartbeat",{}]',
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview])
def test_accepts_any_spelling_and_any_buffer(
    make_backend: Make, text: str, kind: type[Any]
) -> None:
    data = text if kind is str else kind(text.encode())
    assert make_backend().decode(data) == ocppj.Call("x", "Heartbeat", v201.HeartbeatRequest())


@pytest.mark.parametrize("data", [None, 5, [], [2, "x", "Heartbeat", {}], {}, {"a": 1}, object()])
def test_data_of_a_wrong_type_is_a_type_error(make_backend: Make, data: Any) -> None:
    for read in (make_backend().decode, make_backend().peek):
        with pytest.raises(TypeError, match=r"^data=.*: use bytes or str$"):
            read(data)


@pytest.mark.parametrize("pending", [["x"], "x", {"x"}])
def test_pending_of_a_wrong_type_is_a_type_error(make_backend: Make, pending: Any) -> None:
    with pytest.raises(TypeError, match=r"^pending=.*: use a mapping of message id to action$"):
        make_backend().decode('[3,"x",{}]', pending)


def test_accepts_a_slice_of_a_buffer_and_wide_items(make_backend: Make) -> None:
    text = b'..[2,"x","Heartbeat",{}]..'
    assert make_backend().decode(memoryview(text)[2:-2]).message_id == "x"
    wide = memoryview(b'[2,"x","Heartbeat",{ }]  '[:24].ljust(24)).cast("I")
    assert make_backend().decode(wide).message_id == "x"
    with pytest.raises(ocppj.FrameError, match="larger than 20 bytes"):
        make_backend(max_size=20).decode(wide)


def test_decodes_a_typed_payload(make_backend: Make) -> None:
    frame = make_backend().decode(call("BootNotification", BOOT))
    assert isinstance(frame, ocppj.Call)
    assert frame.payload == v201.BootNotificationRequest(
        reason=v201.BootReasonEnumType.POWER_UP,
        charging_station=v201.ChargingStationType(model="M", vendor_name="V"),
    )
    assert frame.action == frame.payload.feature_name


@pytest.mark.parametrize("message_id", ["", "é" * 36, "𝄞" * 36, "a" * 36, 'q"\\\n', "\x00"])
def test_accepts_any_message_id_of_36_code_points(make_backend: Make, message_id: str) -> None:
    for text in (call(message_id=message_id), json.dumps([3, message_id, {}])):
        assert make_backend().decode(text).message_id == message_id
        assert make_backend().decode(text.encode()).message_id == message_id


def test_decodes_a_result_by_its_pending_call(make_backend: Make) -> None:
    text = '[3,"x",{"currentTime":"2026-11-22T10:00:00.5Z"}]'
    backend = make_backend()
    frame = backend.decode(text, pending={"x": "Heartbeat", "y": "Reset"})
    assert frame.payload.current_time.isoformat() == "2026-11-22T10:00:00.500000+00:00"
    for pending in ({}, None, {"y": "Heartbeat"}):
        raw = backend.decode(text, pending=pending).payload
        assert isinstance(raw, msgspec.Raw)
        assert bytes(raw) == text[7:-1].encode()


def test_pending_can_be_any_mapping(make_backend: Make) -> None:
    pending = types.MappingProxyType({"x": "Reset"})
    frame = make_backend().decode('[3,"x",{"status":"Accepted"}]', pending=pending)
    assert isinstance(frame.payload, v201.ResetResponse)


def test_rejects_an_invalid_result(make_backend: Make) -> None:
    with pytest.raises(ocppj.PayloadError) as caught:
        make_backend("2.1").decode('[3,"x",{}]', pending={"x": "Heartbeat"})
    assert caught.value.error_code == "OccurrenceConstraintViolation"
    assert caught.value.reply().startswith(b'[5,"x","OccurrenceConstraintViolation",')


@pytest.mark.parametrize("action", ["Nope", "NotifyPeriodicEventStream"])
def test_a_pending_action_without_response_is_a_value_error(
    make_backend: Make, action: str
) -> None:
    with pytest.raises(ValueError, match=f"this codec has no action '{action}' with a"):
        make_backend("2.1").decode('[3,"x",{}]', pending={"x": action})


def test_error_frames_are_unchanged(make_backend: Make) -> None:
    text = '[4,"x","OccurenceConstraintViolation","%s",{"a":[1]}]' % ("é" * 300)
    frame = make_backend().decode(text)
    assert frame == ocppj.CallError("x", "OccurenceConstraintViolation", "é" * 300, {"a": [1]})
    five = make_backend("2.1").decode('[5,"x","Whatever","",{}]')
    assert five == ocppj.CallResultError("x", "Whatever")


def test_sends_exist_in_2_1_only(make_backend: Make) -> None:
    text = (
        '[6,"x","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":'
        '"2024-01-01T00:00:00Z","data":[{"t":1.5,"v":"230"}]}]'
    )
    frame = make_backend("2.1").decode(text)
    assert isinstance(frame, ocppj.Send)
    assert isinstance(frame.payload, v21.NotifyPeriodicEventStreamRequest)
    for version in ("1.6", "2.0.1"):
        with pytest.raises(ocppj.FrameError):
            make_backend(version).decode(text)
    with pytest.raises(ocppj.UnknownActionError):
        make_backend("2.1").decode(text.replace("[6", "[2", 1))
    with pytest.raises(ocppj.UnknownActionError):
        make_backend("2.1").decode('[6,"x","Heartbeat",{}]')


SIZE = len(call())


def test_the_size_limit_counts_bytes(make_backend: Make) -> None:
    assert make_backend(max_size=SIZE).decode(call())
    backend = make_backend(max_size=SIZE - 1)
    for data in (call(), call().encode(), bytearray(call().encode())):
        with pytest.raises(ocppj.FrameError, match=f"larger than {SIZE - 1} bytes"):
            backend.decode(data)
    wide = '[2,"éé","Heartbeat",{}]'
    assert make_backend(max_size=len(wide) + 2).decode(wide)
    with pytest.raises(ocppj.FrameError, match="larger than"):
        make_backend(max_size=len(wide) + 1).decode(wide)


def data_transfer(depth: int) -> str:
    """Return a frame of a given depth: its array, its payload, and arrays for the rest."""
    nest = depth - 2
    return '[2,"x","DataTransfer",{"vendorId":"v","data":%s}]' % ("[" * nest + "]" * nest)


@pytest.mark.parametrize("depth", [3, 17, 18, 19, 31, 32])
def test_accepts_the_maximum_depth(make_backend: Make, depth: int) -> None:
    assert make_backend().decode(data_transfer(depth)).payload.vendor_id == "v"
    with pytest.raises(ocppj.FrameError, match=f"nested deeper than {depth - 1}") as caught:
        make_backend(max_depth=depth - 1).decode(data_transfer(depth))
    assert caught.value.message_id == "x"


@pytest.mark.parametrize("depth", [33, 100, 10_000, 100_000, 500_000])
def test_rejects_deeper_nesting(make_backend: Make, depth: int) -> None:
    backend = make_backend(max_size=2**20 + 1000)
    with pytest.raises(ocppj.FrameError, match="nested deeper than 32"):
        backend.decode(data_transfer(depth))
    custom = call("Heartbeat", {"customData": {"vendorId": "v", "x": None}})
    with pytest.raises(ocppj.FrameError, match="nested deeper than 32"):
        backend.decode(custom.replace("null", "[" * depth + "]" * depth))


def test_brackets_in_strings_do_not_nest(make_backend: Make) -> None:
    text = '["}{\\"' * 50
    frame = make_backend().decode(call("DataTransfer", {"vendorId": "v", "data": [text, [[text]]]}))
    assert frame.payload.data == [text, [[text]]]


def test_shallow_limits_hold_for_typed_payloads_too(make_backend: Make) -> None:
    text = call("BootNotification", BOOT)  # [ { {
    assert make_backend(max_depth=3).decode(text)
    with pytest.raises(ocppj.FrameError, match="nested deeper than 2"):
        make_backend(max_depth=2).decode(text)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_integers_have_64_bits(make_backend: Make, value: int) -> None:
    for place in ("customData", "data"):
        payload: dict[str, Any] = {"vendorId": "v", "data": 1}
        payload[place] = {"vendorId": "w", "deep": [{"n": value}]}
        assert make_backend().decode(call("DataTransfer", payload))
        payload[place]["deep"][0]["n"] = value + (1 if value > 0 else -1)
        with pytest.raises(ocppj.PayloadError) as caught:
            make_backend().decode(call("DataTransfer", payload))
        assert caught.value.path == f"$.{place}"
        assert caught.value.error_code == "PropertyConstraintViolation"
    error = [4, "x", "a", "b", {"n": value * 2}]
    with pytest.raises(ocppj.FrameError):
        make_backend().decode(json.dumps(error))


def test_an_integer_of_many_digits_is_out_of_range_not_invalid_json(make_backend: Make) -> None:
    for digits in (20, 5_000, 100_000):
        text = call("CancelReservation", {"reservationId": 0}).replace("0}", "9" * digits + "}")
        with pytest.raises(ocppj.PayloadError) as caught:
            make_backend().decode(text)
        assert caught.value.error_code == "PropertyConstraintViolation"


def test_the_last_of_duplicate_keys_counts(make_backend: Make) -> None:
    frame = make_backend().decode(
        '[2,"x","CancelReservation",{"reservationId":1,"reservationId":2}]'
    )
    assert frame.payload.reservation_id == 2


def test_a_vendor_type_that_raises_is_a_payload_error(make_backend: Make) -> None:
    class Moody(msgspec.Struct):
        n: int = 0

        def __post_init__(self) -> None:
            if self.n:
                raise RuntimeError("not today")

    feature = ocppj.Feature("Mood", Moody, Moody)
    backend = make_backend(profiles=[ocppj.Profile("vendor", (feature,))])
    assert backend.decode(call("Mood", {"n": 0})).payload == Moody()
    with pytest.raises(ocppj.PayloadError) as caught:
        backend.decode(call("Mood", {"n": 1}))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "today" not in caught.value.error_description


@pytest.mark.parametrize("payload", ['{"surplus":1}', '{"customData":{"vendorId":5}}'])
@pytest.mark.parametrize(
    "broken",
    [
        "{},5]",
        "{}]]",
        "{}",
        "{}]x",
        '{}"]',
        pytest.param("%s" % ("[" * 40 + "]" * 40), id="deep"),
        "\udc80",
    ],
)
def test_the_shape_of_a_frame_is_checked_before_its_payload(
    make_backend: Make, payload: str, broken: str
) -> None:
    head = f'[2,"{ID}","Heartbeat",'
    with pytest.raises(ocppj.PayloadError):
        make_backend().decode(f"{head}{payload}]")
    rest = broken.replace("{}", payload) if "{}" in broken else f'{payload[:-1]},"z":{broken}}}]'
    for data in (f"{head}{rest}", f"{head}{rest}".encode(errors="surrogateescape")):
        with pytest.raises(ocppj.FrameError) as caught:
            make_backend().decode(data)
        assert caught.value.path is None


@pytest.mark.parametrize("text", ["no - at `$.n", "no", "nested too deep", "Expected `int` >= 3"])
def test_the_message_of_a_vendor_type_is_not_mistaken_for_a_path(
    make_backend: Make, text: str
) -> None:
    class Wordy(msgspec.Struct, forbid_unknown_fields=True):
        n: int = 0

        def __post_init__(self) -> None:
            if self.n:
                raise ValueError(text)

    profile = ocppj.Profile("vendor", (ocppj.Feature("Word", Wordy, Wordy),))
    with pytest.raises(ocppj.PayloadError) as caught:
        make_backend(profiles=[profile]).decode(call("Word", {"n": 1}))
    assert caught.value.path == "$"
    assert caught.value.error_code == "PropertyConstraintViolation"


@pytest.mark.parametrize("name", ["q` - at `$.inner", "a", "é", "\u2028"])
def test_the_name_of_a_field_is_not_mistaken_for_a_path(make_backend: Make, name: str) -> None:
    for ascii_only in (True, False):
        text = json.dumps([2, ID, "Heartbeat", {name: 1}], ensure_ascii=ascii_only)
        with pytest.raises(ocppj.PayloadError) as caught:
            make_backend().decode(text)
        assert caught.value.path == "$"


def test_an_interrupt_is_not_swallowed(make_backend: Make) -> None:
    class Slow(msgspec.Struct):
        def __post_init__(self) -> None:
            raise KeyboardInterrupt

    feature = ocppj.Feature("Slow", Slow, Slow)
    with pytest.raises(KeyboardInterrupt):
        make_backend(profiles=[ocppj.Profile("vendor", (feature,))]).decode(call("Slow"))


def test_all_of_many_vendor_features_are_found(make_backend: Make) -> None:
    kinds = {
        f"Vendor{'x' * (n % 40)}{n}": msgspec.defstruct(f"V{n}", [("n", int)]) for n in range(500)
    }
    features = tuple(ocppj.Feature(name, kind, kind) for name, kind in kinds.items())
    backend = make_backend(profiles=[*v201.PROFILES, ocppj.Profile("vendor", features)])
    for number, (name, kind) in enumerate(kinds.items()):
        assert backend.decode(call(name, {"n": number})).payload == kind(n=number)
        with pytest.raises(ocppj.UnknownActionError):
            backend.decode(call(name + "y", {"n": number}))
    assert backend.decode(call("Heartbeat")).action == "Heartbeat"


def test_the_last_of_duplicate_keys_counts_for_the_depth(make_backend: Make) -> None:
    data = '{"vendorId":"v","k":%s,"k":1}' % ("[" * 60 + "]" * 60)
    text = f'[2,"x","ClearCache",{{"customData":{data}}}]'
    for kind in (str, str.encode, lambda t: bytearray(t.encode())):
        for spelling in (text, text.replace('"x"', '"\\u0078"')):
            assert make_backend().decode(kind(spelling)).payload.custom_data["k"] == 1


def test_structs_that_allow_unknown_fields_have_a_maximum_depth(make_backend: Make) -> None:
    kind = msgspec.defstruct("Open", [("n", int)])
    backend = make_backend(profiles=[ocppj.Profile("v", (ocppj.Feature("Open", kind, kind),))])
    good = '[2,"x","Open",{"n":1,"other":[1]}]'
    assert backend.decode(good).payload == kind(n=1)
    for data in (
        good.replace("[1]", "[" * 40 + "]" * 40),
        good.encode().replace(b"[1]", b'"\xff"'),
    ):
        for form in (data, bytearray(data if isinstance(data, bytes) else data.encode())):
            with pytest.raises(ocppj.FrameError):
                backend.decode(form)


def test_actions_are_compared_as_text(make_backend: Make) -> None:
    kind = msgspec.defstruct("Flat", [], forbid_unknown_fields=True)
    names = ("a\\b", "a\nb", "é", 'a"b')
    features = tuple(ocppj.Feature(name, kind, kind) for name in names)
    backend = make_backend(profiles=[ocppj.Profile("v", features)])
    for name in names:
        for ascii_only in (True, False):
            text = json.dumps([2, "x", name, {}], ensure_ascii=ascii_only)
            assert backend.decode(text).action == name
            assert backend.peek(text).action == name
    for text in ('[2,"x","a\\b",{}]', '[2,"x","a\nb",{}]'):
        with pytest.raises(ocppj.DecodeError):
            backend.decode(text)


def test_a_defaultdict_as_pending_does_not_grow(make_backend: Make) -> None:
    pending: Any = collections.defaultdict(lambda: "Reset")
    frame = make_backend().decode('[3,"x",{"status":"Accepted"}]', pending=pending)
    assert isinstance(frame.payload, msgspec.Raw)
    assert pending == {}


@pytest.mark.parametrize("written", ['\\"', '\\"\\"', "\\\\", "\\u0041", 'a\\"b', '\\"},{'])
def test_a_frame_with_an_escaped_id_gets_another_id(make_backend: Make, written: str) -> None:
    backend = make_backend("2.0.1")
    for rest in ('"Heartbeat",{"a":1}', "{}"):
        data = f'[{2 if rest[0] == chr(34) else 3},"{written}",{rest}]'
        head = backend.peek(data.encode())
        assert head.message_id == msgspec.json.decode(f'"{written}"')
        assert head.reframe("new") == data.replace(f'"{written}"', '"new"', 1).encode()


def test_peek_returns_the_exact_payload(make_backend: Make) -> None:
    for text in ('[2,"1","H",\n400]', '[2,"1","H",\t400\n ] ', '[2,"1","H", 400]'):
        assert make_backend().peek(text).payload == b"400"
    deep = '[2,"1","H",%s]' % ("[" * 20 + "]" * 20)
    assert make_backend().peek(deep)
    with pytest.raises(ocppj.FrameError):
        make_backend(max_depth=8).peek(deep)


def test_the_size_of_any_buffer_counts_in_bytes(make_backend: Make) -> None:
    text = call("DataTransfer", {"vendorId": "v", "data": "x" * 8000}).encode()
    text += b" " * (-len(text) % 8)
    buffers = [
        bytearray(text),
        memoryview(text).cast("B", (1, len(text))),
        memoryview(text).cast("d"),
        memoryview(text).cast("B", (2, 1, len(text) // 2)),
        memoryview(text[::-1])[::-1],
        array.array("q", text),
    ]
    for buffer in buffers:
        assert make_backend(max_size=len(text)).decode(buffer).payload.data == "x" * 8000
        with pytest.raises(ocppj.FrameError, match="larger than"):
            make_backend(max_size=len(text) - 1).decode(buffer)
        with pytest.raises(ocppj.FrameError, match="larger than"):
            make_backend(max_size=len(text) - 1).peek(buffer)

"""The seam: frames from bytes, every rule of the wire, on both backends."""

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
def test_takes_any_spelling_and_any_kind_of_buffer(
    dispatch: Make, text: str, kind: type[Any]
) -> None:
    data = text if kind is str else kind(text.encode())
    assert dispatch().decode(data) == ocppj.Call("x", "Heartbeat", v201.HeartbeatRequest())


@pytest.mark.parametrize("data", [None, 5, [], [2, "x", "Heartbeat", {}], {}, {"a": 1}])
def test_what_is_no_text_is_our_mistake(dispatch: Make, data: Any) -> None:
    for read in (dispatch().decode, dispatch().peek):
        with pytest.raises(TypeError, match=r"^data=.*: use bytes or str$"):
            read(data)


@pytest.mark.parametrize("pending", [["x"], "x", {"x"}])
def test_what_is_no_mapping_of_calls_is_our_mistake(dispatch: Make, pending: Any) -> None:
    with pytest.raises(TypeError, match=r"^pending=.*: use a mapping of message id to action$"):
        dispatch().decode('[3,"x",{}]', pending)


def test_takes_a_slice_of_a_buffer_and_of_wide_items(dispatch: Make) -> None:
    text = b'..[2,"x","Heartbeat",{}]..'
    assert dispatch().decode(memoryview(text)[2:-2]).message_id == "x"
    wide = memoryview(b'[2,"x","Heartbeat",{ }]  '[:24].ljust(24)).cast("I")
    assert dispatch().decode(wide).message_id == "x"
    with pytest.raises(ocppj.FrameError, match="larger than 20 bytes"):
        dispatch(max_size=20).decode(wide)


@pytest.mark.parametrize("data", [None, 5, ["[2]"], object()])
def test_refuses_what_is_no_buffer(dispatch: Make, data: Any) -> None:
    with pytest.raises(TypeError):
        dispatch().decode(data)


def test_decodes_a_typed_payload(dispatch: Make) -> None:
    frame = dispatch().decode(call("BootNotification", BOOT))
    assert isinstance(frame, ocppj.Call)
    assert frame.payload == v201.BootNotificationRequest(
        reason=v201.BootReasonEnumType.POWER_UP,
        charging_station=v201.ChargingStationType(model="M", vendor_name="V"),
    )
    assert frame.action == frame.payload.feature_name


@pytest.mark.parametrize("message_id", ["", "é" * 36, "𝄞" * 36, "a" * 36, 'q"\\\n', "\x00"])
def test_takes_any_message_id_of_36_code_points(dispatch: Make, message_id: str) -> None:
    for text in (call(message_id=message_id), json.dumps([3, message_id, {}])):
        assert dispatch().decode(text).message_id == message_id
        assert dispatch().decode(text.encode()).message_id == message_id


def test_decodes_a_result_by_its_call(dispatch: Make) -> None:
    text = '[3,"x",{"currentTime":"2026-11-22T10:00:00.5Z"}]'
    seam = dispatch()
    frame = seam.decode(text, pending={"x": "Heartbeat", "y": "Reset"})
    assert frame.payload.current_time.isoformat() == "2026-11-22T10:00:00.500000+00:00"
    for pending in ({}, None, {"y": "Heartbeat"}):
        raw = seam.decode(text, pending=pending).payload
        assert isinstance(raw, msgspec.Raw)
        assert bytes(raw) == text[7:-1].encode()


def test_a_mapping_of_any_kind_will_do_as_pending(dispatch: Make) -> None:
    pending = types.MappingProxyType({"x": "Reset"})
    frame = dispatch().decode('[3,"x",{"status":"Accepted"}]', pending=pending)
    assert isinstance(frame.payload, v201.ResetResponse)


def test_refuses_a_result_that_breaks_its_type(dispatch: Make) -> None:
    with pytest.raises(ocppj.PayloadError) as caught:
        dispatch("2.1").decode('[3,"x",{}]', pending={"x": "Heartbeat"})
    assert caught.value.error_code == "OccurrenceConstraintViolation"
    assert caught.value.reply().startswith(b'[5,"x","OccurrenceConstraintViolation",')


@pytest.mark.parametrize("action", ["Nope", "NotifyPeriodicEventStream"])
def test_a_pending_action_without_response_is_the_callers_fault(
    dispatch: Make, action: str
) -> None:
    with pytest.raises(ValueError, match=f"no response belongs to the action '{action}'"):
        dispatch("2.1").decode('[3,"x",{}]', pending={"x": action})


def test_keeps_error_frames_as_they_are(dispatch: Make) -> None:
    text = '[4,"x","OccurenceConstraintViolation","%s",{"a":[1]}]' % ("é" * 300)
    frame = dispatch().decode(text)
    assert frame == ocppj.CallError("x", "OccurenceConstraintViolation", "é" * 300, {"a": [1]})
    five = dispatch("2.1").decode('[5,"x","Whatever","",{}]')
    assert five == ocppj.CallResultError("x", "Whatever")


def test_sends_are_of_2_1_only(dispatch: Make) -> None:
    text = (
        '[6,"x","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":'
        '"2024-01-01T00:00:00Z","data":[{"t":1.5,"v":"230"}]}]'
    )
    frame = dispatch("2.1").decode(text)
    assert isinstance(frame, ocppj.Send)
    assert isinstance(frame.payload, v21.NotifyPeriodicEventStreamRequest)
    for version in ("1.6", "2.0.1"):
        with pytest.raises(ocppj.FrameError):
            dispatch(version).decode(text)
    with pytest.raises(ocppj.UnknownActionError):
        dispatch("2.1").decode(text.replace("[6", "[2", 1))
    with pytest.raises(ocppj.UnknownActionError):
        dispatch("2.1").decode('[6,"x","Heartbeat",{}]')


SIZE = len(call())


def test_the_size_limit_counts_bytes(dispatch: Make) -> None:
    assert dispatch(max_size=SIZE).decode(call())
    seam = dispatch(max_size=SIZE - 1)
    for data in (call(), call().encode(), bytearray(call().encode())):
        with pytest.raises(ocppj.FrameError, match=f"larger than {SIZE - 1} bytes"):
            seam.decode(data)
    wide = '[2,"éé","Heartbeat",{}]'
    assert dispatch(max_size=len(wide) + 2).decode(wide)
    with pytest.raises(ocppj.FrameError, match="larger than"):
        dispatch(max_size=len(wide) + 1).decode(wide)


def data_transfer(depth: int) -> str:
    """Return a frame that nests to a depth: its array, its payload, and arrays for the rest."""
    nest = depth - 2
    return '[2,"x","DataTransfer",{"vendorId":"v","data":%s}]' % ("[" * nest + "]" * nest)


@pytest.mark.parametrize("depth", [3, 17, 18, 19, 31, 32])
def test_nests_as_deep_as_allowed(dispatch: Make, depth: int) -> None:
    assert dispatch().decode(data_transfer(depth)).payload.vendor_id == "v"
    with pytest.raises(ocppj.FrameError, match=f"nested deeper than {depth - 1}") as caught:
        dispatch(max_depth=depth - 1).decode(data_transfer(depth))
    assert caught.value.message_id == "x"


@pytest.mark.parametrize("depth", [33, 100, 10_000, 100_000, 500_000])
def test_nests_no_deeper(dispatch: Make, depth: int) -> None:
    seam = dispatch(max_size=2**20 + 1000)
    with pytest.raises(ocppj.FrameError, match="nested deeper than 32"):
        seam.decode(data_transfer(depth))
    custom = call("Heartbeat", {"customData": {"vendorId": "v", "x": None}})
    with pytest.raises(ocppj.FrameError, match="nested deeper than 32"):
        seam.decode(custom.replace("null", "[" * depth + "]" * depth))


def test_brackets_in_strings_do_not_nest(dispatch: Make) -> None:
    text = '["}{\\"' * 50
    frame = dispatch().decode(call("DataTransfer", {"vendorId": "v", "data": [text, [[text]]]}))
    assert frame.payload.data == [text, [[text]]]


def test_shallow_limits_hold_for_typed_payloads_too(dispatch: Make) -> None:
    text = call("BootNotification", BOOT)  # [ { {
    assert dispatch(max_depth=3).decode(text)
    with pytest.raises(ocppj.FrameError, match="nested deeper than 2"):
        dispatch(max_depth=2).decode(text)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_integers_have_64_bits(dispatch: Make, value: int) -> None:
    for place in ("customData", "data"):
        payload: dict[str, Any] = {"vendorId": "v", "data": 1}
        payload[place] = {"vendorId": "w", "deep": [{"n": value}]}
        assert dispatch().decode(call("DataTransfer", payload))
        payload[place]["deep"][0]["n"] = value + (1 if value > 0 else -1)
        with pytest.raises(ocppj.PayloadError) as caught:
            dispatch().decode(call("DataTransfer", payload))
        assert caught.value.path == f"$.{place}"
        assert caught.value.error_code == "PropertyConstraintViolation"
    error = [4, "x", "a", "b", {"n": value * 2}]
    with pytest.raises(ocppj.FrameError):
        dispatch().decode(json.dumps(error))


def test_an_integer_of_many_digits_is_a_bound_broken_not_bad_json(dispatch: Make) -> None:
    for digits in (20, 5_000, 100_000):
        text = call("CancelReservation", {"reservationId": 0}).replace("0}", "9" * digits + "}")
        with pytest.raises(ocppj.PayloadError) as caught:
            dispatch().decode(text)
        assert caught.value.error_code == "PropertyConstraintViolation"


def test_the_last_of_two_equal_keys_counts(dispatch: Make) -> None:
    frame = dispatch().decode('[2,"x","CancelReservation",{"reservationId":1,"reservationId":2}]')
    assert frame.payload.reservation_id == 2


def test_a_vendor_type_that_raises_is_a_payload_error(dispatch: Make) -> None:
    class Moody(msgspec.Struct):
        n: int = 0

        def __post_init__(self) -> None:
            if self.n:
                raise RuntimeError("not today")

    feature = ocppj.Feature("Mood", Moody, Moody)
    seam = dispatch(profiles=[ocppj.Profile("vendor", (feature,))])
    assert seam.decode(call("Mood", {"n": 0})).payload == Moody()
    with pytest.raises(ocppj.PayloadError) as caught:
        seam.decode(call("Mood", {"n": 1}))
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
def test_the_shape_of_a_frame_is_judged_before_its_payload(
    dispatch: Make, payload: str, broken: str
) -> None:
    head = f'[2,"{ID}","Heartbeat",'
    with pytest.raises(ocppj.PayloadError):
        dispatch().decode(f"{head}{payload}]")
    rest = broken.replace("{}", payload) if "{}" in broken else f'{payload[:-1]},"z":{broken}}}]'
    for data in (f"{head}{rest}", f"{head}{rest}".encode(errors="surrogateescape")):
        with pytest.raises(ocppj.FrameError) as caught:
            dispatch().decode(data)
        assert caught.value.path is None


@pytest.mark.parametrize("text", ["no - at `$.n", "no", "nested too deep", "Expected `int` >= 3"])
def test_what_a_vendor_type_says_does_not_pass_for_a_path(dispatch: Make, text: str) -> None:
    class Wordy(msgspec.Struct, forbid_unknown_fields=True):
        n: int = 0

        def __post_init__(self) -> None:
            if self.n:
                raise ValueError(text)

    profile = ocppj.Profile("vendor", (ocppj.Feature("Word", Wordy, Wordy),))
    with pytest.raises(ocppj.PayloadError) as caught:
        dispatch(profiles=[profile]).decode(call("Word", {"n": 1}))
    assert caught.value.path == "$"
    assert caught.value.error_code == "PropertyConstraintViolation"


@pytest.mark.parametrize("name", ["q` - at `$.inner", "a", "é", "\u2028"])
def test_the_name_of_a_field_does_not_pass_for_a_path(dispatch: Make, name: str) -> None:
    for ascii_only in (True, False):
        text = json.dumps([2, ID, "Heartbeat", {name: 1}], ensure_ascii=ascii_only)
        with pytest.raises(ocppj.PayloadError) as caught:
            dispatch().decode(text)
        assert caught.value.path == "$"


def test_an_interrupt_is_not_swallowed(dispatch: Make) -> None:
    class Slow(msgspec.Struct):
        def __post_init__(self) -> None:
            raise KeyboardInterrupt

    feature = ocppj.Feature("Slow", Slow, Slow)
    with pytest.raises(KeyboardInterrupt):
        dispatch(profiles=[ocppj.Profile("vendor", (feature,))]).decode(call("Slow"))


def test_many_vendor_features_are_all_found(dispatch: Make) -> None:
    kinds = {
        f"Vendor{'x' * (n % 40)}{n}": msgspec.defstruct(f"V{n}", [("n", int)]) for n in range(500)
    }
    features = tuple(ocppj.Feature(name, kind, kind) for name, kind in kinds.items())
    seam = dispatch(profiles=[*v201.PROFILES, ocppj.Profile("vendor", features)])
    for number, (name, kind) in enumerate(kinds.items()):
        assert seam.decode(call(name, {"n": number})).payload == kind(n=number)
        with pytest.raises(ocppj.UnknownActionError):
            seam.decode(call(name + "y", {"n": number}))
    assert seam.decode(call("Heartbeat")).action == "Heartbeat"


def test_of_two_equal_keys_the_last_counts_in_depth_too(dispatch: Make) -> None:
    data = '{"vendorId":"v","k":%s,"k":1}' % ("[" * 60 + "]" * 60)
    text = f'[2,"x","ClearCache",{{"customData":{data}}}]'
    for kind in (str, str.encode, lambda t: bytearray(t.encode())):
        for spelling in (text, text.replace('"x"', '"\\u0078"')):
            assert dispatch().decode(kind(spelling)).payload.custom_data["k"] == 1


def test_open_structs_of_a_vendor_are_bounded_too(dispatch: Make) -> None:
    kind = msgspec.defstruct("Open", [("n", int)])
    seam = dispatch(profiles=[ocppj.Profile("v", (ocppj.Feature("Open", kind, kind),))])
    good = '[2,"x","Open",{"n":1,"other":[1]}]'
    assert seam.decode(good).payload == kind(n=1)
    for data in (
        good.replace("[1]", "[" * 40 + "]" * 40),
        good.encode().replace(b"[1]", b'"\xff"'),
    ):
        for form in (data, bytearray(data if isinstance(data, bytes) else data.encode())):
            with pytest.raises(ocppj.FrameError):
                seam.decode(form)


def test_actions_are_compared_as_text(dispatch: Make) -> None:
    kind = msgspec.defstruct("Flat", [], forbid_unknown_fields=True)
    names = ("a\\b", "a\nb", "é", 'a"b')
    features = tuple(ocppj.Feature(name, kind, kind) for name in names)
    seam = dispatch(profiles=[ocppj.Profile("v", features)])
    for name in names:
        for ascii_only in (True, False):
            text = json.dumps([2, "x", name, {}], ensure_ascii=ascii_only)
            assert seam.decode(text).action == name
            assert seam.peek(text).action == name
    for text in ('[2,"x","a\\b",{}]', '[2,"x","a\nb",{}]'):
        with pytest.raises(ocppj.DecodeError):
            seam.decode(text)


def test_a_mapping_that_makes_up_what_it_has_not_is_not_asked_to(dispatch: Make) -> None:
    pending: Any = collections.defaultdict(lambda: "Reset")
    frame = dispatch().decode('[3,"x",{"status":"Accepted"}]', pending=pending)
    assert isinstance(frame.payload, msgspec.Raw)
    assert pending == {}


def test_peek_cuts_the_payload_exactly(dispatch: Make) -> None:
    for text in ('[2,"1","H",\n400]', '[2,"1","H",\t400\n ] ', '[2,"1","H", 400]'):
        assert dispatch().peek(text).payload == b"400"
    deep = '[2,"1","H",%s]' % ("[" * 20 + "]" * 20)
    assert dispatch().peek(deep)
    with pytest.raises(ocppj.FrameError):
        dispatch(max_depth=8).peek(deep)


def test_the_size_of_any_buffer_counts_in_bytes(dispatch: Make) -> None:
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
        assert dispatch(max_size=len(text)).decode(buffer).payload.data == "x" * 8000
        with pytest.raises(ocppj.FrameError, match="larger than"):
            dispatch(max_size=len(text) - 1).decode(buffer)
        with pytest.raises(ocppj.FrameError, match="larger than"):
            dispatch(max_size=len(text) - 1).peek(buffer)

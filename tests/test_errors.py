"""For every fault: its error code, and the answer, in each version."""

import json
import pickle
from typing import Any

import pytest

import ocppj
from ocppj import errors
from tests.conftest import VERSIONS, Make

LONG = "x" * 37
FRAME = ("FormationViolation", "RpcFrameworkError")
FORMAT = ("FormationViolation", "FormatViolation")
TYPE = ("TypeConstraintViolation",) * 2
OCCURRENCE = ("OccurenceConstraintViolation", "OccurrenceConstraintViolation")
PROPERTY = ("PropertyConstraintViolation",) * 2
UNKNOWN = ("NotImplemented",) * 2
UNKNOWN_TYPE = ("FormationViolation", "MessageTypeNotSupported")

# The answers in 1.6, 2.0.1 and 2.1, as (message type, message id).
ECHO = ((4, "i"),) * 3
NONE = (None,) * 3
MINUS_1 = (None, (4, "-1"), (4, "-1"))
RESULT = (None, None, (5, "i"))

# name: (frame, (code in 1.6, code in 2.x), answers)
FAULTS: dict[str, tuple[Any, tuple[str, str], tuple[Any, Any, Any]]] = {
    "not JSON": ('[2,"i","Heartbeat",{}', FRAME, MINUS_1),
    "empty": ("", FRAME, MINUS_1),
    "trailing comma": ('[2,"i","Heartbeat",{},]', FRAME, MINUS_1),
    "trailing text": ('[2,"i","Heartbeat",{}] x', FRAME, MINUS_1),
    "byte order mark": ('\ufeff[2,"i","Heartbeat",{}]', FRAME, MINUS_1),
    "NaN": ('[2,"i","DataTransfer",{"vendorId":"v","data":NaN}]', FRAME, MINUS_1),
    "infinity": ('[2,"i","DataTransfer",{"vendorId":"v","data":-Infinity}]', FRAME, MINUS_1),
    "half a surrogate pair": ('[2,"i","DataTransfer",{"vendorId":"\\ud800"}]', FRAME, MINUS_1),
    "half a pair in a str": ('[2,"i","DataTransfer",{"vendorId":"\ud800"}]', FRAME, MINUS_1),
    "not UTF-8": (b'[2,"i","DataTransfer",{"vendorId":"\xff"}]', FRAME, MINUS_1),
    "not UTF-8 in the id": (b'[2,"\xff","Heartbeat",{}]', FRAME, MINUS_1),
    "not UTF-8 in a result": (b'[3,"i",{"x":"\xff"}]', FRAME, MINUS_1),
    "control character": ('[2,"i","DataTransfer",{"vendorId":"\x01"}]', FRAME, MINUS_1),
    "object": ('{"a":1}', FRAME, MINUS_1),
    "null": ("null", FRAME, MINUS_1),
    "nested without end": ("[" * 100_000, FRAME, MINUS_1),
    "empty array": ("[]", FRAME, MINUS_1),
    "type alone": ("[2]", FRAME, MINUS_1),
    "id a number": ('[2,1,"Heartbeat",{}]', FRAME, MINUS_1),
    "id null": ('[2,null,"Heartbeat",{}]', FRAME, MINUS_1),
    "id long": (f'[2,"{LONG}","Heartbeat",{{}}]', None, ((4, LONG), (4, "-1"), (4, "-1"))),
    "type unknown": ('[9,"i",{}]', UNKNOWN_TYPE, (None, (4, "i"), None)),
    "type negative": ('[-2,"i","Heartbeat",{}]', UNKNOWN_TYPE, (None, (4, "i"), None)),
    "type a string": ('["2","i","Heartbeat",{}]', UNKNOWN_TYPE, (None, (4, "i"), None)),
    "type a float": ('[2.0,"i","Heartbeat",{}]', UNKNOWN_TYPE, (None, (4, "i"), None)),
    "type true": ('[true,"i","Heartbeat",{}]', UNKNOWN_TYPE, (None, (4, "i"), None)),
    "type and id unknown": ("[9,9]", FRAME, MINUS_1),
    "too few elements": ('[2,"i","Heartbeat"]', FRAME, ECHO),
    "too many elements": ('[2,"i","Heartbeat",{},{}]', FRAME, ECHO),
    "action a number": ('[2,"i",5,{}]', FRAME, ECHO),
    "action null": ('[2,"i",null,{}]', FRAME, ECHO),
    "action unknown": ('[2,"i","Nope",{}]', UNKNOWN, ECHO),
    "action in another case": ('[2,"i","heartbeat",{}]', UNKNOWN, ECHO),
    "action empty": ('[2,"i","",{}]', UNKNOWN, ECHO),
    "action unknown, payload bad": ('[2,"i","Nope",[]]', UNKNOWN, ECHO),
    "payload an array": ('[2,"i","Heartbeat",[]]', FORMAT, ECHO),
    "payload null": ('[2,"i","Heartbeat",null]', FORMAT, ECHO),
    "payload a string": ('[2,"i","Heartbeat","x"]', FORMAT, ECHO),
    "unknown field": ('[2,"i","Heartbeat",{"a":1}]', FORMAT, ECHO),
    "wrong type": ('[2,"i","CancelReservation",{"reservationId":"1"}]', TYPE, ECHO),
    "integer as a float": ('[2,"i","CancelReservation",{"reservationId":1.0}]', TYPE, ECHO),
    "field null": ('[2,"i","CancelReservation",{"reservationId":null}]', TYPE, ECHO),
    "optional field null": ('[2,"i","DataTransfer",{"vendorId":"v","messageId":null}]', TYPE, ECHO),
    "missing field": ('[2,"i","CancelReservation",{}]', OCCURRENCE, ECHO),
    "string long": ('[2,"i","DataTransfer",{"vendorId":"%s"}]' % ("v" * 256), PROPERTY, ECHO),
    "result with too many elements": ('[3,"i",{},{}]', FRAME, RESULT),
    "result that is no object": ('[3,"i",[]]', FORMAT, RESULT),
    "result with a bad id": ("[3,5,{}]", FRAME, NONE),
    "result with a long id": (f'[3,"{LONG}",{{}}]', None, NONE),
    "error with too few elements": ('[4,"i","GenericError",""]', FRAME, NONE),
    "error with a numeric code": ('[4,"i",404,"",{}]', FRAME, NONE),
    "error with details that are no object": ('[4,"i","GenericError","",[]]', FRAME, NONE),
    "error with a bad id": ('[4,null,"GenericError","",{}]', FRAME, NONE),
}


def answers(backend: Any, frame: Any) -> tuple[ocppj.DecodeError, Any]:
    with pytest.raises(ocppj.DecodeError) as caught:
        backend.decode(frame)
    reply = caught.value.reply()
    if reply is None:
        return caught.value, None
    number, message_id, code, description, details = json.loads(reply)
    assert code == caught.value.error_code
    assert description == caught.value.error_description
    assert details == {}
    return caught.value, (number, message_id)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_code_and_its_answer(
    make_backend: Make, version: str, name: str
) -> None:
    frame, codes, replies = FAULTS[name]
    codes = codes or ("PropertyConstraintViolation", "RpcFrameworkError")
    error, reply = answers(make_backend(version), frame)
    assert error.error_code == codes[0 if version == "1.6" else 1]
    assert reply == replies[VERSIONS.index(version)]
    assert error.error_description


@pytest.mark.parametrize(
    "frame",
    [
        '[6,"i","NotifyPeriodicEventStream",{}]',
        '[6,"i","Nope",{}]',
        '[6,"i","NotifyPeriodicEventStream"]',
        '[6,5,"NotifyPeriodicEventStream",{}]',
        f'[6,"{LONG}","NotifyPeriodicEventStream",{{}}]',
    ],
)
def test_a_send_is_never_answered(make_backend: Make, frame: str) -> None:
    assert answers(make_backend("2.1"), frame)[1] is None
    assert answers(make_backend("1.6"), frame)[1] is None


def test_an_invalid_result_error_is_never_answered(make_backend: Make) -> None:
    for frame in ('[5,"i",404,"",{}]', '[5,"i"]', "[5,5]"):
        assert answers(make_backend("2.1"), frame)[1] is None


def test_each_version_has_its_table_of_codes() -> None:
    assert {name: len(rules.error_codes) for name, rules in errors.ERROR_RULES.items()} == {
        "1.6": 10,
        "2.0.1": 12,
        "2.1": 12,
    }
    for rules in errors.ERROR_RULES.values():
        assert set(rules.codes) == set(errors.Fault)
        assert set(rules.codes.values()) <= rules.error_codes


HOSTILE = '<b>"\\u0000' + "é" * 300


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps([2, "i", HOSTILE, {}]),
        json.dumps([2, "i", "Heartbeat", {HOSTILE: 1}]),
        json.dumps([2, "i", "Heartbeat", {"x` - at `$.y": 1}]),
        json.dumps([2, "i", "Reset", {"type": "x' - at `$.evil`"}]),
        json.dumps([2, "i", "Reset", {"type": HOSTILE}]),
    ],
)
def test_an_error_does_not_repeat_what_the_peer_wrote(make_backend: Make, frame: str) -> None:
    error, reply = answers(make_backend(), frame)
    assert reply == (4, "i")
    assert len(error.error_description) <= 255
    assert error.error_description.isascii()
    for text in ("<b>", "evil", "`"):
        assert text not in error.error_description
    assert error.path in (None, "$", "$.type")


def test_a_long_description_keeps_its_path() -> None:
    path = "$." + "a" * 100
    rules = errors.ERROR_RULES["2.0.1"]
    error = ocppj.PayloadError(errors.Fault.TYPE, "x" * 500, rules, path, errors.NO_HEAD)
    assert error.error_description.endswith(f"x at {path}")
    assert len(error.error_description) == 255


def test_a_decode_error_survives_pickling(make_backend: Make) -> None:
    with pytest.raises(ocppj.PayloadError) as caught:
        make_backend("2.1").decode('[2,"i","Heartbeat",{"a":1}]')
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is ocppj.PayloadError
    assert str(again) == str(caught.value) == "FormatViolation: unknown field a at $"
    assert again.reply() == caught.value.reply()
    assert again.path == "$"
    assert (again.message_type, again.message_id, again.action) == (2, "i", "Heartbeat")


@pytest.mark.parametrize(
    ("frame", "action"),
    [
        ('[2,"i","Heartbeat",{"a":1}]', "Heartbeat"),
        ('[2,"i","Heartbeat",[]]', "Heartbeat"),
        ('[2, "\\u0069", "Heartbeat", {"a":1}]', "Heartbeat"),
        ('[2,"i","Nope",{}]', "Nope"),
        ('[2,"i","\\ud83d\\ude00 <b>",{}]', "\U0001f600 <b>"),
        ('[2,"i",5,{}]', None),
        ('[2,"i","Heartbeat"]', None),
        ('[2,"i","Heartbeat",{}', None),
        ('[2,5,"Heartbeat",{}]', None),
        ('[3,"i",{"a":1}]', "Reset"),
        ('[3,"i",[]]', "Reset"),
        ('[3,"j",[]]', None),
        ('[4,"i",404,"",{}]', None),
        ('[6,"i","NotifyPeriodicEventStream",{"a":1}]', "NotifyPeriodicEventStream"),
        ('[6,"i","Nope",{}]', "Nope"),
    ],
)
def test_an_error_names_the_action_where_it_is_known(
    make_backend: Make, frame: str, action: str | None
) -> None:
    with pytest.raises(ocppj.DecodeError) as caught:
        make_backend("2.1").decode(frame, {"i": "Reset"})
    assert caught.value.action == action


def test_a_result_decoded_later_names_its_action() -> None:
    codec = ocppj.Codec("2.0.1")
    frame = codec.decode('[3,"i",{}]')
    assert isinstance(frame, ocppj.CallResult)
    with pytest.raises(ocppj.PayloadError) as caught:
        codec.decode_result(frame, "Reset")
    assert caught.value.action == "Reset"


@pytest.mark.parametrize("name", ["not JSON", "action unknown", "unknown field", "string long"])
@pytest.mark.parametrize("payload", ["", '"customData":{},'])
def test_an_exception_that_is_being_handled_keeps_its_traceback(
    make_backend: Make, name: str, payload: str
) -> None:
    backend, frame = make_backend("2.0.1"), FAULTS[name][0].replace("{", "{" + payload)
    try:
        int("x")
    except ValueError as handled:
        with pytest.raises(ocppj.DecodeError):
            backend.decode(frame)
        assert handled.__traceback__ is not None


def test_the_tree_is_the_one_in_the_docstring() -> None:
    doc = errors.__doc__ or ""
    drawn = [line.split("─ ")[-1].split()[0] for line in doc.splitlines() if "── " in line]
    assert sorted([*drawn, "OcppError"]) == errors.__all__
    for name in drawn:
        assert issubclass(getattr(errors, name), ocppj.OcppError)


@pytest.mark.parametrize("kind", [ocppj.CallFailed, ocppj.CallRefused])
def test_content_of_an_error_answer(kind: Any) -> None:
    error = kind("GenericError")
    assert (error.error_code, error.error_description, error.error_details) == (
        "GenericError",
        "",
        {},
    )
    assert str(error) == "GenericError"
    assert str(kind("GenericError", "why", {"a": 1})) == "GenericError: why"
    assert pickle.loads(pickle.dumps(kind("A", "b", {"c": 1}))).error_details == {"c": 1}
    assert issubclass(ocppj.CallTimeout, TimeoutError)

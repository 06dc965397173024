"""msgspec's messages: a real fault reaches every row of the table, so a changed message fails."""

import enum
import re
import typing
import uuid
from typing import Annotated, Any

import msgspec
import pytest

import ocppj
from ocppj._core import faults
from ocppj.errors import Fault
from ocppj.schema import CustomData, Integer, Maybe, Message, Timestamp, check_tenths, dec_hook


class Color(enum.StrEnum):
    RED = "Red"


class Inner(Message, kw_only=True):
    n: Integer


class Outer(Message, kw_only=True):
    text: Maybe[Annotated[str, msgspec.Meta(max_length=3, min_length=1)]] = None
    count: Maybe[Integer] = None
    bound: Maybe[Annotated[int, msgspec.Meta(ge=1, le=5)]] = None
    number: Maybe[Annotated[float, msgspec.Meta(ge=0.0, le=1.5)]] = None
    flag: Maybe[bool] = None
    at: Maybe[Timestamp] = None
    color: Maybe[Color] = None
    inner: Maybe[Inner] = None
    items: Maybe[Annotated[list[Inner], msgspec.Meta(min_length=1, max_length=2)]] = None
    custom_data: Maybe[CustomData] = None
    tenths: Maybe[float] = None
    pair: Maybe[tuple[int, int]] = None
    key: Maybe[uuid.UUID] = None
    either: Maybe[int | str] = None

    def __post_init__(self) -> None:
        check_tenths(self.tenths, "tenths")


N = "expected {}, got {}".format
CASES: list[tuple[str, Fault, str, str]] = [
    ('{"text":5}', Fault.TYPE, N("str", "int"), "$.text"),
    ('{"text":null}', Fault.TYPE, N("str", "null"), "$.text"),
    ('{"text":"abcd"}', Fault.PROPERTY, "expected a string of length <= 3", "$.text"),
    ('{"text":""}', Fault.PROPERTY, "expected a string of length >= 1", "$.text"),
    ('{"count":"5"}', Fault.TYPE, N("int", "str"), "$.count"),
    ('{"count":1.0}', Fault.TYPE, N("int", "float"), "$.count"),
    ('{"count":1.5}', Fault.TYPE, N("int", "float"), "$.count"),
    ('{"count":true}', Fault.TYPE, N("int", "bool"), "$.count"),
    ('{"count":9223372036854775808}', Fault.PROPERTY, f"expected int <= {2**63 - 1}", "$.count"),
    ('{"count":-9223372036854775809}', Fault.PROPERTY, f"expected int >= {-(2**63)}", "$.count"),
    ('{"count":%s}' % ("9" * 5000), Fault.PROPERTY, "integer of at most 64 bits", "$.count"),
    ('{"bound":0}', Fault.PROPERTY, "expected int >= 1", "$.bound"),
    ('{"bound":6}', Fault.PROPERTY, "expected int <= 5", "$.bound"),
    ('{"number":-0.5}', Fault.PROPERTY, "expected float >= 0.0", "$.number"),
    ('{"number":2}', Fault.PROPERTY, "expected float <= 1.5", "$.number"),
    ('{"number":1e999}', Fault.PROPERTY, "number that fits a 64-bit float", "$.number"),
    ('{"number":"1"}', Fault.TYPE, N("float", "str"), "$.number"),
    ('{"flag":1}', Fault.TYPE, N("bool", "int"), "$.flag"),
    ('{"at":"2026-01-01T00:00:00"}', Fault.PROPERTY, "expected a timestamp with a zone", "$.at"),
    ('{"at":"yesterday"}', Fault.PROPERTY, "expected a timestamp such as", "$.at"),
    ('{"at":5}', Fault.TYPE, N("datetime", "int"), "$.at"),
    ('{"color":"Blue"}', Fault.PROPERTY, "not one of the values of the enum", "$.color"),
    ('{"color":"\' - at `$.x`"}', Fault.PROPERTY, "not one of the values of the enum", "$.color"),
    ('{"color":"a\\nb"}', Fault.PROPERTY, "not one of the values of the enum", "$.color"),
    ('{"color":5}', Fault.TYPE, N("str", "int"), "$.color"),
    ('{"inner":{}}', Fault.OCCURRENCE, "required field n is missing", "$.inner"),
    ('{"inner":[]}', Fault.TYPE, N("object", "array"), "$.inner"),
    ('{"inner":{"n":1,"m":2}}', Fault.FORMAT, "unknown field m", "$.inner"),
    ('{"m":2}', Fault.FORMAT, "unknown field m", "$"),
    ('{"<x>":2}', Fault.FORMAT, "unknown field", "$"),
    ('{"items":[]}', Fault.OCCURRENCE, "expected an array of length >= 1", "$.items"),
    (
        '{"items":[{"n":1},{"n":1},{"n":1}]}',
        Fault.OCCURRENCE,
        "expected an array of length <= 2",
        "$.items",
    ),
    ('{"items":[{"n":1},{"n":"x"}]}', Fault.TYPE, N("int", "str"), "$.items[1].n"),
    ('{"items":{}}', Fault.TYPE, N("array", "object"), "$.items"),
    ('{"customData":{}}', Fault.OCCURRENCE, "required field vendorId is missing", "$.customData"),
    ('{"customData":{"vendorId":5}}', Fault.TYPE, N("str", "int"), "$.customData.vendorId"),
    ('{"customData":[]}', Fault.TYPE, N("object", "array"), "$.customData"),
    ('{"customData":null}', Fault.TYPE, N("object", "null"), "$.customData"),
    ('{"tenths":8.13}', Fault.PROPERTY, "expected at most one decimal", "$.tenths"),
    ('{"pair":[1]}', Fault.OCCURRENCE, "expected an array of length 2", "$.pair"),
    ('{"key":"x"}', Fault.PROPERTY, "not a value that its type allows", "$.key"),
    ('{"either":1.5}', Fault.TYPE, "expected int | str, got float", "$.either"),
    ("[]", Fault.FORMAT, N("object", "array"), "$"),
    ("null", Fault.FORMAT, N("object", "null"), "$"),
]


def msgspec_error(payload: str) -> str:
    return str(raised(f"[{payload}]", list[Outer]))


def raised(text: str, kind: Any, depth: int = 4) -> msgspec.ValidationError:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(text, type=kind, dec_hook=dec_hook(depth))
    return caught.value


@pytest.mark.parametrize(("payload", "fault", "problem", "path"), CASES)
def test_a_fault_is_translated(payload: str, fault: Fault, problem: str, path: str) -> None:
    finding = faults.translate(msgspec_error(payload))
    assert (finding.fault, finding.path) == (fault, path)
    assert problem in finding.problem


@pytest.mark.parametrize("payload", [payload for payload, *_ in CASES])
def test_the_error_of_a_bare_payload_is_translated_alike(payload: str) -> None:
    again = faults.translate_fast_error(raised(payload, Outer), payload.encode())
    if "`" in payload:
        assert again is None
    else:
        assert again == faults.translate(msgspec_error(payload))


@pytest.mark.parametrize(
    "payload",
    [
        '{"q` - at `$.inner":1}',
        '{"q\\u0060 - at `$.inner":1}',
        '{"q` - at \\u0060$.inner":1}',
        '{"inner":{"n":1,"q` - at `$.x":1}}',
    ],
)
def test_text_like_a_path_is_not_certain(payload: str) -> None:
    assert faults.translate_fast_error(raised(payload, Outer), payload.encode()) is None


def test_too_deep_for_the_fast_decoder_is_not_certain() -> None:
    payload = '{"customData":{"vendorId":5,"a":[[]]}}'
    assert faults.translate_fast_error(raised(payload, Outer, 2), payload.encode()) is None
    assert faults.translate_fast_error(raised(payload, Outer, 3), payload.encode()) is not None


@pytest.mark.parametrize("error", [msgspec.DecodeError("x"), RecursionError(), ValueError("x")])
def test_only_a_validation_error_is_translated(error: Exception) -> None:
    assert faults.translate_fast_error(error, b"{}") is None


def test_every_row_of_the_table_is_reached() -> None:
    """A row that no fault reaches is dead, or msgspec has changed the message."""
    problems = []
    for payload, *_ in CASES:
        text = msgspec_error(payload)
        problem = text.rpartition(" - at `")[0]
        inner = faults._INNER.fullmatch(problem)
        problems.append(inner[1] if inner else problem)

    def row(problem: str) -> str:
        return next(p for p, _, _ in faults.WORDINGS if re.fullmatch(p, problem, re.DOTALL))

    assert {row(problem) for problem in problems} == {p for p, _, _ in faults.WORDINGS}


def test_the_name_of_a_field_is_not_mistaken_for_a_path() -> None:
    for name in ("q` - at `$.inner", "q` - at `$[0].inner", "` - at `$[0]"):
        finding = faults.translate(msgspec_error(f'{{"{name}":1}}'))
        assert finding == faults.Finding(Fault.FORMAT, "unknown field", "$")
        finding = faults.translate(msgspec_error(f'{{"inner":{{"n":1,"{name}":1}}}}'))
        assert finding == faults.Finding(Fault.FORMAT, "unknown field", "$.inner")


def test_the_vendor_id_is_bounded() -> None:
    text = '{"customData":{"vendorId":"%s"}}'
    good = msgspec.json.decode(text % ("é" * 255), type=Outer, dec_hook=dec_hook(4))
    assert typing.cast("Any", good).custom_data["vendorId"] == "é" * 255
    assert faults.translate(msgspec_error(text % ("é" * 256))).fault is Fault.PROPERTY


GRAMMAR = [
    (b"[1", "not JSON: it is truncated"),
    (b"", "not JSON: it is truncated"),
    (rb'[2,"\ud800"]', "not JSON: it is truncated or has half a surrogate pair"),
    (b"[1,]", "not JSON: trailing comma in array (byte 3)"),
    (b"[1] x", "not JSON: trailing characters (byte 5)"),
    (b"[nul]", "not JSON: invalid character (byte 2)"),
    (b"[1 2]", "not JSON: expected ',' or ']' (byte 3)"),
]


@pytest.mark.parametrize(("data", "problem"), GRAMMAR)
def test_invalid_json_is_described_in_msgspecs_words(data: bytes, problem: str) -> None:
    with pytest.raises(ocppj.FrameError) as caught:
        ocppj.Codec("1.6").decode(data)
    assert caught.value.error_description == problem

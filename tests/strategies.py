"""Frames for property tests: valid ones generated from our types, and mutations of them."""

import json
import os
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import inspect

import ocppj
from ocppj.schema import JSON, CustomData
from tests.conftest import PACKAGES

QUICK = os.environ.get("OCPPJ_TEST_PROFILE") == "quick"


def examples(number: int) -> settings:
    """Return settings with a number of examples; the quick profile has a quarter of it."""
    return settings(
        max_examples=max(number // 4, 5) if QUICK else number,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


text = st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
message_ids = st.text(st.characters(codec="utf-8"), max_size=36)
timestamps = st.datetimes(
    min_value=datetime(1970, 1, 2),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))


def custom_data(vendor: str, rest: dict[str, Any]) -> CustomData:
    return CustomData(rest | {"vendorId": vendor})


def of(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Return valid values of a type."""
    match info:
        case inspect.Metadata(extra_json_schema={"multipleOf": 0.1}):
            return st.integers(-1000, 1000).map(lambda n: n / 10)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case inspect.StrType(min_length=least, max_length=most):
            size = min(most if most is not None else 40, 40)
            return st.text(st.characters(codec="utf-8"), min_size=least or 0, max_size=size)
        case inspect.DateTimeType():
            return timestamps
        case inspect.EnumType(cls=cls):
            return st.sampled_from(cls)
        case inspect.ListType(item_type=item, min_length=least, max_length=most):
            size = min(most if most is not None else 3, (least or 0) + 2)
            return st.lists(of(item), min_size=least or 0, max_size=size)
        case inspect.CustomType(cls=cls) if cls is CustomData:
            return st.builds(custom_data, text, st.dictionaries(text, values, max_size=2))
        case inspect.CustomType(cls=cls) if cls is JSON:
            return values
        case inspect.StructType(cls=cls, fields=fields):
            return struct(cls, fields)
    raise NotImplementedError(info)


def struct(cls: type[Any], fields: tuple[inspect.Field, ...]) -> st.SearchStrategy[Any]:
    parts = {
        field.name: of(field.type) if field.required else st.none() | of(field.type)
        for field in fields
    }
    return st.builds(cls, **parts)


def payloads(kind: type[Any]) -> st.SearchStrategy[Any]:
    return of(inspect.type_info(kind))


def frames(version: str) -> st.SearchStrategy[tuple[ocppj.Frame, str]]:
    """Return valid frames of any action, each with its action."""
    features = [f for profile in PACKAGES[version].PROFILES for f in profile.features]

    def of_feature(feature: ocppj.Feature[Any, Any]) -> st.SearchStrategy[tuple[Any, str]]:
        name = st.just(feature.name)
        request = payloads(feature.request_type)
        if feature.response_type is None:
            return st.tuples(st.builds(ocppj.Send, message_ids, name, request), name)
        result = st.builds(ocppj.CallResult, message_ids, payloads(feature.response_type))
        return st.tuples(st.builds(ocppj.Call, message_ids, name, request) | result, name)

    return st.sampled_from(features).flatmap(of_feature)


def texts(version: str) -> st.SearchStrategy[tuple[bytes, str, str]]:
    """Return valid frames in any spelling as bytes, with their message ids and actions."""
    encoder = msgspec.json.Encoder()

    def spelled(pair: tuple[Any, str], style: int) -> tuple[bytes, str, str]:
        frame, action = pair
        elements = (frame.message_type, *(getattr(frame, n) for n in frame.__struct_fields__))
        data = encoder.encode(elements)
        if style:
            indent = None if style == 1 else 1
            data = json.dumps(json.loads(data), indent=indent, ensure_ascii=style == 1).encode()
        return data, frame.message_id, action

    return st.builds(spelled, frames(version), st.integers(0, 2))


def good(version: str, number: int) -> list[tuple[bytes, str, str]]:
    """Return a number of valid frames with message ids and actions, the same ones every time."""
    found: list[tuple[bytes, str, str]] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(texts(version))
    def collect(frame: tuple[bytes, str, str]) -> None:
        found.append(frame)

    collect()
    return found


SNIPPETS = [
    b"null",
    b"{}",
    b"[]",
    b'""',
    b"0",
    b"-1",
    b"1.0",
    b"true",
    b"2",
    b"3",
    b"[2,",
    b"[3,",
    b'"',
    b"\\",
    b",",
    b":",
    b"}",
    b"]",
    b"{",
    b"[",
    b" ",
    b"\n",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0041",
    b"NaN",
    b"99999999999999999999",
    b"1e999",
    b'"x"',
    b"'",
    b"\xef\xbb\xbf",
    b'"customData":{"vendorId":"v"},',
    b'"evseId":1,',
    b"[" * 40,
    b"{" * 40,
]

edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from([b"", *SNIPPETS])),
    min_size=1,
    max_size=3,
)


def mutate(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Replace some bytes in some places."""
    for where, size, new in changes:
        at = int(where * len(data))
        data = data[:at] + new + data[at + size :]
    return data

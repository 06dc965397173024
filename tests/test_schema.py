"""Optional fields, vendor data, free-form values, one decimal."""

from typing import Any

import msgspec
import pytest

from ocppj.schema import (
    JSON,
    CustomData,
    Feature,
    Maybe,
    Message,
    Profile,
    check_json,
    check_tenths,
    dec_hook,
)


class Thing(Message, kw_only=True):
    some_name: Maybe[int] = None
    data: Maybe[JSON] = None
    custom_data: Maybe[CustomData] = None


def decode(text: str, depth: int = 3) -> Thing:
    return msgspec.json.decode(text, type=Thing, dec_hook=dec_hook(depth))


def test_absent_is_none_and_none_is_absent() -> None:
    assert decode("{}") == Thing()
    assert msgspec.json.encode(Thing(some_name=0)) == b'{"someName":0}'
    assert msgspec.json.encode(Thing()) == b"{}"
    with pytest.raises(msgspec.ValidationError, match="Expected `int`, got `null`"):
        decode('{"someName":null}')


@pytest.mark.parametrize("value", ["0", "null", '"x"', "[1,[2,[]]]", '{"a":{"b":{}}}', "-0.5"])
def test_free_form_values_are_unchanged(value: str) -> None:
    assert decode(f'{{"data":{value}}}').data == msgspec.json.decode(value)


def test_free_form_values_have_a_maximum_depth() -> None:
    for text in ('{"data":[[[[]]]]}', '{"data":{"a":{"a":{"a":{}}}}}'):
        with pytest.raises(msgspec.ValidationError, match="nested too deep"):
            decode(text)
        assert decode(text, depth=4)


def test_vendor_data_is_a_dict() -> None:
    data = decode('{"customData":{"vendorId":"v","x":[1]}}').custom_data
    assert type(data) is CustomData
    assert data == {"vendorId": "v", "x": [1]} == CustomData(vendorId="v", x=[1])


def test_an_unknown_type_is_an_error() -> None:
    class Other:
        pass

    with pytest.raises(NotImplementedError):
        dec_hook(1)(Other, {})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [2**63], {"a": [{"b": 2**70}]}])
def test_integers_beyond_64_bits_are_invalid(value: Any) -> None:
    with pytest.raises(ValueError, match="integer beyond 64 bits"):
        check_json(value, 10)
    check_json(True, 0)


@pytest.mark.parametrize("value", [None, 0, 7, 0.1, 0.3, 8.1, 16.0, 21.4, -0.7, 1e300, 1e15 + 0.5])
def test_one_decimal(value: float | None) -> None:
    check_tenths(value, "x")


def test_every_tenth_is_one_decimal() -> None:
    for number in range(-10_000, 10_001):
        check_tenths(number / 10, "x")


@pytest.mark.parametrize("value", [8.13, 0.01, 1e-9, 0.1 + 0.2, 1.05, 1.7000000000000002])
def test_two_decimals(value: float) -> None:
    with pytest.raises(ValueError, match="at most one decimal in field `x`"):
        check_tenths(value, "x")


def test_features_and_profiles_are_values() -> None:
    feature = Feature("A", Thing, Thing)
    assert feature == Feature("A", Thing, Thing, "both")
    assert hash(Profile("p", (feature,))) == hash(Profile("p", (feature,)))
    with pytest.raises(AttributeError):
        feature.name = "B"  # type: ignore[misc]

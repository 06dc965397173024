"""Every message: Struct -> bytes -> Struct, on the backend in use."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from tests.conftest import PACKAGES, VERSIONS
from tests.strategies import examples, payloads

CHECKS = examples(15)

KINDS = [
    pytest.param(version, feature, kind, id=f"{version}-{kind.__name__}")
    for version in VERSIONS
    for profile in PACKAGES[version].PROFILES
    for feature in profile.features
    for kind in (feature.request_type, feature.response_type)
    if kind is not None
]


@pytest.mark.parametrize(("version", "feature", "kind"), KINDS)
def test_round_trip(version: str, feature: ocppj.Feature[Any, Any], kind: type[Any]) -> None:
    codec = ocppj.Codec(version)

    def frame(payload: Any) -> ocppj.Frame:
        if kind is feature.response_type:
            return ocppj.CallResult("i", payload)
        return (ocppj.Call if feature.response_type else ocppj.Send)("i", feature.name, payload)

    @CHECKS
    @given(st.builds(frame, payloads(kind)))
    def check(frame: ocppj.Frame) -> None:
        data = codec.encode(frame)
        assert codec.decode(data, pending={"i": feature.name}) == frame
        assert codec.encode(codec.decode(data, pending={"i": feature.name})) == data

    check()

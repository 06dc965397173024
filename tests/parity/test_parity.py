"""Both backends, one truth: the same value or the same error, whatever comes."""

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from tests.conftest import VERSIONS, backend
from tests.strategies import edits, examples, mutate, texts

CHECKS = examples(400)


def outcome(seam: Any, data: Any, pending: Any) -> Any:
    try:
        frame = seam.decode(data, pending)
    except ocppj.DecodeError as error:
        return type(error), str(error), error.path, error.message_id, error.reply()
    if isinstance(frame, ocppj.CallResult) and isinstance(frame.payload, msgspec.Raw):
        return frame.message_id, bytes(frame.payload)
    return frame


@pytest.mark.parametrize("version", VERSIONS)
def test_good_frames(version: str) -> None:
    seams = [backend(name)(version) for name in ("cython", "python")]

    @CHECKS
    @given(texts(version))
    def check(frame: tuple[bytes, str, str]) -> None:
        data, message_id, action = frame
        pending = {message_id: action}
        compiled, reference = (outcome(seam, data, pending) for seam in seams)
        assert compiled == reference
        assert not isinstance(compiled, tuple)
        assert outcome(seams[0], data.decode(), pending) == compiled
        assert outcome(seams[1], data.decode(), pending) == compiled

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_mutated_frames(version: str) -> None:
    seams = [backend(name)(version) for name in ("cython", "python")]

    @CHECKS
    @given(texts(version), edits)
    def check(frame: tuple[bytes, str, str], changes: list[tuple[float, int, bytes]]) -> None:
        data, message_id, action = frame
        data = mutate(data, changes)
        pending = {message_id: action}
        compiled, reference = (outcome(seam, data, pending) for seam in seams)
        assert compiled == reference
        assert outcome(seams[0], bytearray(data), pending) == compiled
        if not isinstance(compiled, tuple):
            # What is taken is JSON for an independent parser too, and the id is the one in it.
            assert orjson.loads(data)[1] == compiled.message_id
        try:
            text = data.decode()
        except UnicodeDecodeError:
            assert compiled[1].endswith("not UTF-8")
        else:
            assert outcome(seams[0], text, pending) == outcome(seams[1], text, pending) == compiled

    check()


@CHECKS
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise(data: bytes | str) -> None:
    compiled, reference = (outcome(backend(name)(), data, None) for name in ("cython", "python"))
    assert compiled == reference

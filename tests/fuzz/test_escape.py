"""Bytes raise only DecodeError, and every reply is a frame that the peer can decode."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from tests.conftest import VERSIONS
from tests.strategies import edits, examples, mutate, texts

CHECKS = examples(300)


def probe(codec: ocppj.Codec, data: Any, pending: dict[str, str]) -> None:
    for work in (lambda: codec.decode(data, pending), lambda: codec.decode(data)):
        try:
            frame = work()
        except ocppj.DecodeError as error:
            check_reply(codec, error)
        else:
            # Every decoded frame can be encoded, except errors with unknown codes.
            try:
                codec.encode(frame)
            except ocppj.EncodeError as error:
                assert "error code" in str(error) or "out of range" in str(error)
    try:
        codec.peek(data)
    except ocppj.DecodeError as error:
        check_reply(codec, error)


def check_reply(codec: ocppj.Codec, error: ocppj.DecodeError) -> None:
    reply = error.reply()
    assert len(reply or b"") < 1400 + 6 * len(error.message_id or "")  # an escape has six bytes
    if reply is not None and len(error.message_id or "") <= 36:
        answer = codec.decode(reply)
        assert isinstance(answer, ocppj.CallError | ocppj.CallResultError)
        assert answer.error_code == error.error_code
        assert codec.encode(answer) == reply


@pytest.mark.parametrize("version", VERSIONS)
def test_mutated_frames(version: str) -> None:
    codec = ocppj.Codec(version)

    @CHECKS
    @given(texts(version), edits)
    def check(frame: tuple[bytes, str, str], changes: list[tuple[float, int, bytes]]) -> None:
        data, message_id, action = frame
        probe(codec, mutate(data, changes), {message_id: action})

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_noise(version: str) -> None:
    codec = ocppj.Codec(version)

    @CHECKS
    @given(st.binary(max_size=300) | st.text(max_size=300))
    def check(data: bytes | str) -> None:
        probe(codec, data, {})

    check()


NASTY = [
    b"[" * 1_000_000,
    b'{"a":' * 150_000,
    b'[2,"x","Heartbeat",' + b"[" * 1_000_000,
    b'[2,"x","Heartbeat",{"a":' + b"[]," * 300_000 + b"[]}]",
    b'[2,"x","DataTransfer",{"vendorId":"v","data":[' + b"[]," * 300_000 + b"[]]}]",
    b'[2,"x","DataTransfer",{"vendorId":"v","data":[' + b"{}," * 300_000 + b'"]"]}]',
    b'[2,"x","DataTransfer",{"vendorId":"v","data":"' + b"\\\\" * 500_000 + b'"}]',
    b'[2,"x","DataTransfer",{"vendorId":"v","data":"' + b'[\\"' * 300_000 + b'"}]',
    b'[2,"x","CancelReservation",{"reservationId":' + b"9" * 1_000_000 + b"}]",
    b'[2,"' + b"x" * 1_000_000 + b'","Heartbeat",{}]',
    b'[2,"x","' + b"A" * 1_000_000 + b'",{}]',
    b'[2,"x","Heartbeat",{"' + b"a" * 1_000_000 + b'":1}]',
    b'[3,"x",{"a":"' + b"\xc3\xa9" * 500_000 + b'"}]',
    b"\\" * 1_000_000,
    b'"' * 1_000_001,
]


@pytest.mark.parametrize("data", NASTY, ids=[ascii(data[:40]) for data in NASTY])
def test_hostile_frames_of_a_mebibyte(codec: ocppj.Codec, data: bytes) -> None:
    probe(codec, data[: 2**20], {"x": "Heartbeat"})
    probe(codec, data[: 2**20].decode(errors="ignore"), {"x": "Heartbeat"})

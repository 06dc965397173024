"""The fuzz targets pass for their seeds, mutated or not, and detect faults."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from tests.fuzz import targets
from tests.strategies import edits, examples, mutate

SEEDS = list(targets.seeds(40))


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds(name: str) -> None:
    for data in (b"", *SEEDS):
        targets.TARGETS[name](data)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_broken_seeds(name: str) -> None:
    @examples(400)
    @given(st.sampled_from(SEEDS), edits)
    def check(data: bytes, changes: list[tuple[float, int, bytes]]) -> None:
        targets.TARGETS[name](mutate(data, changes))

    check()


def test_seeds_are_valid_frames() -> None:
    for data in SEEDS:
        choice, text = targets.chosen(data)
        frame = choice.backends[0].decode(text, choice.pending)
        assert frame.violations == ()
        assert isinstance(frame, ocppj.Call | ocppj.CallResult | ocppj.Send)


FRAMES = [
    b'[2,"i","DataTransfer",{"vendorId":"v","data":null}]',
    b'[2,"i","Heartbeat",{"customData":{"vendorId":"v","a":null,"b":1e5,"b":2}}]',
    b'[2,"i","ClearedChargingLimit",{"chargingLimitSource":"EMS","evseId":-0}]',
    b'[4,"i","NotImplemented","%b",{"a":1}]' % (b"x" * 300),
    b'[4,"i","Odd","",{}]',
    b'[2,"i","SecurityEventNotification",{"type":"t","timestamp":"2026-01-01 12:00:00.9999+0200"}]',
    b'[2,"i","SecurityEventNotification",{"type":"t","timestamp":"0001-01-01T00:00:00+05:00"}]',
]


@pytest.mark.parametrize("name", targets.TARGETS)
@pytest.mark.parametrize("frame", FRAMES)
def test_frames_that_do_not_come_back_as_they_were(name: str, frame: bytes) -> None:
    for at in range(len(targets.SETTINGS)):
        targets.TARGETS[name](bytes([at]) + frame)


class Broken:
    """A backend with a fault."""

    def __init__(self, backend: Any, **methods: Any) -> None:
        self.__dict__.update(methods)
        self.backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def leaks(data: Any, pending: Any = None) -> Any:
    raise UnicodeDecodeError("utf-8", b"", 0, 1, "leaked")


def differs(data: Any, pending: Any = None) -> Any:
    return ocppj.CallError("other", "x")


@pytest.mark.parametrize("name", ["decode", "peek"])
@pytest.mark.parametrize("fault", [leaks, differs])
def test_a_fault_is_seen(name: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = targets.SETTINGS[0]
    backends = (Broken(choice.backends[0], **{name: fault}), *choice.backends[1:])
    monkeypatch.setattr(targets, "SETTINGS", [choice._replace(backends=backends)])
    with pytest.raises((AssertionError, UnicodeDecodeError)):
        targets.TARGETS[name](b'\x00[2,"i","Heartbeat",{}]')


def keeps(session: Any, call: Any, *rest: Any) -> bytes:
    return b'[4,"i"]'


def escapes(session: Any, data: bytes) -> None:
    raise ocppj.LocalProtocolError


@pytest.mark.parametrize(("method", "fault"), [("fail", keeps), ("receive", escapes)])
def test_a_fault_of_a_session_is_seen(
    method: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocppj.Session, method, fault)
    with pytest.raises((AssertionError, ocppj.LocalProtocolError)):
        targets.receive(b'\x00[2,"i","DataTransfer",{"vendorId":"v"}]')


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"a": 1}, {}),
        ([1], [1, 2]),
        (1.5, 1),
        (True, 1),
        ("x" * 255, "y" * 256),
        ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
    ],
)
def test_another_meaning_is_seen(ours: Any, theirs: Any) -> None:
    assert not targets.means(ours, theirs)

"""The frames: immutable values that encode as JSON arrays."""

from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v201
from ocppj.frames import ELEMENT_COUNTS

FRAMES: list[tuple[ocppj.Frame, bytes]] = [
    (ocppj.Call("i", "Heartbeat", v201.HeartbeatRequest()), b'[2,"i","Heartbeat",{}]'),
    (
        ocppj.CallResult("i", v201.CancelReservationRequest(reservation_id=1)),
        b'[3,"i",{"reservationId":1}]',
    ),
    (ocppj.CallError("i", "GenericError"), b'[4,"i","GenericError","",{}]'),
    (ocppj.CallResultError("i", "A", "b", {"c": 1}), b'[5,"i","A","b",{"c":1}]'),
    (ocppj.Send("i", "X", v201.HeartbeatRequest()), b'[6,"i","X",{}]'),
]


@pytest.mark.parametrize(("frame", "data"), FRAMES)
def test_a_frame_is_its_array(frame: Any, data: bytes) -> None:
    assert msgspec.json.encode(frame) == data
    assert frame.message_type == int(data[1:2]) == type(frame).__struct_config__.tag
    assert len(msgspec.json.decode(data)) == ELEMENT_COUNTS[frame.message_type]


@pytest.mark.parametrize(("frame", "data"), FRAMES)
def test_a_frame_cannot_be_changed(frame: Any, data: bytes) -> None:
    with pytest.raises(AttributeError):
        frame.message_id = "j"


def test_frames_match_by_position_too() -> None:
    match FRAMES[0][0]:
        case ocppj.Call(message_id, action, payload):
            assert (message_id, action, payload) == ("i", "Heartbeat", v201.HeartbeatRequest())
        case _:
            pytest.fail("not a Call")


def test_details_are_not_shared() -> None:
    first, second = ocppj.CallError("i", "A"), ocppj.CallError("i", "A")
    assert first == second
    assert first.error_details is not second.error_details

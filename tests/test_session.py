"""The order of messages: pending calls, their answers, and that nothing is left behind.

The state machine at the end wires two sessions by a channel that loses, repeats and reorders.
"""

import ast
import gc
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import ocppj
from ocppj import session as module
from ocppj import v201
from ocppj.frames import without_violations
from tests.conftest import PACKAGES, VERSIONS
from tests.strategies import QUICK, edits, examples, mutate

CODECS = {version: ocppj.Codec(version) for version in VERSIONS}
# The same in all versions: sent by the csms, by the station, and by either.
REQUESTS = {"ClearCache": "{}", "Heartbeat": "{}", "DataTransfer": '{"vendorId":"v"}'}
RESPONSES = {
    "ClearCache": '{"status":"Accepted"}',
    "Heartbeat": '{"currentTime":"2026-01-31T12:00:00Z"}',
    "DataTransfer": '{"status":"Rejected"}',
}
STREAM = '{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":0,"v":"1"}]}'
IN_USE = {"1.6": "ProtocolError", "2.0.1": "RpcFrameworkError", "2.1": "RpcFrameworkError"}
SEND = f'[6,"s","NotifyPeriodicEventStream",{STREAM}]'
FREE = ocppj.Policy(message_id="report", unknown_field="report")


def request(version: str, action: str) -> Any:
    payload = REQUESTS.get(action, STREAM)
    message_type = 2 if action in REQUESTS else 6
    return CODECS[version].decode(f'[{message_type},"",{json.dumps(action)},{payload}]').payload


def response(version: str, action: str) -> Any:
    frame = CODECS[version].decode(f'[3,"",{RESPONSES[action]}]', {"": action})
    return frame.payload


def make(version: str = "2.0.1", role: Any = "csms", **options: Any) -> ocppj.Session:
    return ocppj.Session(CODECS[version], role, **options)


def station(version: str = "2.0.1", **options: Any) -> ocppj.Session:
    return make(version, "charging_station", **options)


def is_idle(session: ocppj.Session) -> bool:
    """Return whether no call is pending and none of the peer's is unanswered."""
    kept = (session.pending, session.deadline, handled(session), session._more_calls)
    return (
        kept == (None, None, {}, {}) and session._actions is module.NO_CALLS and not module.NO_CALLS
    )


def handled(session: ocppj.Session) -> dict[str, Any]:
    """Return the calls of the peer that are not answered yet."""
    calls = [] if session._call is None else [session._call, *session._more_calls.values()]
    assert len(calls) == session.handling
    return {call.message_id: call for call in calls}


def refused(session: ocppj.Session, data: Any) -> tuple[str, Any]:
    """Return the description of a RemoteProtocolError, and the frame of its reply."""
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive(data)
    reply = caught.value.reply()
    answer = None if reply is None else json.loads(reply)
    if reply is not None:
        assert without_violations(session.codec.decode(reply)) == ocppj.CallError(*answer[1:])
        assert answer[1:4] == [
            caught.value.message_id,
            caught.value.error_code,
            str(caught.value),
        ]
    return str(caught.value), answer


every_version = pytest.mark.parametrize("version", VERSIONS)


@every_version
def test_a_call_and_its_answer(version: str) -> None:
    csms, charger = make(version), station(version)
    data = csms.call(request(version, "ClearCache"), now=5.0)
    assert csms.pending is not None
    assert (csms.pending.action, csms.deadline) == ("ClearCache", 35.0)
    call = charger.receive(data)
    assert call == csms.pending
    assert isinstance(call, ocppj.Call)
    answer = csms.receive(charger.reply(call, response(version, "ClearCache")))
    assert answer == ocppj.CallResult(call.message_id, response(version, "ClearCache"))
    assert is_idle(csms)
    assert is_idle(charger)


@every_version
def test_a_call_answered_with_an_error(version: str) -> None:
    csms, charger = make(version), station(version)
    call = charger.receive(csms.call(request(version, "ClearCache")))
    assert isinstance(call, ocppj.Call)
    details = {"a": [1]}
    error = csms.receive(charger.fail(call, "GenericError", "no", details))
    assert error == ocppj.CallError(call.message_id, "GenericError", "no", details)
    assert is_idle(csms)
    assert is_idle(charger)


@every_version
def test_one_call_is_pending_and_the_peers_may_cross_it(version: str) -> None:
    csms, charger = make(version), station(version)
    ours = csms.call(request(version, "ClearCache"))
    with pytest.raises(ocppj.LocalProtocolError, match="ClearCache is still pending: send"):
        csms.call(request(version, "DataTransfer"))
    theirs = csms.receive(charger.call(request(version, "Heartbeat")))
    crossing = charger.receive(ours)
    assert isinstance(theirs, ocppj.Call)
    assert isinstance(crossing, ocppj.Call)
    assert charger.receive(csms.reply(theirs, response(version, "Heartbeat")))
    assert csms.receive(charger.reply(crossing, response(version, "ClearCache")))
    assert csms.call(request(version, "DataTransfer"))


@every_version
@pytest.mark.parametrize(
    ("role", "wrong"), [("csms", "Heartbeat"), ("charging_station", "ClearCache")]
)
def test_a_role_sends_its_own_actions(version: str, role: Any, wrong: str) -> None:
    session = make(version, role)
    with pytest.raises(ocppj.LocalProtocolError, match=f"{wrong} is not sent by a {role}"):
        session.call(request(version, wrong))
    assert is_idle(session)
    assert session.call(request(version, "DataTransfer"))


@every_version
@pytest.mark.parametrize(
    ("role", "wrong"), [("csms", "ClearCache"), ("charging_station", "Heartbeat")]
)
def test_an_action_of_the_wrong_side_is_not_supported(version: str, role: Any, wrong: str) -> None:
    session = make(version, role)
    problem, answer = refused(session, f'[2,"i","{wrong}",{{}}]')
    assert problem == f"{wrong} is not sent by this side"
    assert answer == [4, "i", "NotSupported", problem, {}]
    assert is_idle(session)


def test_features_say_who_sends_an_action() -> None:
    for version, codec in CODECS.items():
        for action, feature in codec.features.items():
            if feature.response_type is None:
                continue
            for role in ("csms", "charging_station"):
                ours = feature.sender == role
                wanted = ocppj.RemoteProtocolError if ours else ocppj.PayloadError
                with pytest.raises(wanted):
                    make(version, role).receive(f'[2,"i","{action}",{{"no such field":1}}]')


def test_the_codec_has_to_be_a_codec() -> None:
    wrong: Any = "2.0.1"
    with pytest.raises(TypeError, match=r"^codec='2\.0\.1': use a Codec, such as Codec\("):
        ocppj.Session(wrong, "csms")


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_timeout_is_above_0(seconds: float) -> None:
    session = make("2.0.1")
    with pytest.raises(ValueError, match="timeout="):
        session.call(request("2.0.1", "ClearCache"), timeout=seconds)
    assert is_idle(session)
    with pytest.raises(ValueError, match=r"^timeout=.*: use seconds above 0$"):
        ocppj.Session(CODECS["2.0.1"], "csms", timeout=seconds)


@pytest.mark.parametrize("unknown", [None, 5, CODECS["1.6"], {"a": 1}])
def test_only_requests_can_be_called(unknown: Any) -> None:
    session = station()
    with pytest.raises(ocppj.EncodeError, match=r"is not a request of OCPP .* that this"):
        session.call(unknown)
    assert is_idle(session)


@every_version
def test_an_invalid_request_is_not_pending(version: str) -> None:
    session = make(version)
    bad = PACKAGES[version].DataTransferRequest(vendor_id="v" * 256)
    with pytest.raises(ocppj.EncodeError):
        session.call(bad)
    for message_id in ("x" * 37, 5, ["i"]):
        with pytest.raises(ocppj.EncodeError):
            session.call(request(version, "DataTransfer"), message_id=message_id)
    assert is_idle(session)


def test_message_ids_come_from_next_id() -> None:
    numbers = count(7)
    session = station(next_id=lambda: str(next(numbers)))
    for number in (7, 8):
        assert session.call(v201.HeartbeatRequest()) == b'[2,"%d","Heartbeat",{}]' % number
        session.cancel()
    assert session.call(v201.HeartbeatRequest(), message_id="") == b'[2,"","Heartbeat",{}]'
    assert session.receive(f'[3,"",{RESPONSES["Heartbeat"]}]')
    assert next(numbers) == 9


@every_version
@pytest.mark.parametrize("answer", ['[3,"other",{}]', '[4,"other","GenericError","",{}]'])
def test_an_unexpected_answer_is_dropped_and_counted(version: str, answer: str) -> None:
    session = make(version)
    for number in (1, 2, 3):
        assert refused(session, answer) == ("no pending call has this message id", None)
        assert session.unexpected == number
    session.call(request(version, "ClearCache"))
    pending = session.pending
    assert refused(session, answer)
    assert session.pending is pending
    assert session.unexpected == 4


@every_version
def test_a_call_is_answered_once(version: str) -> None:
    csms, charger = make(version), station(version)
    data = csms.call(request(version, "ClearCache"))
    call = charger.receive(data)
    assert isinstance(call, ocppj.Call)
    first = charger.reply(call, response(version, "ClearCache"))
    for again in (
        lambda: charger.reply(call, response(version, "ClearCache")),
        lambda: charger.fail(call, "InternalError"),
    ):
        with pytest.raises(ocppj.LocalProtocolError, match="already answered, or belongs to"):
            again()
    assert csms.receive(first)
    assert refused(csms, first) == ("no pending call has this message id", None)
    assert csms.unexpected == 1


@every_version
def test_a_message_id_in_use_is_rejected(version: str) -> None:
    session = make(version)
    call = session.receive('[2,"i","Heartbeat",{}]')
    for other in ("Heartbeat", "ClearCache"):
        problem, answer = refused(session, f'[2,"i","{other}",{{}}]')
        assert answer == [4, "i", IN_USE[version], problem, {}]
    assert isinstance(call, ocppj.Call)
    assert session.reply(call, response(version, "Heartbeat"))
    assert session.receive('[2,"i","Heartbeat",{}]') == call


def test_an_answered_call_cannot_answer_a_new_one_with_its_id() -> None:
    session = make("2.1")
    old = session.receive('[2,"i","Heartbeat",{}]')
    assert isinstance(old, ocppj.Call)
    session.fail(old, "GenericError")
    new = session.receive('[2,"i","DataTransfer",{"vendorId":"v"}]')
    assert isinstance(new, ocppj.Call)
    with pytest.raises(ocppj.LocalProtocolError):
        session.reply(old, response("2.1", "Heartbeat"))
    assert session.reply(new, response("2.1", "DataTransfer"))


def test_a_call_of_another_session_is_not_answered() -> None:
    one, other = make(), make()
    call = one.receive('[2,"i","Heartbeat",{}]')
    other.receive('[2,"i","DataTransfer",{"vendorId":"v"}]')
    with pytest.raises(ocppj.LocalProtocolError, match="'i' is already answered, or belongs"):
        other.reply(call, response("2.0.1", "Heartbeat"))


@pytest.mark.parametrize(
    "frame", [None, ocppj.CallResult("i", None), ocppj.Send("i", "Heartbeat", None)]
)
def test_only_calls_are_answered(frame: Any) -> None:
    session = make()
    session.receive('[2,"i","Heartbeat",{}]')
    with pytest.raises(ocppj.LocalProtocolError, match=f"a {type(frame).__name__} is not answered"):
        session.reply(frame, response("2.0.1", "Heartbeat"))
    with pytest.raises(ocppj.LocalProtocolError):
        session.fail(frame, "GenericError")
    with pytest.raises(ocppj.LocalProtocolError):
        make().reply(frame, response("2.0.1", "Heartbeat"))


@pytest.mark.parametrize("message_id", ["i", "k", None, []])
def test_a_call_that_was_not_received_is_not_answered(message_id: Any) -> None:
    session = make()
    for received in "ij":
        session.receive(f'[2,"{received}","Heartbeat",{{}}]')
    call = ocppj.Call(message_id, "Heartbeat", request("2.0.1", "Heartbeat"))
    with pytest.raises(ocppj.LocalProtocolError, match="is already answered, or belongs"):
        session.reply(call, response("2.0.1", "Heartbeat"))
    assert session.handling == 2


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_calls_are_answered_in_any_order(order: tuple[int, ...]) -> None:
    session = make()
    calls: list[Any] = [session.receive(f'[2,"{i}","Heartbeat",{{}}]') for i in range(3)]
    for answered, i in enumerate(order):
        assert session.handling == 3 - answered
        for other in order[answered:]:
            refused(session, f'[2,"{other}","Heartbeat",{{}}]')
        assert session.reply(calls[i], response("2.0.1", "Heartbeat")).startswith(b'[3,"%d",' % i)
        with pytest.raises(ocppj.LocalProtocolError):
            session.fail(calls[i], "GenericError")
    assert is_idle(session)


@every_version
def test_the_response_has_the_type_of_the_action(version: str) -> None:
    session = make(version)
    call = session.receive('[2,"i","Heartbeat",{}]')
    assert isinstance(call, ocppj.Call)
    other = next(name for name in VERSIONS if name != version)
    with pytest.raises(ocppj.EncodeError, match=r"with ocppj\.v.*, not ocppj\.v.*Response at \$"):
        session.reply(call, response(other, "Heartbeat"))
    with pytest.raises(ocppj.EncodeError, match="HeartbeatResponse is a class"):
        session.reply(call, type(response(version, "Heartbeat")))
    for wrong in (response(version, "DataTransfer"), call.payload, None, {}):
        with pytest.raises(ocppj.EncodeError, match="answered with a HeartbeatResponse") as caught:
            session.reply(call, wrong)
        assert caught.value.path == "$"
    with pytest.raises(ocppj.EncodeError):
        session.fail(call, "NoSuchCode")
    with pytest.raises(ocppj.EncodeError):
        session.fail(call, "GenericError", details={"a": object()})
    # After an error it can still be answered.
    assert session.reply(call, response(version, "Heartbeat"))
    assert is_idle(session)


@every_version
@pytest.mark.parametrize(
    "bad",
    [
        '[3,"i",{"status":"Nope"}]',
        '[3,"i",{}]',
        '[3,"i",null]',
        '[3,"i"]',
        '[4,"i","GenericError"]',
        '[4,"i",5,"",{}]',
    ],
)
def test_an_invalid_answer_ends_the_call(version: str, bad: str) -> None:
    session = make(version)
    session.call(request(version, "ClearCache"), message_id="i")
    with pytest.raises(ocppj.DecodeError) as caught:
        session.receive(bad)
    reports = version == "2.1" and bad.startswith("[3")
    reply = caught.value.reply()
    assert (reply is not None) == reports
    if reply is not None:
        error = station(version).receive(reply)
        assert isinstance(error, ocppj.CallResultError)
        assert error.message_id == "i"
    assert is_idle(session)
    assert session.unexpected == 0


@every_version
@pytest.mark.parametrize("bad", ['[2,"i","Heartbeat",{"x":1}]', "x", '["3","i",{}]'])
def test_other_invalid_frames_end_no_call(version: str, bad: str) -> None:
    session = make(version)
    session.call(request(version, "ClearCache"), message_id="i")
    with pytest.raises(ocppj.DecodeError):
        session.receive(bad)
    assert session.pending is not None
    assert session.receive(f'[3,"i",{RESPONSES["ClearCache"]}]')


@every_version
@pytest.mark.parametrize(
    "bad", ['[3,"j",5]', '[3,"j",{}]', '[4,"j","x","",5]', '[4,"-1","x","",{}]']
)
def test_invalid_unexpected_answers_are_counted_and_not_answered(version: str, bad: str) -> None:
    session = make(version)
    session.call(request(version, "ClearCache"), message_id="i")
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive(bad)
    assert caught.value.reply() is None
    assert caught.value.message_type == int(bad[1])
    assert session.unexpected == 1
    assert session.pending is not None


@every_version
def test_the_wrong_side_is_reported_before_an_invalid_payload(version: str) -> None:
    session = make(version)
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive('[2,"i","ClearCache",{"x":1}]')
    assert caught.value.error_code == "NotSupported"
    assert caught.value.action == "ClearCache"
    assert is_idle(session)


def test_a_session_shows_its_state() -> None:
    session = make("2.0.1")
    assert repr(session) == "<Session of OCPP 2.0.1, csms, pending: none, handling: 0>"
    session.call(request("2.0.1", "ClearCache"))
    session.receive('[2,"i","Heartbeat",{}]')
    assert repr(session) == "<Session of OCPP 2.0.1, csms, pending: ClearCache, handling: 1>"


def test_a_remote_error_names_its_action_and_survives_pickling() -> None:
    session = make("2.0.1")
    session.receive('[2,"i","Heartbeat",{}]')
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive('[2,"i","DataTransfer",{"vendorId":"v"}]')
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message_type, again.message_id) == (2, "i")
    assert (again.action, again.error_code) == ("DataTransfer", "RpcFrameworkError")
    assert again.reply() == caught.value.reply()
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive('[3,"i",{}]')
    assert caught.value.action is None


@every_version
@pytest.mark.parametrize("give_up", [lambda s: s.expire(30.0), lambda s: s.cancel()])
def test_a_cancelled_call_leaves_nothing_behind(
    version: str, give_up: Callable[[ocppj.Session], tuple[Any, ...]]
) -> None:
    session = make(version)
    assert give_up(session) == ()
    session.call(request(version, "ClearCache"), now=0.0, message_id="i")
    call = session.pending
    assert give_up(session) == (call,)
    assert is_idle(session)
    assert give_up(session) == ()
    assert session.call(request(version, "DataTransfer"), message_id="j")
    assert refused(session, f'[3,"i",{RESPONSES["ClearCache"]}]')[1] is None
    assert session.unexpected == 1
    assert session.pending is not None


def test_a_call_may_be_repeated_with_its_id() -> None:
    session = station()
    data = session.call(v201.HeartbeatRequest())
    (call,) = session.cancel()
    assert session.call(call.payload, message_id=call.message_id) == data
    assert session.receive(f'[3,"{call.message_id}",{RESPONSES["Heartbeat"]}]')


def test_calls_expire_at_their_deadline() -> None:
    session = station(timeout=10.0)
    session.call(v201.HeartbeatRequest(), now=100.0)
    assert session.expire(now=109.9) == ()
    assert len(session.expire(now=110.0)) == 1
    session.call(v201.HeartbeatRequest(), now=200.0, timeout=1.0)
    assert session.deadline == 201.0
    assert len(session.expire(now=201.0)) == 1
    assert session.expire(now=1e9) == ()


def test_the_usual_timeout_is_30_seconds() -> None:
    session = ocppj.Session(CODECS["1.6"], role="charging_station")
    session.call(request("1.6", "Heartbeat"))
    assert session.expire(now=29.9) == ()
    assert [call.action for call in session.expire(now=31.0)] == ["Heartbeat"]


@pytest.mark.parametrize("role", ["CSMS", "", None, "both", ["csms"]])
def test_there_are_two_roles(role: Any) -> None:
    with pytest.raises(ValueError, match="use csms or charging_station"):
        make(role=role)


def test_a_send_is_exempt_from_the_order_of_calls() -> None:
    csms, charger = make("2.1"), station("2.1")
    charger.call(request("2.1", "Heartbeat"))
    before = charger.pending
    for _ in range(2):
        data = charger.call(request("2.1", "NotifyPeriodicEventStream"), message_id="s")
        send = csms.receive(data)
        assert isinstance(send, ocppj.Send)
        with pytest.raises(ocppj.LocalProtocolError, match="a Send is not answered"):
            csms.fail(send, "GenericError")
    assert charger.pending is before
    assert is_idle(csms)


def test_a_send_is_never_answered_valid_or_not() -> None:
    assert refused(station("2.1"), SEND) == (
        "NotifyPeriodicEventStream is not sent by this side",
        None,
    )
    with pytest.raises(ocppj.DecodeError) as caught:
        make("2.1").receive(SEND.replace('"id":1,', ""))
    assert caught.value.reply() is None
    with pytest.raises(ocppj.LocalProtocolError):
        make("2.1").call(request("2.1", "NotifyPeriodicEventStream"))


def test_a_call_result_error_is_returned() -> None:
    session = make("2.1")
    assert session.receive('[5,"i","FormatViolation","",{}]') == ocppj.CallResultError(
        "i", "FormatViolation"
    )
    assert is_idle(session)
    with pytest.raises(ocppj.DecodeError):
        make("2.0.1").receive('[5,"i","FormatViolation","",{}]')


@pytest.mark.parametrize("form", [str, str.encode, lambda t: bytearray(t.encode()), memoryview])
def test_data_comes_in_any_form(form: Callable[[Any], Any]) -> None:
    def formed(text: str) -> Any:
        return form(text.encode()) if form is memoryview else form(text)

    session = make()
    call = session.receive(formed('[2,"i","Heartbeat",{}]'))
    assert session.fail(call, "GenericError")
    session.call(v201.ClearCacheRequest(), message_id="j")
    answer = session.receive(formed(f'[3,"j",{RESPONSES["ClearCache"]}]'))
    assert answer.payload == response("2.0.1", "ClearCache")
    assert refused(session, formed('[3,"j",{}]'))


@every_version
def test_a_tolerated_call_is_answered(version: str) -> None:
    """The answer repeats an id that is too long, and a numeric id as a string."""
    session = ocppj.Session(ocppj.Codec(version, policy=FREE), "csms")
    for given, answered in ((f'"{"i" * 50}"', "i" * 50), ("12", "12")):
        text = f'[2,{given},"Heartbeat",{{"x":1}}]'
        call = session.receive(text)
        assert isinstance(call, ocppj.Call)
        assert len(call.violations) == 2
        assert refused(session, text)[1][1] == answered
        with pytest.raises(ocppj.EncodeError):
            session.reply(call, response(version, "DataTransfer"))
        assert json.loads(session.reply(call, response(version, "Heartbeat")))[1] == answered
        call = session.receive(text)
        with pytest.raises(ocppj.EncodeError):
            session.fail(call, "NoSuchCode")
        error = json.loads(session.fail(call, "InternalError", "x" * 300))
        assert error == [4, answered, "InternalError", error[3], {}]
        assert len(error[3]) == (300 if version == "1.6" else 255)
    assert is_idle(session)


def test_a_tolerated_answer_ends_the_call() -> None:
    session = ocppj.Session(ocppj.Codec("2.0.1", policy=FREE), "csms")
    session.call(v201.ClearCacheRequest(), message_id="12")
    answer = session.receive('[3,12,{"status":"Accepted","x":1}]')
    assert answer.payload == response("2.0.1", "ClearCache")
    assert len(answer.violations) == 2
    assert is_idle(session)


class FanRequest(ocppj.Message, kw_only=True):
    speed: int


class FanResponse(ocppj.Message, kw_only=True):
    note: str


class LampRequest(ocppj.Message, kw_only=True):
    on: bool


def vendor(*features: ocppj.Feature[Any, Any]) -> ocppj.Codec:
    return ocppj.Codec("2.0.1", profiles=[*v201.PROFILES, ocppj.Profile("acme", features)])


def test_actions_may_share_a_response() -> None:
    codec = vendor(
        ocppj.Feature("Fan", FanRequest, FanResponse, "csms"),
        ocppj.Feature("Lamp", LampRequest, FanResponse, "csms"),
    )
    csms, charger = ocppj.Session(codec, "csms"), ocppj.Session(codec, "charging_station")
    for ours in (FanRequest(speed=1), LampRequest(on=True)):
        call = charger.receive(csms.call(ours))
        answer = csms.receive(charger.reply(call, FanResponse(note="n")))
        assert answer.payload == FanResponse(note="n")


def test_a_request_of_several_actions_cannot_be_called() -> None:
    codec = vendor(
        ocppj.Feature("Fan", FanRequest, FanResponse, "csms"),
        ocppj.Feature("Turbo", FanRequest, FanResponse, "csms"),
    )
    session = ocppj.Session(codec, "csms")
    with pytest.raises(ocppj.EncodeError, match="FanRequest is the request of several actions"):
        session.call(FanRequest(speed=1))
    peer = ocppj.Session(codec, "charging_station")
    for action in ("Fan", "Turbo"):
        assert peer.receive(f'[2,"{action}","{action}",{{"speed":1}}]').action == action


def test_a_long_action_fits_the_description() -> None:
    codec = vendor(ocppj.Feature("x" * 300, FanRequest, FanResponse, "csms"))
    session = ocppj.Session(codec, "csms")
    with pytest.raises(ocppj.RemoteProtocolError) as caught:
        session.receive(f'[2,"i","{"x" * 300}",{{"speed":1}}]')
    answer = json.loads(caught.value.reply() or b"")
    assert answer == [4, "i", "NotSupported", "x" * 255, {}]


def test_it_imports_no_clock_and_no_io() -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) for node in nodes)
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    foreign = {name for name in names if not str(name).startswith("ocppj.")}
    assert foreign == {"collections.abc", "typing", "msgspec.structs"}


def busy(codec: ocppj.Codec, burst: int) -> ocppj.Session:
    """Return a session that has answered `burst` calls at once, and made some."""
    session = ocppj.Session(codec, "csms")
    calls = [session.receive(f'[2,"{n}","Heartbeat",{{}}]') for n in range(burst)]
    for call in calls:
        session.fail(call, "GenericError")
    session.call(v201.ClearCacheRequest(), now=1.5, message_id="i")
    session.receive(f'[3,"i",{RESPONSES["ClearCache"]}]')
    session.call(v201.ClearCacheRequest(), now=2.5)
    session.expire(100.5)
    return session


@pytest.mark.parametrize(
    ("number", "begin"),
    [
        (10_000, lambda codec: ocppj.Session(codec, "csms")),
        (10_000 if not QUICK else 1_000, lambda codec: busy(codec, 2)),
        (20, lambda codec: busy(codec, 1_000)),
    ],
    ids=["fresh", "after traffic", "after a burst"],
)
def test_an_idle_session_has_at_most_600_bytes(
    number: int, begin: Callable[[ocppj.Codec], ocppj.Session]
) -> None:
    codec = CODECS["2.0.1"]
    begin(codec)
    sessions: list[Any] = [None] * number
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(number):
            sessions[index] = begin(codec)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used / number <= 600
    assert used / number >= sys.getsizeof(sessions[0])
    assert all(session.codec is codec for session in sessions)


class Wire(RuleBasedStateMachine):
    """Two sessions and the messages under way between them.

    The model predicts what each message does, from its shape and from the pending and open calls.
    Message ids repeat soon, so that late answers and repeated calls meet others with their id.
    """

    version = "2.1"
    actions = ("ClearCache", "Heartbeat", "DataTransfer")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.codec = CODECS[self.version]
        self.sides = []
        for role in ("csms", "charging_station"):
            ids = (str(number % 3) for number in count())
            self.sides.append(make(self.version, role, next_id=ids.__next__))
        self.under_way: list[list[bytes]] = [[], []]  # to each side
        self.pending: list[dict[str, str]] = [{}, {}]
        self.deadline = [0.0, 0.0]
        self.open: list[dict[str, ocppj.Call[Any]]] = [{}, {}]
        self.unexpected = [0, 0]

    def send(self, side: int, data: bytes | None) -> None:
        """Put a frame of a side under way, and check that it is valid."""
        if data is not None:
            self.codec.decode(data)
            self.under_way[1 - side].append(data)

    def may_send(self, side: int, action: str) -> bool:
        sender = self.codec.features[action].sender
        return sender in ("both", self.sides[side].role)

    sides_ = st.sampled_from([0, 1])

    @rule(side=sides_, action=st.sampled_from(actions), timeout=st.sampled_from([None, 1.0, 40.0]))
    def call(self, side: int, action: str, timeout: float | None) -> None:
        session = self.sides[side]
        try:
            data = session.call(request(self.version, action), self.now, timeout=timeout)
        except ocppj.LocalProtocolError:
            assert self.pending[side] or not self.may_send(side, action)
            return
        assert not self.pending[side]
        assert self.may_send(side, action)
        assert session.pending is not None
        self.pending[side] = {session.pending.message_id: action}
        self.deadline[side] = self.now + (timeout or 30.0)
        self.send(side, data)

    @precondition(lambda self: self.version == "2.1")
    @rule()
    def stream(self) -> None:
        self.send(1, self.sides[1].call(request("2.1", "NotifyPeriodicEventStream"), self.now))

    @rule(side=sides_, which=st.integers(0, 9), how=st.sampled_from(["reply", "fail", "wrong"]))
    def answer(self, side: int, which: int, how: str) -> None:
        session, waiting = self.sides[side], self.open[side]
        if not waiting:
            return
        call = list(waiting.values())[which % len(waiting)]
        if how == "wrong":
            for wrong in (None, call.payload):
                with pytest.raises(ocppj.EncodeError):
                    session.reply(call, wrong)
            with pytest.raises(ocppj.EncodeError):
                session.fail(call, "Nope")
            return
        if how == "reply":
            self.send(side, session.reply(call, response(self.version, call.action)))
        else:
            self.send(side, session.fail(call, "GenericError", "no"))
        del waiting[call.message_id]
        with pytest.raises(ocppj.LocalProtocolError):
            session.fail(call, "GenericError")

    @rule(side=sides_, which=st.integers(0, 99), copies=st.sampled_from([0, 1]))
    def deliver(self, side: int, which: int, copies: int) -> None:
        queue = self.under_way[side]
        if queue:
            index = which % len(queue)
            self.receive(side, queue[index] if copies else queue.pop(index))

    @rule(side=sides_, which=st.integers(0, 99))
    def lose(self, side: int, which: int) -> None:
        if self.under_way[side]:
            self.under_way[side].pop(which % len(self.under_way[side]))

    @rule(side=sides_, which=st.integers(0, 99), changes=edits)
    def spoil(self, side: int, which: int, changes: Any) -> None:
        if queue := self.under_way[side]:
            self.receive(side, mutate(queue[which % len(queue)], changes))

    @rule(side=sides_, head=st.sampled_from(["[3,", "[4,", "[5,"]), number=st.integers(0, 3))
    def misanswer(self, side: int, head: str, number: int) -> None:
        self.receive(side, f'{head}"{number}",5]'.encode())

    @rule(side=sides_, action=st.sampled_from(actions), number=st.integers(0, 3))
    def misdirect(self, side: int, action: str, number: int) -> None:
        self.receive(side, f'[2,"{number}","{action}",{REQUESTS[action]}]'.encode())

    @rule(seconds=st.sampled_from([0.5, 5.0, 31.0]))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        for side, session in enumerate(self.sides):
            over = self.pending[side] and self.now >= self.deadline[side]
            self.gone(side, session.expire(self.now), self.pending[side] if over else {})

    @rule(side=sides_)
    def cancel(self, side: int) -> None:
        self.gone(side, self.sides[side].cancel(), self.pending[side])

    def gone(self, side: int, calls: tuple[ocppj.Call[Any], ...], expected: dict[str, str]) -> None:
        assert {call.message_id: call.action for call in calls} == expected
        if expected:
            self.pending[side] = {}

    def receive(self, side: int, data: bytes) -> None:
        session, pending = self.sides[side], self.pending[side]
        try:
            frame = self.codec.decode(data, pending)
        except ocppj.DecodeError as fault:
            answers = fault.message_type in (3, 4) and fault.message_id is not None
            lost = answers and fault.message_id not in pending
            ours = fault.message_type == 2 and isinstance(fault, ocppj.PayloadError)
            ours = ours and not self.may_send(1 - side, self.codec.peek(data).action or "")
            kind = ocppj.RemoteProtocolError if lost or ours else ocppj.DecodeError
            with pytest.raises(kind) as caught:
                session.receive(data)
            if lost:
                self.unexpected[side] += 1
            elif ours:
                assert caught.value.error_code == "NotSupported"
            else:
                assert str(caught.value) == str(fault)
            if answers and not lost:
                self.pending[side] = {}
            if len(fault.message_id or "") <= 36:  # OCPP 1.6 echoes ids that the codec rejects
                self.send(side, caught.value.reply())
            return
        problem = self.problem(side, frame)
        if problem is None:
            event = session.receive(data)
            assert event == frame
            if isinstance(event, ocppj.Call):
                self.open[side][event.message_id] = event
            elif isinstance(event, ocppj.CallResult):
                action = pending[event.message_id]
                assert type(event.payload) is self.codec.features[action].response_type
        else:
            with pytest.raises(ocppj.RemoteProtocolError) as refusal:
                session.receive(data)
            assert refusal.value.message_id == frame.message_id
            assert refusal.value.error_code == (problem or None)
            self.send(side, refusal.value.reply())
        if isinstance(frame, ocppj.CallResult | ocppj.CallError):
            if problem is None:
                self.pending[side] = {}
            else:
                self.unexpected[side] += 1

    def problem(self, side: int, frame: ocppj.Frame) -> str | None:
        """Return the code of the error answer; "" if the frame is dropped, `None` if accepted."""
        match frame:
            case ocppj.Call(message_id=message_id) if message_id in self.open[side]:
                return IN_USE[self.version]
            case ocppj.Call(action=action):
                return None if self.may_send(1 - side, action) else "NotSupported"
            case ocppj.Send(action=action):
                return None if self.may_send(1 - side, action) else ""
            case ocppj.CallResult() | ocppj.CallError():
                return None if frame.message_id in self.pending[side] else ""
            case _:
                return None

    @invariant()
    def they_know_what_the_model_knows(self) -> None:
        for side, session in enumerate(self.sides):
            call = session.pending
            assert self.pending[side] == ({call.message_id: call.action} if call else {})
            assert session.deadline == (self.deadline[side] if call else None)
            assert session.unexpected == self.unexpected[side]
            assert handled(session) == self.open[side]
            assert session._actions == self.pending[side]

    def teardown(self) -> None:
        for side, session in enumerate(self.sides):
            for call in self.open[side].values():
                session.fail(call, "InternalError")
            session.expire(self.now + 1000.0)
            assert is_idle(session)


class OldWire(Wire):
    """OCPP 1.6: no SEND, no CALLRESULTERROR, no "-1"."""

    version = "1.6"


TestWire = Wire.TestCase
TestOldWire = OldWire.TestCase
TestWire.settings = TestOldWire.settings = settings(examples(100), stateful_step_count=50)

"""`unpack`, `pack` and `validate_payload` beside those of `ocpp.messages`."""

import asyncio
import inspect
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp import messages

from ocppj.integrations import mobilityhouse
from ocppj.integrations.wire import wire_of
from tests.conformance.official import MESSAGES, Message
from tests.conformance.payloads import cases
from tests.conftest import VERSIONS
from tests.strategies import QUICK, edits, examples, mutate, texts, values

from .points import run

SAMPLE = 8 if QUICK else 30
NAMES = ("unpack", "pack", "validate_payload")


def outcome(work: Callable[[], Any]) -> Any:
    """Return the result or the exception of a function, in a form that can be compared."""
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  any is compared
        return type(error), str(error)
    if type(result) in (messages.Call, messages.CallResult, messages.CallError):
        return type(result), repr(vars(result))
    return json.loads(result) if isinstance(result, str) else result


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_the_same(name: str) -> None:
    ours, theirs = getattr(mobilityhouse, name), getattr(messages, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


@pytest.mark.parametrize("version", VERSIONS)
def test_any_text_is_unpacked_the_same(version: str) -> None:
    @given(texts(version), edits, st.booleans(), st.booleans())
    @examples(300)
    def check(text: tuple[bytes, str, str], changes: Any, change: bool, decode: bool) -> None:  # noqa: FBT001  hypothesis calls it
        data: Any = mutate(text[0], changes) if change else text[0]
        if decode:
            data = data.decode(errors="replace")
        theirs = outcome(lambda: messages.unpack(data))
        assert outcome(lambda: mobilityhouse.unpack(data)) == theirs

    check()


@pytest.mark.parametrize(
    "data",
    [
        '[2,"1","A",{}]',
        '[3,"1",{}]',
        '[3,"1",{},"A"]',
        '[4,"1","A",""]',
        '[4,"1","A","",{}]',
        "[2]",
        "[]",
        "{}",
        '"x"',
        "2",
        "[9]",
        "[[]]",
        "[null]",
        "[2.0,1,2,3]",
        "[true,1,2,3]",
        '[2,"1","A",NaN]',
        '[2,"1","A",1e999]',
        '[2,"1","A",-0]',
        '[2,"1","A","\\ud800"]',
        '[2,"1","A",{"a":1,"a":2}]',
        f"[2,{2**70},1,1]",
        '\ufeff[3,"1",{}]',
        b"\xff",
        "",
        '[3,"1",{}]'.encode("utf-16"),
        '[2,"1","A","\x01"]',
        '[2,"1","A",{}',
    ],
    ids=repr,
)
def test_odd_text_is_unpacked_the_same(data: Any) -> None:
    assert outcome(lambda: mobilityhouse.unpack(data)) == outcome(lambda: messages.unpack(data))


@given(values, st.sampled_from(["Call", "CallResult", "CallError"]))
@examples(300)
def test_any_message_is_packed_the_same(value: Any, name: str) -> None:
    left = ["id", "Action", value] if name == "Call" else ["id", value]
    message = getattr(messages, name)(*left, *(["", {}] if name == "CallError" else []))
    ours = outcome(lambda: mobilityhouse.pack(message))
    assert ours == outcome(lambda: messages.pack(message))


class Own:
    def to_json(self) -> str:
        return "own"


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.26"),
        (1, 2),
        {1: 2},
        {None: 1},
        float("inf"),
        "\ud800",
        Own(),
        {Own()},
        2**70,
        b"x",
        object(),
        [Decimal(3)],
        {"a": (1,)},
        True,
        messages.MessageType.Call,
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],  # no address: xdist compares the ids
)
def test_odd_values_are_packed_the_same(value: Any) -> None:
    for message in (messages.Call("1", "A", value), messages.CallResult("1", value)):
        ours = outcome(lambda message=message: mobilityhouse.pack(message))
        theirs = outcome(lambda message=message: messages.pack(message))
        assert ours == theirs


def test_other_messages_pack_themselves() -> None:
    assert mobilityhouse.pack(Own()) == "own"


def validated(module: Any, message: Any, version: str) -> Any:
    """Return the type of the exception of a validation, and the payload afterwards."""

    async def work() -> Any:
        try:
            await module.validate_payload(message, version)
        except Exception as error:  # noqa: BLE001  any is compared
            return type(error)
        return None

    return run(work()), repr(getattr(message, "payload", None))


@pytest.mark.parametrize(
    "message", [message for message in MESSAGES if message.message_type != 6], ids=str
)
def test_payloads_right_and_wrong_are_judged_the_same(message: Message) -> None:
    some = list(cases(message, 1))
    for case in random.Random(str(message)).sample(some, min(SAMPLE, len(some))):
        if "Hertz" in case.text and message.action == "StopTransaction":
            continue  # the unit that we take there too

        def made(case: Any = case) -> Any:
            payload = json.loads(case.text)
            if message.message_type == 2:
                return messages.Call("1", message.action, payload)
            return messages.CallResult("1", payload, message.action)

        ours = validated(mobilityhouse, made(), message.version)
        assert ours == validated(messages, made(), message.version), case.text[:500]


@pytest.mark.parametrize(
    ("message", "version"),
    [
        (messages.CallError("1", "A", ""), "2.0.1"),
        (messages.Call("1", "Fly", {}), "2.0.1"),
        (messages.CallResult("1", {}), "2.0.1"),
        (messages.CallResult("1", {}, "Fly"), "1.6"),
        (messages.Call("1", "Heartbeat", {}), "3.0"),
        (messages.Call("1", "Heartbeat", None), "2.0.1"),
        (messages.Call("1", "DataTransfer", {"vendorId": "x", "data": float("nan")}), "2.0.1"),
        (messages.Call("1", "DataTransfer", {"vendorId": "x", "data": Decimal(1)}), "2.0.1"),
        (messages.Call("x" * 40, "Heartbeat", {}), "2.0.1"),
        (messages.Call("1", "Heartbeat", {"customData": {"vendorId": "x", "big": 2**70}}), "2.1"),
    ],
    ids=repr,
)
def test_odd_messages_are_judged_the_same(message: Any, version: str) -> None:
    ours = validated(mobilityhouse, message, version)
    assert ours == validated(messages, message, version)


def test_what_they_have_to_judge_is_judged_in_a_thread_as_before() -> None:
    message = messages.Call("1", "Heartbeat", {"surplus": 1})
    with pytest.raises(messages.FormatViolationError):
        asyncio.run(mobilityhouse.validate_payload(message, "2.0.1"))


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace their functions with ours in the whole process."""
    for name in NAMES:
        monkeypatch.setattr(messages, name, getattr(mobilityhouse, name))


@pytest.mark.usefixtures("replaced")
def test_ours_in_the_place_of_theirs_still_ask_them() -> None:
    wrong = messages.Call("1", "Heartbeat", {"surplus": 1})
    assert validated(messages, wrong, "2.0.1")[0] is messages.FormatViolationError
    right = messages.Call("2", "Heartbeat", {})
    assert validated(messages, right, "2.0.1")[0] is None
    with pytest.raises(messages.FormatViolationError):
        messages.unpack("[2")
    with pytest.raises(messages.PropertyConstraintViolationError):
        messages.unpack("[9]")


@pytest.mark.usefixtures("replaced")
def test_an_accelerated_charge_point_still_judges_its_answers() -> None:
    async def work() -> None:
        wire = wire_of("2.0.1", mobilityhouse.AS_SCHEMAS)
        answer = messages.CallResult("1", None, "Heartbeat")
        await wire.write(answer, {"current_time": 1}, check=True)

    with pytest.raises(messages.TypeConstraintViolationError):
        run(work())

"""Every action of every version, plain and accelerated: same arguments, JSON and responses."""

import random
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from ocpp.charge_point import camel_to_snake_case, snake_to_camel_case
from ocpp.routing import after, on

from tests.conformance.official import MESSAGES, Message
from tests.conformance.payloads import Maker
from tests.strategies import QUICK

from .points import PACKAGES, Wire, make, point, routed, run

REQUESTS = [message for message in MESSAGES if message.message_type == 2]
RESPONSES = {(m.version, m.action): m for m in MESSAGES if m.message_type == 3}
RANDOM = 2 if QUICK else 8


def open_ended(value: Any) -> bool:
    """Tell whether there are keys that mobilityhouse's renaming changes, or nulls."""
    if isinstance(value, dict):
        keys = dict.fromkeys(value)
        return not renamed(keys) or any(open_ended(item) for item in value.values())
    return value is None or (isinstance(value, list) and any(map(open_ended, value)))


def tame(action: str, value: Any) -> Any:
    """Leave out vendor data if its keys would not come back from mobilityhouse's renaming."""
    if isinstance(value, list):
        return [tame(action, item) for item in value]
    if not isinstance(value, dict):
        return value
    free = {"customData", "data"} if action == "DataTransfer" else {"customData"}
    return {
        key: item if key in free else tame(action, item)
        for key, item in value.items()
        if key not in free or not open_ended(item)
    }


def payloads(message: Message) -> Iterator[dict[str, Any]]:
    rng = random.Random(str(message))
    yield Maker(rng, "minimal").make(message.node)
    yield Maker(rng, "full", brief=True).make(message.node)
    for turn in range(RANDOM):
        yield Maker(rng, "full", turn, brief=True).make(message.node)
        yield Maker(rng, "random").make(message.node)


def pairs(message: Message) -> list[tuple[Any, Any]]:
    response = RESPONSES[message.version, message.action]
    both = zip(payloads(message), payloads(response), strict=True)
    return [(tame(message.action, one), tame(message.action, other)) for one, other in both]


def dataclass(kind: Any, payload: dict[str, Any]) -> Any:
    """Return a dataclass of `ocpp`, without its defaults, its nested objects in snake_case."""

    def plain(name: str) -> str:
        return name.replace("_", "").lower()

    names = {plain(field.name): field.name for field in fields(kind)}
    values = zip(payload, camel_to_snake_case(payload).values(), strict=True)
    given = {names[plain(wire)]: value for wire, value in values}
    return kind(**dict.fromkeys(names.values()) | given)


def renamed(payload: dict[str, Any]) -> bool:
    """Tell whether mobilityhouse's renaming, there and back, leaves a payload unchanged."""
    return bool(snake_to_camel_case(camel_to_snake_case(payload)) == payload)


def exact(value: Any) -> str:
    """Return a value in a form that tells 1, 1.0, True and Decimal apart, whatever the order."""
    if isinstance(value, dict):
        return repr(sorted((key, exact(item)) for key, item in value.items()))
    if isinstance(value, list):
        return repr([exact(item) for item in value])
    return repr(value)


@pytest.mark.parametrize("message", REQUESTS, ids=str)
def test_calls_reach_the_handlers_and_their_responses_the_wire(message: Message) -> None:
    results = PACKAGES[message.version].call_result

    def served(side: str, request: Any, answer: Any) -> tuple[list[Any], list[Any]]:
        calls: list[Any] = []

        @on(message.action)
        def handle(self: Any, call_unique_id: Any, **kwargs: Any) -> Any:
            calls.append(("on", call_unique_id, exact(kwargs)))
            return dataclass(getattr(results, message.action), answer)

        @after(message.action)
        def follow(self: Any, **kwargs: Any) -> None:
            calls.append(("after", exact(kwargs)))

        methods = {"handle": handle, "follow": follow}
        return calls, routed(side, message.version, methods, [2, "7", message.action, request])

    for request, answer in pairs(message):
        calls, sent = served("mixin", request, answer)
        assert sent == [[3, "7", answer]]
        assert [call[0] for call in calls] == ["on", "after"]
        plain_calls, plain_sent = served("plain", request, answer)
        assert plain_calls[0] == calls[0]
        if renamed(answer):
            assert (plain_calls, plain_sent) == (calls, sent)


@pytest.mark.parametrize("message", REQUESTS, ids=str)
def test_calls_reach_the_wire_and_their_responses_the_caller(message: Message) -> None:
    package = PACKAGES[message.version]

    def called(side: str, request: Any, answer: Any) -> tuple[Any, list[Any]]:
        async def work() -> Any:
            wire = Wire(lambda frame: [[3, frame[1], answer]])
            made = point(make(side, message.version, {}), wire)
            return await made.call(dataclass(getattr(package.call, message.action), request)), wire

        response, wire = run(work())
        return response, wire.sent

    for request, answer in pairs(message):
        response, sent = called("mixin", request, answer)
        assert sent == [[2, "id-0", message.action, request]]
        assert type(response) is getattr(package.call_result, message.action)
        if renamed(request):
            plain_response, plain_sent = called("plain", request, answer)
            assert plain_sent == sent
            assert plain_response == response
            assert exact(vars(plain_response)) == exact(vars(response))


def test_vendor_data_is_among_them() -> None:
    """Most vendor data is part of the two tests above."""
    kept = 0
    for message in REQUESTS:
        kept += sum("customData" in request for request, _ in pairs(message))
    assert kept > 100

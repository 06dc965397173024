"""Guard the hot paths against large losses of speed.

The tests compare ratios of times measured in turn, never times: compiled decode to a bare msgspec
decode of the payload, validated encode to msgspec's, peek to `orjson.loads`, decode of a frame with
a violation to `orjson.loads`, and a rejected frame with its reply to a valid one, all of a
TransactionEvent. Each limit is at least 1.6 times the ratio measured today, and each ratio is tried
several times. So a failure means that a fast path is lost (for instance that all frames go to the
reference), not a few per cent.
"""

from collections.abc import Callable
from timeit import Timer
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v201

orjson = pytest.importorskip("orjson", reason="one limit is a ratio to orjson, not installed here")
pytestmark = pytest.mark.skipif(
    ocppj.BACKEND != "cython", reason="only the speed of the compiled backend is guarded"
)

HEAD = '[2,"b6f3c8d2-4a1e-4f7b-9c25-7d0e8a91f305","TransactionEvent",'
PAYLOAD = (
    '{"eventType":"Updated","timestamp":"2026-03-14T09:30:00Z","triggerReason":"MeterValuePeriodic",'
    '"seqNo":4,"offline":false,"numberOfPhasesUsed":3,"cableMaxCurrent":32,'
    '"transactionInfo":{"transactionId":"AB1234","chargingState":"Charging","timeSpentCharging":181},'
    '"evse":{"id":1,"connectorId":1},"idToken":{"idToken":"04A2B3C4D5E680","type":"ISO14443"},'
    '"meterValue":[{"timestamp":"2026-03-14T09:30:00Z","sampledValue":['
    '{"value":18204.7,"measurand":"Energy.Active.Import.Register","unitOfMeasure":{"unit":"Wh"}},'
    '{"value":15.9,"measurand":"Current.Import","phase":"L1","unitOfMeasure":{"unit":"A"}}]}]}'
)
TEXT = f"{HEAD}{PAYLOAD}]"
BAD = TEXT.replace('"seqNo":4', '"seqNo":"4"')

TRIES = 6
ROUNDS = 12
NUMBER = 200

codec = ocppj.Codec("2.0.1")
Call = tuple[Callable[[Any], Any], Any]


def refuse(data: str) -> bytes | None:
    try:
        codec.decode(data)
    except ocppj.DecodeError as error:
        return error.reply()
    raise AssertionError("the frame was accepted")


def ratio(ours: Call, base: Call) -> float:
    timers = [
        Timer("call(data)", globals={"call": call, "data": data}) for call, data in (ours, base)
    ]
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for index, timer in enumerate(timers):
            best[index] = min(best[index], timer.timeit(NUMBER))
    return best[0] / best[1]


def demand(limit: float, ours: Call, base: Call) -> None:
    seen = []
    for _ in range(TRIES):
        seen.append(ratio(ours, base))
        if seen[-1] <= limit:
            return
    pytest.fail(f"{min(seen):.2f} times the base, more than {limit}")


@pytest.mark.parametrize("data", [TEXT, TEXT.encode()], ids=["str", "bytes"])
def test_decode_stays_near_a_bare_decode_of_the_payload(data: str | bytes) -> None:
    floor = msgspec.json.Decoder(v201.TransactionEventRequest).decode
    demand(2.2, (codec.decode, data), (floor, PAYLOAD.encode()))


def test_encode_stays_near_an_encode_without_checks() -> None:
    frame = codec.decode(TEXT)
    demand(3, (codec.encode, frame), (msgspec.json.Encoder().encode, frame))


def test_peek_stays_below_a_parser() -> None:
    demand(0.6, (codec.peek, TEXT), (orjson.loads, TEXT))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"seqNo":4', '"seqNo":4,"surplus":4'),
        ('"seqNo":4', '"seqNo":4,"reservationId":null'),
        ('"seqNo":4', '"seqNo":"4"'),
        ('09:30:00Z"', '09:30:00"'),
    ],
)
def test_a_violation_costs_little_more_than_parsing(right: str, wrong: str) -> None:
    lenient = codec.with_policy(ocppj.Policy.lenient())
    text = TEXT.replace(right, wrong)
    assert lenient.decode(text).violations
    demand(6.5, (lenient.decode, text), (orjson.loads, text))


def test_a_rejected_frame_costs_few_valid_ones() -> None:
    demand(10, (refuse, BAD), (codec.decode, TEXT))

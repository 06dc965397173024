"""Rejected frames leave no cycles, so that the peer's bytes are freed at once."""

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS
from tests.aio.wire import Central, dial
from tests.conftest import Make

FRAMES = {
    "not JSON": '[2,"1","Heartbeat",{}',
    "not UTF-8": b'[2,"1","Heartbeat",{"\xff":1}]',
    "deep": "[" * 1000 + "]" * 1000,
    "large": "[" + " " * 2**18 + "]",
    "slow numbers": f'[2,"1","DataTransfer",{{"vendorId":"x","data":[{"9e302," * 600}0]}}]',
    "id": f'[2,"{"1" * 37}","Heartbeat",{{}}]',
    "action": '[2,"1","NoSuch",{}]',
    "unknown field": '[2,"1","Heartbeat",{"a":1}]',
    "unknown field and an escape": '[2,"1","Heartbeat",{"a":"\\u0041"}]',
    "vendor data": '[2,"1","Heartbeat",{"customData":{}}]',
    "vendor data and a backtick": '[2,"1","Heartbeat",{"customData":{"a":"`"}}]',
    "deep vendor data": '[2,"1","Heartbeat",{"customData":{"a":%s}}]' % ("[" * 20 + "]" * 20),
    "type": '[2,"1","UnlockConnector",{"evseId":"one","connectorId":1}]',
    "result": '[3,"1",{"currentTime":1}]',
    "error": '[4,"1","GenericError","",null]',
}


def left_over(work: Callable[[], object]) -> int:
    """Return the number of objects that a call leaves to the garbage collector."""
    for _ in range(3):
        work()
    gc.collect()
    gc.disable()
    try:
        work()
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("what", FRAMES)
@pytest.mark.parametrize("policy", [ocppj.Policy.strict(), ocppj.Policy.repair()])
def test_a_rejected_frame(make_backend: Make, what: str, policy: ocppj.Policy) -> None:
    backend, data = make_backend(policy=policy), FRAMES[what]
    refused = []

    def work() -> None:
        try:
            backend.decode(data, {"1": "Heartbeat"})
        except ocppj.DecodeError as error:
            refused.append(error.reply())

    assert left_over(work) == 0
    assert refused or policy is not ocppj.Policy.strict()


def test_an_object_that_cannot_be_sent(make_backend: Make) -> None:
    request = v201.UnlockConnectorRequest(evse_id="one", connector_id=1)  # type: ignore[arg-type]

    def work() -> None:
        with pytest.raises(ocppj.EncodeError):
            make_backend().encode(ocppj.Call("1", "UnlockConnector", request))

    assert left_over(work) == 0


@pytest.mark.parametrize("what", ["result", "error"])
def test_a_bad_answer_to_a_call(what: str) -> None:
    async def main() -> int:
        csms = CSMS({"2.0.1": Central()})
        async with csms.listen("127.0.0.1") as server, dial(server) as raw:
            station = await csms.station("CS-1")

            async def work() -> None:
                call = asyncio.create_task(station.call(v201.ClearCacheRequest()))
                _, message_id, *_ = await raw.message()
                raw.send(FRAMES[what].replace('"1"', f'"{message_id}"', 1).encode())
                with suppress(ocppj.DecodeError):
                    await call
                del call  # or this test would create a cycle

            for _ in range(3):
                await work()
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            await work()
            gc.collect()
            gc.set_debug(0)
            gc.enable()
            try:
                return sum(isinstance(found, ocppj.DecodeError) for found in gc.garbage)
            finally:
                gc.garbage.clear()

    assert asyncio.run(main()) == 0

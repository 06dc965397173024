"""CALLERRORs as some libraries send them: the caller learns what the peer reports."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import Policy
from ocppj.aio import CSMS

from .conftest import End
from .wire import UNLOCK, Central, dial

RESTS = (["broken", None], ["broken", ["why"]], ["broken", "why"], ["broken"])


async def called(end: End, policy: Policy, rest: list[Any]) -> BaseException | None:
    """Call a station that answers InternalError, and return what the call raises."""
    codecs = {"2.0.1": ocppj.Codec("2.0.1", policy=policy)}
    csms = CSMS({"2.0.1": Central()}, codecs=codecs)
    async with end.listen(csms) as server, dial(server) as raw:
        station = await csms.station("CS-1", timeout=5)
        call = asyncio.create_task(station.call(UNLOCK, timeout=5))
        _, message_id, *_ = await raw.message()
        raw.send([4, message_id, "InternalError", *rest])
        await asyncio.wait([call])
        return call.exception()


@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("policy", [Policy.lenient(), Policy.repair()])
def test_with_a_policy_the_call_raises_call_failed(
    end: End, policy: Policy, rest: list[Any]
) -> None:
    async def main() -> None:
        error = await called(end, policy, rest)
        assert type(error) is ocppj.CallFailed
        assert (error.error_code, error.error_description) == ("InternalError", "broken")
        assert error.error_details == {}

    end.run(main())


@pytest.mark.parametrize("rest", RESTS)
def test_the_decode_error_keeps_the_error_that_the_peer_reports(end: End, rest: list[Any]) -> None:
    async def main() -> None:
        error = await called(end, Policy.strict(), rest)
        assert type(error) is ocppj.FrameError
        assert error.peer_error == ("InternalError", "broken")
        assert "the peer reports InternalError" in str(error)

    end.run(main())

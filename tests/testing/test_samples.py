"""Messages with as little in them as is valid, and who answers with them."""

import asyncio
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v21, v201
from ocppj.aio import CSMS, ChargingStation
from ocppj.testing import Answering, connected, sample
from tests.conftest import VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sample_of_each_message_is_valid(version: str) -> None:
    codec = ocppj.Codec(version)
    for feature in codec.features.values():
        request = sample(feature.request_type)
        frame: Any = ocppj.Send if feature.response_type is None else ocppj.Call
        codec.encode(frame("1", feature.name, request))
        if feature.response_type is not None:
            codec.encode(ocppj.CallResult("1", sample(feature.response_type)))


def test_a_sample_accepts_and_takes_values() -> None:
    response = sample(v201.BootNotificationResponse, interval=7)
    assert (response.status.value, response.interval) == ("Accepted", 7)
    assert sample(v201.UnlockConnectorResponse).status == "Unlocked"


def test_what_has_no_sample() -> None:
    class Odd(ocppj.Message):
        pair: tuple[int, int]

    with pytest.raises(TypeError, match="no sample is known"):
        sample(Odd)
    assert sample(Odd, pair=(1, 2)).pair == (1, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_is_answered(version: str) -> None:
    async def main() -> None:
        sides = Answering(version, "csms"), Answering(version, "charging_station")
        csms = CSMS({version: sides[0]})
        station = ChargingStation("CS-1", {version: sides[1]})
        async with connected(csms, station):
            for feature in ocppj.Codec(version).features.values():
                request = sample(feature.request_type)
                if feature.response_type is None:
                    await station.send(request)
                elif feature.sender == "csms":
                    await csms.call("CS-1", request)
                else:
                    await station.call(request)
            await asyncio.sleep(0)
            await station.call(sample(station_request(version)))
        total = len(ocppj.Codec(version).features) + 1
        assert len(sides[0].requests) + len(sides[1].requests) == total

    asyncio.run(main())


def station_request(version: str) -> Any:
    return ocppj.Codec(version).features["Heartbeat"].request_type


def test_answers_of_ones_own() -> None:
    async def main() -> None:
        denied = sample(
            v21.UnlockConnectorResponse, status=v21.UnlockStatusEnumType.UNKNOWN_CONNECTOR
        )
        charger = Answering(
            "2.1",
            "charging_station",
            on_unlock_connector=denied,
            on_reset=lambda request: sample(
                v21.ResetResponse, status=v21.ResetStatusEnumType.SCHEDULED
            ),
        )
        csms = CSMS({"2.1": Answering("2.1", "csms")})
        async with connected(csms, ChargingStation("CS-1", {"2.1": charger})):
            unlock = sample(v21.UnlockConnectorRequest)
            assert await csms.call("CS-1", unlock) == denied
            assert (await csms.call("CS-1", sample(v21.ResetRequest))).status == "Scheduled"
        assert msgspec.structs.astuple(charger.requests[0]) == msgspec.structs.astuple(unlock)

    asyncio.run(main())


def test_a_misspelt_answer_is_an_error() -> None:
    with pytest.raises(TypeError, match="on_unlock answers no action that a csms receives"):
        Answering("1.6", "csms", on_unlock=None)

"""The examples run unchanged, and stations can connect to them."""

import asyncio
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

import ocppj
from ocppj import v16, v201
from ocppj.aio import ChargingStation
from ocppj.testing import Answering
from tests.fetch import fetch

EXAMPLES = Path(__file__).parent.parent / "examples"
BOOTS = {
    "1.6": v16.BootNotificationRequest(charge_point_model="Wallbox", charge_point_vendor="Acme"),
    "2.0.1": v201.BootNotificationRequest(
        reason=v201.BootReasonEnumType.POWER_UP,
        charging_station=v201.ChargingStationType(model="Wallbox", vendor_name="Acme"),
    ),
}
NOT_ANSWERED = {
    "1.6": v16.AuthorizeRequest(id_tag="DEADBEEF"),
    "2.0.1": v201.ClearedChargingLimitRequest(
        charging_limit_source=v201.ChargingLimitSourceEnumType.EMS
    ),
}


@contextmanager
def running(name: str, needs: str) -> Iterator[tuple[int, IO[str]]]:
    """Run an example on a port of its choice; its first line with digits at the end tells it."""
    pytest.importorskip(needs)
    command = [sys.executable, str(EXAMPLES / name), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if match := re.search(r"(?:port |127\.0\.0\.1:)(\d+)", line):
            break
    else:
        raise AssertionError("".join(seen))
    try:
        yield int(match[1]), process.stdout
    finally:
        process.kill()
        process.communicate()


async def talk(port: int, path: str, version: str) -> tuple[object, str]:
    """Boot, then call an action that the example does not support."""
    station = ChargingStation("CS-1", {version: object()})
    async with station.connect(f"ws://127.0.0.1:{port}{path}", backoff=None):
        try:
            answer: Any = await station.call(BOOTS[version], timeout=10)
        except ocppj.CallFailed as error:
            return error.error_code, error.error_code
        with pytest.raises(ocppj.CallFailed) as failed:
            await station.call(NOT_ANSWERED[version], timeout=10)
        return answer.status, failed.value.error_code


def exchange(port: int, path: str, version: str, *messages: str | bytes) -> list[str | bytes]:
    """Send messages as they are; return what answers each."""
    sync = pytest.importorskip("websockets.sync.client")
    url = f"ws://127.0.0.1:{port}{path}"
    with sync.connect(url, subprotocols=[f"ocpp{version}"]) as socket:
        answers = []
        for message in messages:
            socket.send(message)
            answers.append(socket.recv(timeout=10))
        return answers


WEBSOCKETS = ("gateway_websockets.py", "websockets", "")
STARLETTE = ("starlette_endpoint.py", "uvicorn", "/ocpp")
PICOWS = ("gateway_picows.py", "picows", "")


@pytest.mark.parametrize(
    ("example", "version"), [(WEBSOCKETS, "1.6"), (WEBSOCKETS, "2.0.1"), (STARLETTE, "2.0.1")]
)
def test_an_example_answers(example: tuple[str, str, str], version: str) -> None:
    name, needs, path = example
    with running(name, needs) as (port, _):
        assert asyncio.run(talk(port, path, version)) == ("Accepted", "NotSupported")


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_the_router_reads_heads_alone(version: str) -> None:
    with running("gateway_picows.py", "picows") as (port, _):
        assert asyncio.run(talk(port, "", version)) == ("NotSupported", "NotSupported")


@pytest.mark.parametrize("example", [WEBSOCKETS, STARLETTE, PICOWS], ids=lambda each: each[0])
def test_a_message_may_be_text_or_binary(example: tuple[str, str, str]) -> None:
    name, needs, path = example
    call = '[2,"1","Authorize",{}]'
    with running(name, needs) as (port, _):
        text, binary, empty = exchange(port, f"{path}/CS-1", "2.0.1", call, call.encode(), "")
    assert text == binary
    assert text.startswith('[4,"1",')
    assert empty.startswith('[4,"-1","RpcFrameworkError"')


def test_the_router_prints_what_peers_say_escaped() -> None:
    with running("gateway_picows.py", "picows") as (port, lines):
        exchange(port, "/ocpp/CS%20%1b1?token=x", "1.6", r'[2,"1","\u001b[31m\n",{}]')
        assert lines.readline() == r"'CS \x1b1' 2 '\x1b[31m\n' 2 bytes" + "\n"


def test_the_router_refuses_with_the_codec_of_the_station() -> None:
    pytest.importorskip("picows")
    example = runpy.run_path(str(EXAMPLES / "gateway_picows.py"))
    codec = ocppj.Codec("1.6")
    head = codec.peek('[2,"1","A",{}]')
    sent = []

    class Recording:
        def encode(self, frame: ocppj.CallError) -> bytes:
            sent.append(frame)
            return codec.encode(frame)

    answer = example["route"](example["Station"]("CS-1", Recording()), head)
    assert [answer] == [codec.encode(frame) for frame in sent]


def test_the_starlette_example_passes_commands_on() -> None:
    async def main(port: int) -> list[tuple[int, Any]]:
        charger = Answering("2.0.1", "charging_station", on_get_variables=variables)
        station = ChargingStation("CS-1", {"2.0.1": charger})
        route = "/stations/{}/variables/OCPPCommCtrlr/{}"
        async with station.connect(f"ws://127.0.0.1:{port}/ocpp", backoff=None):
            return [
                await fetch(port, "GET", route.format(*names))
                for names in (("CS-1", "HeartbeatInterval"), ("CS-1", "x" * 51), ("CS-2", "x"))
            ]

    def variables(request: v201.GetVariablesRequest) -> v201.GetVariablesResponse:
        (asked,) = request.get_variable_data
        found = v201.GetVariableResultType(
            attribute_status=v201.GetVariableStatusEnumType.ACCEPTED,
            attribute_value="300",
            component=asked.component,
            variable=asked.variable,
        )
        return v201.GetVariablesResponse(get_variable_result=[found])

    with running("starlette_endpoint.py", "uvicorn") as (port, _):
        read, invalid, absent = asyncio.run(main(port))
    assert read[0] == 200
    assert read[1]["getVariableResult"][0]["attributeValue"] == "300"
    path = "$.getVariableData[0].variable.name"
    assert invalid == (422, {"detail": f"expected a string of length <= 50 at {path}"})
    assert absent == (404, {"detail": "CS-2 is not connected"})

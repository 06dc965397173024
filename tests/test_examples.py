"""The examples run as they stand, and a station can talk to them."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import ChargingStation

EXAMPLES = Path(__file__).parent.parent / "examples"
BOOT = v201.BootNotificationRequest(
    reason=v201.BootReasonEnumType.POWER_UP,
    charging_station=v201.ChargingStationType(model="Wallbox", vendor_name="Acme"),
)


@contextmanager
def running(name: str, needs: str) -> Iterator[int]:
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
        yield int(match[1])
    finally:
        process.kill()
        process.communicate()


async def talk(port: int, path: str = "") -> tuple[object, str]:
    """Boot, then send what the example does not answer."""
    station = ChargingStation("CS-1", {"2.0.1": object()})
    async with station.connect(f"ws://127.0.0.1:{port}{path}", backoff=None):
        try:
            answer: object = await station.call(BOOT, timeout=10)
        except ocppj.CallFailed as error:
            answer = error.error_code
        with pytest.raises(ocppj.CallFailed) as refused:
            await station.call(v201.MeterValuesRequest(evse_id=1, meter_value=METER), timeout=10)
        return answer, refused.value.error_code


METER = [
    v201.MeterValueType(
        sampled_value=[v201.SampledValueType(value=1.0)],
        timestamp=datetime(2026, 11, 22, tzinfo=UTC),
    )
]


@pytest.mark.parametrize(
    ("name", "needs", "path"),
    [("gateway_websockets.py", "websockets", ""), ("starlette_endpoint.py", "uvicorn", "/ocpp")],
)
def test_an_example_answers(name: str, needs: str, path: str) -> None:
    with running(name, needs) as port:
        answer, refusal = asyncio.run(talk(port, path))
    assert isinstance(answer, v201.BootNotificationResponse)
    assert answer.status is v201.RegistrationStatusEnumType.ACCEPTED
    assert refusal == "NotSupported"


def test_the_router_reads_heads_alone() -> None:
    with running("gateway_picows.py", "picows") as port:
        assert asyncio.run(talk(port)) == ("NotSupported", "NotSupported")

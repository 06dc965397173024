"""What one station can make us log at WARNING and above: the first of a kind, and a count."""

import asyncio
import logging
from typing import Any

import pytest

from ocppj import v21
from ocppj.aio import CSMS

from .conftest import End
from .wire import dial

MANY = 50


class Failing:
    def on_heartbeat(self, station: Any, request: Any) -> Any:
        raise ValueError("ours")

    def on_data_transfer(self, station: Any, request: Any) -> v21.DataTransferResponse:
        return v21.DataTransferResponse(status=v21.DataTransferStatusEnumType.ACCEPTED)

    async def on_notify_periodic_event_stream(self, station: Any, request: Any) -> None:
        await asyncio.Event().wait()


STREAM = {
    "id": 1,
    "pending": 0,
    "basetime": "2026-01-01T00:00:00Z",
    "data": [{"t": 0, "v": "1"}],
}
FRAMES: dict[str, tuple[list[Any], str]] = {
    "a handler that fails": ([2, "i", "Heartbeat", {}], "Heartbeat failed"),
    "an answer that is refused": (
        [5, "i", "GenericError", "x" * 100_000, {}],
        "the peer rejected our answer",
    ),
    "a SEND that is dropped": ([6, "i", "NotifyPeriodicEventStream", STREAM], "SEND dropped"),
}


@pytest.mark.parametrize("what", FRAMES)
def test_a_station_cannot_fill_the_log(
    end: End, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    frame, text = FRAMES[what]

    async def main() -> None:
        csms = CSMS({"2.1": Failing()})
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp2.1") as raw:
            for _ in range(MANY):
                raw.send(frame)
                if frame[0] == 2:
                    await raw.message()
            raw.send([2, "last", "DataTransfer", {"vendorId": "us"}])
            while (await raw.message())[1] != "last":
                pass

    caplog.set_level(logging.WARNING, "ocppj.aio")
    end.run(main())
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"CS-1: {text}")
    assert len(first) < 400
    assert last.endswith("times")

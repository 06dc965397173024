"""What a tap gets of each frame, on both ends."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, TappedFrame
from ocppj.aio.tap import Wire, observed

from .conftest import End
from .wire import dial

Row = tuple[str, int | None, str | None, str]


class Central:
    def on_heartbeat(self, station: Any, request: Any) -> v201.HeartbeatResponse:
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))

    async def on_authorize(self, station: Any, request: Any) -> v201.AuthorizeResponse:
        await asyncio.sleep(0)
        raise ocppj.CallRefused("SecurityError", "not here")


class Charger:
    def on_reset(self, request: Any) -> v201.ResetResponse:
        return v201.ResetResponse(status=v201.ResetStatusEnumType.ACCEPTED)


def rows(frames: list[TappedFrame]) -> list[Row]:
    return [(f.direction, f.message_type, f.action, f.outcome) for f in frames]


RESET = v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE)
TOKEN = v201.IdTokenType(id_token="SECRET", type="Central")


def test_both_ends_show_each_frame_once_and_in_order(memory: End) -> None:
    ours: list[TappedFrame] = []
    theirs: list[TappedFrame] = []

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, tap=ours.append)
        charger = ChargingStation("CS-1", {"2.0.1": Charger()}, tap=theirs.append)
        async with memory.listen(csms) as server, memory.connect(charger, server):
            await charger.call(v201.HeartbeatRequest())
            with contextlib.suppress(ocppj.CallFailed):
                await charger.call(v201.AuthorizeRequest(id_token=TOKEN))
            await (await csms.station("CS-1")).call(RESET)

    memory.run(main())
    expected = [
        (2, "Heartbeat", ""),
        (3, "Heartbeat", ""),
        (2, "Authorize", ""),
        (4, "Authorize", "SecurityError"),
        (2, "Reset", ""),
        (3, "Reset", ""),
    ]
    sides = ["in", "out", "in", "out", "out", "in"]
    assert rows(ours) == [(side, *row) for side, row in zip(sides, expected, strict=True)]
    other = {"in": "out", "out": "in"}
    assert rows(theirs) == [(other[side], *row) for side, row in zip(sides, expected, strict=True)]
    assert [f.data for f in ours] == [f.data for f in theirs]
    assert {f.station_id for f in ours + theirs} == {"CS-1"}
    times = [f.time for f in ours]
    assert times == sorted(times)


def test_a_frame_that_is_refused_has_its_error_code_and_what_is_tolerated_its_violations(
    end: End,
) -> None:
    seen: list[TappedFrame] = []

    async def main() -> None:
        codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec}, tap=seen.append)
        async with end.listen(csms) as server, dial(server) as raw:
            for frame in (b'[2,"1","Heartbeat",{"x":1}]', b'[2,"2","Nope",{}]', b"[3,"):
                raw.send(frame)
                await raw.message()
            raw.send(b'[3,"9",{}]')
            raw.send(b'[2,"3","Heartbeat",{}]')
            await raw.message()

    end.run(main())
    received = [f for f in seen if f.direction == "in"]
    assert [f.outcome for f in received] == [
        "",
        "NotImplemented",
        "RpcFrameworkError",
        "Unexpected",
        "",
    ]
    assert [f.violations[0].rule for f in received if f.violations] == ["unknown_field"]
    assert received[2].data == b"[3,"


def test_what_a_handler_sends_at_once_is_shown_after_the_frame_that_started_it() -> None:
    seen: list[TappedFrame] = []
    metrics = observed(None, seen.append)
    assert metrics is not None

    class Connection:
        async def send(self, data: bytes) -> None:
            pass

        def received(self, data: bytes, *, late: bool = False) -> bytes:
            metrics.frame("CS-1", "in", 2, "Heartbeat", "")
            metrics.frame("CS-1", "out", 2, "Reset", "")
            with pytest.raises(StopIteration):  # as a task that is started eagerly
                wire.send(b"sent").send(None)
            metrics.frame("CS-1", "out", 3, "Heartbeat", "")
            return b"answer"

    connection: Any = Connection()
    wire = Wire("CS-1", metrics, seen.append, connection).to(connection)
    wire.received(b"received")
    assert [f.data for f in seen] == [b"received", b"sent", b"answer"]
    assert rows(seen) == [
        ("in", 2, "Heartbeat", ""),
        ("out", 2, "Reset", ""),
        ("out", 3, "Heartbeat", ""),
    ]


def test_the_metrics_of_the_user_are_still_told() -> None:
    class Counting:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def __getattr__(self, name: str) -> Any:
            return lambda *arguments: self.calls.append(name)

    metrics: Any = Counting()

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, metrics=metrics, tap=lambda frame: None)
        async with csms.listen("127.0.0.1") as server, dial(server) as raw:
            raw.send(b'[2,"1","Heartbeat",{}]')
            await raw.message()

    asyncio.run(main())
    assert metrics.calls == ["connected", "frame", "frame", "latency", "disconnected"]


def test_without_a_tap_nothing_stands_between_connection_and_transport() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with csms.listen("127.0.0.1") as server, dial(server):
            station = await csms.station("CS-1")
            assert type(station._link.transport).__module__ == "ocppj.aio.websockets"

    asyncio.run(main())

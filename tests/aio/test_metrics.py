"""What metrics get of frames, violations, latencies and connections."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS
from tests.aio.ends import End
from tests.aio.wire import (
    HEARTBEAT,
    UNLOCK,
    Central,
    dial,
)


def test_counting_frames_does_not_depend_on_their_ids(end: End) -> None:
    async def main() -> None:
        metrics = Counting()
        csms = CSMS({"1.6": object()}, metrics=metrics)
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp1.6") as raw:
            raw.send([2, "x" * 37, "Heartbeat", {}])  # OCPP 1.6 echoes what it refuses
            assert (await raw.message())[:2] == [4, "x" * 37]
            raw.send(HEARTBEAT)
            assert (await raw.message())[2] == "NotSupported"

    end.run(main())


class Counting:
    """Metrics that note what they are told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def frame(self, *what: Any) -> None:
        self.told.append(("frame", *what[1:]))

    def violation(self, station_id: str, violation: Any) -> None:
        self.told.append(("violation", violation.rule))

    def latency(self, station: str, direction: str, action: str, seconds: float, out: str) -> None:
        assert 0 <= seconds < 5
        self.told.append(("latency", direction, action, out))

    def connected(self, station_id: str, version: str) -> None:
        self.told.append(("connected", station_id, version))

    def disconnected(self, station_id: str, version: str) -> None:
        self.told.append(("disconnected", station_id, version))


def test_metrics_get_frames_violations_latencies_and_connections(end: End) -> None:
    async def main() -> None:
        metrics = Counting()
        codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        csms = CSMS({"2.0.1": Central()}, metrics=metrics, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server) as raw:
            for message in (
                [2, "1", "BootNotification", {"reason": "PowerUp", "more": 1}],
                [2, "2", "Heartbeat", {"more": 1}],
                [2, "3", "NotifyReport", {}],
                [3, "none", {}],
                [2, "4", "Reset", {"type": "Immediate"}],
                [2, "5", "Fly", {}],
                [2, "6", "Heartbeat"],
            ):
                raw.send(message)
                if message[0] == 2:
                    await raw.message()
            seen = csms.stations["CS-1"]
            call = asyncio.create_task(seen.call(UNLOCK))
            raw.send([4, (await raw.message())[1], "GenericError", "", {}])
            with pytest.raises(ocppj.CallFailed):
                await call
            call = asyncio.create_task(seen.call(UNLOCK))
            raw.send([3, (await raw.message())[1], {"status": "Unlocked"}])
            await call
            call = asyncio.create_task(seen.call(UNLOCK))
            raw.send([3, (await raw.message())[1], {}])
            with pytest.raises(ocppj.DecodeError):
                await call
            with pytest.raises(ocppj.CallTimeout):
                await seen.call(UNLOCK, timeout=0.01)
        wanted = [
            ("connected", "CS-1", "2.0.1"),
            ("frame", "in", 2, "BootNotification", "FormatViolation"),
            ("frame", "out", 4, "BootNotification", "FormatViolation"),
            ("frame", "in", 2, "Heartbeat", ""),
            ("violation", "unknown_field"),
            ("frame", "out", 3, "Heartbeat", ""),
            ("latency", "in", "Heartbeat", ""),
            ("frame", "in", 2, "NotifyReport", "OccurrenceConstraintViolation"),
            ("frame", "out", 4, "NotifyReport", "OccurrenceConstraintViolation"),
            ("frame", "in", 3, None, "Unexpected"),
            ("frame", "in", 2, "Reset", "NotSupported"),
            ("frame", "out", 4, "Reset", "NotSupported"),
            ("frame", "in", 2, None, "NotImplemented"),
            ("frame", "out", 4, None, "NotImplemented"),
            ("frame", "in", 2, None, "RpcFrameworkError"),
            ("frame", "out", 4, None, "RpcFrameworkError"),
            ("frame", "out", 2, "UnlockConnector", ""),
            ("frame", "in", 4, "UnlockConnector", "GenericError"),
            ("latency", "out", "UnlockConnector", "GenericError"),
            ("frame", "out", 2, "UnlockConnector", ""),
            ("frame", "in", 3, "UnlockConnector", ""),
            ("latency", "out", "UnlockConnector", ""),
            ("frame", "out", 2, "UnlockConnector", ""),
            ("frame", "in", 3, "UnlockConnector", "OccurrenceConstraintViolation"),
            ("latency", "out", "UnlockConnector", "OccurrenceConstraintViolation"),
            ("frame", "out", 2, "UnlockConnector", ""),
            ("latency", "out", "UnlockConnector", "NoAnswer"),
            ("disconnected", "CS-1", "2.0.1"),
        ]
        assert metrics.told == wanted

    end.run(main())


def test_latencies_are_finer_than_the_time_of_the_loop(end: End) -> None:
    class Slow:
        def on_heartbeat(self, station: Any, request: Any) -> Any:
            time.sleep(0.002)
            return v201.HeartbeatResponse(current_time=datetime.now(UTC))

    class Times(Counting):
        def latency(self, *what: Any) -> None:
            self.told.append((what[1], what[3]))

    async def main() -> None:
        metrics = Times()
        csms = CSMS({"2.0.1": Slow()}, metrics=metrics)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(HEARTBEAT)
            await raw.message()
            call = asyncio.create_task(csms.stations["CS-1"].call(UNLOCK))
            raw.send([3, (await raw.message())[1], {"status": "Unlocked"}])
            await call
        times = dict(what for what in metrics.told if len(what) == 2)
        assert 0.002 <= times["in"] < 5
        assert 0 < times["out"] < 5

    end.run(main())


def test_an_invalid_send_is_counted_with_its_action(end: End) -> None:
    async def main() -> None:
        metrics = Counting()
        csms = CSMS({"2.1": object()}, metrics=metrics)
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp2.1") as raw:
            raw.send([6, "1", "NotifyPeriodicEventStream", {}])
            raw.send(HEARTBEAT)
            await raw.message()
        told = ("frame", "in", 6, "NotifyPeriodicEventStream", "OccurrenceConstraintViolation")
        assert metrics.told[1] == told

    end.run(main())

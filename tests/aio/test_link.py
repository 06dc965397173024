"""What comes in on a connection: calls and SENDs to handlers, hooks, and their limits."""

import asyncio
import logging
from typing import Any

import pytest

import ocppj
from ocppj import v21, v201
from ocppj.aio import CSMS, ChargingStation, Station
from tests.aio.ends import End, pair
from tests.aio.wire import (
    BOOT,
    HEARTBEAT,
    NOW,
    RESET,
    UNLOCK,
    Central,
    Charger,
    Gate,
    dial,
)


def test_on_connect_may_call_the_peer(memory: End) -> None:
    async def main() -> None:
        answers: list[Any] = []
        done = asyncio.Event()

        class Greeter:
            async def on_connect(self, station: Station) -> None:
                answers.append(await station.call(UNLOCK))
                done.set()

        async with pair(memory, Greeter()):
            await done.wait()
        assert answers[0].status is v201.UnlockStatusEnumType.UNLOCKED

    memory.run(main())


def test_a_method_that_raises_cancelled_error_is_answered(memory: End) -> None:
    class Cancelled(Central):
        def on_heartbeat(self, station: Any, request: Any) -> Any:
            raise asyncio.CancelledError

    async def main() -> None:
        async with pair(memory, Cancelled()) as (_, _, station):
            with pytest.raises(ocppj.CallFailed, match="InternalError"):
                await station.call(v201.HeartbeatRequest())
            await station.call(BOOT)

    memory.run(main())


def test_on_connect_does_not_count_as_a_call_being_handled(end: End) -> None:
    class Greeting(Central):
        async def on_connect(self, station: Any) -> None:
            await asyncio.Event().wait()

    async def main() -> None:
        csms = CSMS({"2.0.1": Greeting()}, max_handling=1)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(HEARTBEAT)
            assert (await raw.message())[0] == 3

    end.run(main())


def test_the_end_waits_for_an_async_on_disconnect(memory: End) -> None:
    written: list[str] = []

    class Told(Central):
        async def on_disconnect(self, station: Station) -> None:
            await asyncio.sleep(0.05)  # as a database takes
            written.append(station.id)

    class Charging(Charger):
        async def on_disconnect(self, station: ChargingStation) -> None:
            await asyncio.sleep(0.05)
            written.append("own end")

    async def main() -> None:
        async with pair(memory, Told(), Charging()):
            pass
        assert sorted(written) == ["CS-1", "own end"]

    memory.run(main())


def test_hooks_are_called_on_both_sides(memory: End) -> None:
    class Told(Charger):
        def __init__(self) -> None:
            self.events: list[Any] = []

        async def on_connect(self, station: ChargingStation) -> None:
            self.events.append(("connect", station.connected))

        def on_disconnect(self, station: ChargingStation) -> None:
            self.events.append(("disconnect", station.connected))

    async def main() -> None:
        central, charger = Central(), Told()
        async with pair(memory, central, charger) as (_, _, station):
            await station.call(BOOT)
        assert central.events == [("connect", "CS-1"), ("disconnect", "CS-1")]
        assert charger.events == [("connect", True), ("disconnect", False)]

    memory.run(main())


def test_hooks_that_raise_are_logged(memory: End, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Central):
        def on_disconnect(self, station: Any) -> None:
            raise ValueError("secret")

    class Late(Charger):
        async def on_connect(self, station: Any) -> None:
            raise ValueError("secret")

    async def main() -> None:
        async with pair(memory, Failing(), Late()) as (_, _, station):
            await station.call(BOOT)

    with caplog.at_level(logging.ERROR, "ocppj.aio"):
        memory.run(main())
    assert len([record for record in caplog.records if record.name == "ocppj.aio"]) == 2


def test_a_send_is_never_answered(memory: End) -> None:
    async def main() -> None:
        got: asyncio.Queue[Any] = asyncio.Queue()

        class Listener:
            async def on_notify_periodic_event_stream(self, station: Any, request: Any) -> None:
                got.put_nowait(request)

        csms = CSMS({"2.1": Listener()})
        station = ChargingStation("CS-1", {"2.1": object()})
        stream = v21.NotifyPeriodicEventStreamRequest(
            id=1,
            pending=0,
            basetime=NOW,
            data=[v21.StreamDataElementType(t=0, v="1")],
        )
        async with memory.listen(csms) as server, memory.connect(station, server):
            for _ in range(3):
                await station.send(stream)
            assert [await got.get() for _ in range(3)] == [stream] * 3
            with pytest.raises(ocppj.LocalProtocolError, match="use send"):
                await station.call(stream)  # type: ignore[arg-type]
            with pytest.raises(ocppj.LocalProtocolError, match="use call"):
                await station.send(v21.HeartbeatRequest())
        with pytest.raises(ocppj.ConnectionLost):
            await station.send(stream)

    memory.run(main())


def test_the_peer_sees_no_text_of_a_handlers_exception(
    memory: End, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Central):
        def on_boot_notification(self, station: Any, request: Any) -> Any:
            raise ValueError("secret")

        async def on_heartbeat(self, station: Any, request: Any) -> Any:
            await asyncio.sleep(0)
            raise ValueError("secret")

        async def on_data_transfer(self, station: Any, request: Any) -> Any:
            raise asyncio.CancelledError

        async def on_authorize(self, station: Any, request: Any) -> Any:
            raise ocppj.CallRefused("SecurityError", "go away", {"why": 1})

    async def main() -> None:
        async with pair(memory, Failing()) as (_, _, station):
            for request in (
                BOOT,
                v201.HeartbeatRequest(),
                v201.DataTransferRequest(vendor_id="us"),
            ):
                with pytest.raises(ocppj.CallFailed) as failed:
                    await station.call(request)
                assert failed.value.error_code == "InternalError"
                assert "secret" not in str(failed.value)
            card = v201.IdTokenType(id_token="1", type=v201.IdTokenEnumType.CENTRAL)
            with pytest.raises(ocppj.CallFailed) as failed:
                await station.call(v201.AuthorizeRequest(id_token=card))
            assert (failed.value.error_code, failed.value.error_details) == (
                "SecurityError",
                {"why": 1},
            )
            assert station.connected

    memory.run(main())
    assert "secret" in caplog.text


def test_handlers_at_work_are_cancelled_at_disconnect(memory: End) -> None:
    async def main() -> None:
        gate = Gate()
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": gate})
        async with memory.listen(csms) as server:
            async with memory.connect(station, server):
                call = asyncio.create_task((await csms.station("CS-1")).call(RESET))
                await gate.asked.get()
            with pytest.raises(ocppj.ConnectionLost):
                await call
            await gate.cancelled.wait()

    memory.run(main())


def test_calls_beyond_max_handling_get_generic_error(end: End) -> None:
    async def main() -> None:
        waiting = asyncio.Event()
        seen: list[Any] = []

        class Slow:
            async def on_heartbeat(self, station: Any, request: Any) -> Any:
                await waiting.wait()
                return v201.HeartbeatResponse(current_time=NOW)

            async def on_data_transfer(self, station: Any, request: Any) -> Any:
                seen.append(request)

        csms = CSMS({"2.0.1": Slow()}, max_handling=2)
        async with end.listen(csms) as server, dial(server) as raw:
            for n in range(3):
                raw.send([2, str(n), "Heartbeat", {}])
            refused = await raw.message()
            assert refused[:3] == [4, "2", "GenericError"]
            waiting.set()
            assert sorted([(await raw.message())[1] for _ in range(2)]) == ["0", "1"]

    end.run(main())


def test_sends_beyond_max_handling_are_dropped(end: End) -> None:
    async def main() -> None:
        waiting, handled = asyncio.Event(), asyncio.Semaphore(0)

        class Slow:
            async def on_notify_periodic_event_stream(self, station: Any, request: Any) -> None:
                handled.release()
                await waiting.wait()

            def on_heartbeat(self, station: Any, request: Any) -> Any:
                return v21.HeartbeatResponse(current_time=NOW)

        csms = CSMS({"2.1": Slow()}, max_handling=2)
        payload = {"id": 1, "pending": 0, "basetime": NOW.isoformat(), "data": [{"t": 0, "v": "1"}]}
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp2.1") as raw:
            for n in range(4):
                raw.send([6, str(n), "NotifyPeriodicEventStream", payload])
            raw.send(HEARTBEAT)
            assert (await raw.message())[0] == 3  # calls are counted for themselves
            await handled.acquire()
            await handled.acquire()
            assert handled.locked()
            waiting.set()

    end.run(main())

"""What users call on a connection: calls and their order, timeouts, the end."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, Station
from tests.aio.ends import End, pair, until
from tests.aio.wire import (
    BOOT,
    CLOSE,
    HEARTBEAT,
    NOW,
    RESET,
    UNLOCK,
    Central,
    Charger,
    Gate,
    dial,
)


def test_each_side_calls_the_other(end: End) -> None:
    async def main() -> None:
        async with pair(end) as (csms, seen, station):
            assert csms.stations["CS-1"] is seen
            assert (seen.id, seen.version, station.version) == ("CS-1", "2.0.1", "2.0.1")
            boot = await station.call(BOOT)
            assert boot == v201.BootNotificationResponse(
                current_time=NOW,
                interval=300,
                status=v201.RegistrationStatusEnumType.ACCEPTED,
            )
            assert (await station.call(v201.HeartbeatRequest())).current_time == NOW
            unlock = await seen.call(UNLOCK)
            assert unlock.status is v201.UnlockStatusEnumType.UNLOCKED
            with pytest.raises(ocppj.CallFailed, match="NotSupported"):
                await seen.call(v201.GetLocalListVersionRequest())
        assert not csms.stations
        assert seen.closed
        assert not station.connected

    end.run(main())


class Asker:
    """Calls back from inside its handlers."""

    async def on_heartbeat(self, station: Station, request: Any) -> Any:
        unlock = await station.call(UNLOCK)
        assert unlock.status is v201.UnlockStatusEnumType.UNLOCKED
        return v201.HeartbeatResponse(current_time=NOW)


class Answerer:
    station: ChargingStation

    async def on_unlock_connector(self, request: Any) -> Any:
        return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)

    async def on_clear_cache(self, request: Any) -> Any:
        await self.station.call(v201.HeartbeatRequest())
        return v201.ClearCacheResponse(status=v201.ClearCacheStatusEnumType.ACCEPTED)


def test_a_handler_may_call_the_peer(memory: End) -> None:
    async def main() -> None:
        answerer = Answerer()
        async with pair(memory, Asker(), answerer) as (_, seen, station):
            answerer.station = station
            # The CSMS's call is in flight while it is asked, and asks in turn: three calls deep, so
            # the innermost has to wait for the outermost's turn and cannot get it in time.
            assert (await station.call(v201.HeartbeatRequest())).current_time == NOW
            with pytest.raises(ocppj.CallTimeout):
                await seen.call(v201.ClearCacheRequest(), timeout=0.2)
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    memory.run(main())


def test_a_handler_may_close_its_own_connection_and_go_on(end: End) -> None:
    done = asyncio.Event()

    class Closing(Central):
        async def on_heartbeat(self, station: Any, request: Any) -> Any:
            await station.close()
            await asyncio.sleep(0)
            done.set()

    async def main() -> None:
        async with pair(end, Closing()) as (_, _, station):
            with pytest.raises(ocppj.ConnectionLost):
                await station.call(v201.HeartbeatRequest())
            await done.wait()

    end.run(main())


def test_a_late_call_raises_with_the_reason_of_the_end(end: End) -> None:
    async def main() -> None:
        async with pair(end) as (_, seen, station):
            await seen.close(1008, "not today")
            with pytest.raises(ocppj.ConnectionLost, match="closed by us: 1008 not today"):
                await seen.call(UNLOCK)
            await until(lambda: not station.connected)
            with pytest.raises(ocppj.ConnectionLost, match=r"received 1008.*not today"):
                await station.call(BOOT)

    end.run(main())


@pytest.mark.parametrize(
    "limit", [{"timeout": 0}, {"timeout": float("nan")}, {"max_waiting": -1}, {"max_handling": 0}]
)
def test_limits_are_checked_at_once(limit: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(limit))):
        CSMS({"2.0.1": Central()}, **limit)


def test_calls_are_queued_up_to_a_limit(memory: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(memory, charger=gate, max_waiting=2) as (_, seen, _):
            requests = [
                v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE, evse_id=n) for n in range(3)
            ]
            calls = [asyncio.create_task(seen.call(request)) for request in requests]
            assert await gate.asked.get() == requests[0]
            with pytest.raises(ocppj.LocalProtocolError, match="2 calls are queued"):
                await seen.call(UNLOCK)
            assert gate.asked.empty()  # one call in flight
            for request in requests[1:]:
                gate.free.release()
                assert await gate.asked.get() == request
            gate.free.release()
            assert len(await asyncio.gather(*calls)) == 3
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    memory.run(main())


def test_a_late_answer_is_dropped_and_the_next_call_works(memory: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(memory, charger=gate) as (_, seen, _):
            with pytest.raises(ocppj.CallTimeout, match=r"did not answer Reset within 0\.05 s"):
                await seen.call(RESET, timeout=0.05)
            gate.free.release()
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED
            assert seen._link.session.unexpected == 1

    memory.run(main())


def test_a_cancelled_call_makes_room_for_the_next(memory: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(memory, charger=gate) as (_, seen, _):
            first = asyncio.create_task(seen.call(RESET))
            second = asyncio.create_task(seen.call(UNLOCK))
            waiting = asyncio.create_task(seen.call(UNLOCK))
            await gate.asked.get()
            waiting.cancel()  # in the queue
            first.cancel()  # in flight
            assert (await second).status is v201.UnlockStatusEnumType.UNLOCKED
            gate.free.release()
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED
            assert first.cancelled()
            assert waiting.cancelled()
            assert seen._link.session.pending is None

    memory.run(main())


def test_an_answer_that_crosses_the_cancellation_of_its_call(memory: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(memory, charger=gate) as (_, seen, _):
            call = asyncio.create_task(seen.call(RESET))
            await gate.asked.get()
            message_id = seen._link.session.pending.message_id
            call.cancel()
            assert (
                seen._link.received(b'[3,"%b",{"status":"Accepted"}]' % message_id.encode()) is None
            )
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    memory.run(main())


def test_calls_to_a_closed_connection_raise(memory: End) -> None:
    async def main() -> None:
        async with pair(memory) as (_, seen, station):
            pass
        for gone in (seen, station):
            with pytest.raises(ocppj.ConnectionLost):
                await gone.call(UNLOCK if gone is seen else BOOT)
        with pytest.raises(ocppj.ConnectionLost):
            _ = station.version

    memory.run(main())


def test_a_graceful_close_lets_handlers_answer(end: End) -> None:
    async def main() -> None:
        waiting, asked = asyncio.Event(), asyncio.Event()

        class Slow:
            async def on_heartbeat(self, station: Any, request: Any) -> Any:
                asked.set()
                await waiting.wait()
                return v201.HeartbeatResponse(current_time=NOW)

        async with end.listen(CSMS({"2.0.1": Slow()})) as server, dial(server) as raw:
            raw.send(HEARTBEAT)
            await asked.wait()
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            waiting.set()
            assert (await raw.message())[:2] == [3, "h"]
            kind, data = await raw.receive()
            assert (kind, data[:2]) == (CLOSE, (1001).to_bytes(2))
            raw.send(data, CLOSE)
            raw.writer.close()
            await closing

    end.run(main())


def test_closing_twice_and_from_inside_a_handler(end: End) -> None:
    async def main() -> None:
        closed = asyncio.Event()

        class Closer(Central):
            async def on_heartbeat(self, station: Station, request: Any) -> Any:
                try:
                    await station.close(grace=10)
                finally:
                    closed.set()
                return v201.HeartbeatResponse(current_time=NOW)

        central = Closer()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server:
            for _ in range(2):
                station = ChargingStation("CS-1", {"2.0.1": Charger()})
                async with end.connect(station, server):
                    seen = await csms.station("CS-1")
                    with pytest.raises(ocppj.ConnectionLost):
                        await station.call(v201.HeartbeatRequest())
                    await closed.wait()
                    await seen.close()
                    seen._link.lost()
            await server.close()
            await server.close()
        assert central.events == [("connect", "CS-1"), ("disconnect", "CS-1")] * 2

    end.run(main())

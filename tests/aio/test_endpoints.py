"""What the endpoints promise, between `CSMS` and `ChargingStation`."""

import asyncio
import contextlib
import logging
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj.aio import CSMS, Backoff, ChargingStation, Station
from tests.aio.conftest import End, until
from tests.aio.wire import (
    BOOT,
    CLOSE,
    HEARTBEAT,
    NOW,
    RESET,
    UNLOCK,
    Central,
    Charger,
    Raw,
    dial,
)


@contextlib.asynccontextmanager
async def pair(end: End, central: Any = None, charger: Any = None, **options: Any) -> Any:
    """A CSMS and a station that is connected to it: `(csms, its view of the station, station)`."""
    csms = CSMS({"2.0.1": central or Central()}, **options)
    station = ChargingStation("CS-1", {"2.0.1": charger or Charger()})
    async with end.listen(csms) as server, end.connect(station, server):
        yield csms, await csms.station("CS-1"), station


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


def test_a_handler_may_call_the_peer(end: End) -> None:
    async def main() -> None:
        answerer = Answerer()
        async with pair(end, Asker(), answerer) as (_, seen, station):
            answerer.station = station
            # The CSMS's call is in flight while it is asked, and asks in turn: three calls deep, so
            # the innermost has to wait for the outermost's turn and cannot get it in time.
            assert (await station.call(v201.HeartbeatRequest())).current_time == NOW
            with pytest.raises(ocppj.CallTimeout):
                await seen.call(v201.ClearCacheRequest(), timeout=0.2)
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    end.run(main())


def test_on_connect_may_call_the_peer(end: End) -> None:
    async def main() -> None:
        answers: list[Any] = []
        done = asyncio.Event()

        class Greeter:
            async def on_connect(self, station: Station) -> None:
                answers.append(await station.call(UNLOCK))
                done.set()

        async with pair(end, Greeter()):
            await done.wait()
        assert answers[0].status is v201.UnlockStatusEnumType.UNLOCKED

    end.run(main())


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


def test_a_method_that_meets_a_cancelled_future_is_answered_for(end: End) -> None:
    class Cancelled(Central):
        def on_heartbeat(self, station: Any, request: Any) -> Any:
            raise asyncio.CancelledError

    async def main() -> None:
        async with pair(end, Cancelled()) as (_, _, station):
            with pytest.raises(ocppj.CallFailed, match="InternalError"):
                await station.call(v201.HeartbeatRequest())
            await station.call(BOOT)

    end.run(main())


def test_on_connect_takes_no_place_of_a_call(end: End) -> None:
    class Greeting(Central):
        async def on_connect(self, station: Any) -> None:
            await asyncio.Event().wait()

    async def main() -> None:
        csms = CSMS({"2.0.1": Greeting()}, max_handling=1)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(HEARTBEAT)
            assert (await raw.message())[0] == 3

    end.run(main())


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


def test_one_station_connects_once(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.listen(csms) as server:
            async with end.connect(station, server):
                with pytest.raises(ocppj.LocalProtocolError, match="already"):
                    async with end.connect(station, server):
                        raise AssertionError
                await station.call(BOOT)
            async with end.connect(station, server):
                await station.call(BOOT)
        for url in ("127.0.0.1:9", "http://127.0.0.1:9", ""):
            with pytest.raises(ValueError, match="ws://"):
                async with station.connect(url, transport=end.transport):
                    raise AssertionError

    end.run(main())


def test_who_calls_too_late_is_told_why(end: End) -> None:
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


def test_the_end_waits_for_an_async_on_disconnect(end: End) -> None:
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
        async with pair(end, Told(), Charging()):
            pass
        assert sorted(written) == ["CS-1", "own end"]

    end.run(main())


def test_connects_and_disconnects_are_told_to_both_sides(end: End) -> None:
    class Told(Charger):
        def __init__(self) -> None:
            self.events: list[Any] = []

        async def on_connect(self, station: ChargingStation) -> None:
            self.events.append(("connect", station.connected))

        def on_disconnect(self, station: ChargingStation) -> None:
            self.events.append(("disconnect", station.connected))

    async def main() -> None:
        central, charger = Central(), Told()
        async with pair(end, central, charger) as (_, _, station):
            await station.call(BOOT)
        assert central.events == [("connect", "CS-1"), ("disconnect", "CS-1")]
        assert charger.events == [("connect", True), ("disconnect", False)]

    end.run(main())


def test_hooks_that_raise_are_logged(end: End, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Central):
        def on_disconnect(self, station: Any) -> None:
            raise ValueError("secret")

    class Late(Charger):
        async def on_connect(self, station: Any) -> None:
            raise ValueError("secret")

    async def main() -> None:
        async with pair(end, Failing(), Late()) as (_, _, station):
            await station.call(BOOT)

    with caplog.at_level(logging.ERROR, "ocppj.aio"):
        end.run(main())
    assert len([record for record in caplog.records if record.name == "ocppj.aio"]) == 2


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["2.0.1", "1.6"], "2.0.1"), (["1.6", "2.0.1"], "1.6"), (["2.1", "1.6"], "1.6")],
)
def test_the_stations_preference_decides_on_the_version(
    end: End, offered: list[str], chosen: str
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": object(), "1.6": object()})
        station = ChargingStation("CS-1", {name: object() for name in offered})
        async with end.listen(csms) as server, end.connect(station, server):
            assert station.version == chosen
            assert (await csms.station("CS-1")).version == chosen

    end.run(main())


def test_each_version_has_its_own_handlers(end: End) -> None:
    class Sixteen:
        def on_heartbeat(self, station: Station, request: Any) -> Any:
            return v16.HeartbeatResponse(current_time=NOW)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central(), "1.6": Sixteen()})
        old = ChargingStation("old", {"1.6": object()})
        new = ChargingStation("new", {"2.0.1": object()})
        async with (
            end.listen(csms) as server,
            end.connect(old, server),
            end.connect(new, server),
        ):
            assert await old.call(v16.HeartbeatRequest()) == v16.HeartbeatResponse(current_time=NOW)
            assert (await new.call(v201.HeartbeatRequest())).current_time == NOW

    end.run(main())


def test_a_send_is_never_answered(end: End) -> None:
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
        async with end.listen(csms) as server, end.connect(station, server):
            for _ in range(3):
                await station.send(stream)
            assert [await got.get() for _ in range(3)] == [stream] * 3
            with pytest.raises(ocppj.LocalProtocolError, match="use send"):
                await station.call(stream)  # type: ignore[arg-type]
            with pytest.raises(ocppj.LocalProtocolError, match="use call"):
                await station.send(v21.HeartbeatRequest())
        with pytest.raises(ocppj.ConnectionLost):
            await station.send(stream)

    end.run(main())


class Gate(Charger):
    """Answers `Reset` when it may, and counts how many are asked at a time."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[Any] = asyncio.Queue()
        self.free = asyncio.Semaphore(0)
        self.cancelled = asyncio.Event()

    async def on_reset(self, request: Any) -> Any:
        self.asked.put_nowait(request)
        try:
            await self.free.acquire()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return v201.ResetResponse(status=v201.ResetStatusEnumType.ACCEPTED)


def test_calls_wait_for_their_turn_and_so_many_only(end: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(end, charger=gate, max_waiting=2) as (_, seen, _):
            requests = [
                v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE, evse_id=n) for n in range(3)
            ]
            calls = [asyncio.create_task(seen.call(request)) for request in requests]
            assert await gate.asked.get() == requests[0]
            with pytest.raises(ocppj.LocalProtocolError, match="2 calls wait"):
                await seen.call(UNLOCK)
            assert gate.asked.empty()  # one call in flight
            for request in requests[1:]:
                gate.free.release()
                assert await gate.asked.get() == request
            gate.free.release()
            assert len(await asyncio.gather(*calls)) == 3
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    end.run(main())


def test_a_late_answer_is_dropped_and_the_next_call_works(end: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(end, charger=gate) as (_, seen, _):
            with pytest.raises(ocppj.CallTimeout, match=r"did not answer Reset within 0\.05 s"):
                await seen.call(RESET, timeout=0.05)
            gate.free.release()
            assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED
            assert seen._link.session.unexpected == 1

    end.run(main())


def test_a_cancelled_call_makes_room_for_the_next(end: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(end, charger=gate) as (_, seen, _):
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

    end.run(main())


def test_an_answer_that_crosses_the_cancellation_of_its_call(end: End) -> None:
    async def main() -> None:
        gate = Gate()
        async with pair(end, charger=gate) as (_, seen, _):
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

    end.run(main())


def test_what_a_handler_raises_stays_at_home(end: End, caplog: pytest.LogCaptureFixture) -> None:
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
        async with pair(end, Failing()) as (_, _, station):
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

    end.run(main())
    assert "secret" in caplog.text


def test_handlers_at_work_are_cancelled_at_disconnect(end: End) -> None:
    async def main() -> None:
        gate = Gate()
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": gate})
        async with end.listen(csms) as server:
            async with end.connect(station, server):
                call = asyncio.create_task((await csms.station("CS-1")).call(RESET))
                await gate.asked.get()
            with pytest.raises(ocppj.ConnectionLost):
                await call
            await gate.cancelled.wait()

    end.run(main())


def test_so_many_calls_of_a_peer_are_handled_at_a_time(end: End) -> None:
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


def test_a_send_too_many_is_dropped(end: End) -> None:
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


def test_calls_of_a_station_that_is_gone(end: End) -> None:
    async def main() -> None:
        async with pair(end) as (_, seen, station):
            pass
        for gone in (seen, station):
            with pytest.raises(ocppj.ConnectionLost):
                await gone.call(UNLOCK if gone is seen else BOOT)
        with pytest.raises(ocppj.ConnectionLost):
            _ = station.version

    end.run(main())


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


def test_listening_that_is_cancelled_closes_everything(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        listening: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            async with end.listen(csms) as server:
                listening.set_result(server)
                await asyncio.Event().wait()

        serving = asyncio.create_task(serve())
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.connect(station, await listening):
            await station.call(BOOT)
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert not csms.stations
        with pytest.raises(ocppj.ConnectionLost):
            async with end.connect(station, listening.result()):
                raise AssertionError

    end.run(main())


def test_one_csms_may_listen_twice(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        stations = [ChargingStation(f"CS-{n}", {"2.0.1": Charger()}) for n in range(2)]
        async with end.listen(csms) as first, end.connect(stations[0], first):
            async with end.listen(csms) as second, end.connect(stations[1], second):
                await stations[1].call(BOOT)
                assert set(csms.stations) == {"CS-0", "CS-1"}
            assert set(csms.stations) == {"CS-0"}
            await stations[0].call(BOOT)

    end.run(main())


def test_waiting_for_a_station(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server:
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(csms.station("CS-1"), 0.01)
                with pytest.raises(ocppj.ConnectionLost, match=r"CS-1 .* within 0\.01 s"):
                    await csms.station("CS-1", timeout=0.01)
            assert not csms._stations._arrivals
            waiting = [asyncio.create_task(csms.station("CS-1", timeout=10)) for _ in range(3)]
            await asyncio.sleep(0)
            waiting.pop().cancel()
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            async with end.connect(station, server):
                found = await asyncio.gather(*waiting)
                assert found == [csms.stations["CS-1"]] * 2
                assert await csms.station("CS-1", timeout=0) is found[0]
            assert not csms._stations._arrivals

    end.run(main())


def test_a_station_connects_again(end: End) -> None:
    quick = Backoff(minimum=0.01, random_range=0.01, repeat_times=2)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with contextlib.AsyncExitStack() as stack:
            async with end.listen(csms) as server:
                await stack.enter_async_context(end.connect(station, server, backoff=quick))
                await station.call(BOOT)
            with pytest.raises(ocppj.ConnectionLost):
                await station.call(BOOT)
            await asyncio.sleep(0.05)  # some attempts fail
            for _ in range(2):
                async with csms.listen("127.0.0.1", server.port, transport=end.transport):
                    await station.wait_connected()
                    await station.call(BOOT)
                    seen = csms.stations["CS-1"]
                    assert (await seen.call(UNLOCK)).status is v201.UnlockStatusEnumType.UNLOCKED

    end.run(main())


def test_a_station_does_not_give_up_whatever_goes_wrong(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        quick = Backoff(minimum=0.01, random_range=0.01)
        async with end.listen(csms) as server, end.connect(station, server, backoff=quick):
            attach, failures = station._attach, iter([ValueError("odd"), OSError("odd")])

            def failing(*args: Any) -> Any:
                for error in failures:
                    raise error
                return attach(*args)

            monkeypatch.setattr(station, "_attach", failing)
            await (await csms.station("CS-1")).close()
            await station.wait_connected()
            await station.call(BOOT)
            assert next(failures, None) is None

    end.run(main())


def test_giving_up_while_connecting_leaves_nothing(end: End) -> None:
    async def main() -> None:
        asked, answer = asyncio.Event(), asyncio.Event()
        gone = asyncio.Event()

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await answer.wait()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: none\r\n\r\n"
            )
            await Raw(reader, writer).ended()
            writer.close()
            gone.set()

        server = await asyncio.start_server(late, "127.0.0.1")
        address = SimpleNamespace(port=server.sockets[0].getsockname()[1])
        station = ChargingStation("CS-1", {"2.0.1": Charger()})

        async def connect() -> None:
            async with end.connect(station, address):
                raise AssertionError

        dialling = asyncio.create_task(connect())
        await asked.wait()
        dialling.cancel()
        await asyncio.sleep(0)
        answer.set()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await gone.wait()
        server.close()

    end.run(main())


def test_back_off_doubles_up_to_a_limit() -> None:
    waits = Backoff(minimum=10, random_range=0, repeat_times=2).waits()
    assert [next(waits) for _ in range(5)] == [10, 20, 40, 40, 40]
    first = next(Backoff(minimum=1, random_range=2).waits())
    assert 1 <= first <= 3


def test_a_lenient_codec_is_used(end: End) -> None:
    async def main() -> None:
        codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec})
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send([2, "h", "Heartbeat", {"more": 1}])
            assert (await raw.message())[:2] == [3, "h"]
        async with end.listen(CSMS({"2.0.1": Central()})) as server, dial(server) as raw:
            raw.send([2, "h", "Heartbeat", {"more": 1}])
            assert (await raw.message())[0] == 4

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


def test_metrics_are_told_of_everything(end: End) -> None:
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


def test_a_refused_send_is_counted_with_its_action(end: End) -> None:
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


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="no version is offered"):
        CSMS({})
    with pytest.raises(ValueError, match="duplicates='last'"):
        CSMS({"2.0.1": object()}, duplicates="last")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no handlers"):
        CSMS({"2.0.1": object()}, codecs={"1.6": ocppj.Codec("1.6")})
    with pytest.raises(ValueError, match=r"is one for 2\.1"):
        CSMS({"2.0.1": object()}, codecs={"2.0.1": ocppj.Codec("2.1")})


def test_an_unknown_transport() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="unknown transport 'tcp'"):
            async with CSMS({"2.0.1": object()}).listen(transport="tcp"):  # type: ignore[arg-type]
                raise AssertionError

    asyncio.run(main())

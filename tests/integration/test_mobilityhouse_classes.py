"""Classes and policies of charge points, and whole sessions over WebSockets."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
import websockets
from ocpp.routing import after, on
from ocpp.v201 import ChargePoint, call, call_result

from ocppj import Policy
from ocppj.integrations.mobilityhouse import AS_SCHEMAS, Accelerated, accelerate

from .points import SIDES, Wire, called, dumps, make, point, routed, run, same

NOW = "2026-01-31T12:00:00Z"
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "Wallbox", "vendorName": "Acme"}}


class Counting(ChargePoint):
    """A library's class, with overrides."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.routed: list[Any] = []

    async def route_message(self, raw_msg: Any) -> None:
        self.routed.append(raw_msg)
        await super().route_message(raw_msg)

    async def _handle_call(self, msg: Any) -> Any:
        self.routed.append(msg.payload)
        return await super()._handle_call(msg)

    @on("Heartbeat")
    def beat(self, **kwargs: Any) -> Any:
        return call_result.Heartbeat(current_time=NOW)


def test_what_a_class_overrides_stays_in_force() -> None:
    fast = accelerate(Counting, policy=Policy.lenient())
    assert issubclass(fast, Counting)
    assert issubclass(fast, Accelerated)
    assert (fast.__name__, fast.__qualname__, fast.__module__) == ("Counting", "Counting", __name__)
    made = point(fast)
    run(made.route_message('[2,"7","Heartbeat",{"surplus":1}]'))
    assert made.routed == ['[2,"7","Heartbeat",{"surplus":1}]', {}]
    assert made._connection.sent == [[3, "7", {"currentTime": NOW}]]
    again = accelerate(fast, policy=Policy.strict())
    assert (again.policy, fast.policy) == (Policy.strict(), Policy.lenient())
    assert accelerate(Counting).policy is AS_SCHEMAS


NONCONFORMING = dumps(
    [
        2,
        "7",
        "StatusNotification",
        {
            "timestamp": "2026-01-31T12:00:00",
            "connectorStatus": "available",
            "evseID": "1",
            "connectorId": 1,
            "a": 2,
        },
    ]
)


class Status(Accelerated, ChargePoint):
    @on("StatusNotification")
    def status(self, **kwargs: Any) -> Any:
        self.seen = kwargs
        return call_result.StatusNotification()


class Lenient(Status):
    policy = Policy.lenient()


def test_a_policy_is_of_the_class_or_of_the_instance(caplog: pytest.LogCaptureFixture) -> None:
    strict, lenient, own = (
        Status("a", Wire()),
        Lenient("b", Wire()),
        Status("c", Wire(), policy=Policy.lenient()),
    )
    for made in (strict, lenient, own):
        run(made.route_message(NONCONFORMING))
    assert strict._connection.sent[0][0] == 4
    meant = {
        "timestamp": "2026-01-31T12:00:00Z",
        "connector_status": "Available",
        "evse_id": 1,
        "connector_id": 1,
    }
    assert lenient.seen == own.seen == meant
    assert "b: tolerated unknown_field at '$.a': 2" in caplog.text
    strict.policy = Policy.lenient()
    run(strict.route_message(NONCONFORMING))
    assert strict.seen == meant


def test_a_policy_is_for_responses_too() -> None:
    async def work() -> Any:
        wire = Wire(lambda frame: [[3, frame[1], {"currentTime": NOW, "surplus": 1}]])
        return await point(Lenient, wire).call(call.Heartbeat())

    assert run(work()) == call_result.Heartbeat(current_time=NOW)


def test_what_is_accepted_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    made = Status("a", Wire(), policy=Policy(letter_case="accept", timestamp="accept"))
    payload = {
        "timestamp": "2026-01-31 12:00:00",
        "connectorStatus": "AVAILABLE",
        "evseId": 1,
        "connectorId": 1,
    }
    run(made.route_message(dumps([2, "7", "StatusNotification", payload])))
    assert made.seen["connector_status"] == "Available"
    assert not caplog.records


def test_timestamps_without_zone_pass_as_they_always_did_but_with_a_strict_policy() -> None:
    naive = {
        "timestamp": "2026-01-31T12:00:00",
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    }

    def script(side: str) -> Any:
        seen = []

        @on("StatusNotification")
        def status(self: Any, **kwargs: Any) -> Any:
            seen.append(kwargs)
            return call_result.StatusNotification()

        return routed(
            side, "2.0.1", {"status": status}, [2, "7", "StatusNotification", naive]
        ), seen

    assert same(script)[1][0]["timestamp"] == "2026-01-31T12:00:00"
    now = "2026-01-31T12:00:00"
    assert (
        same(lambda side: called(side, call.Heartbeat(), {"currentTime": now}))[0].current_time
        == now
    )
    made = Status("a", Wire(), policy=Policy.strict())
    run(made.route_message(dumps([2, "7", "StatusNotification", naive])))
    assert made._connection.sent[0][2] == "PropertyConstraintViolation"


def test_a_version_that_is_not_known_is_heard_of() -> None:
    class Old(Accelerated, ChargePoint):
        _ocpp_version = "2.0"

    with pytest.raises(ValueError, match="unknown OCPP version"):
        run(Old("a", Wire()).route_message('[2,"7","Heartbeat",{}]'))


class Central:
    @on("BootNotification")
    async def boot(self, **kwargs: Any) -> Any:
        return call_result.BootNotification(current_time=NOW, interval=10, status="Accepted")

    @on("TransactionEvent")
    def event(self, **kwargs: Any) -> Any:
        return call_result.TransactionEvent(total_cost=1.5, id_token_info={"status": "Accepted"})

    @after("BootNotification")
    async def reset(self, **kwargs: Any) -> None:
        self.done = await self.call(call.Reset(type="OnIdle"))


class Station:
    @on("Reset")
    def reset(self, **kwargs: Any) -> Any:
        return call_result.Reset(status="Scheduled")


def test_a_session_over_websockets() -> None:
    def session(server: str, client: str) -> Any:
        frames: list[str] = []

        class Recorded:
            def __init__(self, socket: Any) -> None:
                self.socket = socket

            async def recv(self) -> Any:
                return await self.socket.recv()

            async def send(self, text: Any) -> None:
                frames.append(json.loads(text))
                await self.socket.send(text)

        def methods(kind: type[Any]) -> dict[str, Any]:
            return {name: item for name, item in vars(kind).items() if not name.startswith("__")}

        async def work() -> Any:
            centrals = []

            async def serve(socket: Any) -> None:
                central = point(make(server, "2.0.1", methods(Central)), Recorded(socket))
                centrals.append(central)
                with contextlib.suppress(websockets.ConnectionClosed):
                    await central.start()

            async with websockets.serve(
                serve, "127.0.0.1", 0, subprotocols=["ocpp2.0.1"]
            ) as listening:
                port = next(iter(listening.sockets)).getsockname()[1]
                async with websockets.connect(
                    f"ws://127.0.0.1:{port}/s", subprotocols=["ocpp2.0.1"]
                ) as socket:
                    station = point(make(client, "2.0.1", methods(Station)), Recorded(socket))
                    reading = asyncio.create_task(station.start())
                    boot = await station.call(
                        call.BootNotification(
                            reason="PowerUp", charging_station=BOOT["chargingStation"]
                        )
                    )
                    while not hasattr(centrals[0], "done"):  # noqa: ASYNC110  an attribute
                        await asyncio.sleep(0.001)
                    event = await station.call(
                        call.TransactionEvent(
                            event_type="Started",
                            timestamp=NOW,
                            trigger_reason="Authorized",
                            seq_no=0,
                            transaction_info={"transaction_id": "x"},
                        )
                    )
                    reading.cancel()
            return boot, event, centrals[0].done, frames

        return run(work())

    outcomes = [session(server, client) for server in SIDES[:2] for client in SIDES[:2]]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert outcomes[0][2] == call_result.Reset(status="Scheduled")
    assert len(outcomes[0][3]) == 6

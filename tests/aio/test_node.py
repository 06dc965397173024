"""A node accepts stations, whoever answers their calls."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, Server, Station
from ocppj.aio.endpoint import Endpoint, by_subprotocol
from ocppj.aio.node import Node
from tests.aio.ends import End, until
from tests.aio.wire import BOOT, HEARTBEAT, NOW, UNLOCK, Central, Charger, dial

SETTINGS: dict[str, Any] = {
    "timeout": 30.0,
    "max_waiting": 64,
    "max_handling": 16,
    "metrics": None,
    "on_connect": None,
    "on_disconnect": None,
}


class Forwarder:
    """Answers each call elsewhere: later, and by the bytes that came."""

    def __init__(self) -> None:
        self.forwarded: list[tuple[str, bytes]] = []

    def answer(
        self, session: ocppj.Session, call: Any, data: bytes, owner: Any, on_error: Any
    ) -> Awaitable[bytes]:
        self.forwarded.append((owner.id, data))
        return self._answer(session, call)

    async def _answer(self, session: ocppj.Session, call: Any) -> bytes:
        await asyncio.sleep(0)
        return session.reply(call, v201.HeartbeatResponse(current_time=NOW))

    def notify(self, send: Any, data: bytes, owner: Any, on_error: Any) -> None:
        self.forwarded.append((owner.id, data))


def forwarding(responder: Forwarder, **options: Any) -> Node:
    def make(codec: ocppj.Codec, _: object) -> Endpoint:
        return Endpoint(codec=codec, role="csms", responder=responder, **SETTINGS)

    return Node(by_subprotocol({"2.0.1": None, "2.1": None}, None, make), **options)


def test_a_node_forwards_the_bytes_of_a_call_unchanged(end: End) -> None:
    async def main() -> None:
        forwarder = Forwarder()
        node = forwarding(forwarder)
        async with end.listen(node) as server, dial(server) as raw:
            odd = b'[2,  "h","Heartbeat", {} ]'
            raw.send(odd)
            assert await raw.message() == [3, "h", {"currentTime": "2026-01-02T03:04:05Z"}]
            assert forwarder.forwarded == [("CS-1", odd)]

    end.run(main())


def test_a_node_forwards_a_send(end: End) -> None:
    async def main() -> None:
        forwarder = Forwarder()
        node = forwarding(forwarder)
        payload = b'{"id":1,"pending":0,"basetime":"2026-01-02T03:04:05Z","data":[{"t":0,"v":"1"}]}'
        sent = b'[6, "s","NotifyPeriodicEventStream",%b]' % payload
        async with end.listen(node) as server, dial(server, subprotocol="ocpp2.1") as raw:
            raw.send(sent)
            await until(lambda: forwarder.forwarded)
            assert forwarder.forwarded == [("CS-1", sent)]

    end.run(main())


def test_a_node_calls_a_station(memory: End) -> None:
    async def main() -> None:
        node = forwarding(Forwarder())
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with memory.listen(node) as server, memory.connect(station, server):
            await node.station("CS-1")
            answer = await node.call("CS-1", UNLOCK)
            assert answer.status is v201.UnlockStatusEnumType.UNLOCKED

    memory.run(main())


def test_calling_an_absent_station_fails_at_once(memory: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with memory.listen(csms):
            with pytest.raises(ocppj.ConnectionLost, match=r"^CS-1 is not connected$"):
                await csms.call("CS-1", UNLOCK)

    memory.run(main())


def test_call_has_a_timeout(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server):
            await csms.station("CS-1")
            with pytest.raises(ocppj.CallTimeout, match=r"within 0\.01 s"):
                await csms.call("CS-1", UNLOCK, timeout=0.01)

    end.run(main())


def test_a_claim_that_fails_keeps_a_station_out(end: End) -> None:
    async def main() -> None:
        asked: list[Station] = []

        async def claim(station: Station) -> bool:
            asked.append(station)
            await asyncio.sleep(0)
            return station.id == "CS-2"

        node = forwarding(Forwarder(), claim=claim)
        async with end.listen(node) as server:
            async with dial(server) as raw:
                assert await raw.close_code() == 1008
            assert "CS-1" not in node.stations
            async with dial(server, "/CS-2") as raw:
                raw.send(HEARTBEAT)
                await raw.message()
                assert node.stations["CS-2"] is asked[1]

    end.run(main())


def test_of_two_stations_that_claim_at_the_same_time_one_enters(end: End) -> None:
    async def main() -> None:
        go = asyncio.Event()
        claims: list[Station] = []

        async def claim(station: Station) -> bool:
            claims.append(station)
            await go.wait()
            return True

        node = forwarding(Forwarder(), claim=claim, duplicates="oldest")
        async with end.listen(node) as server, dial(server) as first:
            await until(lambda: len(claims) == 1)
            async with dial(server) as second:
                await until(lambda: len(claims) == 2)
                go.set()
                assert await second.close_code() == 1008
                first.send(HEARTBEAT)
                assert (await first.message())[0] == 3
                assert node.stations["CS-1"] is claims[0]

    end.run(main())


def test_a_station_that_claims_while_the_listener_closes_does_not_enter(memory: End) -> None:
    async def main() -> None:
        go = asyncio.Event()
        claims: list[Station] = []

        async def claim(station: Station) -> bool:
            claims.append(station)
            await go.wait()
            return True

        node = forwarding(Forwarder(), claim=claim)
        station = ChargingStation("CS-1", {"2.0.1": Charger()})

        async def enter() -> None:
            async with memory.connect(station, server):
                await station.call(BOOT)

        async with memory.listen(node) as server:
            entering = asyncio.create_task(enter())
            await until(lambda: claims)
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            go.set()
            with pytest.raises(ocppj.ConnectionLost, match="received 1001"):
                await entering
            await closing
            assert not node.stations

    memory.run(main())


def test_stations_are_a_mapping(memory: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central(), "1.6": object()})
        assert repr(csms) == "<CSMS, OCPP 2.0.1, 1.6, 0 connected>"
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        assert repr(station) == "<ChargingStation 'CS-1', not connected>"
        async with memory.listen(csms) as server, memory.connect(station, server):
            seen = await csms.station("CS-1")
            assert repr(csms) == "<CSMS, OCPP 2.0.1, 1.6, 1 connected>"
            assert repr(station) == "<ChargingStation 'CS-1', OCPP 2.0.1, connected>"
            assert repr(seen) == "<Station 'CS-1', OCPP 2.0.1, connected>"
            assert dict(csms.stations) == {"CS-1": seen}
            assert repr(csms.stations) == "{'CS-1': <Station 'CS-1', OCPP 2.0.1, connected>}"
        assert repr(seen) == "<Station 'CS-1', OCPP 2.0.1, closed>"
        assert repr(station) == "<ChargingStation 'CS-1', not connected>"

    memory.run(main())


SURFACE = {
    CSMS: {"acceptor", "asgi", "call", "events", "frames", "listen", "station"},
    ChargingStation: {
        "call",
        "connect",
        "connected",
        "queue",
        "send",
        "version",
        "wait_connected",
    },
    Server: {"close", "stop"},
    Station: {
        "address",
        "codec",
        "generation",
        "id",
        "node",
        "since",
        "version",
        "call",
        "close",
        "closed",
        "end",
        "handshake",
        "ping",
        "send",
    },
}


@pytest.mark.parametrize("cls", SURFACE)
def test_users_see_no_plumbing(cls: type) -> None:
    assert {name for name in dir(cls) if not name.startswith("_")} == SURFACE[cls]

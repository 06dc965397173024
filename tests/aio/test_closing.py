"""How connections and servers end: frames still handled, waiting for handlers, reasons."""

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj import v21, v201
from ocppj.aio import CSMS, Backoff, ChargingStation, Server
from tests.aio.ends import End, context, until
from tests.aio.wire import CLOSE, NOW, TEXT, UNLOCK, Central, Charger, Raw, dial, frame

GOING = (1001).to_bytes(2)
CALLS = [[2, "a", "Heartbeat", {}], [2, "d", "DataTransfer", {"vendorId": "us"}]]
"""One is handled in a task, one at once."""


class Noting(Central):
    """Notes the ids of what it handles; a Heartbeat waits for the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.handled: list[str] = []
        self.cancelled = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def on_heartbeat(self, station: Any, request: Any) -> v201.HeartbeatResponse:
        self.handled.append("Heartbeat")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return v201.HeartbeatResponse(current_time=NOW)

    def on_data_transfer(self, station: Any, request: Any) -> Any:
        self.handled.append("DataTransfer")
        return super().on_data_transfer(station, request)


async def answers(raw: Raw) -> int:
    """Return how many answers come before the connection ends."""
    count = 0
    try:
        while True:
            kind, _ = await raw.receive()
            count += kind == TEXT
    except (asyncio.IncompleteReadError, ConnectionError):
        return count


def test_after_our_close_no_call_is_handled(end: End) -> None:
    async def main() -> None:
        central = Noting()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server, dial(server) as raw:
            closing = asyncio.create_task((await csms.station("CS-1")).close())
            assert await raw.close_code() == 1000
            for call in CALLS * 3:
                raw.send(call)
            raw.send((1000).to_bytes(2), CLOSE)
            assert await answers(raw) == 0
            raw.writer.close()
            await closing
        assert central.handled == []

    end.run(main())


def test_after_our_close_the_answer_to_our_call_still_counts(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            seen = await csms.station("CS-1")
            call = asyncio.create_task(seen.call(UNLOCK))
            message_id = (await raw.message())[1]
            closing = asyncio.create_task(seen.close())
            await raw.close_code()
            raw.send([3, "other", {}])
            raw.send(b"[garbage")
            raw.send([3, message_id, {"status": "Unlocked"}])
            raw.send((1000).to_bytes(2), CLOSE)
            assert (await call).status == "Unlocked"
            raw.writer.close()
            await closing

    end.run(main())


def test_after_our_close_no_send_is_handled(end: End) -> None:
    async def main() -> None:
        streams = Streams()
        csms = CSMS({"2.1": streams})
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp2.1") as raw:
            closing = asyncio.create_task((await csms.station("CS-1")).close())
            await raw.close_code()
            raw.send(SEND)
            raw.send((1000).to_bytes(2), CLOSE)
            await raw.ended()
            raw.writer.close()
            await closing
        assert streams.handled == 0

    end.run(main())


@pytest.mark.parametrize("calls", [1, 3, 10])
def test_calls_before_the_peers_close_are_handled_if_they_can_be_answered(
    end: End, calls: int
) -> None:
    async def main() -> None:
        central = Noting()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server, dial(server) as raw:
            data = b"".join(
                frame(b'[2,"%d","DataTransfer",{"vendorId":"us"}]' % n) for n in range(calls)
            )
            raw.writer.write(data + frame(GOING, CLOSE))
            assert await answers(raw) == len(central.handled)

    end.run(main())


@pytest.mark.parametrize(
    "ending",
    [
        frame(GOING, CLOSE),
        frame(b"", 3),  # no such kind
        b"\x81\x02[]",  # not masked
        b"\x81\xff" + bytes([0, 0, 0, 0, 1, 0, 0, 0]) + bytes(4),  # too big
    ],
    ids=["close", "opcode", "mask", "size"],
)
def test_frames_after_the_end_are_not_handled(end: End, ending: bytes) -> None:
    async def main() -> None:
        central = Noting()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server, dial(server) as raw:
            call = frame(json.dumps(CALLS[1]).encode())
            raw.writer.write(call * 2 + ending + call * 3)
            assert await answers(raw) == len(central.handled) <= 2

    end.run(main())


def test_an_answer_just_before_the_peers_close_counts(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            call = asyncio.create_task((await csms.station("CS-1")).call(UNLOCK))
            message_id = (await raw.message())[1]
            answer = b'[3,"%b",{"status":"Unlocked"}]' % message_id.encode()
            raw.writer.write(frame(answer) + frame(GOING, CLOSE))
            assert (await call).status == "Unlocked"

    end.run(main())


SEND = [
    6,
    "s",
    "NotifyPeriodicEventStream",
    {"id": 1, "pending": 0, "basetime": NOW.isoformat(), "data": [{"t": 0, "v": "1"}]},
]


class Streams:
    def __init__(self) -> None:
        self.handled = 0

    def on_notify_periodic_event_stream(self, station: Any, request: Any) -> None:
        assert isinstance(request, v21.NotifyPeriodicEventStreamRequest)
        self.handled += 1


def test_a_send_just_before_the_peers_close_is_handled(end: End) -> None:
    async def main() -> None:
        streams = Streams()
        csms = CSMS({"2.1": streams})
        async with end.listen(csms) as server, dial(server, subprotocol="ocpp2.1") as raw:
            raw.send(SEND)
            raw.send(GOING, CLOSE)
            await raw.ended()
        assert streams.handled == 1

    end.run(main())


def test_handlers_at_work_are_cancelled_with_our_close_frame(end: End) -> None:
    async def main() -> None:
        central = Noting()
        central.gate.clear()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(CALLS[0])
            await until(lambda: central.handled)
            seen = await csms.station("CS-1")
            closing = asyncio.create_task(seen.close())
            assert await raw.close_code() == 1000
            await central.cancelled.wait()
            assert not seen.closed  # the peer has not answered yet
            raw.send((1000).to_bytes(2), CLOSE)
            assert await answers(raw) == 0
            raw.writer.close()
            await closing

    end.run(main())


def test_a_graceful_close_waits_for_calls_that_come_meanwhile(end: End) -> None:
    async def main() -> None:
        central = Noting()
        central.gate.clear()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send(CALLS[0])
            await until(lambda: central.handled)
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0.02)
            first, central.gate = central.gate, asyncio.Event()
            raw.send([2, "b", "Heartbeat", {}])
            await until(lambda: len(central.handled) == 2)
            first.set()
            assert (await raw.message())[:2] == [3, "a"]
            central.gate.set()
            assert (await raw.message())[:2] == [3, "b"]
            assert await raw.close_code() == 1001
            raw.send(GOING, CLOSE)
            raw.writer.close()
            await closing

    end.run(main())


def test_a_caller_that_retries_after_reconnecting_does_not_spin(end: End) -> None:
    """`ConnectionLost` comes when the connection is over, not while it ends."""

    async def main() -> None:
        central = Noting()
        csms = CSMS({"2.0.1": central})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        quick = Backoff(minimum=0.01, random_range=0)
        failures, answered = 0, 0

        async def talk() -> None:
            nonlocal failures, answered
            while True:
                try:
                    await station.call(v201.HeartbeatRequest())
                    answered += 1
                except ocppj.ConnectionLost:
                    failures += 1
                    assert failures <= 10
                    await station.wait_connected()

        async with end.listen(csms) as server, end.connect(station, server, backoff=quick):
            talking = asyncio.create_task(talk())
            for closed in range(1, 4):
                await until(lambda before=answered: answered > before)
                await (await csms.station("CS-1")).close()
                await until(lambda closed=closed: failures >= closed or talking.done())
        # The context is left while the station still talks.
        await asyncio.sleep(0.05)
        assert not talking.done()
        talking.cancel()

    end.run(main())


HALF = b"GET /ocpp/CS-1 HTTP/1.1\r\nHost: x\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20)
"""Half of the first message of a TLS handshake."""


@asynccontextmanager
async def knocking(port: int, *said: bytes, tls: ssl.SSLContext | None = None) -> Any:
    """Peers that have said so much and no more."""
    raws = []
    for data in said:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(data)
        raws.append(Raw(reader, writer))
    await asyncio.sleep(0.05)  # until it has been read
    try:
        yield raws
    finally:
        for raw in raws:
            raw.abort()


async def dropped(raws: list[Raw], server: Server) -> float:
    """Close a server; return after how many seconds that is done and all peers are dropped."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.gather(server.close(), *(raw.ended() for raw in raws))
    return loop.time() - start


def test_closing_drops_peers_without_a_complete_request(end: End) -> None:
    async def main() -> None:
        async with (
            end.listen(CSMS({"2.0.1": Central()})) as server,
            knocking(server.port, b"", HALF, HALF[:3]) as raws,
        ):
            assert await dropped(raws, server) < 1

    end.run(main())


def test_closing_drops_peers_in_a_tls_handshake(end: End, certificates: Path) -> None:
    serving = context(certificates, "server", ssl.Purpose.CLIENT_AUTH)
    dialling = context(certificates, None, ssl.Purpose.SERVER_AUTH)

    async def main() -> None:
        async with (
            end.listen(CSMS({"2.0.1": Central()}), ssl=serving) as server,
            knocking(server.port, b"", HELLO) as early,
            knocking(server.port, b"", HALF, tls=dialling) as late,
        ):
            assert await dropped(early + late, server) < 1

    end.run(main())


def test_a_tls_handshake_that_is_never_finished_ends(end: End, certificates: Path) -> None:
    serving = context(certificates, "server", ssl.Purpose.CLIENT_AUTH)

    async def main() -> None:
        listen = end.listen(CSMS({"2.0.1": Central()}), ssl=serving, ssl_handshake_timeout=0.1)
        async with listen as server, knocking(server.port, b"", HELLO) as raws:
            await asyncio.gather(*(raw.ended() for raw in raws))

    end.run(main())


def test_tls_needs_a_context(end: End) -> None:
    async def main() -> None:
        for options in ({"ssl": True}, {"ssl_handshake_timeout": 1}):
            with pytest.raises((TypeError, ValueError), match="ssl"):
                async with end.listen(CSMS({"2.0.1": Central()}), **options):
                    raise AssertionError

    end.run(main())


def test_closing_rejects_stations_whose_check_is_pending(end: End) -> None:
    asked: list[str] = []

    async def never(name: str) -> bool:
        asked.append(name)
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        async with end.listen(CSMS({"2.0.1": Central()}), known=never) as server:

            async def come() -> tuple[int, int | None]:
                async with dial(server) as raw:
                    return raw.status, await raw.close_code() if raw.status == 101 else None

            coming = [asyncio.create_task(come()) for _ in range(3)]
            await until(lambda: len(asked) == 3)
            assert await dropped([], server) < 1
            answer = (503, None) if end.transport == "websockets" else (101, 1001)
            assert await asyncio.gather(*coming) == [answer] * 3

    end.run(main())


def test_closing_drops_half_open_peers_and_closes_others_cleanly(end: End) -> None:
    async def main() -> None:
        central = Noting()
        central.gate.clear()
        csms = CSMS({"2.0.1": central})
        async with (
            end.listen(csms) as server,
            dial(server) as raw,
            knocking(server.port, b"", HALF) as raws,
        ):
            raw.send(CALLS[0])
            await until(lambda: central.handled)
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0.05)
            central.gate.set()
            assert (await raw.message())[:2] == [3, "a"]
            assert await raw.close_code() == 1001
            raw.send(GOING, CLOSE)
            raw.writer.close()
            await asyncio.gather(closing, *(peer.ended() for peer in raws))

    end.run(main())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "received 1005"),
        ((1001).to_bytes(2), "received 1001"),
        ((4000).to_bytes(2) + b"bye", "received 4000 .*bye"),
    ],
)
def test_a_late_call_raises_with_the_close_code_of_the_peer(
    end: End, payload: bytes, reason: str
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            seen = await csms.station("CS-1")
            raw.send(payload, CLOSE)
            await raw.receive()
            raw.writer.close()
            await until(lambda: seen.closed)
            with pytest.raises(ocppj.ConnectionLost, match=reason):
                await seen.call(UNLOCK)

    end.run(main())

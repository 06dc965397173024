"""The table of subjects, from the side of a program that knows nothing but NATS and JSON.

No test here uses `Worker`, `Fleet` or `RemoteStation`: what they do, any language can do.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.aio.client import Client as PlainClient
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

import ocppj
from ocppj import v201
from tests.aio.ends import End, until
from tests.aio.wire import Raw, dial
from tests.fleet.parts import BOOT, UNLOCK, Wallbox, system
from tests.fleet.server import NatsServer

NOTICE = v201.SecurityEventNotificationRequest(type="x", timestamp=datetime(2026, 1, 1, tzinfo=UTC))
BOOTED = {"currentTime": "2026-01-02T03:04:05Z", "interval": 9, "status": "Accepted"}


async def bare_worker(client: PlainClient, prefix: str) -> list[Msg]:
    """A worker of twelve lines: it answers each BootNotification and notes what it got."""
    seen = []

    async def handle(message: Msg) -> None:
        seen.append(message)
        frame = json.loads(message.data)
        if frame[0] == 2:
            answer: list[Any] = [4, frame[1], "NotImplemented", "", {}]
            if frame[2] == "BootNotification":
                answer = [3, frame[1], BOOTED]
            await message.respond(json.dumps(answer).encode())

    await client.subscribe(f"{prefix}.up.*.*.*", "workers", cb=handle)
    await client.flush()
    return seen


async def reached(request: Callable[[], Awaitable[Msg]]) -> Msg:
    """Repeat a request until a node listens: it does so a moment after it has claimed a station."""
    for pause in (0.01, 0.05, 0.25, 1):
        try:
            return await request()
        except NoRespondersError:
            await asyncio.sleep(pause)
    return await request()


async def command(
    client: PlainClient, prefix: str, payload: Any, name: str = "CS-1", **headers: Any
) -> tuple[str, Any]:
    """Send a command as a bare client does; return the status and the payload of the reply."""
    values = {f"Ocpp-{key.capitalize()}": str(value) for key, value in headers.items()}
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    reply = await reached(lambda: client.request(f"{prefix}.call.{name}", data, 5, headers=values))
    assert reply.headers
    return reply.headers["Ocpp-Status"], json.loads(reply.data) if reply.data else None


def test_a_bare_worker_answers_stations_and_calls_one(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            seen = await bare_worker(client, prefix)
            wallbox = Wallbox()
            station = await parts.station(node, "CS 1.ä", wallbox)
            assert (await station.call(BOOT)).interval == 9
            with pytest.raises(ocppj.CallFailed, match="NotImplemented"):
                await station.call(NOTICE)
            asked = await command(
                client,
                prefix,
                {"evseId": 1, "connectorId": 1},
                "CS%201%2E%C3%A4",
                action="UnlockConnector",
                timeout=5,
            )
            assert asked == ("result", {"status": "Unlocked"})
            assert wallbox.seen == [UNLOCK]
            assert len(seen) == 2

    end.run(main())


def test_up(nats: NatsServer, prefix: str, end: End) -> None:
    """`<prefix>.up.<version>.<station>.<action>`: the frame untouched, and what is said of it."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            seen = await bare_worker(await parts.plain(), prefix)
            async with dial(node.server, "/ocpp/CS%201") as raw:
                text = (
                    b'[2, "17",\t"BootNotification", {"reason":"PowerUp","chargingStation":'
                    b'{"model":"\\u004d","vendorName":"V"} }]'
                )
                raw.send(text)
                assert await raw.message() == [3, "17", BOOTED]
                (message,) = seen
                assert message.data == text
                assert message.subject == f"{prefix}.up.v201.CS%201.BootNotification"
                headers = message.headers
                assert headers
                assert headers["Ocpp-Station"] == "CS 1"
                generation = node.gateway.generation("CS 1")
                assert int(headers["Ocpp-Generation"]) == generation > 0
                left = int(headers["Ocpp-Deadline"]) / 1000 - time.time()
                assert 15 < left <= 20
                assert "Ocpp-Violations" not in headers

    end.run(main())


def test_what_a_policy_has_tolerated_is_said(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        lenient = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(codecs={"2.0.1": lenient})
            seen = await bare_worker(await parts.plain(), prefix)
            async with dial(node.server) as raw:
                box = {"model": "M", "vendorName": "V", "x\r\ny": None}
                raw.send(
                    [2, "1", "BootNotification", {"reason": "powerup", "chargingStation": box}]
                )
                assert (await raw.message())[0] == 3
                headers = seen[0].headers
                assert headers
                assert headers["Ocpp-Violations"] == "letter_case,unknown_field"

    end.run(main())


def test_a_send_has_no_reply(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            seen = await bare_worker(await parts.plain(), prefix)
            async with dial(node.server, subprotocol="ocpp2.1") as raw:
                data = {"t": 1.5, "v": "1"}
                payload = {
                    "id": 1,
                    "pending": 0,
                    "basetime": "2026-01-01T00:00:00Z",
                    "data": [data],
                }
                raw.send([6, "1", "NotifyPeriodicEventStream", payload])
                await until(lambda: seen)
                assert not seen[0].reply
                assert seen[0].subject == f"{prefix}.up.v21.CS-1.NotifyPeriodicEventStream"

    end.run(main())


async def answering(raw: Raw, answer: Any) -> Any:
    """Answer the next call of a CSMS."""
    call = await raw.message()
    if answer is not None:
        raw.send([answer[0], call[1], *answer[1:]])
    return call


CALLS: dict[str, tuple[Any, dict[str, Any], Any, str, Any]] = {
    # what is sent, its headers, what the station answers, the status, the payload of the reply
    "result": (
        {"evseId": 1, "connectorId": 1},
        {},
        [3, {"status": "Unlocked"}],
        "result",
        {"status": "Unlocked"},
    ),
    "error": (
        {"evseId": 1, "connectorId": 1},
        {},
        [4, "InternalError", "stuck", {"a": [1]}],
        "error",
        {"code": "InternalError", "description": "stuck", "details": {"a": [1]}},
    ),
    "error without details": (
        {"evseId": 1, "connectorId": 1},
        {},
        [4, "NotSupported", "", {}],
        "error",
        {"code": "NotSupported"},
    ),
    "an answer that is not valid": (
        {"evseId": 1, "connectorId": 1},
        {},
        [3, {"status": "Ajar"}],
        "error",
        {
            "code": "PropertyConstraintViolation",
            "path": "$.status",
            "description": "not one of the values of the enum",
        },
    ),
    "timeout": ({"evseId": 1, "connectorId": 1}, {"timeout": 0.05}, None, "timeout", {}),
}


@pytest.mark.parametrize("case", CALLS)
def test_call(nats: NatsServer, prefix: str, end: End, case: str) -> None:
    """`<prefix>.call.<station>`: what the station says, as a status and a payload."""

    async def main() -> None:
        payload, headers, answer, status, reply = CALLS[case]
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            async with dial(node.server) as raw:
                await until(lambda: node.gateway.generation("CS-1"))
                headers = {"action": "UnlockConnector", "timeout": 5, **headers}
                asked = asyncio.create_task(command(client, prefix, payload, **headers))
                call = await answering(raw, answer)
                assert call[2:] == ["UnlockConnector", payload]
                found, body = await asked
                assert found == status
                if "description" in reply:
                    assert reply["description"] in body["description"]
                    body["description"] = reply["description"]
                assert body == reply

    end.run(main())


INVALID: dict[str, tuple[Any, dict[str, Any], str | None]] = {
    "a field is missing": ({"evseId": 1}, {}, "$"),
    "a field has another type": ({"evseId": "x", "connectorId": 1}, {}, "$.evseId"),
    "unknown action": ({}, {"action": "Unlock"}, None),
    "no action": ({}, {"action": ""}, None),
    "a station's action": ({}, {"action": "Heartbeat"}, None),
    "not JSON": (b"{", {}, None),
    "two payloads": (b'{"evseId":1,"connectorId":1},{}', {}, None),
    "the end of the frame": (b'{}],["', {}, None),
    "deep": (b"[" * 5000 + b"]" * 5000, {}, None),
    "large": (b'{"x":"' + b"x" * 200_000 + b'"}', {}, None),
    "no UTF-8": (b'{"evseId":"\xff"}', {}, None),
    "no number": ({}, {"timeout": "soon"}, None),
    "not a number": ({}, {"timeout": "nan"}, None),
    "negative": ({}, {"timeout": -1}, None),
    "for ever": ({}, {"timeout": "inf"}, None),
    "no time": ({}, {"deadline": "9" * 400}, None),
    "close code": (b"", {"close": 99}, None),
    "close code no number": (b"", {"close": "x"}, None),
    "long reason": (b"x" * 124, {"close": 1000}, None),
    "reason no UTF-8": (b"\xff", {"close": 1000}, None),
}


@pytest.mark.parametrize("case", INVALID)
def test_a_command_that_is_not_valid(nats: NatsServer, prefix: str, end: End, case: str) -> None:
    """The station does not see it, and its sender is told where it is wrong."""

    async def main() -> None:
        payload, headers, path = INVALID[case]
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            async with dial(node.server) as raw:
                await until(lambda: node.gateway.generation("CS-1"))
                headers = {"action": "UnlockConnector", "timeout": 5, **headers}
                status, body = await command(client, prefix, payload, **headers)
                assert status == "invalid"
                assert body["description"]
                assert path is None or body["path"] == path
                # The next thing that it sees is a command that is right.
                asked = asyncio.create_task(command(client, prefix, {}, action="ClearCache"))
                assert (await answering(raw, [3, {"status": "Accepted"}]))[2] == "ClearCache"
                assert (await asked)[0] == "result"

    end.run(main())


def test_a_command_for_another_generation_is_gone(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            async with dial(node.server) as raw:
                await until(lambda: node.gateway.generation("CS-1"))
                generation = node.gateway.generation("CS-1")
                for other in (generation - 1, generation + 1, "x"):
                    asked = await command(client, prefix, {}, action="ClearCache", generation=other)
                    assert asked[0] == "gone"
                right = asyncio.create_task(
                    command(client, prefix, b"", action="ClearCache", generation=generation)
                )
                await answering(raw, [3, {"status": "Accepted"}])
                assert (await right)[0] == "result"

    end.run(main())


def test_a_command_comes_too_late(nats: NatsServer, prefix: str, end: End) -> None:
    """With a deadline it is not sent however long it was on its way."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            async with dial(node.server):
                await until(lambda: node.gateway.generation("CS-1"))
                past = int(time.time() * 1000) - 1
                asked = await command(client, prefix, {}, action="ClearCache", deadline=past)
                assert asked[0] == "timeout"

    end.run(main())


def test_nobody_answers_for_an_absent_station(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            await parts.gateway()
            client = await parts.plain()
            start = time.perf_counter()
            with pytest.raises(NoRespondersError):
                await client.request(f"{prefix}.call.CS-1", b"{}", timeout=5)
            assert time.perf_counter() - start < 0.5

    end.run(main())


def test_busy(nats: NatsServer, prefix: str, end: End) -> None:
    """More commands than a station's queue has room for, and more than the node takes."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(max_waiting=1, max_commands=3)
            client = await parts.plain()
            async with dial(node.server), dial(node.server, "/CS-2"):
                await until(lambda: node.gateway.generation("CS-2"))
                await until(lambda: node.gateway.generation("CS-1"))
                values = {"action": "ClearCache", "timeout": 0.5}
                first = [
                    asyncio.create_task(command(client, prefix, {}, **values)) for _ in range(3)
                ]
                done, _ = await asyncio.wait(first, timeout=0.2)
                (over,) = done
                assert over.result()[0] == "busy"
                assert "queued" in over.result()[1]["description"]
                more = [
                    asyncio.create_task(command(client, prefix, {}, "CS-2", **values))
                    for _ in range(2)
                ]
                done, _ = await asyncio.wait(more, timeout=0.2)
                (over,) = done
                assert over.result()[0] == "busy"
                assert "3 commands" in over.result()[1]["description"]
                await asyncio.gather(*first, *more)

    end.run(main())


def test_close(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            async with dial(node.server) as raw:
                await until(lambda: node.gateway.generation("CS-1"))
                assert (await command(client, prefix, b"bye", close=1001))[0] == "result"
                assert await raw.close_code() == 1001

    end.run(main())


def test_event(nats: NatsServer, prefix: str, end: End) -> None:
    """`<prefix>.event.<station>`: to whoever wants to know."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            events = await client.subscribe(f"{prefix}.event.*")
            await client.flush()
            async with dial(node.server):
                await until(lambda: node.gateway.generation("CS-1"))
                generation = node.gateway.generation("CS-1")
            for what in ("connected", "disconnected"):
                message = await events.next_msg()
                assert message.subject == f"{prefix}.event.CS-1"
                event = json.loads(message.data)
                moment = datetime.fromisoformat(event.pop("time"))
                assert abs((datetime.now(UTC) - moment).total_seconds()) < 10
                reason = event.pop("reason")
                assert bool(reason) == (what == "disconnected")
                assert event == {
                    "event": what,
                    "station": "CS-1",
                    "node": node.gateway.node,
                    "version": "2.0.1",
                    "generation": generation,
                }

    end.run(main())


def test_node(nats: NatsServer, prefix: str, end: End) -> None:
    """`<prefix>.node.<node>`: a node asks another one to give up a connection."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(duplicates="newest")
            client = await parts.plain()
            subject = f"{prefix}.node.{node.gateway.node}"

            async def kick(data: bytes) -> Any:
                reply = await client.request(subject, data, timeout=2)
                return json.loads(reply.data)

            async with dial(node.server) as raw:
                await until(lambda: node.gateway.generation("CS-1"))
                generation = node.gateway.generation("CS-1")
                older = {"station": "CS-1", "generation": generation - 1}
                assert await kick(json.dumps(older).encode()) == {"stays": False}
                assert "CS-1" in node.gateway.stations
                for data in (b"", b"{}", b"[", b'{"station":"CS-1","generation":"1"}'):
                    with pytest.raises(NatsTimeout):
                        await client.request(subject, data, timeout=0.02)
                this = {"station": "CS-1", "generation": generation}
                assert await kick(json.dumps(this).encode()) == {"stays": False}
                assert await raw.close_code() == 1008
                assert "CS-1" not in node.gateway.stations

    end.run(main())


def test_presence(nats: NatsServer, prefix: str, end: End) -> None:
    """The buckets, as any client of JetStream reads them."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            client = await parts.plain()
            stations = await client.jetstream().key_value(f"{prefix}_stations")
            nodes = await client.jetstream().key_value(f"{prefix}_nodes")
            async with dial(node.server):
                await until(lambda: node.gateway.generation("CS-1"))
                entry = await stations.get("CS-1")
                assert entry.revision == node.gateway.generation("CS-1")
                found = json.loads(entry.value or b"")
                assert found["node"] == node.gateway.node
                assert found["version"] == "2.0.1"
                assert datetime.fromisoformat(found["since"])
                alive = json.loads((await nodes.get(node.gateway.node)).value or b"")
                assert alive["lease"] == 10

    end.run(main())

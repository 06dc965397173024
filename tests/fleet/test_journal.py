"""Stored actions: acknowledged once they are stored, handled at least once."""

import asyncio
import json
from typing import Any

import pytest

from ocppj import v201
from ocppj.fleet import Broker, Gateway, Worker
from ocppj.fleet import journal as module
from tests.aio.ends import End, until
from tests.aio.wire import Raw, dial
from tests.fleet.parts import VERSIONS, system
from tests.fleet.server import NatsServer
from tests.fleet.test_hostile import Box

STORED = {"MeterValues", "StatusNotification"}
SMALL = 2**20


def status(connector: int, message_id: str = "1") -> list[Any]:
    payload = {
        "timestamp": "2026-01-01T00:00:00Z",
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": connector,
    }
    return [2, message_id, "StatusNotification", payload]


class Keeper:
    """Notes the connectors that it hears of; fails the first times if asked to."""

    def __init__(self, failures: int = 0) -> None:
        self.seen: list[int] = []
        self.failures = failures

    async def on_status_notification(self, station: Any, request: Any) -> Any:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ValueError("not now")
        self.seen.append(request.connector_id)
        return v201.StatusNotificationResponse()


async def stored(raw: Raw, *frames: list[Any]) -> None:
    for frame in frames:
        raw.send(frame)
        assert await raw.message() == [3, frame[1], {}]


async def waiting(broker: Broker) -> int:
    info = await broker.api(f"STREAM.INFO.{broker.subjects.journal}")
    return int(info["state"]["messages"])


def test_a_stored_call_needs_no_worker(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            broker = await parts.broker()
            async with dial(node.server) as raw:
                await stored(raw, *(status(n, str(n)) for n in range(5)))
                assert await waiting(broker) == 5
                raw.send([2, "9", "Authorize", {"idToken": {"idToken": "A", "type": "Central"}}])
                assert (await raw.message())[0] == 4  # this one needs a worker
            keepers = [Keeper(), Keeper()]
            for keeper in keepers:
                await parts.worker(keeper)
            await until(lambda: sum(len(keeper.seen) for keeper in keepers) == 5)
            while await waiting(broker):  # noqa: ASYNC110  no event tells of it
                await asyncio.sleep(0.01)
            assert sorted(n for keeper in keepers for n in keeper.seen) == list(range(5))

    end.run(main())


def test_an_id_that_is_used_again_with_another_payload_is_not_dropped(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            broker = await parts.broker()
            keeper = Keeper()
            async with dial(node.server) as raw, dial(node.server, "/CS-2") as other:
                # A frame that is repeated, as a station does that did not get our answer.
                await stored(raw, status(1), status(1))
                await stored(raw, status(2), status(1, "2"))
                await stored(other, status(1))
                assert await waiting(broker) == 4
                await parts.worker(keeper)
                await until(lambda: len(keeper.seen) == 4)
                assert sorted(keeper.seen) == [1, 1, 1, 2]

    end.run(main())


def test_a_frame_comes_again_until_it_is_handled(
    nats: NatsServer,
    prefix: str,
    end: End,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.05)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            broker = await parts.broker()
            keeper = Keeper(failures=3)
            await parts.worker(keeper)
            async with dial(node.server) as raw:
                await stored(raw, status(7))
                await until(lambda: keeper.seen)
                while await waiting(broker):  # noqa: ASYNC110  no event tells of it
                    await asyncio.sleep(0.01)
                assert (keeper.seen, keeper.failures) == ([7], 0)

    end.run(main())
    assert caplog.text.count("ValueError: not now") == 1
    caplog.clear()


def test_a_worker_without_a_handler_leaves_it_to_others(
    nats: NatsServer,
    prefix: str,
    end: End,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_DELAY", 0.02)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            await parts.worker({"2.0.1": object(), "1.6": object()})
            async with dial(node.server) as raw:
                await stored(raw, status(7))
                await asyncio.sleep(0.1)
                keeper = Keeper()
                await parts.worker(keeper)
                await until(lambda: keeper.seen)

    end.run(main())
    caplog.clear()


def test_nothing_is_acknowledged_that_is_not_stored(
    own_nats: NatsServer, prefix: str, end: End, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream is full, or gone, or the broker is."""

    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=2000)
            broker = await parts.broker()
            async with dial(node.server) as raw:
                answers = []
                for number in range(20):
                    raw.send(status(number))
                    answers.append((await raw.message())[0])
                kept = answers.count(3)
                assert 0 < kept < 20
                assert answers == [3] * kept + [4] * (20 - kept)
                assert await waiting(broker) == kept  # the old ones are not thrown out
                await broker.api(f"STREAM.DELETE.{broker.subjects.journal}")
                raw.send(status(1))
                assert (await raw.message())[2] == "InternalError"
                own_nats.stop()
                raw.send(status(1))
                assert (await raw.message())[2] == "InternalError"

    end.run(main())
    caplog.clear()


def test_what_is_stored_survives_the_broker(own_nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(own_nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            keeper = Keeper()
            async with dial(node.server) as raw:
                await stored(raw, *(status(n, str(n)) for n in range(50)))
                own_nats.stop()
                await until(lambda: not node.gateway.ready)
                own_nats.start()
                await parts.worker(keeper)
                await until(lambda: len(keeper.seen) >= 50)
                assert set(keeper.seen) == set(range(50))

    end.run(main())


def test_a_worker_is_there_before_the_stream(
    nats: NatsServer, prefix: str, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.05)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            keeper = Keeper()
            await parts.worker(keeper)
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            async with dial(node.server) as raw:
                await stored(raw, status(1))
                await until(lambda: keeper.seen)

    end.run(main())


def test_a_bare_worker_reads_the_stream(nats: NatsServer, prefix: str, end: End) -> None:
    """The contract for other languages: a durable pull consumer of JetStream."""

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            client = await parts.plain()
            frames = await client.jetstream().pull_subscribe(
                f"{prefix}.journal.v201.*.*", "workers_v201", f"{prefix}_journal"
            )
            async with dial(node.server, "/CS%201") as raw:
                await stored(raw, status(3))
                (message,) = await frames.fetch(1)
                assert message.subject == f"{prefix}.journal.v201.CS%201.StatusNotification"
                assert json.loads(message.data) == status(3)
                assert message.headers
                assert message.headers["Ocpp-Station"] == "CS 1"
                await message.ack()

    end.run(main())


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ("Nonsense", "no action 'Nonsense'"),
        ("BootNotification", "the response to BootNotification is not empty"),
        ("UnlockConnector", "UnlockConnector is not a call of a station"),
        ("NotifyPeriodicEventStream", "not a call of a station"),
    ],
)
def test_what_cannot_be_stored(action: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Gateway(VERSIONS, Box(), stored=[action])


def test_keys_are_of_one_frame() -> None:
    frames = [b'[2,"1","A",{}]', b'[2,"1","A",{"a":1}]', b'[2,"2","A",{}]']
    keys = {
        module.frame_key(station, str(n), frame)
        for station in ("CS-1", "CS-2")
        for n, frame in enumerate(frames)
    }
    assert len(keys) == 6
    hostile = module.frame_key("CS-1", "a\r\nb: c", b"")
    assert hostile.isascii()
    assert hostile.isprintable()
    assert " " not in hostile


def test_a_worker_may_leave_what_is_stored(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(stored=STORED, journal_size=SMALL)
            keeper, later = Keeper(), Keeper()
            broker = await parts.broker()
            async with dial(node.server) as raw:
                async with Worker({"2.0.1": keeper}, broker, stored=False):
                    await stored(raw, status(1))
                    await asyncio.sleep(0.1)
                assert not keeper.seen
                async with Worker({"2.0.1": later}, broker):
                    await until(lambda: later.seen)

    end.run(main())

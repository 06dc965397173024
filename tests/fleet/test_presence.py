"""The buckets: who may write what, and how changes are followed."""

import asyncio
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client as PlainClient
from nats.js.errors import KeyNotFoundError

from ocppj.fleet import Broker, connect
from ocppj.fleet.presence import NodeRecord, Presence, StationRecord
from ocppj.fleet.watch import Change, Watch
from tests.fleet.server import NatsServer
from tests.fleet.test_broker import run, until

SINCE = datetime(2026, 11, 24, tzinfo=UTC)
RECORD = StationRecord("n1", "2.0.1", SINCE, "10.0.0.1:5")


async def opened(broker: Broker, lease: float = 10.0) -> Presence:
    presence = Presence(broker, lease)
    await presence.ensure()
    return presence


def test_an_entry_changes_only_at_the_revision_that_its_owner_wrote(
    nats: NatsServer, prefix: str
) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            assert await presence.find("CS-1") == (None, 0)
            first = await presence.claim("CS-1", RECORD, 0)
            assert first
            assert await presence.find("CS-1") == (RECORD, first)
            assert await presence.claim("CS-1", RECORD, 0) is None
            other = StationRecord("n2", "1.6", SINCE)
            second = await presence.claim("CS-1", other, first)
            assert second
            assert second > first
            # The old owner, back from a partition, can neither delete nor write.
            assert not await presence.release("CS-1", first)
            assert await presence.claim("CS-1", RECORD, first) is None
            assert await presence.find("CS-1") == (other, second)
            assert await presence.release("CS-1", second, "why")
            found, revision = await presence.find("CS-1")
            assert found is None
            assert revision > second
            third = await presence.claim("CS-1", RECORD, revision)
            assert third
            assert third > revision

    run(main())


def test_generations_grow_over_all_stations(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            claims = [await presence.claim(f"CS-{n % 7}", RECORD, 0) for n in range(7)]
            assert claims == sorted(claims, key=lambda one: one or 0)

    run(main())


def test_other_clients_see_a_bucket(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        client = PlainClient()
        await client.connect(nats.url)
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            revision = await presence.claim("CS-1", RECORD, 0)
            bucket = await client.jetstream().key_value(f"{prefix}_stations")
            entry = await bucket.get("CS-1")
            assert entry.revision == revision
            assert entry.value == (
                b'{"node":"n1","version":"2.0.1","since":"2026-11-24T00:00:00Z",'
                b'"address":"10.0.0.1:5"}'
            )
            await presence.release("CS-1", revision or 0)
            with pytest.raises(KeyNotFoundError):
                await bucket.get("CS-1")
        await client.close()

    run(main())


def test_what_is_left_of_a_deleted_entry_can_be_removed(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            first = await presence.claim("CS-1", RECORD, 0) or 0
            await presence.release("CS-1", first)
            _, deletion = await presence.find("CS-1")
            second = await presence.claim("CS-1", RECORD, deletion) or 0
            await presence.forget("CS-1", deletion)
            assert await presence.find("CS-1") == (RECORD, second)
            await presence.release("CS-1", second)
            _, deletion = await presence.find("CS-1")
            await presence.forget("CS-1", deletion)
            assert await presence.find("CS-1") == (None, 0)

    run(main())


def test_an_entry_of_another_form_counts_as_none(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            for value in (b"", b"[]", b'{"node":1}', b"\xff", b'{"node":"n1"}'):
                revision, _ = await broker.store(f"$KV.{prefix}_stations.CS-1", value)
                assert await presence.find("CS-1") == (None, revision)

    run(main())


def test_a_node_that_does_not_renew_expires(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker, 0.3)
            await presence.renew("n1", NodeRecord(0.3, SINCE))
            state = await broker.api(f"STREAM.INFO.KV_{prefix}_nodes")
            assert state["state"]["messages"] == 1
            await asyncio.sleep(0.8)
            state = await broker.api(f"STREAM.INFO.KV_{prefix}_nodes")
            assert state["state"]["messages"] == 0

    run(main())


def test_the_lease_is_that_of_the_fleet(
    nats: NatsServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            await opened(broker, 5)
            assert (await opened(broker, 7)).lease == 5

    run(main())
    assert "have a lease of 5 s, not 7" in caplog.text
    caplog.clear()


def keys(changes: list[Change]) -> list[tuple[str, bool]]:
    return [(change.key, change.deleted) for change in changes]


def test_a_watch_reports_what_there_is_and_each_change(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            first = await presence.claim("A", RECORD, 0) or 0
            gone = await presence.claim("B", RECORD, 0) or 0
            await presence.release("B", gone)
            changes: list[Change] = []
            watch = Watch(broker, f"{prefix}_stations", changes.append)
            await watch.start()
            assert keys(changes) == [("A", False)]
            await presence.claim("C", RECORD, 0)
            await presence.release("A", first, "left")
            await until(lambda: len(changes) == 3)
            assert keys(changes)[1:] == [("C", False), ("A", True)]
            assert changes[2].value == b'{"reason":"left"}'
            await watch.close()
            await presence.claim("D", RECORD, 0)
            await broker.flush()
            assert len(changes) == 3

    run(main())


def test_a_watch_of_an_empty_bucket_is_synced(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            await opened(broker)
            watch = Watch(broker, f"{prefix}_stations", lambda _: None)
            await watch.start()
            await watch.close()

    run(main())


def test_a_watch_reads_again_what_it_has_missed(own_nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with (
            connect(own_nats.url, prefix=prefix) as broker,
            connect(own_nats.url, prefix=prefix) as other,
        ):
            presence = await opened(broker)
            first = await presence.claim("A", RECORD, 0) or 0
            changes: list[Change] = []
            watch = Watch(other, f"{prefix}_stations", changes.append)
            await watch.start()
            await other._client.force_reconnect()
            await presence.release("A", first)
            await presence.claim("B", RECORD, 0)
            await until(lambda: len(changes) == 3)
            assert sorted(keys(changes)[1:]) == [("A", True), ("B", False)]
            own_nats.stop()
            await until(lambda: not broker.connected and not other.connected)
            own_nats.start()
            await until(lambda: broker.connected)
            await presence.claim("C", RECORD, 0)
            await until(lambda: len(changes) == 4)
            assert keys(changes)[3:] == [("C", False)]
            await watch.close()

    run(main())


def test_a_gap_makes_a_watch_read_again(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url, prefix=prefix) as broker:
            presence = await opened(broker)
            changes: list[Change] = []
            watch = Watch(broker, f"{prefix}_stations", changes.append)
            await watch.start()
            watch._next += 1  # as if a message were lost
            await presence.claim("A", RECORD, 0)
            await until(lambda: changes)
            assert keys(changes) == [("A", False)]
            await watch.close()

    run(main())

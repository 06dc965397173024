"""What a station keeps until its CSMS has acknowledged it."""

import asyncio
import itertools
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj.aio import (
    CSMS,
    Backoff,
    ChargingStation,
    Outbox,
    OutboxFull,
    OutboxStore,
    SQLiteStore,
    StoredRequest,
)
from ocppj.aio.outbox import is_expendable
from ocppj.testing import connected
from tests.aio.ends import End, until
from tests.aio.outbox_crash import event
from tests.aio.wire import BOOT, NOW, Charger

QUICK = Backoff(minimum=0.01, random_range=0.01)
UPDATED = v201.TransactionEventEnumType.UPDATED


class Central:
    """A CSMS that notes which events it got, and fails as often as it is told to."""

    def __init__(self, *failures: Any) -> None:
        self.seen: list[int] = []
        self.failures = list(failures)
        self.status = v201.RegistrationStatusEnumType.ACCEPTED

    async def on_transaction_event(self, station: Any, request: Any) -> Any:
        self.seen.append(request.seq_no)
        failure = self.failures.pop(0) if self.failures else None
        if failure == "hang":
            await asyncio.Event().wait()
        if failure is not None:
            raise failure
        return v201.TransactionEventResponse()

    def on_boot_notification(self, station: Any, request: Any) -> Any:
        return v201.BootNotificationResponse(current_time=NOW, interval=1, status=self.status)

    def on_heartbeat(self, station: Any, request: Any) -> Any:
        return v201.HeartbeatResponse(current_time=NOW)


def update(number: int) -> v201.TransactionEventRequest:
    return msgspec.structs.replace(event(number), event_type=UPDATED)


def station_with(outbox: Outbox, handlers: Any = None, **options: Any) -> ChargingStation:
    return ChargingStation("CS-1", handlers or {"2.0.1": Charger()}, outbox=outbox, **options)


def run(main: Any) -> None:
    End("websockets").run(main)


def test_what_was_queued_offline_arrives_in_order(end: End, tmp_path: Path) -> None:
    async def main() -> None:
        central = Central()
        csms = CSMS({"2.0.1": central})
        async with Outbox(tmp_path / "outbox.db", boot_first=False) as outbox:
            station = station_with(outbox)
            for number in (1, 2, 3):
                await station.queue(event(number))
            assert await outbox.count() == 3
            async with end.listen(csms) as server, end.connect(station, server):
                await outbox.join()
                await station.queue(event(4))  # connected: at once
                await outbox.join()
            assert central.seen == [1, 2, 3, 4]
            assert await outbox.count() == 0

    end.run(main())


def test_a_request_whose_connection_was_lost_is_sent_again(end: End, tmp_path: Path) -> None:
    async def main() -> None:
        central, ids = Central("hang"), []
        csms = CSMS({"2.0.1": central}, tap=lambda frame: ids.append(call_id(frame.data)))
        async with Outbox(tmp_path / "outbox.db", boot_first=False) as outbox:
            station = station_with(outbox)
            async with end.listen(csms) as server, end.connect(station, server, backoff=QUICK):
                await station.queue(event(1))
                await station.queue(event(2))
                await until(lambda: central.seen == [1])
                await csms.stations["CS-1"].close()
                await outbox.join()
            assert central.seen == [1, 1, 2]
            first, repeated, other = filter(None, ids)
            assert first == repeated != other

    end.run(main())


def call_id(data: bytes) -> str:
    frame = msgspec.json.decode(data)
    return frame[1] if frame[0] == 2 else ""


def test_nothing_is_sent_before_the_station_is_accepted() -> None:
    async def main() -> None:
        central = Central()
        central.status = v201.RegistrationStatusEnumType.PENDING
        async with Outbox(":memory:") as outbox:
            station = station_with(outbox)
            await station.queue(event(1))
            async with connected(CSMS({"2.0.1": central}), station) as wire:
                await station.call(v201.HeartbeatRequest())
                await station.call(BOOT)
                await asyncio.sleep(0.05)
                assert wire.actions == ["Heartbeat"] * 2 + ["BootNotification"] * 2
                central.status = v201.RegistrationStatusEnumType.ACCEPTED
                await station.call(BOOT)
                await outbox.join()
                central.status = v201.RegistrationStatusEnumType.REJECTED
                await station.call(BOOT)
                await station.queue(event(2))
                await asyncio.sleep(0.05)
            assert central.seen == [1]
            assert await outbox.count() == 1

    run(main())


@pytest.mark.parametrize("failure", [ocppj.CallRefused("InternalError"), ValueError(), "hang"])
def test_a_request_that_fails_is_repeated_then_dropped(
    failure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "ocppj.aio")

    async def main() -> None:
        loop, times, dropped = asyncio.get_running_loop(), [], []
        central = Central(*[failure] * 3)
        drop = lambda *what: dropped.append(what)  # noqa: E731  shorter than a function
        async with Outbox(
            ":memory:", interval=0.05, attempts=3, boot_first=False, on_drop=drop
        ) as outbox:
            station = station_with(outbox, timeout=0.05, tap=lambda _: times.append(loop.time()))
            async with connected(CSMS({"2.0.1": central}), station) as wire:
                await station.queue(event(1))
                await station.queue(event(2))
                await outbox.join()
        assert central.seen == [1, 1, 1, 2]
        calls = [frame for frame in wire.frames if frame.message_type == 2]
        assert len({call.message_id for call in calls}) == 4  # never twice on one connection
        sent = [time for time, frame in zip(times, wire.frames, strict=False) if frame in calls]
        first, second, third = (b - a for a, b in itertools.pairwise(sent))
        assert first >= 0.05
        assert second >= 0.1
        assert third < 0.05 + 0.05 * (failure == "hang")
        (stored, reason), *others = dropped
        assert not others
        assert (stored.action, stored.attempts) == ("TransactionEvent", 2)
        assert msgspec.json.decode(stored.payload)["seqNo"] == 1
        assert reason.startswith("attempt 3 failed: Call")

    run(main())


def test_attempts_can_be_changed_and_unlimited() -> None:
    async def main() -> None:
        central = Central(*[ocppj.CallRefused("GenericError")] * 5)
        async with Outbox(":memory:", interval=0.001, attempts=None, boot_first=False) as outbox:
            station = station_with(outbox)
            async with connected(CSMS({"2.0.1": central}), station):
                await station.queue(event(1))
                await outbox.join()
                assert central.seen == [1] * 6
                outbox.attempts, central.failures = 1, [ocppj.CallRefused("GenericError")]
                await station.queue(event(2))
                await outbox.join()
                assert central.seen[6:] == [2]

    run(main())


def test_it_survives_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.aio.store.LOCK_TIMEOUT", 0.01)

    async def main() -> None:
        path = tmp_path / "outbox.db"
        central = Central(ocppj.CallRefused("GenericError"), "hang")
        async with Outbox(path, interval=0.001, boot_first=False) as outbox:
            station = station_with(outbox)
            await station.queue(event(1))
            await station.queue(event(2))
            async with connected(CSMS({"2.0.1": central}), station) as wire:
                await until(lambda: central.seen == [1, 1])
            last = wire.frames[-1].message_id
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                Outbox(path)  # by another process, or by this one
        store = SQLiteStore(path)
        stored = store.first("2.0.1")
        assert stored is not None
        assert (stored.attempts, stored.message_id, len(store)) == (1, last, 2)
        async with Outbox(store, boot_first=False) as outbox:
            station = station_with(outbox)
            async with connected(CSMS({"2.0.1": central}), station):
                await outbox.join()
        assert central.seen == [1, 1, 1, 2]

    run(main())


def test_a_full_outbox_is_thinned(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        dropped, central = [], Central()
        async with Outbox(
            ":memory:", max_requests=6, boot_first=False, on_drop=lambda *what: dropped.append(what)
        ) as outbox:
            station = station_with(outbox)
            for request in (event(0), update(1), update(2), update(3), update(4), event(5)):
                await station.queue(request)
            await station.queue(update(6))
            numbers = [msgspec.json.decode(stored.payload)["seqNo"] for stored, _ in dropped]
            assert numbers == [2, 4]
            for number in (7, 8):  # there is room for one; then 3 goes
                await station.queue(event(number))
            await station.queue(event(9))
            await station.queue(event(10))
            with pytest.raises(OutboxFull, match="6 requests are queued"):
                await station.queue(event(11))
            with pytest.raises(ocppj.LocalProtocolError):
                await station.queue(update(12))
            async with connected(CSMS({"2.0.1": central}), station):
                await outbox.join()
            assert central.seen == [0, 5, 7, 8, 9, 10]
            assert {reason for _, reason in dropped} == {"the outbox is full"}
            assert len(dropped) == 5

    run(main())
    assert caplog.text.count("is dropped: the outbox is full") == 5


def test_meter_values_are_expendable_and_transactions_are_not() -> None:
    assert is_expendable(update(1))
    assert is_expendable(v16.MeterValuesRequest(connector_id=1, meter_value=[]))
    assert not is_expendable(event(1))
    stop = v16.StopTransactionRequest(meter_stop=1, timestamp=NOW, transaction_id=1)
    assert not is_expendable(stop)
    assert not is_expendable(v201.SecurityEventNotificationRequest(type="a", timestamp=NOW))


def test_a_removed_number_is_not_given_again(tmp_path: Path) -> None:
    """The request that had it may be in flight: its answer must not remove another one."""
    request: dict[str, Any] = {"version": "1.6", "action": "A", "payload": b"{}"}
    store = SQLiteStore(tmp_path / "outbox.db")
    store.append(**request, message_id="1", expendable=True)
    (old,) = store.expendable()
    store.remove([old.number])
    store.append(**request, message_id="2", expendable=False)
    store.remove([old.number])
    store.update(old.number, attempts=5, message_id="old")
    new = store.first("1.6")
    assert new == StoredRequest(old.number + 1, "1.6", "A", b"{}", "2", 0)
    assert len(store) == 1
    assert not store.expendable()
    store.close()


def test_requests_of_another_version_wait_for_it() -> None:
    async def main() -> None:
        central = Central()
        async with Outbox(":memory:", boot_first=False) as outbox:
            handlers = {"1.6": object(), "2.0.1": Charger()}
            station = station_with(outbox, handlers)
            stop = v16.StopTransactionRequest(meter_stop=1, timestamp=NOW, transaction_id=1)
            await station.queue(stop)
            await station.queue(event(1))
            async with connected(CSMS({"2.0.1": central}), station):
                await outbox.join()
            assert (central.seen, await outbox.count()) == ([1], 1)

    run(main())


def test_another_version_is_noticed_when_the_station_reconnects(end: End) -> None:
    class Sixteen:
        def on_stop_transaction(self, station: Any, request: Any) -> Any:
            return v16.StopTransactionResponse()

    async def main() -> None:
        async with Outbox(":memory:", boot_first=False) as outbox, AsyncExitStack() as stack:
            station = station_with(outbox, {"1.6": object(), "2.0.1": Charger()})
            await station.queue(
                v16.StopTransactionRequest(meter_stop=1, timestamp=NOW, transaction_id=1)
            )
            async with end.listen(CSMS({"2.0.1": Central()})) as server:
                await stack.enter_async_context(end.connect(station, server, backoff=QUICK))
                await outbox.join()
                assert await outbox.count() == 1
            old = CSMS({"1.6": Sixteen()})
            async with old.listen("127.0.0.1", server.port, transport=end.transport):
                await station.wait_connected()
                await outbox.join()
                assert await outbox.count() == 0

    end.run(main())


def test_a_queue_of_calls_that_is_full_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.aio.outbox.PAUSE", 0.01)

    async def main() -> None:
        central = Central("hang")
        async with Outbox(":memory:", attempts=1, boot_first=False) as outbox:
            station = station_with(outbox, max_waiting=1)
            async with connected(CSMS({"2.0.1": central}), station):
                calls = [asyncio.create_task(station.call(event(n))) for n in (1, 2)]
                await until(lambda: central.seen == [1])
                await station.queue(event(3))
                await asyncio.sleep(0.03)
                calls[0].cancel()
                await outbox.join()
                await asyncio.wait(calls)
        assert central.seen == [1, 2, 3]

    run(main())


def test_an_id_that_is_known_later_is_filled_in() -> None:
    """OCPP 1.6: the response to a start has the transaction id that the stop needs."""

    class Sixteen:
        def on_start_transaction(self, station: Any, request: Any) -> Any:
            info = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
            return v16.StartTransactionResponse(id_tag_info=info, transaction_id=42)

        def on_stop_transaction(self, station: Any, request: Any) -> Any:
            stopped.append(request.transaction_id)
            return v16.StopTransactionResponse()

    stopped: list[int] = []

    async def main() -> None:
        ids: dict[int, int] = {}

        async def on_response(request: Any, response: Any) -> None:
            await asyncio.sleep(0)
            if isinstance(request, v16.StartTransactionRequest):
                ids[-1] = response.transaction_id
            else:
                raise KeyError("a bug of the application")  # is logged

        def prepare(request: Any) -> Any:
            if isinstance(request, v16.StopTransactionRequest):
                return msgspec.structs.replace(request, transaction_id=ids[request.transaction_id])
            return request

        async with Outbox(
            ":memory:", boot_first=False, prepare=prepare, on_response=on_response
        ) as outbox:
            station = station_with(outbox, {"1.6": object()})
            start = v16.StartTransactionRequest(
                connector_id=1, id_tag="A", meter_start=0, timestamp=NOW
            )
            stop = v16.StopTransactionRequest(meter_stop=1, timestamp=NOW, transaction_id=-1)
            await station.queue(start)
            await station.queue(stop)
            async with connected(CSMS({"1.6": Sixteen()}), station):
                await outbox.join()
            assert stopped == [42]
            assert await outbox.count() == 0

    run(main())


def test_what_cannot_be_queued() -> None:
    async def main() -> None:
        bare = ChargingStation("CS-1", {"2.0.1": object()})
        with pytest.raises(ocppj.LocalProtocolError, match="has no outbox"):
            await bare.queue(event(1))
        async with Outbox(":memory:") as outbox:
            station = station_with(outbox, {"2.0.1": object(), "2.1": object()})
            with pytest.raises(ocppj.LocalProtocolError, match="not sent by a charging_station"):
                await station.queue(v201.ClearCacheRequest())
            stream = v21.NotifyPeriodicEventStreamRequest(
                id=1,
                pending=0,
                basetime=NOW,
                data=[v21.StreamDataElementType(t=1, v="1")],
            )
            with pytest.raises(ocppj.LocalProtocolError, match="use send"):
                await station.queue(stream)
            with pytest.raises(ocppj.EncodeError, match="not a request of OCPP"):
                await station.queue(v16.HeartbeatRequest())
            invalid = msgspec.structs.replace(event(1), seq_no="1")
            with pytest.raises(ocppj.EncodeError, match="seqNo"):
                await station.queue(invalid)
            assert await outbox.count() == 0
        for wrong in ({"attempts": 0}, {"interval": -1}, {"max_requests": 0}):
            with pytest.raises(ValueError, match="use a number above 0"):
                Outbox(":memory:", **wrong)  # type: ignore[arg-type]

    run(main())


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"This is text, and more than a page of it. " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        Outbox(path)


def test_a_request_that_is_stored_is_queued_though_thinning_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(SQLiteStore):
        def remove(self, numbers: Any) -> None:
            raise sqlite3.OperationalError("disk I/O error")

    async def main() -> None:
        async with Outbox(Failing(":memory:"), max_requests=2, boot_first=False) as outbox:
            station = station_with(outbox)
            for request in (update(1), update(2), event(3)):
                await station.queue(request)
            assert await outbox.count() == 3

    run(main())
    assert "could not be thinned" in caplog.text


def test_a_cancelled_caller_leaves_no_request_behind() -> None:
    async def main() -> None:
        central = Central()
        async with Outbox(":memory:", boot_first=False) as outbox:
            station = station_with(outbox)
            async with connected(CSMS({"2.0.1": central}), station):
                queueing = asyncio.create_task(station.queue(event(1)))
                await asyncio.sleep(0)
                queueing.cancel()
                await asyncio.wait([queueing])
                await outbox.join()
                assert central.seen == [1]  # it was being written: nothing else has to wake it

    run(main())


class Listed:
    """A store of a user, whose first look-up fails."""

    def __init__(self) -> None:
        self.requests: dict[int, tuple[StoredRequest, bool]] = {}
        self.numbers = itertools.count()
        self.failures = [OSError("the card is gone")]
        self.closed = False

    def append(
        self, *, version: str, action: str, payload: bytes, message_id: str, expendable: bool
    ) -> None:
        number = next(self.numbers)
        stored = StoredRequest(number, version, action, payload, message_id, 0)
        self.requests[number] = stored, expendable

    def first(self, version: str) -> StoredRequest | None:
        for failure in self.failures:
            self.failures.clear()
            raise failure
        return next((one for one, _ in self.requests.values() if one.version == version), None)

    def update(self, number: int, *, attempts: int, message_id: str) -> None:
        stored, expendable = self.requests[number]
        changed = stored._replace(attempts=attempts, message_id=message_id)
        self.requests[number] = changed, expendable

    def remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.requests.pop(number, None)

    def expendable(self) -> Sequence[StoredRequest]:
        return [stored for stored, expendable in self.requests.values() if expendable]

    def __len__(self) -> int:
        return len(self.requests)

    def close(self) -> None:
        self.closed = True


def test_a_store_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ocppj.aio.outbox.STORE_PAUSE", 0.01)

    async def main() -> None:
        store, central = Listed(), Central(ocppj.CallRefused("GenericError"))
        kept: OutboxStore = store
        async with Outbox(kept, interval=0.001, boot_first=False) as outbox:
            station = station_with(outbox)
            await station.queue(event(1))
            async with connected(CSMS({"2.0.1": central}), station):
                await outbox.join()
        assert central.seen == [1, 1]
        assert store.closed
        assert not store.requests

    run(main())
    assert "the outbox does not work" in caplog.text
    assert "the card is gone" in caplog.text


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    """Three processes in turn; the first two are killed at each of their SQL statements."""
    command = [sys.executable, "-m", "tests.aio.outbox_crash", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "failed" not in ended.stdout, ended.stderr
    cases = ended.stdout.split("case ")[1:]
    assert len(cases) > 25  # of statements
    duplicates = 0
    for case in cases:
        lines = [line.split() for line in case.splitlines()[1:]]
        queued = [int(line[1]) for line in lines if line[0] == "queued"]
        delivered = [(int(line[1]), line[2]) for line in lines if line[0] == "delivered"]
        numbers = [number for number, _ in delivered]
        assert set(queued) <= set(numbers), case
        assert numbers == sorted(numbers), case
        assert len(set(delivered)) == len(set(numbers)), case  # repeated with its message id
        repeated = len(delivered) - len(set(delivered))
        assert repeated <= lines.count(["killed"]), case
        duplicates += repeated
    assert duplicates  # some were killed with a request in flight

"""The configuration of docs/fleet.md: each user may use its subjects, and no others."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client as PlainClient

import ocppj
from ocppj.fleet import Fleet, Gateway, Worker, connect
from tests.aio.ends import End, until
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, UNLOCK, Central, Wallbox
from tests.fleet.server import NatsServer
from tests.fleet.test_journal import Keeper, status, stored

CONFIG = Path(__file__).parents[2] / "docs" / "snippets" / "nats-server.conf"
USERS = ("gateway", "worker", "caller", "web")


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    text = CONFIG.read_text()
    for user in USERS:
        monkeypatch.setenv(f"{user.upper()}_PASSWORD", f"{user}-secret")
    # Our own address and store; the rest is what users copy.
    text = text.replace("listen: 0.0.0.0:4222", "").replace("/var/lib/nats", str(tmp_path / "s"))
    server = NatsServer(tmp_path, text, jetstream=False)
    yield server
    server.stop()


class Both(Central):
    """Answers what a worker is asked, and keeps what was stored."""

    def __init__(self) -> None:
        super().__init__()
        self.keeper = Keeper()
        self.on_status_notification = self.keeper.on_status_notification


def to(server: NatsServer, user: str) -> Any:
    secret = os.environ[f"{user.upper()}_PASSWORD"]
    return connect(server.url, user=user, password=secret, inbox_prefix=f"_INBOX_{user}")


def test_a_fleet_of_four_users(
    guarded: NatsServer, end: End, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocppj.fleet.summaries.SECONDS", 0.2)

    async def main() -> None:
        async with (
            to(guarded, "gateway") as one,
            to(guarded, "gateway") as two,
            to(guarded, "worker") as workers,
            to(guarded, "caller") as caller,
            to(guarded, "web") as web,
        ):
            listen: dict[str, Any] = {"transport": end.transport}
            gateway = Gateway(["2.0.1"], one, stored=["StatusNotification"], journal_size=2**20)
            other = Gateway(["2.0.1"], two, ping_timeout=0.2)
            handlers = Both()
            async with (
                gateway.listen("127.0.0.1", **listen) as server,
                other.listen("127.0.0.1", **listen) as second,
                Worker({"2.0.1": handlers}, workers),
                Fleet(caller) as fleet,
                Fleet(web) as watched,
            ):
                events = fleet.events()
                frames, summaries = watched.frames("CS-1"), watched.summaries()
                station = ocppj.aio.ChargingStation("CS-1", {"2.0.1": Wallbox()})
                async with end.connect(station, server):
                    await station.call(BOOT)
                    await until(lambda: fleet.stations)
                    assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"
                    assert (await anext(frames)).action == "BootNotification"
                    nodes = set()
                    while nodes != {gateway.node, other.node}:  # each publishes when it is due
                        nodes.add((await anext(summaries)).node)
                    assert (await watched.call("CS-1", UNLOCK)).status.value == "Unlocked"
                    remote = handlers.stations[0]
                    assert (await remote.call(UNLOCK)).status.value == "Unlocked"
                    assert (await anext(events)).type == "connected"
                    with pytest.raises(ocppj.ConnectionLost):
                        await fleet.call("CS-9", UNLOCK)
                async with dial(server, "/CS-2") as raw:
                    await stored(raw, status(7))
                    await until(lambda: 7 in handlers.keeper.seen)
                    async with dial(second, "/CS-2"):  # asks the first node
                        await until(lambda: gateway.generation("CS-2"))

    end.run(main())
    assert "ermission" not in caplog.text


PUBLISH = {
    "gateway": [
        "ocpp.call.CS-1",
        "ocpp.summary",
        "ocpp.tap.CS-1",
        "$JS.API.STREAM.DELETE.KV_ocpp_stations",
        "_INBOX_caller.x.1",
        "x",
    ],
    "worker": [
        "ocpp.up.v201.CS-1.Heartbeat",
        "ocpp.journal.v201.CS-1.MeterValues",
        "ocpp.event.CS-1",
        "ocpp.summary",
        "ocpp.summary.n1",
        "ocpp.tap.CS-1",
        "ocpp.frame.CS-1",
        "ocpp.node.n1",
        "$KV.ocpp_stations.CS-1",
        "$KV.ocpp_nodes.n1",
        "$JS.API.STREAM.DELETE.ocpp_journal",
        "$JS.API.STREAM.CREATE.mine",
        "$JS.API.CONSUMER.CREATE.KV_ocpp_stations",
        "_INBOX_gateway.x.1",
        "x",
    ],
    "caller": [
        "ocpp.up.v201.CS-1.Heartbeat",
        "ocpp.journal.v201.CS-1.MeterValues",
        "ocpp.event.CS-1",
        "ocpp.summary",
        "ocpp.summary.n1",
        "ocpp.tap.CS-1",
        "ocpp.frame.CS-1",
        "ocpp.node.n1",
        "$KV.ocpp_stations.CS-1",
        "$KV.ocpp_nodes.n1",
        "$JS.API.STREAM.CREATE.KV_ocpp_stations",
        "$JS.API.STREAM.PURGE.KV_ocpp_stations",
        "$JS.API.CONSUMER.MSG.NEXT.ocpp_journal.workers_v201",
        "$JS.ACK.ocpp_journal.workers_v201.1.1.1.1.1",
        "_INBOX_gateway.x.1",
        "x",
    ],
    "web": [
        "ocpp.up.v201.CS-1.Heartbeat",
        "ocpp.journal.v201.CS-1.MeterValues",
        "ocpp.event.CS-1",
        "ocpp.summary.n1",
        "ocpp.frame.CS-1",
        "ocpp.node.n1",
        "$KV.ocpp_stations.CS-1",
        "$KV.ocpp_nodes.n1",
        "$JS.API.STREAM.CREATE.KV_ocpp_stations",
        "$JS.API.STREAM.PURGE.KV_ocpp_stations",
        "$JS.API.CONSUMER.MSG.NEXT.ocpp_journal.workers_v201",
        "$JS.ACK.ocpp_journal.workers_v201.1.1.1.1.1",
        "_INBOX_gateway.x.1",
        "x",
    ],
}
SEEN = ["ocpp.frame.*", "ocpp.summary.*"]
SUBSCRIBE = {
    "gateway": [
        "ocpp.up.>",
        "ocpp.call.*",
        "ocpp.event.*",
        "ocpp.frame.*",
        "_INBOX_caller.>",
        "_INBOX.>",
        ">",
    ],
    "worker": ["ocpp.up.>", "ocpp.call.*", "ocpp.event.*", *SEEN, "ocpp.node.*", ">"],
    "caller": ["ocpp.up.>", "ocpp.call.*", *SEEN, "ocpp.node.*", "$KV.>", ">"],
    "web": [
        "ocpp.up.>",
        "ocpp.call.*",
        "ocpp.summary",
        "ocpp.tap.*",
        "ocpp.node.*",
        "$KV.>",
        "_INBOX_caller.>",
    ],
}


@pytest.mark.parametrize("user", USERS)
def test_what_a_user_may_not(guarded: NatsServer, user: str) -> None:
    async def main() -> None:
        errors: list[str] = []

        async def failed(error: Exception) -> None:
            errors.append(str(error))

        client = PlainClient()
        await client.connect(
            guarded.url, user=user, password=os.environ[f"{user.upper()}_PASSWORD"], error_cb=failed
        )

        async def flush() -> None:
            await client.flush()  # nats-py sends this one's ping before what is pending
            await client.flush()

        for subject in PUBLISH[user]:
            errors.clear()
            await client.publish(subject, b"")
            await flush()
            assert len(errors) == 1, subject
            assert f'permissions violation for publish to "{subject}"'.lower() in errors[0]
        for subject in SUBSCRIBE[user]:
            errors.clear()
            await client.subscribe(subject)
            await flush()
            assert len(errors) == 1, subject
            assert f'permissions violation for subscription to "{subject}"'.lower() in errors[0]
        await client.close()

    asyncio.run(main())


def test_a_caller_that_is_refused_something_is_told(guarded: NatsServer) -> None:
    """A worker's user cannot follow the fleet: it does not wait for ever."""

    async def main() -> None:
        async with to(guarded, "worker") as broker:
            start = asyncio.get_running_loop().time()
            with pytest.raises(ocppj.OcppError, match="permitted"):
                async with Fleet(broker):
                    pass
            assert asyncio.get_running_loop().time() - start < 8

    asyncio.run(main())

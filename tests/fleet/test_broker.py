"""The connection to NATS: what is sent, what is not, and what operators are told."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.errors import ProtocolError

from ocppj.fleet import BrokerBusy, BrokerError, BrokerLost, connect
from ocppj.fleet import client as client_module
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import Client
from tests.fleet.server import NatsServer

LIMIT = 20.0


def run(main: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await main

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    """Wait for what no event tells of."""
    while not condition():  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0.005)


def echo(broker: Broker, subject: str) -> None:
    def reply(_subject: str, reply_to: str, headers: bytes, payload: bytes) -> None:
        broker.post(reply_to, payload, headers=headers)

    broker.listen(subject, reply)


def test_a_request_gets_its_reply(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as one, connect(nats.url) as other:
            echo(one, f"{prefix}.*")
            await one.flush()
            replies = [other.request(f"{prefix}.{n}", b"%d" % n) for n in range(2000)]
            assert [int((await reply).payload) for reply in replies] == list(range(2000))
            head = b"NATS/1.0\r\nA: b\r\n\r\n"
            reply = await other.request(f"{prefix}.x", b"\r\nMSG x 1 3\r\n" * 10_000, head)
            assert reply.payload == b"\r\nMSG x 1 3\r\n" * 10_000
            assert reply.values() == {"A": "b"}

    run(main())


def test_that_nobody_listens_is_known_at_once(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker:
            reply = await broker.request(f"{prefix}.nobody", b"", timeout=5)
            assert reply.status == 503

    run(main())


def test_a_request_without_a_reply_times_out(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker:
            broker.listen(prefix, lambda *_: None)
            with pytest.raises(TimeoutError):
                await broker.request(prefix, b"", timeout=0.05)
            assert not broker._waiting

    run(main())


def test_a_queue_group_shares_messages(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker, connect(nats.url) as other:
            seen: list[int] = []
            for number, member in enumerate((broker, broker, other)):
                member.listen(prefix, lambda *_, number=number: seen.append(number), "q")
            alone = broker.listen(prefix, lambda *_: seen.append(9))
            await broker.flush()
            await other.flush()
            for _ in range(50):
                other.post(prefix, b"")
            await until(lambda: len(seen) == 100)
            assert seen.count(9) == 50
            assert set(seen) == {0, 1, 2, 9}
            broker.unlisten(alone)
            broker.unlisten(alone)
            other.post(prefix, b"")
            await other.flush()
            await broker.flush()
            assert seen.count(9) == 50

    run(main())


def test_what_a_callback_raises_is_logged(
    nats: NatsServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker:
            broker.listen(prefix, lambda *_: 1 / 0)
            echo(broker, f"{prefix}.echo")
            broker.post(prefix, b"")
            await broker.request(f"{prefix}.echo", b"")  # goes on

    run(main())
    assert "was not handled" in caplog.text
    caplog.clear()


def test_bounds(nats: NatsServer, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker:
            broker.listen(prefix, lambda *_: None)
            with pytest.raises(BrokerError, match="allows 1048576"):
                broker.post(prefix, bytes(2**20 + 1))
            monkeypatch.setattr("ocppj.fleet.broker.MAX_PENDING_REQUESTS", 2)
            waiting = [broker.request(prefix, b"", timeout=0.1) for _ in range(2)]
            with pytest.raises(BrokerBusy, match="2 requests are pending"):
                broker.request(prefix, b"")
            await asyncio.gather(*waiting, return_exceptions=True)

    run(main())


def test_a_broker_that_does_not_read(own_nats: NatsServer) -> None:
    async def main() -> None:
        async with connect(own_nats.url) as broker:
            own_nats.freeze()
            try:
                with pytest.raises(BrokerBusy, match="wait for the broker"):  # noqa: PT012  one of many raises
                    for _ in range(1000):  # the sockets' buffers take some of it
                        broker.post("x", bytes(2**18))
                        await asyncio.sleep(0)
                assert broker._client._pending_data_size < client_module.MAX_PENDING + 2**19
            finally:
                own_nats.thaw()
            await broker.flush()

    run(main())


def test_a_broker_that_goes_and_returns(
    own_nats: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connect(own_nats.url) as broker, connect(own_nats.url) as other:
            echo(broker, "echo")
            told: list[str] = []
            ends = broker.listen("ends", lambda *_: None, keep=False)

            async def returned() -> None:
                told.append("returned")

            broker.watch(lambda: told.append("lost"), returned)
            broker.listen("silence", lambda *_: None)
            waiting = broker.request("silence", b"", timeout=60)
            await broker.flush()
            broker.post("echo", b"never sent")
            own_nats.stop()
            with pytest.raises(BrokerLost):
                await waiting
            await until(lambda: not other.connected)
            assert not broker.connected
            assert told == ["lost"]
            for call in (broker.post, broker.request):
                with pytest.raises(BrokerLost):
                    call("echo", b"")
            with pytest.raises(BrokerLost):
                await broker.flush()
            assert ends not in broker._client.callbacks
            own_nats.start()
            await until(lambda: len(told) == 2)
            await until(lambda: other.connected)
            assert (await other.request("echo", b"again")).payload == b"again"
            assert not broker._client._pending

    run(main())
    assert "lost" in caplog.text
    caplog.clear()


def refusal(url: str, **options: Any) -> str:
    async def main() -> str:
        async with asyncio.timeout(LIMIT):
            with pytest.raises(BrokerError) as caught:
                async with connect(url, **options):
                    pass
            return str(caught.value)

    return asyncio.run(main())


def test_nobody_there(nats: NatsServer) -> None:
    found = refusal("nats://127.0.0.1:9")
    assert found.startswith("cannot connect to NATS at nats://127.0.0.1:9: ")
    assert "refused" in found or "Connect call failed" in found


def test_no_password_is_in_an_error() -> None:
    assert "hidden" not in refusal("nats://user:hidden@127.0.0.1:9")


def test_jetstream_is_off(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, jetstream=False)
    try:
        assert "JetStream is not enabled: start nats-server with -js" in refusal(server.url)
    finally:
        server.stop()


def test_wrong_credentials(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, "authorization { user: a, password: b }")
    try:
        found = refusal(server.url, user="a", password="c")
        assert "credentials rejected" in found
        assert "credentials rejected" in refusal(server.url)
    finally:
        server.stop()


def test_credentials_that_are_no_file(nats: NatsServer, tmp_path: Path) -> None:
    assert "nowhere" in refusal(nats.url, credentials=str(tmp_path / "nowhere.creds"))
    (tmp_path / "empty.creds").write_text("nothing")
    assert "creds" in refusal(nats.url, credentials=str(tmp_path / "empty.creds"))


def test_tls(tmp_path: Path, certificates: Path) -> None:
    config = (
        f'tls {{ cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key" }}'
    )
    server = NatsServer(tmp_path, config)
    url = f"tls://localhost:{server.port}"
    try:
        assert "TLS failed" in refusal(url)

        async def main() -> None:
            trusted = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
            async with connect(url, tls=trusted) as broker:
                echo(broker, "echo")
                assert (await broker.request("echo", b"x" * 300_000)).payload == b"x" * 300_000

        run(main())
    finally:
        server.stop()


@asynccontextmanager
async def fake(info: dict[str, Any], *lines: bytes) -> AsyncIterator[str]:
    """A server of NATS that says what it is told; yields its address."""
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        try:
            while line := await reader.readline():
                if line == b"PING\r\n":
                    writer.writelines([b"PONG\r\n", *lines])
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.wait(serving)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"version": "2.8.4", "headers": True, "jetstream": True}, "2.8.4 is too old"),
        ({"version": "2.10.0-beta", "jetstream": True}, "headers disabled"),
        ({}, "too old"),
    ],
)
def test_a_server_that_lacks_something(info: dict[str, Any], text: str) -> None:
    async def main() -> None:
        async with fake({"max_payload": 1000, **info}) as url:
            with pytest.raises(BrokerError, match=text):
                async with connect(url):
                    pass

    run(main())


def test_an_error_of_the_server_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        info = {"version": "2.9.10", "headers": True, "jetstream": True, "max_payload": 100}
        expired = b"-ERR 'User Authentication Expired'\r\n"
        async with fake(info, expired) as url, connect(url) as b:
            told: list[str] = []

            async def returned() -> None:
                told.append("returned")

            b.watch(lambda: told.append("lost"), returned)
            await until(lambda: len(told) >= 2)
            assert told[:2] == ["lost", "returned"]

    run(main())
    caplog.clear()


@pytest.mark.parametrize(
    "data",
    [b"MSG\r\n", b"MSG a b 1\r\nx\r\n", b"MSG a 1 -5\r\n", b"HMSG a 1 9 3\r\n", b"HMSG a 1 3\r\n"],
)
def test_a_malformed_message_is_a_protocol_error(data: bytes) -> None:
    async def main() -> None:
        client = Client()
        client.callbacks[1] = lambda *_: None
        with pytest.raises(ProtocolError):
            await client._ps.parse(data)

    run(main())


def test_messages_in_pieces() -> None:
    async def main() -> None:
        client = Client()
        seen: list[tuple[str, str, bytes, bytes]] = []
        client.callbacks[7] = lambda *message: seen.append(message)
        stream = (
            b"MSG a.b 7 2\r\nxy\r\nMSG a.b 7 in.box 0\r\n\r\n"
            b"HMSG c 7 reply 20 23\r\nNATS/1.0\r\nA: b  \r\n\r\nabc\r\nMSG d 8 1\r\nz\r\n+OK\r\n"
        )
        for size in range(1, len(stream) + 1):
            seen.clear()
            for at in range(0, len(stream), size):
                await client._ps.parse(stream[at : at + size])
            assert seen == [
                ("a.b", "", b"", b"xy"),
                ("a.b", "in.box", b"", b""),
                ("c", "reply", b"NATS/1.0\r\nA: b  \r\n\r\n", b"abc"),
            ]

    run(main())

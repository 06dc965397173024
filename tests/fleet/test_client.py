"""The short way of messages around nats-py's queues and tasks."""

import asyncio
from typing import Any

import pytest
from nats.errors import ProtocolError

from ocppj.fleet import connect
from ocppj.fleet.client import MAX_LINE_SIZE, Client, _Protocol
from tests.aio.ends import until
from tests.fleet.server import NatsServer
from tests.fleet.test_broker import echo, run


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


class Behind:
    """nats-py's end of a connection: it reads later."""

    def __init__(self) -> None:
        self.data = bytearray()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def __getattr__(self, name: str) -> Any:
        return None

    async def read(self, client: Client) -> None:
        data = bytes(self.data)
        self.data.clear()
        await client._ps.parse(data)


def test_messages_before_and_after_what_nats_py_reads_stay_in_order() -> None:
    stream = b"MSG a 7 1\r\n1\r\n+OK\r\nMSG a 7 1\r\n2\r\n+OK\r\nMSG a 7 1\r\n3\r\n"

    async def main() -> None:
        for size in range(1, len(stream) + 1):
            for rarely in (1, 2, 5):
                client, behind, seen = Client(), Behind(), []
                client.callbacks[7] = lambda *message, seen=seen: seen.append(message[3])  # type: ignore[misc]
                parser: Any = client._ps
                protocol = _Protocol(parser, behind)
                for turn, at in enumerate(range(0, len(stream), size)):
                    protocol.data_received(stream[at : at + size])
                    if behind.data and turn % rarely == 0:
                        await behind.read(client)
                await behind.read(client)
                assert seen == [b"1", b"2", b"3"]

    run(main())


def test_messages_alone_do_not_reach_nats_py() -> None:
    client, behind, seen = Client(), Behind(), []
    client.callbacks[7] = lambda *message: seen.append(message[3])
    parser: Any = client._ps
    protocol = _Protocol(parser, behind)
    for part in (b"MSG a 7 1\r\n1\r\nMSG ", b"a 7 2\r\n", b"xy\r\n"):
        protocol.data_received(part)
    assert seen == [b"1", b"xy"]
    assert not behind.data


@pytest.mark.parametrize("data", [b"MSG a 1 -5\r\n", b"x" * (MAX_LINE_SIZE + 1)])
def test_what_is_malformed_is_left_to_nats_py(data: bytes) -> None:
    client, behind = Client(), Behind()
    parser: Any = client._ps
    _Protocol(parser, behind).data_received(data)
    assert behind.data == data
    with pytest.raises(ProtocolError):
        run(behind.read(client))


def test_messages_need_no_task_of_nats_py(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker, connect(nats.url) as other:
            echo(other, prefix)
            await other.flush()
            for client in (broker._client, other._client):
                for task in (client._reading_task, client._flusher_task):
                    assert task is not None
                    task.cancel()
            await asyncio.sleep(0)
            for size in (1, 100_000):
                assert (await broker.request(prefix, b"x" * size)).payload == b"x" * size

    run(main())


def test_a_request_at_the_moment_of_return_gets_its_reply(nats: NatsServer, prefix: str) -> None:
    async def main() -> None:
        async with connect(nats.url) as broker, connect(nats.url) as other:
            echo(other, prefix)
            await other.flush()
            replies = []
            connecting = broker._client._process_connect_init

            async def connect_and_ask() -> None:
                await connecting()
                replies.append(broker.request(prefix, b"at once", timeout=5))

            broker._client._process_connect_init = connect_and_ask  # type: ignore[method-assign]
            await broker._client.force_reconnect()
            await until(lambda: replies)
            assert (await replies[0]).payload == b"at once"

    run(main())

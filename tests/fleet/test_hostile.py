"""Whatever comes from the broker: nothing is raised, and what is answered is of a known form.

The broker's clients are as hostile as stations. Each place where messages come in gets random ones,
and right ones with something changed.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import ocppj
from ocppj.aio.security import Handshake
from ocppj.aio.stations import StationLink
from ocppj.fleet import Broker, Fleet, Gateway, Worker
from ocppj.fleet.broker import Reply
from ocppj.fleet.journal import Consumer
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.station import RemoteStation, call_raw
from ocppj.fleet.subjects import Subjects, headers, parse_headers
from ocppj.fleet.watch import Change, Watch
from tests.fleet.parts import UNLOCK, Central
from tests.fleet.test_answers import BOOT_FRAME

STATUSES = {"result", "error", "timeout", "busy", "invalid", "gone"}
FRAME = json.dumps(BOOT_FRAME).encode()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
payloads = (
    st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.sampled_from(
        [FRAME, b"[" * 5000, b'{"a":' * 2000, b"\xff\xfe", b"", b"{}", FRAME[:-3], FRAME + b"x"]
    )
)
names = st.sampled_from(
    [
        "Ocpp-Station",
        "Ocpp-Generation",
        "Ocpp-Deadline",
        "Ocpp-Violations",
        "Ocpp-Action",
        "Ocpp-Timeout",
        "Ocpp-Close",
        "Ocpp-Status",
        "KV-Operation",
        "Nats-Sequence",
    ]
)
values = st.sampled_from(
    [
        "",
        "1",
        "-1",
        "0",
        "9" * 500,
        "nan",
        "inf",
        "1e400",
        "x",
        "null",
        "letter_case,zone",
        "DEL",
        "UnlockConnector",
        "ClearCache",
        "BootNotification",
        "1000",
        "result",
        "error",
        "²",
        "\t1",
    ]
) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
header_lines = st.binary(max_size=60) | st.dictionaries(names, values, max_size=6).map(headers)
subjects = st.sampled_from(
    [
        "",
        ".",
        "ocpp.up.v201.CS-1.BootNotification",
        "ocpp.up.v201.%C3.X",
        "a.b.c.d.e",
        "$KV.ocpp_stations.CS-1",
        "ocpp.journal.v201.CS-1.MeterValues",
        "ocpp.up.v9.CS-1.X",
    ]
) | st.text(max_size=20)
acks = st.sampled_from(
    [
        "",
        "_INBOX.x",
        "$JS.ACK.s.c.1.2.3.4.0",
        "$JS.ACK.s.c.1.2.3.4",
        "." * 8,
        "." * 20,
        "$JS.ACK.a.b.s.c.1.2.3.4.0.x",
        "$JS.ACK.s.c.9999999999.-1.x.4.0",
    ]
)
messages = st.tuples(subjects, acks, header_lines, payloads)


class Box(Broker):
    """A broker that keeps what is posted."""

    def __init__(self) -> None:
        super().__init__("nats://127.0.0.1:9", Subjects("ocpp"), 1, None, {})
        self.posted: list[tuple[str, bytes, str, bytes]] = []
        self.post = self._keep
        self.listen = lambda *_, **__: 0
        self.reply = Reply(b"", b"")

    connected = True  # type: ignore[assignment]

    def _keep(self, subject: str, payload: bytes, reply: str = "", headers: bytes = b"") -> None:
        self.posted.append((subject, payload, reply, headers))

    def request(self, *_: Any, **__: Any) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        future.set_result(self.reply)
        return future


def run(main: Callable[[], Any]) -> None:
    """Run a part of a test; nothing may be logged at ERROR, and no task may fail."""
    problems: list[Any] = []

    async def guarded() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        await main()
        for _ in range(3):
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    logging.disable(logging.WARNING)
    try:
        asyncio.run(guarded())
    finally:
        logging.disable(logging.NOTSET)
    assert not problems


@given(messages)
def test_a_worker(message: tuple[str, str, bytes, bytes]) -> None:
    async def main() -> None:
        broker = Box()
        worker = Worker({"2.0.1": Central()}, broker)
        worker._received(*message)
        for subject, payload, _, _ in broker.posted:
            assert subject == message[1]
            assert json.loads(payload)[0] in {3, 4}
        broker.posted.clear()
        worker._changed(*message)
        assert not broker.posted
        consumer = Consumer(broker, "2.0.1", lambda *_: None, lambda: 1, Logbook())
        worker._stored(consumer, *message)
        for _, payload, _, _ in broker.posted:
            assert payload == b"+ACK" or payload.startswith(b"-NAK {")
        consumer._received(*message)

    run(main)


class Wire:
    """A station that answers nothing."""

    async def send(self, data: bytes) -> None:
        pass

    async def close(self, code: int, reason: str) -> None:
        assert 1000 <= code < 5000
        assert len(reason.encode()) <= 123

    async def ping(self) -> None:
        pass


class Open:
    closing = False


@given(messages)
def test_a_node(message: tuple[str, str, bytes, bytes]) -> None:
    async def main() -> None:
        broker = Box()
        gateway = Gateway(["2.0.1"], broker)
        link = StationLink(
            gateway._stations,
            Open(),
            Handshake("CS-1", "/CS-1", {}),
            gateway._endpoints["ocpp2.0.1"],
            Wire(),
        )
        gateway._membership._generations["CS-1"] = 7
        gateway._stations._add(link)
        broker.posted.clear()
        _, reply, header, payload = message
        gateway._commands.received(link.owner, 7, reply, header, payload)
        gateway._commands.received(None, 0, reply, header, payload)
        gateway._membership._rivals._asked(*message)
        await asyncio.sleep(0)
        for subject, body, _, lines in broker.posted:
            if lines and subject == reply:
                assert parse_headers(lines)["Ocpp-Status"] in STATUSES
                assert body == b"" or isinstance(json.loads(body), dict)

    run(main)


@given(messages, st.booleans(), st.integers(0, 2**40))
def test_a_fleet(message: tuple[str, str, bytes, bytes], deleted: Any, revision: int) -> None:
    async def main() -> None:
        fleet = Fleet(Box())
        for key in (message[0], "CS-1"):
            for value in (
                message[3],
                b'{"node":"n1","version":"2.0.1","since":"2026-01-01T00:00:00Z"}',
            ):
                fleet._station_changed(Change(key, revision, value, deleted))
        for value in (message[3], b'{"lease":1e300,"since":"2026-01-01T00:00:00Z"}'):
            fleet._node_changed(Change("n1", revision, value, deleted))
        for station in fleet.stations.values():
            assert station.version == "2.0.1"
        await fleet.__aexit__()
        watch = Watch(Box(), "ocpp_stations", lambda _: None)
        watch._unread = set()
        watch._received(*message)

    run(main)


@given(header_lines, payloads)
def test_the_reply_to_a_command(header: bytes, payload: bytes) -> None:
    async def main() -> None:
        broker = Box()
        broker.reply = Reply(header, payload)
        station = RemoteStation(broker, ocppj.Codec("2.0.1"), "CS-1", 1, 5.0)
        with suppress(ocppj.OcppError):
            await station.call(UNLOCK)
        with suppress(ocppj.OcppError):
            await call_raw(broker, "CS-1", "Reset", b"{}", 1.0, version="1.6")

    run(main)


@given(header_lines, payloads)
def test_what_jetstream_says(header: bytes, payload: bytes) -> None:
    async def main() -> None:
        broker = Box()
        broker.reply = Reply(header, payload)
        fleet = Fleet(broker)
        for asked in (
            fleet.station("CS-1"),
            broker.api("STREAM.INFO.x"),
            broker.store("x", b""),
            broker.ensure_stream({"name": "x"}),
        ):
            with suppress(ocppj.OcppError):
                await asked

    run(main)

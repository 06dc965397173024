"""The code of the page on transactions: nothing is lost, and nothing is written twice."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ocppj.aio import CSMS, Server
from tests.aio.ends import End, until
from tests.aio.wire import dial

pytest.importorskip("aiosqlite")
pytest.importorskip("websockets")
PAGE = Path(__file__).parent.parent / "docs/persist.md"
EVENT = {
    "eventType": "Updated",
    "timestamp": "2026-11-24T10:00:00Z",
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 7,
    "transactionInfo": {"transactionId": "t"},
    "meterValue": [
        {"timestamp": "2026-11-24T10:00:00Z", "sampledValue": [{"value": 1}, {"value": 2.5}]}
    ],
}
START = {
    "connectorId": 1,
    "idTag": "TAG",
    "meterStart": 5,
    "timestamp": "2026-11-24T10:00:00Z",
}


@pytest.fixture
def page() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)), namespace)
    return namespace


@asynccontextmanager
async def listening(page: dict[str, Any], path: Path) -> AsyncIterator[tuple[CSMS, Server, Any]]:
    async with page["Store"](path) as store:
        csms = CSMS({"2.0.1": page["Handler201"](store), "1.6": page["Handler16"](store)})
        async with csms.listen("127.0.0.1") as server:
            yield csms, server, store


def rows(path: Path, table: str) -> list[Any]:
    with sqlite3.connect(path) as database:
        found = database.execute(f"SELECT * FROM {table}").fetchall()
    database.close()
    return found


def test_what_is_being_written_when_the_connection_ends_is_written_once(
    page: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "db"

    async def main() -> None:
        async with listening(page, path) as (csms, server, store):
            execute, free = store._execute, asyncio.Event()

            async def slowly(*args: Any) -> Any:
                await free.wait()
                return await execute(*args)

            store._execute = slowly
            async with dial(server) as raw:
                raw.send([2, "1", "TransactionEvent", EVENT])
                await until(lambda: store._writes)
                raw.abort()
                await until(lambda: not csms.stations)
                free.set()
            await until(lambda: not store._writes)
            assert len(rows(path, "events")) == 1
            async with dial(server) as raw:
                raw.send([2, "2", "TransactionEvent", EVENT])
                assert await raw.message() == [3, "2", {}]
        event = ("CS-1", "t", 7, "Updated", "2026-11-24T10:00:00+00:00", 2.5)
        assert rows(path, "events") == [event]

    End("websockets").run(main())


def test_the_store_waits_for_its_writes(page: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "db"

    async def main() -> None:
        async with listening(page, path) as (csms, server, store):
            execute = store._execute

            async def slowly(*args: Any) -> Any:
                await asyncio.sleep(0.05)
                return await execute(*args)

            store._execute = slowly
            async with dial(server) as raw:
                raw.send([2, "1", "TransactionEvent", EVENT])
                await until(lambda: store._writes)
                raw.abort()
                await until(lambda: not csms.stations)
        assert len(rows(path, "events")) == 1

    End("websockets").run(main())


def test_a_repeated_start_of_ocpp_16_gets_the_same_transaction(
    page: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "db"

    async def main() -> None:
        async with listening(page, path) as (_, server, _store):
            ids = []
            for n in range(3):
                async with dial(server, subprotocol="ocpp1.6") as raw:
                    start = START | ({"meterStart": 6} if n == 2 else {})
                    raw.send([2, str(n), "StartTransaction", start])
                    ids.append((await raw.message())[2]["transactionId"])
            assert ids[0] == ids[1] != ids[2]
            stop = {"meterStop": 9, "timestamp": "2026-11-24T11:00:00Z", "transactionId": ids[0]}
            for path_of, meter in (("/CS-2", 99), ("/CS-1", 9), ("/CS-1", 10)):
                async with dial(server, path_of, subprotocol="ocpp1.6") as raw:
                    raw.send([2, "s", "StopTransaction", stop | {"meterStop": meter}])
                    assert await raw.message() == [3, "s", {}]
        first, second = rows(path, "transactions")
        assert first[-2:] == ("2026-11-24T11:00:00+00:00", 9)
        assert second[-2:] == (None, None)

    End("websockets").run(main())

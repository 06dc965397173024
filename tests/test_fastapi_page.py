"""The code of the page on FastAPI: stations and commands on one port of a real server."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from ocppj import v201
from ocppj.aio import ChargingStation
from ocppj.testing import Answering
from tests.aio.ends import End
from tests.aio.servers import uvicorn
from tests.fetch import fetch

pytest.importorskip("fastapi")
PAGE = Path(__file__).parent.parent / "docs/fastapi.md"
PASSWORD = "0123456789abcdef"


HEARTBEAT = "    def on_heartbeat(self, station, request):\n"


async def pause() -> None:
    """What Heartbeat waits for."""


@pytest.fixture
def page() -> dict[str, Any]:
    program = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    assert HEARTBEAT in program
    waiting = f"    async{HEARTBEAT[3:]}        await pause()\n"
    namespace: dict[str, Any] = {"pause": pause}
    exec(program.replace(HEARTBEAT, waiting), namespace)
    return namespace


def run(main: Any) -> None:
    End("websockets").run(main)


def charger(**answers: Any) -> ChargingStation:
    return ChargingStation("CS-1", {"2.0.1": Answering("2.0.1", "charging_station", **answers)})


def test_stations_and_commands_share_a_port(page: dict[str, Any]) -> None:
    async def main() -> None:
        async with uvicorn(page["app"]) as server:
            url, station = f"ws://127.0.0.1:{server.port}/ocpp", charger()
            async with station.connect(url, password=PASSWORD, backoff=None):
                await station.call(v201.HeartbeatRequest())
                assert await fetch(server.port, "GET", "/stations") == (200, ["CS-1"])
                unlock = "/stations/CS-1/unlock"
                right = {"evseId": 1, "connectorId": 1}
                assert await fetch(server.port, "POST", unlock, right) == (
                    200,
                    {"status": "Unlocked"},
                )
                status, answer = await fetch(
                    server.port, "POST", unlock, {"evseId": "one", "connectorId": 1}
                )
                assert status == 422
                shown = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
                assert shown
                assert str(answer).replace("'", '"') == re.sub(r"\n *", " ", shown[1]).strip()
                read = "/stations/CS-1/variables/OCPPCommCtrlr/"
                status, answer = await fetch(server.port, "GET", read + "x" * 51)
                assert status == 422
                assert answer["path"] == "$.getVariableData[0].variable.name"
                assert (await fetch(server.port, "GET", read + "x"))[0] == 200
            status, answer = await fetch(server.port, "POST", "/stations/CS-2/unlock", right)
            assert (status, answer["detail"]) == (404, "CS-2 is not connected")
            _, document = await fetch(server.port, "GET", "/openapi.json")
            assert "UnlockConnectorRequest" in document["components"]["schemas"]

    run(main())


def test_the_errors_of_a_call_have_their_statuses(page: dict[str, Any]) -> None:
    def refuse(_: Any) -> Any:
        raise page["ocppj"].CallRefused("NotSupported")

    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    async def main() -> None:
        async with uvicorn(page["app"]) as server:
            url = f"ws://127.0.0.1:{server.port}/ocpp"
            right = {"evseId": 1, "connectorId": 1}
            station = charger(on_unlock_connector=refuse)
            async with station.connect(url, password=PASSWORD, backoff=None):
                status, _ = await fetch(server.port, "POST", "/stations/CS-1/unlock", right)
                assert status == 502
            station = charger(on_unlock_connector=never)
            async with station.connect(url, password=PASSWORD, backoff=None):
                call = page["csms"].call
                page["csms"].call = lambda *args: call(*args, timeout=0.01)
                status, _ = await fetch(server.port, "POST", "/stations/CS-1/unlock", right)
                assert status == 504

    run(main())


def test_a_server_that_closes_stations_first_lets_handlers_answer(page: dict[str, Any]) -> None:
    async def slow() -> None:
        asked.set()
        await asyncio.sleep(0.05)

    async def main() -> None:
        library = page["uvicorn"]
        config = library.Config(page["app"], port=0, log_config=None, ws_max_size=2**17)
        config.load()
        server = page["Server"](config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        station = charger()
        url = f"ws://127.0.0.1:{port}/ocpp"
        async with station.connect(url, password=PASSWORD, backoff=None):
            call = asyncio.create_task(station.call(v201.HeartbeatRequest()))
            await asked.wait()
            await server.shutdown()
            await call

    asked = asyncio.Event()
    page["pause"] = slow
    run(main())

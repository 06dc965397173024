"""Command API and operator's page in front of a fleet."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.aio.ends import End, until
from tests.aio.servers import uvicorn
from tests.aio.wire import dial
from tests.fleet.parts import BOOT, Wallbox, system
from tests.fleet.server import NatsServer
from tests.fleet.test_taps import AUTHORIZE, looked_at

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")

from ocppj.web import Tokens, application  # noqa: E402  it needs starlette
from tests.web.test_commands import running  # noqa: E402  it needs httpx
from tests.web.test_events import Reader  # noqa: E402  it needs httpx

READ = "reading-token-0123"


@asynccontextmanager
async def web(fleet: Any, **options: Any) -> Any:
    async with uvicorn(application(fleet, **options)) as served:
        url = f"http://127.0.0.1:{served.port}"
        async with httpx.AsyncClient(base_url=url, timeout=20, verify=False) as client:
            client.url = url
            yield client


def test_frames_are_streamed_from_the_node_that_holds_the_station(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            fleet = await parts.fleet()
            async with (
                dial(node.server, "/CS-1") as raw,
                web(fleet, tokens=Tokens({READ: "read"})) as client,
            ):
                await until(lambda: fleet.stations)
                path = "/stations/CS-1/frames"
                for headers in ({}, {"authorization": "Bearer x"}):
                    assert (await client.get(path, headers=headers)).status_code == 401
                assert not node.gateway._taps._leases
                headers = {"authorization": f"Bearer {READ}"}
                assert (
                    await client.get("/stations/CS-9/frames", headers=headers)
                ).status_code == 404
                async with client.stream("GET", path, headers=headers) as response:
                    reader = Reader(response)
                    await looked_at(node)
                    raw.send(AUTHORIZE % 1)
                    (_, first, asked), (_, second, answer) = (
                        await reader.next(),
                        await reader.next(),
                    )
                assert first == second == "frame"
                assert asked["frame"][2:] == [
                    "Authorize",
                    {"idToken": {"idToken": "***", "type": "Central"}},
                ]
                assert (answer["direction"], answer["outcome"]) == ("out", "InternalError")
                one = (await client.get("/stations/CS-1", headers=headers)).json()
                assert "frames" not in one  # nobody counts them

    end.run(main())


def test_the_command_serves_frames_and_metrics(
    nats: NatsServer, prefix: str, end: End, tmp_path: Path
) -> None:
    pytest.importorskip("prometheus_client")

    async def main(url: str) -> None:
        async with (
            system(nats.url, prefix, end) as parts,
            httpx.AsyncClient(base_url=url, timeout=20, verify=False) as client,
        ):
            node = await parts.gateway()
            await parts.worker()
            async with dial(node.server, "/CS-1") as raw:
                while not (await client.get("/stations")).json()["stations"]:  # noqa: ASYNC110  over HTTP
                    await asyncio.sleep(0.05)
                labels = f'node="{node.gateway.node}",version="2.0.1"'
                text = (await client.get("/metrics")).text
                assert f"ocppj_fleet_stations{{{labels}}} 1.0" in text
                async with client.stream("GET", "/stations/CS-1/frames") as response:
                    await looked_at(node)
                    raw.send(AUTHORIZE % 1)
                    _, name, _ = await Reader(response).next()
                    assert name == "frame"

    with running(
        tmp_path, "web", "--nats", nats.url, "--prefix", prefix, "--http", "0", addresses=1
    ) as (url,):
        end.run(main(url))


def test_the_page_shows_live_frames_of_a_fleet(nats: NatsServer, prefix: str) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    hostile = "<script>document.title='broken'<b>"

    async def main() -> None:
        async with (
            asyncio.timeout(60),
            system(nats.url, prefix, End("websockets")) as parts,
            playwright.async_playwright() as library,
        ):
            node = await parts.gateway()
            fleet = await parts.fleet()
            await parts.worker()
            station = await parts.station(node, hostile, Wallbox())
            async with web(fleet) as client:
                browser = await library.chromium.launch(
                    executable_path=chromium, args=["--no-sandbox"]
                )
                page = await browser.new_page()
                page.set_default_timeout(15_000)
                await page.goto(client.url)
                await page.get_by_text(hostile).click()
                await looked_at(node, hostile)
                await station.call(BOOT)
                frames = page.locator(".frames li")
                await frames.nth(1).wait_for()
                assert "BootNotification" in await frames.nth(1).inner_text()
                assert await page.title() == "Charging stations"
                await browser.close()

    asyncio.run(main())

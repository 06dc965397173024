"""Take the pictures of the operator's page for the docs: `python -m tools.screenshots`.

A CSMS with simulated stations runs for ten minutes; then headless Chromium takes the pictures. They
differ from run to run, so no test compares them.
"""

import asyncio
import math
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvicorn
from playwright.async_api import async_playwright

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation
from ocppj.web import Monitor, application

FOLDER: Final = Path(__file__).parent.parent / "docs" / "assets"
OCPP_PORT, HTTP_PORT = 9099, 8099
SECONDS: Final = 600
MODELS: Final = (("Acme", "Wallbox"), ("Acme", "Fast 150"), ("Volta", "Duo"))
PICTURES: Final = (
    ("page-stations.png", "#/stations", "light", 720),
    ("page-station.png", "#/station/berlin-01", "light", 720),
    ("page-statistics.png", "#/statistics", "light", 520),
)
"""File, view, colours, and height in pixels."""

TOLERATED: Final = (b'"Heartbeat",{"signal":-71}', b'"Heartbeat",{"customData":null}')
REFUSED: Final = (b'"Heartbeat",[]', b'"Authorize",{}', b'"MeterValues",{"evseId":0}')


class Central:
    """Accepts stations and authorizes nobody."""

    def on_boot_notification(self, station: Any, request: Any) -> v201.BootNotificationResponse:
        """Accept a station."""
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC), interval=300, status=status
        )

    async def on_heartbeat(self, station: Any, request: Any) -> v201.HeartbeatResponse:
        """Answer after some milliseconds."""
        await asyncio.sleep(random.expovariate(200))
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))


class Charger:
    """Triggers nothing, but says so."""

    def on_trigger_message(self, request: Any) -> v201.TriggerMessageResponse:
        """Accept the request."""
        return v201.TriggerMessageResponse(status=v201.TriggerMessageStatusEnumType.ACCEPTED)


async def simulate(number: int) -> None:
    """Run a station; some send what the schema does not allow."""
    vendor, model = MODELS[number % len(MODELS)]
    city = ("berlin", "lyon", "oslo")[number % 3]
    station = ChargingStation(f"{city}-{number // 3:02}", {"2.0.1": Charger()})
    booting = v201.BootNotificationRequest(
        charging_station=v201.ChargingStationType(model=model, vendor_name=vendor),
        reason=v201.BootReasonEnumType.POWER_UP,
    )
    async with station.connect(f"ws://127.0.0.1:{OCPP_PORT}"):
        await station.call(booting)
        while True:
            await station.call(v201.HeartbeatRequest())
            transport: Any = station._link.transport  # type: ignore[union-attr]  # noqa: SLF001  frames that we cannot encode
            sent = random.choices(TOLERATED, (3, 1)) if vendor == "Volta" else []
            sent += random.choices(REFUSED, (3, 2, 1)) if number % 7 == 0 else []
            for frame in sent:
                await transport.send(b'[2,"%d",%s]' % (random.getrandbits(30), frame))
            pace = 2 + math.sin(asyncio.get_running_loop().time() / 60)
            await asyncio.sleep(random.uniform(1, 2 * pace))


async def photograph() -> None:
    """Take the pictures."""
    async with async_playwright() as library:
        browser = await library.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, view, scheme, height in PICTURES:
            page = await browser.new_page(
                viewport={"width": 1200, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            await page.goto(f"http://127.0.0.1:{HTTP_PORT}/{view}")
            await page.wait_for_timeout(3000)
            send = page.get_by_role("button", name="Send", exact=True)
            if await send.count():
                await send.click()
                await page.wait_for_timeout(1000)
            await page.screenshot(path=FOLDER / name)
        await browser.close()


async def main() -> None:
    """Run CSMS, stations and browser."""
    monitor = Monitor()
    codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
    csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec}, tap=monitor)
    app = application(csms, monitor=monitor)
    config = uvicorn.Config(app, port=HTTP_PORT, log_level="warning", timeout_graceful_shutdown=1)
    async with csms.listen("127.0.0.1", OCPP_PORT):
        server = uvicorn.Server(config)
        tasks = [asyncio.create_task(server.serve())]
        tasks += [asyncio.create_task(simulate(number)) for number in range(60)]
        await asyncio.sleep(SECONDS)
        await photograph()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())

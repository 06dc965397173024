"""A CSMS with a station, and the application in front of it, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation
from tests.aio.servers import uvicorn

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")

from ocppj.web import Monitor, application  # noqa: E402  it needs starlette

LIMIT = 20.0


class Central:
    def on_boot_notification(self, station: Any, request: Any) -> Any:
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC), interval=300, status=status
        )

    def on_authorize(self, station: Any, request: Any) -> Any:
        raise ocppj.CallRefused("SecurityError", "not here")


class Charger:
    """A station whose answers the tests choose."""

    def on_unlock_connector(self, request: v201.UnlockConnectorRequest) -> Any:
        return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)

    def on_reset(self, request: Any) -> Any:
        raise ocppj.CallRefused("InternalError", "cannot", {"why": "asked"})

    async def on_clear_cache(self, request: Any) -> Any:
        await asyncio.sleep(LIMIT)


@dataclass
class Site:
    """What a test gets."""

    csms: CSMS
    monitor: Monitor
    client: Any
    port: int
    url: str

    @asynccontextmanager
    async def station(self, name: str = "CS-1", handler: Any = None) -> AsyncIterator[Any]:
        station = ChargingStation(name, {"2.0.1": handler or Charger()})
        async with station.connect(f"ws://127.0.0.1:{self.port}", backoff=None):
            await self.csms.station(name, timeout=5)
            yield station


@asynccontextmanager
async def site(**options: Any) -> AsyncIterator[Site]:
    monitor = options.pop("monitor", None) or Monitor()
    lenient = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
    handlers = {"2.0.1": Central(), "1.6": object(), "2.1": object()}
    waiting = options.pop("max_waiting", 0)
    csms = CSMS(handlers, codecs={"2.0.1": lenient}, tap=monitor, max_waiting=waiting)
    shown = monitor if options.pop("monitored", True) else None
    app = application(csms, monitor=shown, **options)
    async with csms.listen("127.0.0.1") as server, uvicorn(app) as served:
        url = f"http://127.0.0.1:{served.port}"
        async with httpx.AsyncClient(base_url=url, timeout=LIMIT, verify=False) as client:
            yield Site(csms, monitor, client, server.port, url)


def run(test: Callable[[Site], Awaitable[None]], *, limit: float = LIMIT, **options: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(limit), site(**options) as made:
            await test(made)

    asyncio.run(main())


BOOT = v201.BootNotificationRequest(
    charging_station=v201.ChargingStationType(model="Fast", vendor_name="ACME"),
    reason=v201.BootReasonEnumType.POWER_UP,
)
TOKEN = v201.IdTokenType(id_token="SECRET", type="Central")

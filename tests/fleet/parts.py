"""Nodes, workers and stations for the tests of the fleet."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from nats.aio.client import Client as PlainClient

from ocppj import v16, v201
from ocppj.aio import ChargingStation
from ocppj.fleet import Broker, Fleet, Gateway, Worker, connect
from tests.aio.ends import End, until
from tests.aio.wire import NOW

VERSIONS = ["2.0.1", "1.6", "2.1"]
BOOT = v201.BootNotificationRequest(
    reason=v201.BootReasonEnumType.POWER_UP,
    charging_station=v201.ChargingStationType(model="M", vendor_name="V"),
)
UNLOCK = v201.UnlockConnectorRequest(evse_id=1, connector_id=1)


class Central:
    """Handlers of a worker: they note what they got, and from whom."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.stations: list[Any] = []

    def on_boot_notification(self, station: Any, request: Any) -> Any:
        self.seen.append((station.id, request))
        self.stations.append(station)
        return v201.BootNotificationResponse(
            current_time=NOW, interval=60, status=v201.RegistrationStatusEnumType.ACCEPTED
        )

    def on_transaction_event(self, station: Any, request: Any) -> Any:
        self.seen.append((station.id, request))
        return v201.TransactionEventResponse()


class Central16:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    async def on_boot_notification(self, station: Any, request: Any) -> Any:
        self.seen.append((station.id, request))
        status = v16.RegistrationStatus.ACCEPTED
        return v16.BootNotificationResponse(current_time=NOW, interval=60, status=status)


class Wallbox:
    """Handlers of a station."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_unlock_connector(self, request: Any) -> Any:
        self.seen.append(request)
        return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)


class System:
    """What a test has: a way to the broker for each part, all ended at its end."""

    def __init__(self, url: str, prefix: str, end: End, stack: AsyncExitStack) -> None:
        self.url = url
        self.prefix = prefix
        self.end = end
        self._stack = stack

    async def broker(self, **options: Any) -> Broker:
        made = connect(self.url, prefix=self.prefix, **options)
        return await self._stack.enter_async_context(made)

    async def gateway(self, listen: dict[str, Any] | None = None, **options: Any) -> "Listening":
        versions = options.pop("versions", VERSIONS)
        gateway = Gateway(versions, options.pop("broker", None) or await self.broker(), **options)
        made = gateway.listen("127.0.0.1", transport=self.end.transport, **(listen or {}))
        server = await self._stack.enter_async_context(made)
        return Listening(gateway, server)

    async def worker(self, handlers: Any = None, **options: Any) -> Worker:
        if handlers is None or not isinstance(handlers, dict):
            handlers = {"2.0.1": handlers or Central()}
        worker = Worker(handlers, options.pop("broker", None) or await self.broker(), **options)
        return await self._stack.enter_async_context(worker)

    async def fleet(self, tracing: Any = None, **options: Any) -> Fleet:
        broker = await self.broker(tracing=tracing)
        return await self._stack.enter_async_context(Fleet(broker, **options))

    async def station(
        self, node: "Listening", name: str = "CS-1", handlers: Any = None, **options: Any
    ) -> ChargingStation:
        if handlers is None or not isinstance(handlers, dict):
            handlers = {"2.0.1": handlers or Wallbox()}
        station = ChargingStation(name, handlers)
        connected = self.end.connect(station, node.server, **options)
        await self._stack.enter_async_context(connected)
        await until(lambda: node.gateway.generation(name))
        return station

    async def plain(self) -> PlainClient:
        """Return a client of nats-py alone."""
        client = PlainClient()
        await client.connect(self.url)
        self._stack.push_async_callback(client.close)
        return client


class Listening:
    """A gateway and its server."""

    def __init__(self, gateway: Gateway, server: Any) -> None:
        self.gateway = gateway
        self.server = server


@asynccontextmanager
async def system(url: str, prefix: str, end: End) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        yield System(url, prefix, end, stack)

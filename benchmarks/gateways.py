"""Central systems under load, one for each side: `python -m benchmarks.gateways SIDE`.

Each listens on a free port, prints it, and answers Heartbeat, StatusNotification, MeterValues and
TransactionEvent of OCPP 2.0.1 with handlers that do nothing, on uvloop, without compression and
pings. For each line on standard input it prints its resident memory in KiB and its CPU time in
seconds; it ends with standard input. A side imports its libraries itself, so that no other pays for
them.

The sides with a fixed answer send the same bytes for every message and look at none: the least that
any central system can cost on that transport.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any, Final

import uvloop

__all__ = ["SIDES"]

FIXED: Final = b'[3,"19223201-1f3f-4b6c-9a3e-0d0e6f1a2b3c",{"currentTime":"2026-11-22T10:00:00Z"}]'


def resident() -> int:
    """Return the resident memory of this process in KiB."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def mobilityhouse_station() -> Any:
    """Return the charge point of mobilityhouse/ocpp, as its examples have it."""
    from ocpp.routing import on  # noqa: PLC0415  this side alone
    from ocpp.v201 import ChargePoint, call_result  # noqa: PLC0415  this side alone

    class Station(ChargePoint):  # type: ignore[misc]
        @on("Heartbeat")  # type: ignore[untyped-decorator]
        def on_heartbeat(self, **_: Any) -> Any:
            return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

        @on("StatusNotification")  # type: ignore[untyped-decorator]
        def on_status_notification(self, **_: Any) -> Any:
            return call_result.StatusNotification()

        @on("MeterValues")  # type: ignore[untyped-decorator]
        def on_meter_values(self, **_: Any) -> Any:
            return call_result.MeterValues()

        @on("TransactionEvent")  # type: ignore[untyped-decorator]
        def on_transaction_event(self, **_: Any) -> Any:
            return call_result.TransactionEvent()

    return Station


@asynccontextmanager
async def mobilityhouse() -> AsyncIterator[int]:
    """The charge point of mobilityhouse/ocpp on websockets."""
    from websockets.asyncio.server import ServerConnection, serve  # noqa: PLC0415  this side alone

    station = mobilityhouse_station()

    async def handle(socket: ServerConnection) -> None:
        await station("S", socket).start()

    options: Any = {"subprotocols": ["ocpp2.0.1"], "compression": None, "ping_interval": None}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def uvicorn(application: Any) -> AsyncIterator[int]:
    """Serve an ASGI application: with httptools, on uvicorn's default WebSocket implementation."""
    from uvicorn import Config, Server  # noqa: PLC0415  this side alone

    config = Config(
        application,
        port=0,
        http="httptools",
        log_level="warning",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


@asynccontextmanager
async def mobilityhouse_starlette() -> AsyncIterator[int]:
    """The charge point of mobilityhouse/ocpp in Starlette: it needs `recv` and `send`."""
    from starlette.applications import Starlette  # noqa: PLC0415  this side alone
    from starlette.routing import WebSocketRoute  # noqa: PLC0415  this side alone
    from starlette.websockets import WebSocket, WebSocketDisconnect  # noqa: PLC0415  this side alone

    station = mobilityhouse_station()

    class Adapter:
        def __init__(self, socket: WebSocket) -> None:
            self.recv = socket.receive_text
            self.send = socket.send_text

    async def endpoint(socket: WebSocket) -> None:
        await socket.accept("ocpp2.0.1")
        with suppress(WebSocketDisconnect):
            await station(socket.path_params["station_id"], Adapter(socket)).start()

    application = Starlette(routes=[WebSocketRoute("/{station_id}", endpoint)])
    async with uvicorn(application) as port:
        yield port


def ocppj_handler() -> Any:
    """Return handlers that do nothing."""
    from ocppj import v201  # noqa: PLC0415  this side alone
    from ocppj.aio import Station  # noqa: PLC0415  this side alone

    class Handler:
        def on_heartbeat(self, _: Station, __: v201.HeartbeatRequest) -> v201.HeartbeatResponse:
            return v201.HeartbeatResponse(current_time=datetime.now(UTC))

        def on_status_notification(
            self, _: Station, __: v201.StatusNotificationRequest
        ) -> v201.StatusNotificationResponse:
            return v201.StatusNotificationResponse()

        def on_meter_values(
            self, _: Station, __: v201.MeterValuesRequest
        ) -> v201.MeterValuesResponse:
            return v201.MeterValuesResponse()

        def on_transaction_event(
            self, _: Station, __: v201.TransactionEventRequest
        ) -> v201.TransactionEventResponse:
            return v201.TransactionEventResponse()

    return Handler()


def ocppj_csms() -> Any:
    """Return a CSMS whose handlers do nothing."""
    from ocppj.aio import CSMS  # noqa: PLC0415  this side alone

    return CSMS({"2.0.1": ocppj_handler()}, duplicates="newest")


@asynccontextmanager
async def ocppj(transport: Any, **options: Any) -> AsyncIterator[int]:
    """`ocppj.aio` on one of its transports."""
    csms = ocppj_csms()
    listen = csms.listen("127.0.0.1", transport=transport, ping_interval=None, **options)
    async with listen as server:
        yield server.port


@asynccontextmanager
async def fixed_on_picows() -> AsyncIterator[int]:
    """The same answer to every message, on picows."""
    from picows import (  # noqa: PLC0415  this side alone
        WSFrame,
        WSListener,
        WSMsgType,
        WSTransport,
        WSUpgradeRequest,
        WSUpgradeResponse,
        WSUpgradeResponseWithListener,
        ws_create_server,
    )

    class Listener(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            frame.get_payload_as_bytes()
            transport.send(WSMsgType.TEXT, FIXED)

    def accept(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        headers = {"Sec-WebSocket-Protocol": "ocpp2.0.1"}
        response = WSUpgradeResponse.create_101_response(headers)
        return WSUpgradeResponseWithListener(response, Listener())

    server = await ws_create_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def fixed_on_websockets() -> AsyncIterator[int]:
    """The same answer to every message, on websockets."""
    from websockets.asyncio.server import ServerConnection, serve  # noqa: PLC0415  this side alone

    async def handle(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send(FIXED, text=True)

    options: Any = {"subprotocols": ["ocpp2.0.1"], "compression": None, "ping_interval": None}
    async with serve(handle, "127.0.0.1", 0, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def ocppj_starlette() -> AsyncIterator[int]:
    """`ocppj.aio` as an ASGI application that is mounted in Starlette."""
    from starlette.applications import Starlette  # noqa: PLC0415  this side alone
    from starlette.routing import Mount  # noqa: PLC0415  this side alone

    ocpp = ocppj_csms().asgi()
    async with uvicorn(Starlette(routes=[Mount("/", ocpp)], lifespan=ocpp.lifespan)) as port:
        yield port


SIDES: Final = {
    "mobilityhouse/ocpp on websockets": mobilityhouse,
    "fixed answer on websockets": fixed_on_websockets,
    "ocppj on websockets": lambda: ocppj("websockets", compression=None),
    "fixed answer on picows": fixed_on_picows,
    "ocppj on picows": lambda: ocppj("picows"),
    "mobilityhouse/ocpp in Starlette on uvicorn": mobilityhouse_starlette,
    "ocppj in Starlette on uvicorn": ocppj_starlette,
}
"""Name -> context in which the side listens; its value is the port."""


async def main(side: str) -> None:
    """Serve one side."""
    async with SIDES[side]() as port:
        print(port, flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(resident(), process_time(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))

"""A CSMS and a command route on one port, in Starlette.

    pip install '.[websockets]' starlette uvicorn
    python examples/starlette_endpoint.py --port 9000

Stations connect to `ws://localhost:9000/ocpp/CS-1`. An operator reads a variable of one:

    curl localhost:9000/stations/CS-1/variables/OCPPCommCtrlr/HeartbeatInterval

With FastAPI see `docs/fastapi.md`.
"""

import argparse
from datetime import UTC, datetime

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, Station


class Handler:
    """Answers the calls of charging stations."""

    async def on_boot_notification(
        self, station: Station, request: v201.BootNotificationRequest
    ) -> v201.BootNotificationResponse:
        """Accept every station."""
        print(f"{station.id!a} {request.charging_station.model!a}", flush=True)
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC),
            interval=300,
            status=v201.RegistrationStatusEnumType.ACCEPTED,
        )

    def on_heartbeat(self, _: Station, __: v201.HeartbeatRequest) -> v201.HeartbeatResponse:
        """Return the time."""
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))


async def read_variable(request: Request) -> JSONResponse:
    """Ask a station for the value of a variable."""
    names = request.path_params
    call = v201.GetVariablesRequest(
        get_variable_data=[
            v201.GetVariableDataType(
                component=v201.ComponentType(name=names["component"]),
                variable=v201.VariableType(name=names["variable"]),
            )
        ]
    )
    response = await csms.call(names["station_id"], call, timeout=10)
    return JSONResponse(msgspec.to_builtins(response))


STATUSES: dict[type[Exception], int] = {
    ocppj.EncodeError: 422,  # a parameter is invalid; nothing was sent
    ocppj.ConnectionLost: 404,
    ocppj.CallTimeout: 504,
    ocppj.CallFailed: 502,  # the station answered with an error
    ocppj.DecodeError: 502,
    ocppj.LocalProtocolError: 503,  # too many calls are queued
}


async def report(_: Request, error: Exception) -> JSONResponse:
    """Return the HTTP status for an error of a call."""
    status = next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)
    return JSONResponse({"detail": str(error)}, status)


csms = CSMS({"2.0.1": Handler()})
ocpp = csms.asgi()
variable = Route("/stations/{station_id}/variables/{component}/{variable}", read_variable)
app = Starlette(
    routes=[variable, Mount("/ocpp", ocpp)],
    exception_handlers=dict.fromkeys(STATUSES, report),
    lifespan=ocpp.lifespan,
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A CSMS in Starlette.")
    parser.add_argument("--port", type=int, default=9000)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, ws_max_size=2**17)

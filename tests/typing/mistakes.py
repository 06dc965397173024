"""Mistakes that a type checker has to report: the marked lines, and no others."""

from typing import TypeVar

import ocppj
from ocppj import v21, v201
from ocppj.aio import CSMS, ChargingStation
from ocppj.v201.availability import CSMSHandler
from ocppj.v201.remote_control import ChargingStationHandler, UnlockConnectorRequest

v201.CancelReservationRequest(reservation_id="1")  # error
v201.CancelReservationRequest()  # error
v201.ResetRequest(type="Immediate")  # error
v201.HeartbeatRequest(evse_id=1)  # error
UnlockConnectorRequest(evse_id=1, connector_id=None)  # error
ocppj.Call("i", "Heartbeat")  # error
ocppj.Codec("2.0.1").decode(5)  # error


class Incomplete:
    """Has none of the methods."""


handler: ChargingStationHandler = Incomplete()  # error


class Mistaken:
    """Answers a heartbeat with the response of another action."""

    async def on_heartbeat(
        self, station: str, request: v201.HeartbeatRequest
    ) -> v201.ResetResponse:
        raise NotImplementedError

    def on_status_notification(
        self, station: str, request: v201.StatusNotificationRequest
    ) -> v201.StatusNotificationResponse:
        raise NotImplementedError


class Stationless:
    """Lacks the argument for the station that calls."""

    def on_heartbeat(self, request: v201.HeartbeatRequest) -> v201.HeartbeatResponse:
        raise NotImplementedError

    def on_status_notification(
        self, request: v201.StatusNotificationRequest
    ) -> v201.StatusNotificationResponse:
        raise NotImplementedError


mistaken: CSMSHandler = Mistaken()  # error
stationless: CSMSHandler = Stationless()  # error

R = TypeVar("R")


def call(request: ocppj.Request[R]) -> R:
    """Return the response of a request."""
    raise NotImplementedError


heartbeat: v21.HeartbeatResponse = call(v201.HeartbeatRequest())  # error
call(v201.HeartbeatResponse(current_time=heartbeat.current_time))  # error
call(v201.HeartbeatRequest)  # error
session = ocppj.Session(ocppj.Codec("2.0.1"), "station")  # error
session.call(v201.HeartbeatRequest(), "now")  # error
session.reply(ocppj.CallError("i", "GenericError"), heartbeat)  # error


class NoTransport:
    """Can neither listen nor connect."""


CSMS({}).listen(transport=NoTransport())  # error
ChargingStation("CS-1", {}).connect("ws://", transport=NoTransport())  # error


async def calls(central: CSMS, station: ChargingStation) -> None:
    """A response cannot be sent as a call."""
    await station.call(heartbeat)  # error
    await central.call("CS-1", heartbeat)  # error
    reset: v201.ResetResponse = await station.call(v201.HeartbeatRequest())  # error
    await station.call(reset.status)  # error

"""Mistakes that a type checker has to see: each marked line, and no other."""

import ocppj
from ocppj import v201
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

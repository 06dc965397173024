"""Live endpoints over WebSocket: `CSMS` and `ChargingStation`, for asyncio.

Needs a transport: `pip install 'ocppj[websockets]'`, or `'ocppj[picows]'` for the fast one.
"""

from ocppj.aio.charging_station import Backoff, ChargingStation
from ocppj.aio.connection import Connection
from ocppj.aio.csms import CSMS, Duplicates, Server, Station
from ocppj.aio.metrics import Direction, Metrics
from ocppj.aio.security import Authenticate, Handshake, basic, certificate
from ocppj.aio.transport import TransportName

__all__ = [
    "CSMS",
    "Authenticate",
    "Backoff",
    "ChargingStation",
    "Connection",
    "Direction",
    "Duplicates",
    "Handshake",
    "Metrics",
    "Server",
    "Station",
    "TransportName",
    "basic",
    "certificate",
]

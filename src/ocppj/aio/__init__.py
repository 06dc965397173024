"""Live endpoints over WebSocket: `CSMS` and `ChargingStation`, for asyncio.

Install a transport: `pip install 'ocppj[websockets]'`, or `'ocppj[picows]'`, which is faster.
"""

from ocppj.aio.charging_station import Backoff, ChargingStation
from ocppj.aio.connection import Connection
from ocppj.aio.csms import CSMS
from ocppj.aio.directory import Directory, StationHandle, StationInfo
from ocppj.aio.events import EventsLost, EventStream, StationEvent
from ocppj.aio.metrics import Direction, Metrics
from ocppj.aio.mirror import Mirror
from ocppj.aio.node import Server
from ocppj.aio.outbox import Outbox, OutboxFull
from ocppj.aio.recorder import Recorder, Redaction
from ocppj.aio.relay import HeadersFor, Relay
from ocppj.aio.security import Authenticate, Handshake, basic, certificate
from ocppj.aio.stations import Duplicates, Station
from ocppj.aio.store import OutboxStore, SQLiteStore, StoredRequest
from ocppj.aio.tap import Tap, TappedFrame
from ocppj.aio.tracing import Tracing
from ocppj.aio.transport import TransportName
from ocppj.aio.viewers import FrameStream

__all__ = [
    "CSMS",
    "Authenticate",
    "Backoff",
    "ChargingStation",
    "Connection",
    "Direction",
    "Directory",
    "Duplicates",
    "EventStream",
    "EventsLost",
    "FrameStream",
    "Handshake",
    "HeadersFor",
    "Metrics",
    "Mirror",
    "Outbox",
    "OutboxFull",
    "OutboxStore",
    "Recorder",
    "Redaction",
    "Relay",
    "SQLiteStore",
    "Server",
    "Station",
    "StationEvent",
    "StationHandle",
    "StationInfo",
    "StoredRequest",
    "Tap",
    "TappedFrame",
    "Tracing",
    "TransportName",
    "basic",
    "certificate",
]

"""From one process to a fleet: gateways hold the stations, workers have the handlers.

They meet on a NATS server with JetStream. Needs `pip install 'ocppj[nats]'`.
"""

from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerBusy, BrokerError, BrokerLost
from ocppj.fleet.connection import connect
from ocppj.fleet.fleet import ConnectedStation, Fleet
from ocppj.fleet.gateway import Gateway
from ocppj.fleet.station import RemoteStation
from ocppj.fleet.worker import Worker

__all__ = [
    "Broker",
    "BrokerBusy",
    "BrokerError",
    "BrokerLost",
    "ConnectedStation",
    "Fleet",
    "Gateway",
    "RemoteStation",
    "Worker",
    "connect",
]

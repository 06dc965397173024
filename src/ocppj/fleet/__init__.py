"""From one process to a fleet: gateways hold the stations, workers have the handlers.

They meet on a NATS server with JetStream. Needs `pip install 'ocppj[nats]'`.
"""

from ocppj.fleet.broker import Broker, connect
from ocppj.fleet.client import BrokerBusy, BrokerError, BrokerLost

__all__ = ["Broker", "BrokerBusy", "BrokerError", "BrokerLost", "connect"]

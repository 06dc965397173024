"""For tests of your own: both ends of a connection in memory, faults, a clock, sample messages.

    async with connected(csms, station) as wire:
        await station.call(v201.HeartbeatRequest())
        assert wire.actions == ["Heartbeat", "Heartbeat"]

Everything but the socket is the code that runs in production.
"""

from ocppj.testing.clock import Clock, manual_clock
from ocppj.testing.memory import Memory, connected
from ocppj.testing.samples import Answering, sample
from ocppj.testing.wire import Recorded, Wire

__all__ = [
    "Answering",
    "Clock",
    "Memory",
    "Recorded",
    "Wire",
    "connected",
    "manual_clock",
    "sample",
]

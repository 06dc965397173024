"""What `benchmarks.scale` reckons with: the cost of connections, and of frames of two kinds.

Parts of `benchmarks.fleet`, which writes the results.
"""

import asyncio
import json
import ssl
from contextlib import ExitStack
from time import perf_counter
from typing import Any, Final

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from benchmarks.load import CLOSED_STATIONS, Client, frame_of
from benchmarks.parts import COUNTERS, Nats, chain, cpu, join, pids_of, resident, started

__all__ = ["carried", "connections"]

MICRO: Final = 1e6
ENDS: Final = ("gateway", "nats-server")
"""Processes that know each station."""


def connections(count: int, seconds: float) -> dict[str, Any]:
    """Return what stations cost that connect, with TLS and without, and while they are silent."""
    plain = _connected("gateway", count, seconds)
    return {"stations": count, "plain": plain, "TLS": _connected("secure", count, seconds)}


def _connected(role: str, count: int, seconds: float) -> dict[str, Any]:
    context = None
    if role == "secure":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def measure() -> tuple[dict[str, float], dict[str, float], float]:
        stations, start = [Client() for _ in range(count)], perf_counter()
        for number, station in enumerate(stations):
            await join(gateway.port, number, station, context)
            station.give(frame_of("Heartbeat"))  # answered once the connection is claimed
        while any(not station.answered for station in stations):  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.01)
        rate, claimed = count / (perf_counter() - start), _used(nats, pids)
        await asyncio.sleep(seconds)
        silent = _used(nats, pids)
        watching = await asyncio.to_thread(started, stack, "fleet", nats)
        found.update(await asyncio.to_thread(watching.answer))
        return claimed, silent, rate

    with ExitStack() as stack:
        nats, worker, gateway = chain(stack, role)
        pids = pids_of(nats, worker, gateway)
        found: dict[str, float] = {}
        before = _used(nats, pids)
        memory = {who: resident(pids[who]) for who in ENDS}
        claimed, silent, rate = uvloop.run(measure())
        return {
            "rate": rate,
            "microseconds": {who: (claimed[who] - before[who]) / count * MICRO for who in ENDS},
            "memory": {who: (resident(pids[who]) - memory[who]) / count for who in ENDS},
            "messages": (claimed["in_msgs"] - before["in_msgs"]) / count,
            "silent messages a second": (silent["in_msgs"] - claimed["in_msgs"]) / seconds,
            "fleet": {name: value / count for name, value in found.items()},
        }


def _used(nats: Nats, pids: dict[str, int]) -> dict[str, float]:
    """Return the processor time and the traffic so far."""
    return {**nats.traffic(), **{who: cpu(pid) for who, pid in pids.items()}}


class Numbered(WSListener):
    """A station that sends a call under one message id after the other until it is told to stop."""

    def __init__(self, frame: bytes) -> None:
        self.answered = 0
        self.stopped = False
        message_id = json.loads(frame)[1]
        self._parts = frame.split(b'"%b"' % message_id.encode(), 1)

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, (b'"%d"' % self.answered).join(self._parts))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        assert frame.get_payload_as_bytes().startswith(b"[3,")
        self.answered += 1
        if not self.stopped:
            self.on_ws_connected(transport)


def carried(role: str, action: str, seconds: float) -> dict[str, Any]:
    """Return how many calls per second are answered, and what each costs until it is handled.

    Args:
        role: of the gateway.
        action: of the calls.
        seconds: that stations call for, without a pause.
    """

    async def measure(port: int) -> tuple[float, dict[str, float]]:
        stations = [Numbered(frame_of(action)) for _ in range(CLOSED_STATIONS)]
        for number, station in enumerate(stations):
            await join(port, number, station)
        before, first = _used(nats, pids), sum(one.answered for one in stations)
        await asyncio.sleep(seconds)
        rate = (sum(one.answered for one in stations) - first) / seconds
        for station in stations:
            station.stopped = True
        after = before
        while (now := _used(nats, pids))["out_msgs"] > after["out_msgs"] + CLOSED_STATIONS:
            after = now  # workers are still at stored ones
            await asyncio.sleep(1)
        frames = sum(one.answered for one in stations) - first
        return rate, {name: (now[name] - before[name]) / frames for name in now}

    with ExitStack() as stack:
        nats, worker, gateway = chain(stack, role)
        pids = pids_of(nats, worker, gateway)
        rate, each = uvloop.run(measure(gateway.port))
    return {
        "rate": rate,
        "broker": {name: each.pop(name) for name in COUNTERS},
        "microseconds": {who: spent * MICRO for who, spent in each.items()},
    }

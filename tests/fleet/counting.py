"""Stations that count what they send and what is acknowledged, and the comparison with workers.

A station numbers its TransactionEvents and sends the next one when the last is acknowledged; one
that is not, it repeats, with the same message id. Each fifth event is followed by a
StatusNotification, which gateways store. It answers commands, and notes their numbers.
"""

import asyncio
import itertools
import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

ANSWER = 30.0
"""Seconds that a station waits for an answer, as real ones do."""


class Row(NamedTuple):
    """What was counted of one action at both ends."""

    action: str
    sent: int
    acknowledged: int
    seen: int
    lost: int
    repeated: int
    out_of_order: int
    other_id: int

    def __str__(self) -> str:
        return "".join([f"{self.action:20}", *(f"{number:>13}" for number in self[1:])])


TITLE = "".join(f"{name.replace('_', ' '):>13}" for name in Row._fields[1:])


class Notes:
    """What one process has seen. A line that is written outlives the process.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, moment: int, action: str, station: str, number: int, message_id: str) -> None:
        line = f"{moment} {action} {station} {number} {message_id}\n"
        os.write(self._file, line.encode())


class Sight(NamedTuple):
    """A line of the notes."""

    moment: int
    action: str
    station: str
    number: int
    message_id: str


def sights(folder: Path) -> list[Sight]:
    """Return what all processes have noted, in the order in which it happened."""
    found = []
    for path in folder.glob("seen-*"):
        for line in path.read_text().splitlines():
            moment, action, station, number, message_id = line.split()
            found.append(Sight(int(moment), action, station, int(number), message_id))
    return sorted(found)


class Line(WSListener):
    """A connection of a station."""

    def __init__(self, station: "Station") -> None:
        self.answer: asyncio.Future[list[Any]] | None = None
        self.transport: Any = None
        self.ended = False
        self._station = station

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            message = json.loads(frame.get_payload_as_bytes())
            if message[0] == 2:
                self._station.commands.append(message[3]["connectorId"])
                answer = [3, message[1], {"status": "Unlocked"}]
                transport.send(WSMsgType.TEXT, json.dumps(answer).encode())
            elif self.answer is not None and not self.answer.done():
                self.answer.set_result(message)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended = True
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError())

    async def call(self, frame: bytes) -> list[Any]:
        if self.ended:
            raise ConnectionError
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.send(WSMsgType.TEXT, frame)
        async with asyncio.timeout(ANSWER):
            return await self.answer


class Station:
    """Sends numbered events until it is told to stop.

    Args:
        name: its identity.
        ports: of the gateways, which it tries in turn.
        pause: seconds between an answer and the next call, on average.
        back_off: seconds before it connects again: the first time at least, and at most.

    Attributes:
        acknowledged: message ids of the events and StatusNotifications that were, by action and
            number.
        begun: number of the last event.
        commands: numbers of the commands that it has got.
        port: of its gateway.
        sent: frames by action, those that were repeated too.
    """

    def __init__(
        self, name: str, ports: list[int], pause: float, back_off: tuple[float, float]
    ) -> None:
        self.name = name
        self.acknowledged: dict[str, dict[int, str]] = defaultdict(dict)
        self.begun = -1
        self.commands: list[int] = []
        self.port = 0
        self.sent: Counter[str] = Counter()
        self._ports = itertools.cycle(random.sample(ports, len(ports)))
        self._pause = pause
        self._back_off = back_off
        self._line: Line | None = None
        self._progress = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        for number in itertools.count():
            self.begun = number
            await self._deliver("TransactionEvent", number, self._event(number))
            await self._deliver("StatusNotification", number, self._status(number))
            if stop.is_set():
                break
        if self._line is not None:
            self._line.transport.disconnect()

    async def another(self) -> None:
        """Wait until an event is acknowledged that was begun after now."""
        now = self.begun
        while max(self.acknowledged["TransactionEvent"], default=-1) <= now:
            self._progress.clear()
            await self._progress.wait()

    async def _deliver(self, action: str, number: int, payload: dict[str, Any]) -> None:
        """Send a call until it is acknowledged."""
        message_id = f"{number}-{os.urandom(4).hex()}"
        frame = json.dumps([2, message_id, action, payload]).encode()
        while True:
            try:
                line = self._line = self._line or await self._connect()
                self.sent[action] += 1
                answer = await line.call(frame)
            except (OSError, TimeoutError):
                if self._line is not None:
                    self._line.transport.disconnect(graceful=False)
                    self._line = None
            else:
                assert answer[1] == message_id, answer
                if answer[0] == 3:
                    break
                assert answer[0] == 4, answer
                await asyncio.sleep(random.uniform(0.2, 1))
        self.acknowledged[action][number] = message_id
        self._progress.set()
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))

    def _event(self, number: int) -> dict[str, Any]:
        return {
            "eventType": "Updated",
            "timestamp": "2026-11-24T10:00:00Z",
            "triggerReason": "MeterValuePeriodic",
            "seqNo": number,
            "transactionInfo": {"transactionId": self.name},
        }

    def _status(self, number: int) -> dict[str, Any]:
        return {
            "timestamp": "2026-11-24T10:00:00Z",
            "connectorStatus": "Occupied",
            "evseId": 1,
            "connectorId": number,
        }

    async def _connect(self) -> Line:
        low, high = self._back_off
        wait = low
        while True:
            if self.port:
                await asyncio.sleep(random.uniform(low, wait))
                wait = min(2 * wait, high)
            line, self.port = Line(self), next(self._ports)
            try:
                await ws_connect(
                    lambda line=line: line,
                    f"ws://127.0.0.1:{self.port}/{self.name}",
                    extra_headers={"Sec-WebSocket-Protocol": "ocpp2.0.1"},
                )
            except Exception:  # noqa: BLE001  whatever it is, a station tries again
                continue
            return line


def compared(action: str, stations: Iterable[Station], folder: Path, *, ordered: bool) -> Row:
    """Compare what stations know to be acknowledged with what workers have seen."""
    known = {
        (one.name, number): message_id
        for one in stations
        for number, message_id in one.acknowledged[action].items()
    }
    seen = [one for one in sights(folder) if one.action == action]
    first: dict[tuple[str, int], str] = {}
    last: dict[str, int] = defaultdict(lambda: -1)
    out_of_order = other_id = 0
    for one in seen:
        key = one.station, one.number
        if key not in first:
            out_of_order += ordered and one.number < last[one.station]
            last[one.station] = max(one.number, last[one.station])
        other_id += first.setdefault(key, one.message_id) != one.message_id
    other_id += sum(first[key] != known[key] for key in first.keys() & known)
    return Row(
        action,
        sent=sum(one.sent[action] for one in stations),
        acknowledged=len(known),
        seen=len(seen),
        lost=len(known.keys() - first),
        repeated=len(seen) - len(first),
        out_of_order=out_of_order,
        other_id=other_id,
    )

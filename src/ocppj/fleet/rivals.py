"""What two nodes settle when a station connects to both: `<prefix>.node.<node>`.

The node that the station comes to asks the one whose connection is in the bucket. Whether that
connection stays is for its own node to say; this module carries the question and the answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from ocppj.fleet.broker import NO_RESPONDERS, Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.subjects import parse_json, token

__all__ = ["Rivals"]

log: Final = logging.getLogger("ocppj.fleet")


class Kick(msgspec.Struct):
    """What a node asks of another one: to give up a connection."""

    station: str
    generation: int


class Verdict(msgspec.Struct):
    """The answer to `Kick`: whether the connection stays."""

    stays: bool


class Rivals:
    """Asks other nodes to give up connections, and answers those that ask.

    Args:
        broker: connection to NATS.
        node: id of this node.
        patience: seconds that another node has to answer.
        keeps: returns whether the connection of a station stays here: station, generation.
        logbook: what is logged.
    """

    def __init__(
        self,
        broker: Broker,
        node: str,
        patience: float,
        keeps: Callable[[str, int], Awaitable[bool]],
        logbook: Logbook,
    ) -> None:
        self._broker = broker
        self._subject = broker.subjects.node(node)
        self._patience = patience
        self._keeps = keeps
        self._logbook = logbook
        self._subscription = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to answer."""
        self._subscription = self._broker.listen(self._subject, self._asked)

    async def close(self) -> None:
        """Answer no more, but finish what is asked already."""
        self._broker.unlisten(self._subscription)
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=self._patience)
            for task in late:
                task.cancel()

    async def gives_up(self, node: str, station_id: str, generation: int) -> bool:
        """Return whether another node has given up a connection, or is gone.

        Raises:
            BrokerError: it cannot be asked.
        """
        subject = self._broker.subjects.node(token(node))
        payload = msgspec.json.encode(Kick(station_id, generation))
        try:
            reply = await self._broker.request(subject, payload, timeout=self._patience)
        except TimeoutError:
            log.warning("node %.80s does not answer: %s is taken over", node, station_id)
            return True
        if reply.status == NO_RESPONDERS:
            return True
        try:
            return not parse_json(reply.payload, Verdict).stays
        except ValueError:
            return True

    def _asked(self, _subject: str, reply: str, _headers: bytes, payload: bytes) -> None:
        try:
            kick = parse_json(payload, Kick)
        except ValueError as error:
            self._logbook.note("kick", f"a message of a node is not valid: {error}")
            return
        task = asyncio.get_running_loop().create_task(self._answer(kick, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, kick: Kick, reply: str) -> None:
        stays = await self._keeps(kick.station, kick.generation)
        try:
            if reply:
                self._broker.post(reply, msgspec.json.encode(Verdict(stays)))
        except BrokerError as error:
            self._logbook.note("kick", f"a node gets no answer: {error}")

"""A node's place in the fleet: which stations it holds, against all other nodes.

1. A station enters with a claim: its entry is written at the revision that was read. The
revision of the write is the generation of the connection.
2. If the entry is another node's, that node is asked first (`<prefix>.node.<node>`). It pings
its connection, or not, by its own setting; if the connection stays, the new one is refused.
A node that does not answer is dead, or cut off: the newer connection wins.
3. An entry is deleted only at the generation that was written. Who was replaced deletes nothing.
4. A node that has lost the broker, or was suspended for longer than the lease, takes no
commands until it has compared all its stations with their entries. A connection whose entry
is of a newer one is closed with code 1008.
"""

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ocppj.aio.stations import Station, Stations
from ocppj.fleet.broker import Broker
from ocppj.fleet.client import BrokerError
from ocppj.fleet.leftovers import Leftovers
from ocppj.fleet.logbook import Logbook
from ocppj.fleet.presence import NodeRecord, Presence, StationRecord
from ocppj.fleet.rivals import Rivals
from ocppj.fleet.subjects import token

__all__ = ["Membership", "node_id"]

ATTEMPTS: Final = 8
AT_ONCE: Final = 100

log: Final = logging.getLogger("ocppj.fleet")


def node_id(name: str | None) -> str:
    """Return an id that no other node has, or had: a name and six random digits.

    Args:
        name: its beginning; the host's name by default. Characters other than letters, digits, `-`
            and `_` become `-`.
    """
    beginning = re.sub(r"[^A-Za-z0-9_-]", "-", name or socket.gethostname())
    return f"{beginning[:40]}-{os.urandom(3).hex()}"


class Membership:
    """Claims stations for a node.

    Args:
        broker: connection to NATS.
        node: id of the node.
        stations: that are connected to it.
        lease: seconds, where the fleet does not have one yet.
        patience: seconds that another node has to say whether its connection stays.
        receive: handles a command: station (`None`: there is none that may get it), generation,
            reply subject, headers, payload.
        logbook: what is logged.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        node: str,
        stations: Stations,
        lease: float,
        patience: float,
        receive: Callable[[Station | None, int, str, bytes, bytes], None],
        logbook: Logbook,
    ) -> None:
        self.node = node
        self.accepting = True
        self._broker = broker
        self._stations = stations
        self._presence = Presence(broker, lease)
        self._patience = patience
        self._receive = receive
        self._logbook = logbook
        self._since = datetime.now(UTC)
        self._generations: dict[str, int] = {}
        self._subscriptions: dict[str, int] = {}
        self._claiming: set[str] = set()
        self._yielded: set[str] = set()
        self._renewed = 0.0
        self._restored = False
        self._restoring: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._leftovers = Leftovers(self._presence, logbook)
        self._rivals = Rivals(broker, node, patience, self._keeps, logbook)

    def generation(self, station_id: str) -> int:
        """Return the number of a station's connection; 0 while it is not claimed."""
        return self._generations.get(station_id, 0)

    @property
    def ready(self) -> bool:
        """Whether the fleet sees this node and its stations."""
        return self._restored and self._broker.connected and not self._stale

    @property
    def _stale(self) -> bool:
        return asyncio.get_running_loop().time() - self._renewed > self._presence.lease

    async def join(self) -> None:
        """Enter the fleet.

        Raises:
            BrokerError: the buckets do not exist and cannot be created.
        """
        await self._presence.ensure()
        self._rivals.start()
        await self._renew()
        self._restored = True
        self._broker.watch(self._lost, self._returned)
        self._renewing = asyncio.create_task(self._keep_renewing())

    async def leave(self) -> None:
        """Leave the fleet; all stations have been closed before."""
        self._broker.unwatch(self._lost, self._returned)
        for task in (self._renewing, self._restoring):
            if task is not None:
                task.cancel()
        await self._rivals.close()
        try:
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=self._patience)
            for station_id, generation in list(self._generations.items()):
                await self._presence.release(token(station_id), generation, "the node has left")
            await self._presence.retire(self.node)
        except (BrokerError, TimeoutError) as error:
            log.info("left without a word to the fleet: %s", error)
        for task in self._tasks:
            task.cancel()
        self._generations.clear()
        self._restored = False

    # The lease

    async def _renew(self) -> None:
        start = asyncio.get_running_loop().time()
        lease, count = self._presence.lease, len(self._stations)
        record = NodeRecord(lease, self._since, count, self.accepting)
        await self._presence.renew(self.node, record)
        self._renewed = start

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._presence.lease / 3)
            stale = self._stale
            try:
                await self._renew()
                await self._leftovers.tidy()
            except (BrokerError, TimeoutError) as error:
                self._logbook.note("lease", f"the lease is not renewed: {error}")
                continue
            if stale:
                self._restore()
            elif self._restored:
                await self._claim_late()

    async def _claim_late(self) -> None:
        """Claim stations that have entered while that was not possible."""
        late = [one for one in self._stations.values() if one.id not in self._generations]
        try:
            await _all(self._compare(station) for station in late[:AT_ONCE])
        except (BrokerError, TimeoutError) as error:
            self._logbook.note("claim", f"stations are not claimed yet: {error}")

    async def announce(self) -> None:
        """Tell the fleet whether the node accepts stations."""
        try:
            await self._renew()
        except (BrokerError, TimeoutError) as error:
            self._logbook.note("lease", f"the lease is not renewed: {error}")

    # Claims

    async def claim(self, station: Station) -> bool:
        """Return whether a station may enter here; it is claimed then.

        While there is no broker it may, and is claimed later.
        """
        if station.id in self._claiming:
            return False
        self._claiming.add(station.id)
        try:
            return await self._claim(station)
        except (BrokerError, TimeoutError) as error:
            self._logbook.note("claim", f"{station.id} enters without a claim: {error}")
            return True
        finally:
            self._claiming.discard(station.id)

    async def _claim(self, station: Station) -> bool:
        code = token(station.id)
        record = StationRecord(self.node, station.version, station.since, station.address)
        for _ in range(ATTEMPTS):
            found, revision = await self._presence.find(code)
            if (
                found is not None
                and found.node != self.node
                and not await self._rivals.gives_up(found.node, station.id, revision)
            ):
                return False
            generation = await self._presence.claim(code, record, revision)
            if generation is not None:
                self._generations[station.id] = generation
                return True
        log.info("%s is claimed by several nodes at once", station.id)
        return False

    def entered(self, station: Station) -> None:
        """Note that a station has entered: let commands reach it, and tell the fleet."""
        if station.id in self._generations:
            self._serve(station)

    def _serve(self, station: Station) -> None:
        try:
            self._listen(station)
            self._publish("connected", station)
        except BrokerError as error:
            self._logbook.note("event", f"{station.id}: {error}")

    def _listen(self, station: Station) -> None:
        station_id, code = station.id, token(station.id)
        subject = self._broker.subjects.call(code)

        def receive(_subject: str, reply: str, header_lines: bytes, payload: bytes) -> None:
            self._command(station_id, reply, header_lines, payload)

        # In a queue group of this subject, so that a command never goes to two connections.
        self._unlisten(station_id)
        self._subscriptions[station_id] = self._broker.listen(subject, receive, "nodes", keep=False)

    def _unlisten(self, station_id: str) -> None:
        sid = self._subscriptions.pop(station_id, None)
        if sid is not None:
            self._broker.unlisten(sid)

    def _command(self, station_id: str, reply: str, header_lines: bytes, payload: bytes) -> None:
        # While it is not known whether the connection was replaced, it must not get commands.
        station = self._stations.get(station_id) if self.ready else None
        generation = self.generation(station_id)
        self._receive(station, generation, reply, header_lines, payload)

    def _publish(self, event: str, station: Station, reason: str = "") -> None:
        values = {
            "event": event,
            "station": station.id,
            "node": self.node,
            "version": station.version,
            "generation": self._generations.get(station.id, 0),
            "time": datetime.now(UTC),
            "reason": reason,
        }
        subject = self._broker.subjects.event(token(station.id))
        self._broker.post(subject, msgspec.json.encode(values))

    def left(self, station: Station) -> None:
        """Note that a station's connection has ended."""
        self._unlisten(station.id)
        generation = self._generations.get(station.id)
        if generation is None:
            return
        try:
            self._publish("disconnected", station, station.end)
        except BrokerError as error:
            self._logbook.note("event", f"{station.id}: {error}")
        del self._generations[station.id]
        if station.id in self._yielded:
            # Whoever has asked for the connection is about to write the entry: it has moved then.
            self._leftovers.note_moved(token(station.id), generation)
        else:
            work = self._leftovers.release(token(station.id), generation, station.end)
            self._start(work)

    async def _keeps(self, station_id: str, generation: int) -> bool:
        """Return whether a connection stays, by the setting of this node, if another one asks."""
        if self._generations.get(station_id) != generation:
            return False
        self._yielded.add(station_id)
        try:
            return not await self._stations.yields(station_id)
        finally:
            self._yielded.discard(station_id)

    # After a partition

    def _lost(self) -> None:
        self._restored = False
        self._subscriptions.clear()  # they end with the connection
        if self._restoring is not None:
            self._restoring.cancel()

    async def _returned(self) -> None:
        self._restore()

    def _restore(self) -> None:
        if self._restoring is None or self._restoring.done():
            self._restored = False
            self._restoring = asyncio.create_task(self._compare_all())

    async def _compare_all(self) -> None:
        """Compare all stations with their entries; then take commands again."""
        while True:
            try:
                await self._presence.ensure()
                await self._renew()
                stations = list(self._stations.values())
                for at in range(0, len(stations), AT_ONCE):
                    some = stations[at : at + AT_ONCE]
                    await _all(self._compare(station) for station in some)
            except (BrokerError, TimeoutError) as error:
                self._logbook.note("restore", f"stations are not compared yet: {error}")
                await asyncio.sleep(1)
            else:
                break
        self._restored = True
        log.info("%d stations are in the fleet again", len(self._generations))

    async def _compare(self, station: Station) -> None:
        generation = self._generations.get(station.id)
        found, revision = await self._presence.find(token(station.id))
        if station.closed or station.id in self._claiming:
            return
        if generation is not None and revision == generation and found is not None:
            self._listen(station)
        elif found is not None and generation is not None and revision > generation:
            del self._generations[station.id]  # so that nothing is deleted
            self._stations.replace(station.id)
        elif await self._claim(station):
            if not station.closed:
                self._serve(station)
        else:
            self._stations.replace(station.id)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of it; then raise what the first one has raised that failed."""
    for found in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found

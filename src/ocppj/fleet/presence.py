"""Which station is connected to which node, kept in two key-value buckets of JetStream.

`<prefix>_stations` has an entry for each connected station. Its revision is the generation of the
connection. It is changed and deleted only at the revision that its owner wrote, so that a node that
comes back from a partition cannot harm a newer connection. `<prefix>_nodes` has an entry for each
node that expires unless it is written again: a station is connected if its entry is there and its
node is alive.
"""

import logging
from datetime import datetime
from typing import Any, Final

import msgspec

from ocppj.fleet.broker import Broker, JetStreamError
from ocppj.fleet.subjects import parse_headers, parse_json, status_of

__all__ = ["LEASE", "NodeRecord", "Presence", "StationRecord", "is_deletion"]

LEASE: Final = 10.0
"""Seconds after which a node that does not renew its entry counts as dead."""

OPERATION: Final = "KV-Operation"
SEQUENCE: Final = "Nats-Sequence"
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
WRONG_SEQUENCE: Final = 10071
NANOSECONDS: Final = 1_000_000_000

log: Final = logging.getLogger("ocppj.fleet")


class StationRecord(msgspec.Struct, frozen=True):
    """What the bucket has of a connected station.

    Attributes:
        node: that holds the connection.
        version: of OCPP.
        since: when it connected.
        address: of the peer; empty if it is not known.
    """

    node: str
    version: str
    since: datetime
    address: str = ""


class NodeRecord(msgspec.Struct, frozen=True):
    """What the bucket has of a node.

    Attributes:
        lease: seconds after which it counts as dead unless it writes again.
        since: when it started.
        stations: how many it holds.
        ready: whether it accepts stations.
    """

    lease: float
    since: datetime
    stations: int = 0
    ready: bool = True


def is_deletion(header_lines: bytes) -> bool:
    """Return whether a message of a bucket says that its key is deleted."""
    return OPERATION.encode() in header_lines and parse_headers(header_lines).get(OPERATION) in {
        "DEL",
        "PURGE",
    }


class Presence:
    """Reads and writes both buckets.

    Args:
        broker: connection to NATS.
        lease: seconds, where the bucket of nodes does not exist yet.
    """

    def __init__(self, broker: Broker, lease: float = LEASE) -> None:
        self.lease = lease
        self._broker = broker
        self._stations = broker.subjects.stations
        self._nodes = broker.subjects.nodes

    async def ensure(self) -> None:
        """Create the buckets unless they exist; take over the lease of those that do.

        Raises:
            BrokerError: they do not exist and cannot be created.
        """
        await self._broker.ensure_stream(_bucket(self._stations))
        age = int(self.lease * NANOSECONDS)
        found = await self._broker.ensure_stream(_bucket(self._nodes, age))
        max_age = found.get("max_age")
        lease = (max_age if isinstance(max_age, int) and max_age > 0 else age) / NANOSECONDS
        if lease != self.lease:
            log.warning("the nodes of this fleet have a lease of %g s, not %g", lease, self.lease)
            self.lease = lease

    async def find(self, token: str) -> tuple[StationRecord | None, int]:
        """Return the entry of a station and its revision.

        Returns:
            `None` and 0 if there never was an entry; `None` and the revision of its deletion if it
            is deleted, or if it has no form that we know.
        """
        key = f"$KV.{self._stations}.{token}"
        reply = await self._broker.ask(f"$JS.API.DIRECT.GET.KV_{self._stations}.{key}", b"")
        if status_of(reply.headers) is not None:
            return None, 0
        sequence = parse_headers(reply.headers).get(SEQUENCE, "")
        if not (sequence.isascii() and sequence.isdigit()):
            raise JetStreamError(f"JetStream: {key} was read without its revision")
        revision = int(sequence)
        if is_deletion(reply.headers):
            return None, revision
        try:
            return parse_json(reply.payload, StationRecord), revision
        except ValueError:
            return None, revision

    async def claim(self, token: str, record: StationRecord, last: int) -> int | None:
        """Write the entry of a station and return its revision: the connection's generation.

        Args:
            token: of the station.
            record: its entry.
            last: revision of the entry that is replaced; 0 if there is none.

        Returns:
            `None` if somebody else has written meanwhile.
        """
        return await self._write(token, msgspec.json.encode(record), {EXPECTED: str(last)})

    async def release(self, token: str, generation: int, reason: str = "") -> bool:
        """Delete the entry of a station; `False` if it is not the one of this generation any more.

        Args:
            token: of the station.
            generation: of the connection that has ended.
            reason: why; it is in the deletion's value.
        """
        headers = {OPERATION: "DEL", EXPECTED: str(generation)}
        payload = msgspec.json.encode({"reason": reason})
        return await self._write(token, payload, headers) is not None

    async def _write(self, token: str, payload: bytes, headers: dict[str, str]) -> int | None:
        try:
            revision, _ = await self._broker.store(
                f"$KV.{self._stations}.{token}", payload, headers
            )
        except JetStreamError as error:
            if error.error_code == WRONG_SEQUENCE:
                return None
            raise
        return revision

    async def forget(self, token: str, revision: int) -> None:
        """Remove what is left of a deleted entry, unless there is a newer one."""
        body = {"filter": f"$KV.{self._stations}.{token}", "seq": revision + 1}
        await self._broker.api(f"STREAM.PURGE.KV_{self._stations}", body)

    async def renew(self, node: str, record: NodeRecord) -> None:
        """Write the entry of a node."""
        await self._broker.store(f"$KV.{self._nodes}.{node}", msgspec.json.encode(record))

    async def retire(self, node: str) -> None:
        """Delete the entry of a node."""
        await self._broker.store(f"$KV.{self._nodes}.{node}", b"", {OPERATION: "DEL"})


def _bucket(name: str, max_age: int = 0) -> dict[str, Any]:
    """Return the stream that is a bucket, as other clients of NATS make it."""
    return {
        "name": f"KV_{name}",
        "subjects": [f"$KV.{name}.>"],
        "max_msgs_per_subject": 1,
        "max_age": max_age,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msg_size": 4096,
        "max_consumers": -1,
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "duplicate_window": min(max_age, 120 * NANOSECONDS) or 120 * NANOSECONDS,
        "allow_rollup_hdrs": True,
        "allow_direct": True,
    }

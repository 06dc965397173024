"""Kills processes that use an outbox, at each of their SQL statements in turn.

Run as `python -m tests.aio.outbox_crash FOLDER`. For each place to die there are runs on one file:
two that are killed there, and a last one. What they do is written to standard output by `os.write`,
so that nothing of it is lost with the process.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path
from typing import Any

import ocppj
from ocppj import v201
from ocppj.aio import Outbox
from tests.aio.wire import NOW

QUEUED = 4
REFUSED = 2
"""Number of the request whose first attempt gets an error, in the first process."""


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def event(number: int) -> v201.TransactionEventRequest:
    return v201.TransactionEventRequest(
        event_type=v201.TransactionEventEnumType.STARTED,
        timestamp=NOW,
        trigger_reason=v201.TriggerReasonEnumType.AUTHORIZED,
        seq_no=number,
        transaction_info=v201.TransactionType(transaction_id="T"),
    )


class Peer:
    """The connection to a CSMS that answers at once."""

    id, version, closed = "CS-1", "2.0.1", False

    def __init__(self, codec: ocppj.Codec, *, refuse: bool) -> None:
        self.codec = codec
        self.refuse = refuse

    async def call(self, request: Any, *, message_id: str) -> Any:
        await asyncio.sleep(0)
        if self.refuse and request.seq_no == REFUSED:
            self.refuse = False
            raise ocppj.CallFailed("InternalError")
        say("delivered", request.seq_no, message_id)
        return v201.TransactionEventResponse()


def die_at(statement: int) -> None:
    """Let SQLite kill this process just before it runs its n-th statement; never if it is 0."""
    numbers = count(1)
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        database = connect(*args, **kwargs)

        def trace(_: str) -> None:
            if next(numbers) == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        database.set_trace_callback(trace)
        return database

    sqlite3.connect = traced  # type: ignore[assignment]


async def use(path: Path, first: int) -> None:
    codec = ocppj.Codec("2.0.1")
    peer = Peer(codec, refuse=first == 1)

    async def connection() -> Any:
        return peer

    async with Outbox(path, interval=0.001, boot_first=False) as outbox:
        for number in range(first, first + QUEUED):
            if number == first + 2:
                delivering = asyncio.create_task(outbox.deliver(connection))
            await outbox.add(event(number), codec)
            say("queued", number)
        await outbox.join()
        delivering.cancel()
        await asyncio.wait([delivering])


def run(path: Path, statement: int, first: int) -> bool:
    """Use the outbox in a process of its own; return whether it was killed."""
    process = os.fork()
    if not process:
        die_at(statement)
        asyncio.run(use(path, first))
        os._exit(0)
    _, status = os.waitpid(process, 0)
    killed = os.WIFSIGNALED(status)
    if killed:
        say("killed")
    elif status:
        say("failed", status)
    return killed


def main(folder: Path) -> None:
    for statement in count(1):
        say("case", statement)
        path = folder / f"{statement}.db"
        killed = run(path, statement, 1)
        run(path, statement, 1 + QUEUED)
        run(path, 0, 1 + 2 * QUEUED)
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))

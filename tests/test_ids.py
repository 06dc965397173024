"""Message ids: unique across processes, forks and threads, and short enough."""

import os
import subprocess
import sys
import threading
from itertools import count

import pytest

import ocppj
from ocppj import ids, v201


def test_ids_are_unique_and_short() -> None:
    made = [ids.next_id() for _ in range(100_000)]
    assert len(set(made)) == len(made)
    assert max(map(len, made)) <= 36


def test_ids_are_short_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_numbers", count(2**63))
    assert len(ids.next_id()) == 36
    request = v201.HeartbeatRequest()
    assert ocppj.Session(ocppj.Codec("2.0.1"), "charging_station").call(request)


def test_ids_are_unique_over_threads() -> None:
    made: list[list[str]] = [[] for _ in range(8)]

    def make(mine: list[str]) -> None:
        mine.extend(ids.next_id() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*made)) == 40_000


def test_sessions_share_the_source() -> None:
    codec = ocppj.Codec("2.0.1")
    frames = [
        ocppj.Session(codec, "charging_station").call(v201.HeartbeatRequest()) for _ in range(100)
    ]
    assert len(set(frames)) == 100


def python(code: str) -> list[str]:
    command = [sys.executable, "-c", f"import os; from ocppj.ids import next_id\n{code}"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return done.stdout.split()


def prefixes(made: list[str]) -> set[str]:
    return {message_id.partition("-")[0] for message_id in made}


def test_every_process_has_its_own() -> None:
    made = [ids.next_id(), *python("print(next_id())"), *python("print(next_id())")]
    assert len(prefixes(made)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_others() -> None:
    made = python(
        "next_id()\n"
        "child = os.fork()\n"
        "if child: os.waitpid(child, 0)\n"
        "print(*[next_id() for _ in range(10)], flush=True)"
    )
    assert len(set(made)) == 20
    assert len(prefixes(made)) == 2


def test_all_64_bits_are_random() -> None:
    """In a UUID some bits are fixed."""
    seen = []
    for _ in range(64):
        ids._renew()
        seen.append(int(ids.next_id().partition("-")[0], 16))
    for bit in range(64):
        assert {number >> bit & 1 for number in seen} == {0, 1}

"""One codec in many threads gives the same results as in one, and no module has mutable state."""

import ast
import contextlib
import math
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v201
from tests.conftest import PACKAGES, VERSIONS, Make
from tests.outcomes import encoded, outcome, peeked
from tests.strategies import SNIPPETS, good, mutate

THREADS = 8
ROUNDS = 5
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    """Switch threads as often as CPython can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[int], Any]) -> list[Any]:
    """Return the results of eight threads that call `work` with their number at the same time."""
    gate = threading.Barrier(THREADS)
    results: list[Any] = [None] * THREADS

    def run(number: int) -> None:
        gate.wait()
        try:
            results[number] = work(number)
        except BaseException as error:  # noqa: BLE001  compared with what was expected
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def answers(backend: Any, frame: tuple[bytes, dict[str, str]]) -> list[Any]:
    data, pending = frame
    taken = outcome(backend, data, pending)
    sent = None if isinstance(taken, tuple) else encoded(backend, taken)
    return [taken, sent, peeked(backend, data)]


@pytest.mark.parametrize("version", VERSIONS)
def test_eight_threads_get_the_same_results_as_one(make_backend: Make, version: str) -> None:
    chance = Random(5)
    frames = []
    for data, message_id, action in good(version, 60):
        frames.append((data, {message_id: action}))
        broken = mutate(data, [(chance.random(), 3, chance.choice(SNIPPETS))])
        frames.append((broken, {message_id: action}))
    wanted = [answers(make_backend(version), frame) for frame in frames]
    # A new table: all threads fill its caches at the same time.
    backend = make_backend(version, profiles=PACKAGES[version].PROFILES)

    def work(number: int) -> list[Any]:
        order = list(range(len(frames))) * ROUNDS
        Random(number).shuffle(order)
        return [at for at in order if answers(backend, frames[at]) != wanted[at]]

    assert together(work) == [[]] * THREADS


def test_codecs_are_made_in_threads(make_backend: Make) -> None:
    backend = make_backend("1.6", profiles=PACKAGES["1.6"].PROFILES)
    data = b'[2,"i","Heartbeat",{}]'

    def work(number: int) -> bytes:
        made = type(backend)(backend._table)
        return made.encode(made.decode(data))  # type: ignore[no-any-return]

    assert together(work) == [data] * THREADS


def test_calls_become_pending_meanwhile(make_backend: Make) -> None:
    backend, pending = make_backend("2.0.1"), {"i": "ClearCache"}
    data = b'[3,"i",{"status":"Accepted"}]'

    def work(number: int) -> set[str]:
        seen = set()
        for turn in range(2000):
            if number % 2:
                pending.pop("i", None)
                pending[str(turn)] = pending["i"] = "ClearCache"
            else:
                seen.add(type(backend.decode(data, pending).payload).__name__)
        return seen

    for seen in together(work):
        assert seen <= {"ClearCacheResponse", "Raw"}
    assert isinstance(backend.decode(data).payload, msgspec.Raw)


FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
TEXT = b"""[2,"i","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-22T10:00:00Z",
"triggerReason":"MeterValuePeriodic","seqNo":1,"transactionInfo":{"transactionId":"T"},
"evse":{"id":1},"customData":{"vendorId":"V","more":{"x":[1]}},
"meterValue":[{"timestamp":"2026-11-22T10:00:00Z","sampledValue":[{"value":1.5}]}]}]"""


def change(request: Any, chance: Random) -> None:
    """Set a field to something valid or not, or change what is in it."""
    moment = datetime(2026, 1, 1, chance.randrange(24), microsecond=chance.randrange(10**6))
    values: dict[str, list[Any]] = {
        "seq_no": [chance.randrange(2**70), "1", chance.randrange(9)],
        "timestamp": [moment, moment.replace(tzinfo=UTC), "2026"],
        "evse": [v201.EVSEType(id=chance.randrange(-1, 9)), None, 5],
        "transaction_info": [v201.TransactionType(transaction_id="T" * chance.randrange(38))],
        "custom_data": [None, ocppj.CustomData(vendorId="V" * 200), {"vendorId": 1}],
        "meter_value": [
            None,
            [],
            [v201.MeterValueType(timestamp=moment.replace(tzinfo=UTC), sampled_value=[])],
        ],
    }
    name = chance.choice(list(values))
    with contextlib.suppress(AttributeError, IndexError, TypeError):  # of what another thread set
        match chance.randrange(5):
            case 0:
                request.meter_value[0].sampled_value.append(v201.SampledValueType(value=1.0))
            case 1:
                request.meter_value[0].sampled_value.pop()
            case 2:
                request.meter_value[0].sampled_value[0].value = chance.choice([2.5, "x", math.nan])
            case 3:
                request.custom_data["more"] = {"x": [chance.randrange(2**66)] * 9}
            case _:
                setattr(request, name, chance.choice(values[name]))


def replace(request: Any) -> None:
    """Free what a thread that encodes may be reading."""
    for number in range(50):
        request.evse = v201.EVSEType(id=number)
        request.evse = v201.EVSEType(id=number, connector_id=number)
        request.transaction_info = v201.TransactionType(transaction_id="T" * number)


def test_a_payload_that_other_threads_change(make_backend: Make) -> None:
    """What is encoded is one of its states, and valid, or there is an error."""
    backend = make_backend("2.0.1")
    if FREE_THREADED and not backend.__class__.__module__.endswith("backend_c"):
        pytest.skip("msgspec reads fields without a lock, and pure Python copies no payloads")
    frame = backend.decode(TEXT)
    busy = threading.Semaphore(THREADS // 2)

    def work(number: int) -> int:
        chance, valid = Random(number), 0
        if number % 2:
            while busy._value:
                change(frame.payload, chance)
                replace(frame.payload)
            return 0
        try:
            for _ in range(600):
                if not chance.randrange(20):
                    valid_again = backend.decode(TEXT).payload
                    for name in valid_again.__struct_fields__:
                        setattr(frame.payload, name, getattr(valid_again, name))
                with contextlib.suppress(ocppj.EncodeError):
                    data = backend.encode(frame)
                    backend.decode(data)
                    valid += 1
        finally:
            busy.acquire()
        return valid

    counts = together(work)
    assert all(isinstance(count, int) for count in counts), counts
    assert sum(counts) > THREADS


CORE = [
    path
    for folder in (ROOT / "src" / "ocppj", ROOT / "src" / "ocppj" / "_core")
    for path in folder.glob("*.py")
    if path.stem != "__main__"
]
CHANGES = {
    "add",
    "append",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "setdefault",
    "sort",
    "update",
}


def changed(tree: ast.AST) -> set[str]:
    """Return the module's names that functions rebind or whose objects they mutate."""
    found = set()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    for function in (node for node in ast.walk(tree) if isinstance(node, functions)):
        for node in ast.walk(function):
            match node:
                case ast.Global(names=names):
                    found |= set(names)
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
                    found |= {name} if method in CHANGES else set()
                case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                    found.add(name)
    return found


def bound(tree: ast.Module) -> set[str]:
    """Return the names that a module's top-level statements bind."""
    found = set()
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets):
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


RENEWED = {"ids": {"_prefix"}}  # only in a forked child, which has no other thread yet


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_no_function_changes_what_a_module_holds(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert bound(tree) & changed(tree) == RENEWED.get(path.stem, set())


def test_such_a_change_would_be_seen() -> None:
    tree = ast.parse("A = []\nB = {}\nC = 0\ndef f():\n    global C\n    A.append(1)\n    B[1] = 2")
    assert bound(tree) & changed(tree) == {"A", "B", "C"}


def test_the_extension_holds_constants_alone() -> None:
    """A module variable is bound once, at the top level, and to an object that never grows."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "ext").glob("*.p[yx][xi]")))
    assert "freethreading_compatible=True" in (ROOT / "ext" / "backend_c.pyx").read_text()
    assert not re.search(r"^\s+global ", text, re.MULTILINE)
    names = re.findall(
        r"^cdef (?!class|extern|enum|struct)[^(\n]*?(\w+) = (.*)", text, re.MULTILINE
    )
    assert len(names) > 10
    for name, value in names:
        assert not value.startswith(("[", "{", "dict", "list", "set"))
        assert len(re.findall(rf"(?<![\w.]){name} = ", text)) == 1, name


@pytest.mark.skipif(not FREE_THREADED, reason="not a free-threaded CPython")
def test_the_extension_keeps_the_gil_off() -> None:
    assert os.environ.get("OCPPJ_BACKEND", "cython") == ocppj.BACKEND
    assert not sys._is_gil_enabled()

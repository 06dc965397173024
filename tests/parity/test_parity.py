"""Both backends give the same value or the same error for any input."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from ocppj import v201
from ocppj._core.encoding import encode
from ocppj.policy import RULES, Policy
from tests.conftest import VERSIONS, backend_factory
from tests.outcomes import encoded, outcome, peeked
from tests.strategies import edits, examples, frames, mutate, texts

try:
    from orjson import loads as parsed
except ModuleNotFoundError:  # it has no build for free-threaded CPython
    parsed = json.loads

CHECKS = examples(400)


@pytest.mark.parametrize("version", VERSIONS)
def test_valid_frames(version: str) -> None:
    backends = [backend_factory(name)(version) for name in ("cython", "python")]

    @CHECKS
    @given(texts(version))
    def check(frame: tuple[bytes, str, str]) -> None:
        data, message_id, action = frame
        pending = {message_id: action}
        compiled, reference = (outcome(backend, data, pending) for backend in backends)
        assert compiled == reference
        assert not isinstance(compiled, tuple)
        assert peeked(backends[0], data) == peeked(backends[1], data)
        assert encoded(backends[0], compiled) == encoded(backends[1], compiled)
        assert outcome(backends[0], data.decode(), pending) == compiled
        assert outcome(backends[1], data.decode(), pending) == compiled

    check()


@pytest.mark.parametrize("version", VERSIONS)
def test_mutated_frames(version: str) -> None:
    backends = [backend_factory(name)(version) for name in ("cython", "python")]

    @CHECKS
    @given(texts(version), edits)
    def check(frame: tuple[bytes, str, str], changes: list[tuple[float, int, bytes]]) -> None:
        data, message_id, action = frame
        data = mutate(data, changes)
        pending = {message_id: action}
        compiled, reference = (outcome(backend, data, pending) for backend in backends)
        assert compiled == reference
        assert outcome(backends[0], bytearray(data), pending) == compiled
        envelope = peeked(backends[0], data)
        assert envelope == peeked(backends[1], data)
        if isinstance(envelope, ocppj.Envelope):
            # Not orjson, which rejects 1e999 although it is JSON.
            assert json.loads(envelope.payload) == json.loads(data)[-1]
            assert json.loads(envelope.reframe("é"))[1] == "é"
            assert envelope.reframe("x") == backends[0].peek(data.decode()).reframe("x")
        if not isinstance(compiled, tuple):
            # An accepted frame is JSON for an independent parser too, with the same id.
            assert parsed(data)[1] == compiled.message_id
        try:
            text = data.decode()
        except UnicodeDecodeError:
            assert compiled[1].endswith("not UTF-8")
        else:
            assert (
                outcome(backends[0], text, pending)
                == outcome(backends[1], text, pending)
                == compiled
            )

    check()


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON value, itself first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [value] if isinstance(value, dict) else []
    return found + [one for item in inner for one in objects(item)]


def misspell(value: Any, form: int) -> Any:
    """Return a value as faulty stations send it."""
    match value:
        case bool():
            return str(value).lower() if form % 2 else int(value)
        case int() | float():
            return (str(value), float(value), f" {value} ", f"0{value}", f"{value}e0")[form % 5]
        case list([one]) if form % 2:
            return one
        case str() if value.endswith("Z"):
            bare = value[:-1]
            forms = (bare, bare.replace("T", " "), bare[:16], bare + "+02", bare + ".5", bare + "z")
            return forms[form % 6]
        case str():
            return (value.swapcase(), 5, 1.5, None)[form % 4]
    return None


SURPLUS = st.sampled_from(["extra", "EXTRA", "a", "é", "id", "ConnectorID", " status ", "x" * 101])
FAULTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60), SURPLUS),
    min_size=1,
    max_size=4,
)
SETTINGS = st.sampled_from(["reject", "report", "report", "accept"])
POLICIES = (
    st.just(Policy.lenient())
    | st.just(Policy.repair())
    | st.builds(
        Policy,
        **dict.fromkeys(RULES, SETTINGS),
        zone=st.sampled_from([UTC, timezone(timedelta(hours=2)), ZoneInfo("Europe/Berlin")]),
    )
)


def break_rules(payload: Any, faults: list[tuple[int, int, int, str]]) -> None:
    """Put faults into a payload, each somewhere."""
    for where, field, form, name in faults:
        inner = objects(payload)
        found = inner[where % len(inner)]
        keys = [*found]
        if form % 4 == 0 or not keys:
            found[name] = [None, 1, {"a": [1]}][form % 3]
        elif form % 4 == 1:
            found[keys[field % len(keys)]] = None
        else:
            key = keys[field % len(keys)]
            found[key] = misspell(found[key], form // 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_broken_rules_are_tolerated_alike(version: str) -> None:
    made = [backend_factory(name)(version) for name in ("cython", "python")]

    @CHECKS
    @given(texts(version), FAULTS, POLICIES)
    def check(
        frame: tuple[bytes, str, str], faults: list[tuple[int, int, int, str]], policy: Policy
    ) -> None:
        data, message_id, action = frame
        elements = json.loads(data)
        break_rules(elements[-1], faults)
        text = json.dumps(elements, ensure_ascii=len(action) % 2 == 0)
        compiled, reference = (
            outcome(type(backend)(backend._table, policy), text, {message_id: action})
            for backend in made
        )
        assert compiled == reference
        if not isinstance(compiled, tuple):
            assert compiled.violations == reference.violations
            # As text, too: equal moments may have other zones, equal numbers other types.
            assert repr(compiled) == repr(reference)
            assert repr(compiled.violations) == repr(reference.violations)

    check()


class Text(str):
    __slots__ = ()


ODD = [
    None,
    True,
    0,
    -1,
    1.0,
    1.5,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    float("nan"),
    float("inf"),
    "",
    "x",
    "é" * 300,
    "\ud800",
    "Accepted",
    "2026-11-22T10:00:00.123456Z",
    Text("x"),
    b"x",
    [],
    [None],
    [1],
    ["x"],
    (1,),
    {},
    {"vendorId": "v"},
    {"a": 1},
    set(),
    object(),
    datetime(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC),
    datetime(2026, 11, 22, 10, 0, 0, 999500, tzinfo=UTC),
    datetime(2026, 11, 22, 10, 0, 0, 400, tzinfo=UTC),
    datetime(2026, 1, 1, 5, 30, 0, 1000, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    msgspec.UNSET,
    msgspec.Raw(b"1"),
    v201.HeartbeatRequest(),
    v201.ResetEnumType.IMMEDIATE,
]


def spoil(value: Any, where: list[int], what: list[Any]) -> None:
    """Set some field of a payload to an odd value."""
    for step in where:
        names = value.__struct_fields__
        inner = getattr(value, names[step % len(names)]) if names else None
        if isinstance(inner, list) and inner:
            if step % 3 == 0:
                inner[step % len(inner)] = what[0]
                return
            inner = inner[step % len(inner)]
        if not isinstance(inner, msgspec.Struct):
            break
        value = inner
    names = value.__struct_fields__
    for step, odd in zip(where, what, strict=False):
        if names:
            setattr(value, names[step % len(names)], odd)


class WithoutFastPath:
    """The pure Python encoder, without the fast path for valid frames."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def encode(self, frame: Any) -> bytes:
        return encode(frame, self.backend._table, self.backend.decode)


@pytest.mark.parametrize("version", VERSIONS)
def test_invalid_payloads_are_encoded_alike(version: str) -> None:
    backends = [backend_factory(name)(version) for name in ("cython", "python")]
    wheres = st.lists(st.integers(0, 40), min_size=1, max_size=4)
    whats = st.lists(st.sampled_from(ODD), min_size=1, max_size=3)

    @CHECKS
    @given(frames(version), wheres, whats)
    def check(pair: tuple[Any, str], where: list[int], what: list[Any]) -> None:
        frame, action = pair
        spoil(frame.payload, where, what)
        compiled, reference = (encoded(backend, frame) for backend in backends)
        assert compiled == reference == encoded(WithoutFastPath(backends[1]), frame)
        if isinstance(compiled, bytes):
            again = backends[1].decode(compiled, {frame.message_id: action})
            # Compared as values: an integer in a field for floats is decoded as a float.
            assert json.loads(encoded(backends[1], again)) == json.loads(compiled)

    check()


@CHECKS
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_noise(data: bytes | str) -> None:
    compiled, reference = (
        outcome(backend_factory(name)(), data, None) for name in ("cython", "python")
    )
    assert compiled == reference


EDGES = [
    '{"a":null}',
    '{"a":nul}',
    '{"a":true}',
    '{"a":tru}',
    '{"a":false}',
    '{"a":fals}',
    "{}",
    '{"a":-}',
    '{"a":-1}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":1.5}',
    '{"a":1e5}',
    '{"a":1.5E-5}',
    '{"a":"\\',
    '{"a":"\\"',
    '{"a":"\\x"}',
    '{"a":"\\n\\u0041"}',
    '{"a":"\x1f"}',
    '{"a":"\x7f"}',
    '{"a" 1}',
    '{"a":}',
    "{a:1}",
    '{"a":1,}',
    '{"a":1 "b":2}',
    '{"a":[1 2]}',
    '{"a":[1,]}',
    '{"a":[}',
    '{"a":[]}',
    '{"a":[{}]]',
    "{ }",
    '{ "a" : [ 1 , { } ] }',
    '{"a":',
    '{"a',
    "{",
    '{"vendorId":"v","data":null}',
    *('{"vendorId":"v","data":' + "[" * size + "]" * size + "}" for size in (22, 23, 24, 30, 31)),
]


@pytest.mark.parametrize("payload", EDGES)
def test_json_at_its_edges(payload: str) -> None:
    backends = [backend_factory(name)() for name in ("cython", "python")]
    for head in ('[2,"i","DataTransfer",', '[2,"i","Heartbeat",', '[3,"i",', '[3,"j",'):
        for tail in ("]", " ] \r\n", "\t]", "]x", "]]", "", '{"status":"Accepted"}]'):
            for data in (head + payload + tail, (head + payload + tail).encode()):
                compiled, reference = (
                    outcome(backend, data, {"i": "DataTransfer"}) for backend in backends
                )
                assert compiled == reference
                assert peeked(backends[0], data) == peeked(backends[1], data)


HEARTBEAT = v201.HeartbeatRequest()
ODD_FRAMES = [
    *(ocppj.Call("i", action, HEARTBEAT) for action in ("\ud800", Text("Heartbeat"), "é", "", b"")),
    *(ocppj.Call(id_, "Heartbeat", HEARTBEAT) for id_ in ("\ud800", Text("i"), "i" * 37, 1)),  # type: ignore[arg-type]
    *(ocppj.Call("i", "Heartbeat", payload) for payload in (None, {}, v201.ClearCacheRequest())),
    *(ocppj.CallResult("i", payload) for payload in (HEARTBEAT, None, msgspec.Raw(b"{}"))),
    None,
    5,
    HEARTBEAT,
    (2, "i", "Heartbeat", {}),
]


@pytest.mark.parametrize("frame", ODD_FRAMES)
def test_odd_frames_are_encoded_alike(frame: Any) -> None:
    compiled, reference = (encoded(backend_factory(name)(), frame) for name in ("cython", "python"))
    assert compiled == reference


PRECISION = """
import sys, types
from importlib import import_module
from datetime import UTC, datetime
package = sys.modules["ocppj"] = types.ModuleType("ocppj")
package.__path__ = [{path!r}]
import_module("ocppj.schema").FRACTION_DIGITS = {digits}
del sys.modules["ocppj"]
import ocppj
from ocppj import v201
table = ocppj.Codec("2.0.1")._table
for microsecond in {microseconds}:
    moment = datetime(2026, 1, 31, 12, 0, 0, microsecond, tzinfo=UTC)
    frame = ocppj.CallResult("i", v201.HeartbeatResponse(current_time=moment))
    for name in ("_core.backend_c", "_core.backend_py"):
        data = import_module("ocppj." + name).Backend(table).encode(frame)
        print(data.decode()[23:-3])
"""


@pytest.mark.parametrize(
    ("digits", "texts"),
    [
        (0, ["12:00:00Z", "12:00:00Z", "12:00:01Z", "12:00:01Z"]),
        (1, ["12:00:00Z", "12:00:00.1Z", "12:00:00.8Z", "12:00:01Z"]),
        (3, ["12:00:00Z", "12:00:00.124Z", "12:00:00.750Z", "12:00:01Z"]),
        (6, ["12:00:00.000001Z", "12:00:00.123999Z", "12:00:00.750000Z", "12:00:00.999700Z"]),
    ],
)
def test_one_constant_sets_the_precision_of_both(digits: int, texts: list[str]) -> None:
    backend_factory("cython")  # or skip
    code = PRECISION.format(
        path=str(Path(ocppj.__file__).parent),
        digits=digits,
        microseconds=[1, 123_999, 750_000, 999_700],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"2026-01-31T{text}" for text in texts for _ in range(2)]

"""The fuzz targets: a table of name -> function of bytes that raises if something is broken.

Only DecodeError is raised, and both backends agree on it and on everything else. A frame that
decodes can be encoded again, to a frame with the same meaning. A session also raises
RemoteProtocolError; calls that it accepts can be answered, and then it is idle again.

The first byte of the input selects version, policy and type of the data; the rest is the frame.
Knows nothing of fuzzers: `__main__` runs one on a target, `test_targets.py` runs seeds.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import cycle, product
from typing import Any, Final, NamedTuple

import msgspec

import ocppj
from ocppj.policy import RULES, Policy
from tests.conftest import BACKENDS, PACKAGES, VERSIONS, backend_factory
from tests.outcomes import encoded, outcome, peeked
from tests.strategies import SNIPPETS, good

__all__ = ["TARGETS", "seeds", "words"]

POLICIES: Final = (Policy(), Policy(**dict.fromkeys(RULES, "report")))  # type: ignore[arg-type]


class Setting(NamedTuple):
    """A version with a policy, on every backend; the data is a str or bytes."""

    version: str
    policy: Policy
    decodes: bool
    backends: tuple[Any, ...]
    pending: dict[str, str]


def setting(version: str, policy: Policy, *, decodes: bool) -> Setting:
    made = [backend_factory(name)(version) for name in BACKENDS]
    backends = tuple(type(backend)(backend._table, policy) for backend in made)
    # Message ids are numbers of actions, so that responses of all actions occur.
    pending = {str(number): name for number, name in enumerate(backends[0]._table.results)}
    return Setting(version, policy, decodes, backends, pending)


SETTINGS: Final = [
    setting(version, policy, decodes=decodes)
    for version, policy, decodes in product(VERSIONS, POLICIES, (False, True))
]


def chosen(data: bytes) -> tuple[Setting, str | bytes]:
    at, text = data[:1], data[1:]
    choice = SETTINGS[at[0] % len(SETTINGS) if at else 0]
    return choice, text.decode(errors="surrogateescape") if choice.decodes else text


def decode(data: bytes) -> None:
    """Decode, and encode the frame."""
    choice, text = chosen(data)
    frame, other = (outcome(backend, text, choice.pending) for backend in choice.backends)
    assert frame == other, (frame, other)
    if isinstance(frame, tuple):
        return  # an error, or a result without a pending call
    assert frame.violations == other.violations
    for backend in choice.backends:
        assert peeked(backend, text).message_id == frame.message_id
    data, other = (encoded(backend, frame) for backend in choice.backends)
    assert data == other, (data, other)
    if isinstance(data, tuple):
        # A received frame may have an unknown error code, or violations that the policy tolerates.
        assert "error code" in data[0] or "out of range" in data[0] or choice.policy.is_lenient, (
            data
        )
        return
    again = outcome(choice.backends[0], data, choice.pending)
    assert encoded(choice.backends[0], again) == data
    if not frame.violations:
        assert means(json.loads(data), json.loads(text)), data


def peek(data: bytes) -> None:
    """Peek, and give the frame another id."""
    choice, text = chosen(data)
    head, other = (peeked(backend, text) for backend in choice.backends)
    assert head == other, (head, other)
    if isinstance(head, ocppj.Envelope):
        msgspec.json.decode(head.payload, type=msgspec.Raw)
        moved = choice.backends[0].peek(head.reframe("é"))
        assert moved == ocppj.Envelope(head.message_type, "é", head.action, head.payload)


CODECS: Final = [ocppj.Codec(one.version, policy=one.policy) for one in SETTINGS]
CALLS: Final = {"csms": "ClearCache", "charging_station": "Heartbeat"}


def receive(data: bytes) -> None:
    """Pass the lines of a text to a session as messages; its own call has the id `i`."""
    codec = CODECS[data[0] % len(CODECS) if data else 0]
    for role, action in CALLS.items():
        session = ocppj.Session(codec, role)  # type: ignore[arg-type]
        session.call(codec.features[action].request_type(), message_id="i")
        for line in data[1:].split(b"\n"):
            try:
                frame = session.receive(line)
            except (ocppj.DecodeError, ocppj.RemoteProtocolError) as error:
                reply = error.reply()
                assert reply is None or json.loads(reply)[0] in (4, 5)
                continue
            if isinstance(frame, ocppj.Call):
                assert json.loads(session.fail(frame, "InternalError"))[1] == frame.message_id
            elif isinstance(frame, ocppj.CallResult | ocppj.CallError):
                assert session.pending is None
                assert not isinstance(getattr(frame, "payload", None), msgspec.Raw)
        session.cancel()
        assert not session.handling
        assert session._actions == {}


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (decode, peek, receive)
}

MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def means(ours: Any, theirs: Any) -> bool:
    """Return whether two frames mean the same to an independent parser."""
    match ours:
        case dict():
            lost = theirs.keys() - ours.keys()  # DataTransfer may have a `data` of null
            same = ours.keys() <= theirs.keys() and all(means(ours[k], theirs[k]) for k in ours)
            return same and all(theirs[key] is None for key in lost)
        case list():
            return len(ours) == len(theirs) and all(map(means, ours, theirs))
        case float():
            return ours == float(theirs)  # an integer beyond 2**53 in a field of floats
        case str() if ours != theirs and MOMENT.fullmatch(ours):
            moment = datetime.fromisoformat(theirs.upper())
            return abs((datetime.fromisoformat(ours) - moment).total_seconds()) <= 0.001
    if type(ours) is not type(theirs):
        return False
    # A description beyond 255 characters is cut.
    return ours == theirs or (type(ours) is str and len(ours) == 255 and theirs.startswith(ours))


def seeds(number: int = 150) -> Iterator[bytes]:
    """Yield inputs from a number of valid frames of each version, the same ones every time."""
    for version in VERSIONS:
        places = [at for at, one in enumerate(SETTINGS) if one.version == version]
        ids = {action: number for number, action in SETTINGS[places[0]].pending.items()}
        for at, (data, _, action) in zip(cycle(places), good(version, number), strict=False):
            elements = json.loads(data)
            elements[1] = ids.get(action, "i")
            yield bytes([at]) + json.dumps(elements, separators=(",", ":")).encode()


def words() -> Iterator[str]:
    """Yield tokens of frames as C strings: those of JSON, and the names in messages."""
    names = {feature for one in SETTINGS for feature in one.pending.values()}
    for package in PACKAGES.values():
        for kind in map(vars(package).get, package.__all__):
            names |= set(getattr(kind, "__struct_encode_fields__", ()))
            names |= set(getattr(kind, "__members__", {}).values())
    for word in (*SNIPPETS, *(f'"{name}"'.encode() for name in sorted(names))):
        yield "".join(f"\\x{byte:02x}" for byte in word)

"""Every official schema file: ocppj has the verdict of an independent validator.

`differences.py` lists the exceptions.
"""

import importlib
import json
import re
from collections.abc import Iterable
from typing import Any, Final

import jsonschema_rs
import pytest

import ocppj
from ocppj import Codec, DecodeError, EncodeError, Version

from .conftest import MAX_SIZE, Backend, Corpus
from .differences import DIFFERENCES, LOSSES, TIGHTER
from .instants import difference
from .official import MESSAGES, Message
from .payloads import Case, cases

# WIRE, "which fault gives which code"
CODES: Final = {
    "1.6": {
        "frame": "FormationViolation",
        "format": "FormationViolation",
        "type": "TypeConstraintViolation",
        "occurrence": "OccurenceConstraintViolation",
        "property": "PropertyConstraintViolation",
    },
    "2.0.1": {
        "frame": "RpcFrameworkError",
        "format": "FormatViolation",
        "type": "TypeConstraintViolation",
        "occurrence": "OccurrenceConstraintViolation",
        "property": "PropertyConstraintViolation",
    },
}
CODES["2.1"] = CODES["2.0.1"]
STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')


def report(failures: Iterable[str]) -> str:
    """Return the first few failures, one a line."""
    lines = list(failures)
    return "\n".join([f"{len(lines)} failures, such as", *lines[:14]])


def named(version: str, name: str) -> Message:
    """Return the message with a name."""
    return next(m for m in MESSAGES if (m.version, m.name) == (version, name))


def shown(case: Case) -> str:
    """Return a case as one line."""
    return f"{case.what} at {case.path}: {case.text[:300]}"


def told(error: object) -> tuple[Any, ...]:
    """Return the content of an error."""
    if not isinstance(error, DecodeError):
        return ()
    return (type(error), error.error_code, error.path, str(error), error.message_id, error.reply())


def test_all_files_are_there() -> None:
    counts = {version: sum(m.version == version for m in MESSAGES) for version in CODES}
    assert counts == {"1.6": 78, "2.0.1": 128, "2.1": 181}


def test_validator(corpus: Corpus) -> None:
    """The validator has the verdict of ocppj, except for listed differences."""
    failures = []
    for case in corpus.cases:
        expected = case.fault is None
        if case.difference is not None:
            expected = DIFFERENCES[case.difference].schema_accepts
            assert expected != (case.fault is None)
        if case.schema_accepts != expected:
            failures.append(f"validator accepts it: {case.schema_accepts}; {shown(case)}")
    assert not failures, report(failures)


JSON_SCHEMA_ACCEPTS: Final = {
    "remote control": False,
    "no samples": False,
    "Hertz": True,
    "1.0": True,
    "64 bits": True,
    "depth": True,
    "exponents": True,
    "uri": True,
    "calendar": True,
    "loose timestamp": False,
}
"""Whether `json_schema` accepts payloads on which ocppj and the official schemas differ."""

WHOLE_FRACTION: Final = "a whole number as a fraction"
"""An integer to JSON Schema from draft-06 on, and so to ours; not to OCPP 1.6, with draft-04."""


def test_json_schema(corpus: Corpus) -> None:
    """The JSON Schema of a type has the verdict of the official one, except for the above."""
    message = corpus.message
    package = importlib.import_module(Version.named(message.version).package)
    schema = ocppj.json_schema(getattr(package, message.name))
    assert schema["title"] == message.name
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    failures = []
    for case in corpus.cases:
        expected = case.schema_accepts
        if case.difference is not None:
            expected = JSON_SCHEMA_ACCEPTS[case.difference]
        found = validator.is_valid(json.loads(case.text))
        if found != (expected or (message.version == "1.6" and case.what == WHOLE_FRACTION)):
            failures.append(f"accepts it: {found}; {shown(case)}")
    assert not failures, report(failures)


def test_payloads(corpus: Corpus, backend: Backend) -> None:
    """Valid payloads are accepted; invalid ones are rejected with the fault's code and path."""
    message = corpus.message
    failures = []
    for case, frame in zip(corpus.cases, corpus.outcomes(backend), strict=True):
        if case.fault is not None:
            expected = (CODES[message.version][case.fault], case.path)
            if not isinstance(frame, DecodeError):
                failures.append(f"accepted; {shown(case)}")
            elif (frame.error_code, frame.path) != expected or frame.message_id != "1":
                failures.append(f"{frame}; not {expected}; {shown(case)}")
        elif isinstance(frame, DecodeError):
            failures.append(f"{frame}; {shown(case)}")
        elif (
            frame.message_type != message.message_type
            or type(frame.payload).__name__ != message.name
        ):
            failures.append(f"{type(frame)} of {type(frame.payload)}; {shown(case)}")
    assert not failures, report(failures)


def test_backends_agree(corpus: Corpus, backends: list[Backend]) -> None:
    """Both give the same value or the same error."""
    failures = []
    outcomes = (corpus.outcomes(backend) for backend in backends)
    for case, one, other in zip(corpus.cases, *outcomes, strict=True):
        if told(one) != told(other) or (not told(one) and one != other):
            failures.append(f"{one!r:.200} and {other!r:.200}; {shown(case)}")
    assert not failures, report(failures)


def test_round_trip(corpus: Corpus) -> None:
    """An accepted payload is encoded as the same JSON value, compact, in the schema's order."""
    message = corpus.message
    codec = Codec(message.version, max_size=MAX_SIZE)
    failures = []
    for case in corpus.cases:
        if case.fault is None and case.returns and case.difference is None:
            frame = codec.decode(message.frame(case.text), corpus.pending)
            data = codec.encode(frame).decode()
            *head, sent = json.loads(data)
            assert message.frame("{}") == json.dumps([*head, {}], separators=(",", ":"))
            if found := difference(message.node, sent, json.loads(case.text)):
                failures.append(f"{found}; {shown(case)}")
            elif re.search(r"\s", STRING.sub("", data)):
                failures.append(f"white space; {shown(case)}")
    assert not failures, report(failures)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_difference_is_met(name: str) -> None:
    """Each difference has a payload, which the tests above check."""
    message = named(*DIFFERENCES[name].example)
    assert any(case.difference == name for case in cases(message, 1))


def test_tighter_bounds() -> None:
    """FACTS 1 word by word, independent of the generator."""
    token = {"idToken": "1", "type": "Central"}
    start = {"idToken": token, "remoteStartId": 0, "evseId": 1}
    unlock = {"evseId": 0, "connectorId": 0}
    stop = {"transactionId": "1"}
    rows: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("RequestStartTransaction", start, {"evseId": 0}),
        ("RequestStartTransaction", start, {"remoteStartId": -1}),
        ("RequestStopTransaction", stop, {"transactionId": ""}),
        ("UnlockConnector", unlock, {"evseId": -1}),
        ("UnlockConnector", unlock, {"connectorId": -1}),
    ]
    codec = Codec("2.0.1")
    for action, right, wrong in rows:
        message = named("2.0.1", f"{action}Request")
        codec.decode(message.frame(json.dumps(right)))
        assert message.validator.is_valid(right | wrong)
        with pytest.raises(DecodeError) as caught:
            codec.decode(message.frame(json.dumps(right | wrong)))
        assert caught.value.error_code == "PropertyConstraintViolation"
        assert caught.value.path == f"$.{next(iter(wrong))}"
    assert len(rows) == sum(row.difference == "remote control" for row in TIGHTER.values())


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_null_data_is_lost(version: str) -> None:
    """A row of `LOSSES`."""
    assert "null" in LOSSES
    codec = Codec(version)
    frame = codec.decode('[2,"1","DataTransfer",{"data":null,"vendorId":"x"}]')
    assert codec.encode(frame) == b'[2,"1","DataTransfer",{"vendorId":"x"}]'


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_edges_of_time_cannot_be_sent(time: str) -> None:
    """A row of `LOSSES`."""
    assert "edge of time" in LOSSES
    codec = Codec("2.1")
    frame = codec.decode(f'[3,"1",{{"currentTime":"{time}"}}]', {"1": "Heartbeat"})
    with pytest.raises(EncodeError) as caught:
        codec.encode(frame)
    assert caught.value.path == "$.currentTime"


@pytest.mark.parametrize("version", CODES)
def test_field_names_cannot_fake_a_path(version: str, backend: Backend) -> None:
    """A field name of the peer cannot change the path of the fault."""
    for name in ("x` - at `$.evse", "x - at $.evse", "`", "x`, got `int` - at `$.a[0]"):
        data = json.dumps([2, "1", "Heartbeat", {name: 1}])
        error = backend.decode(version, data, None)
        assert isinstance(error, DecodeError)
        assert (error.error_code, error.path) == (CODES[version]["format"], "$"), name

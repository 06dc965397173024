"""Frames met in the field: logs, documentation and tests of other projects.

They are not part of this project. The tests read them from `../shared/frames-real.jsonl` beside the
repository, or from the path in `OCPPJ_REAL_FRAMES`, and are skipped if there are none. The file has
the verdict of another validator for each. `EXCEPTIONS` has the frames with another verdict here.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import pytest

from ocppj import CallError, CallResult, CallResultError, Codec, DecodeError

from .conftest import Backend
from .instants import difference
from .official import MESSAGES, Message
from .test_schemas import CODES, report, told

FRAMES: Final = Path(
    os.environ.get("OCPPJ_REAL_FRAMES")
    or Path(__file__).resolve().parents[3] / "shared" / "frames-real.jsonl"
)
Row: TypeAlias = dict[str, Any]

MALFORMED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("not-json", "not-array", "element-count", "unreadable-id"), "frame"),
    **dict.fromkeys(("non-string-id", "numeric-id", "numeric-action", "frame-structure"), "frame"),
    "non-integer-type": "type number",
    "id-too-long": "id length",
    "unknown-message-type": "type number",
    "type-not-in-version": "type number",
    "payload-type": "format",
}
"""Fault of a frame -> the row of WIRE's table of error codes."""

FRAME_CODES: Final = {
    "1.6": {
        **CODES["1.6"],
        "id length": "PropertyConstraintViolation",
        "type number": "FormationViolation",
        "action": "NotImplemented",
    },
    **{
        version: {
            **CODES[version],
            "id length": "RpcFrameworkError",
            "type number": "MessageTypeNotSupported",
            "action": "NotImplemented",
        }
        for version in ("2.0.1", "2.1")
    },
}

KEYWORDS: Final = {
    "additionalProperties": "format",
    "type": "type",
    **dict.fromkeys(("required", "minItems", "maxItems"), "occurrence"),
    **dict.fromkeys(
        ("enum", "maxLength", "minimum", "maximum", "multipleOf", "format"), "property"
    ),
}
"""Keyword of a schema -> the row of WIRE's table of error codes."""


class Judgement(NamedTuple):
    """Frames with another verdict than in the file.

    Attributes:
        applies: to a frame with what is known of it, and its elements (none if it is no array).
        fault: the row of WIRE's table of error codes; `None` if the frame is accepted.
        reason: why.
    """

    applies: Callable[[Row, list[Any]], bool]
    fault: str | None
    reason: str


EXCEPTIONS: Final = {
    "empty id": Judgement(
        lambda row, elements: row.get("malformed") == "unreadable-id" and elements[1:2] == [""],
        None,
        "WIRE, frames: an empty string is a legal message id",
    ),
    "empty action": Judgement(
        lambda row, elements: row.get("malformed") == "frame-structure" and elements[2:3] == [""],
        "action",
        "an empty string is a string: an action that is not known",
    ),
    "action before payload": Judgement(
        lambda row, _: row.get("malformed") == "payload-type" and _has(row, "unknown-action"),
        "action",
        "two faults: without a known action, the payload cannot be validated",
    ),
    "id before type": Judgement(
        lambda row, elements: (
            row.get("malformed") == "unknown-message-type"
            and not (elements[1:] and isinstance(elements[1], str))
        ),
        "frame",
        "two faults: WIRE has an unknown type only if the id can be read",
    ),
    "no zone": Judgement(
        lambda row, _: row["schema_valid"] is True and _has(row, "bad-datetime"),
        "property",
        "WIRE, payload facts: strict decoding requires a full zone; the file's judge did not check "
        "the format date-time",
    ),
    "no SEND": Judgement(
        lambda row, elements: (
            not row.get("malformed")
            and elements[:1] == [6]
            and row["action"] != "NotifyPeriodicEventStream"
        ),
        "action",
        "WIRE, frames: a SEND is a NotifyPeriodicEventStream, nothing else",
    ),
}
"""Each applies to at least one frame."""


def _has(row: Row, tag: str) -> bool:
    return tag in row.get("tags", ())


def exception(row: Row) -> str | None:
    """Return the name of the exception that applies to a frame."""
    elements = parsed(row)
    names = [name for name, e in EXCEPTIONS.items() if e.applies(row, elements)]
    assert len(names) <= 1
    return names[0] if names else None


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The frames with their metadata."""
    if not FRAMES.is_file():
        pytest.skip(f"no real frames at {FRAMES}: set OCPPJ_REAL_FRAMES")
    return [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]


def parsed(row: Row) -> list[Any]:
    """Return the elements of a frame; none if it is not an array."""
    try:
        elements = json.loads(row["frame"])
    except ValueError:
        return []
    return elements if isinstance(elements, list) else []


def pending(row: Row) -> dict[str, str] | None:
    """Return the call that a result answers, if it is known."""
    known = {m.action for m in MESSAGES if m.version == row["version"] and m.message_type == 3}
    match parsed(row):
        case [3, str(message_id), *_] if row["action"] in known:
            return {message_id: row["action"]}
    return None


def message(row: Row) -> Message:
    """Return the message of a frame whose schema is known."""
    name = f"{row['action']}{'Response' if parsed(row)[0] == 3 else 'Request'}"
    return next(m for m in MESSAGES if (m.version, m.name) == (row["version"], name))


def codes_of(row: Row) -> set[str]:
    """Return the error codes of all faults that the validator finds in a payload."""
    codes = CODES[row["version"]]
    errors = message(row).validator.iter_errors(parsed(row)[-1])
    return {codes[KEYWORDS[error.kind.name]] for error in errors}


def wanted(row: Row) -> set[str]:
    """Return the possible error codes of a frame; none if it is valid."""
    codes = FRAME_CODES[row["version"]]
    if name := exception(row):
        fault = EXCEPTIONS[name].fault
        return {codes[fault]} if fault else set()
    if row.get("malformed"):
        return {codes[MALFORMED[row["malformed"]]]}
    if row["schema_valid"] is False:
        return codes_of(row)
    unknown = row["schema_valid"] is None and parsed(row)[0] in (2, 6)
    return {codes["action"]} if unknown else set()


def judge(row: Row, outcome: Any) -> bool:
    """Tell whether a frame has the expected outcome."""
    codes = wanted(row)
    if codes or isinstance(outcome, DecodeError):
        return isinstance(outcome, DecodeError) and outcome.error_code in codes
    match parsed(row)[0]:
        case 4 | 5:
            return isinstance(outcome, CallError | CallResultError)
        case 3 if row["schema_valid"] is None:
            return isinstance(outcome, CallResult) and isinstance(outcome.payload, msgspec.Raw)
    return type(outcome.payload).__name__ == message(row).name


def test_verdicts(rows: list[Row], backend: Backend, count: Counter[tuple[str, str]]) -> None:
    """Each frame is accepted or rejected, with the expected code."""
    failures = []
    for row in rows:
        outcome = backend.decode(row["version"], row["frame"], pending(row))
        if not judge(row, outcome):
            failures.append(f"{outcome!r:.200}, not {wanted(row)}; {row['source']}")
        if backend.name == "python":
            count[row["version"], "frames"] += 1
    assert not failures, report(failures)


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_is_met(name: str, rows: list[Row]) -> None:
    assert name in {exception(row) for row in rows}


def test_backends_agree(rows: list[Row], backends: list[Backend]) -> None:
    """Both give the same value or the same error, from text and from bytes, call known or not."""
    spellings: list[Callable[[str], Any]] = [str, str.encode]
    failures = []
    for row in rows:
        for spelling in spellings:
            for calls in (pending(row), None):
                data = spelling(row["frame"])
                one, other = (b.decode(row["version"], data, calls) for b in backends)
                if told(one) != told(other) or (not told(one) and not _equal(one, other)):
                    failures.append(f"{one!r:.200} and {other!r:.200}; {row['source']}")
    assert not failures, report(failures)


def test_round_trip(rows: list[Row], backend: Backend) -> None:
    """A frame that is valid by the schema is encoded as the same JSON value."""
    failures = []
    for row in rows:
        frame = backend.decode(row["version"], row["frame"], pending(row))
        if not isinstance(frame, DecodeError) and row["schema_valid"] is True:
            *_, sent = json.loads(Codec(row["version"]).encode(frame))
            if found := difference(message(row).node, sent, parsed(row)[-1]):
                failures.append(f"{found}; {row['source']}")
    assert not failures, report(failures)


def _equal(one: Any, other: Any) -> bool:
    """Compare frames; undecoded payloads by their bytes."""
    if isinstance(one, CallResult) and isinstance(one.payload, msgspec.Raw):
        return (
            isinstance(other, CallResult)
            and one.message_id == other.message_id
            and bytes(one.payload) == bytes(other.payload)
        )
    return bool(one == other)

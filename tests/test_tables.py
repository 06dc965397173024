"""The tables of `docs/wire.md`, `leniency.md` and `endpoints.md` say what the code does.

A row is found by its first cell: who changes a text there changes it here too.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

import ocppj
from ocppj import codec, policy
from ocppj.aio import absent, endpoint, fairness, transport
from tests.conftest import PACKAGES, VERSIONS

DOCS: Final = Path(__file__).parent.parent / "docs"
PENDING: Final = "9"
NOW: Final = "2026-01-31T12:00:00Z"


def table(page: str, head: str) -> dict[str, list[str]]:
    """Return the rows of the table that has this first column: first cell -> the others."""
    text = (DOCS / page).read_text()
    rows = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert rows, head
    cells = [line.strip("| ").split(" | ") for line in rows[1].splitlines()]
    return {first: rest for first, *rest in cells}


CODES: Final = table("wire.md", "fault")
ANSWERS: Final = table("wire.md", "received")
COLUMNS: Final = {"1.6": 0, "2.0.1": 1, "2.1": 1}


def call(action: str, payload: Any, message_id: str = "1") -> str:
    return json.dumps([2, message_id, action, payload])


def status(version: str, **changes: Any) -> str:
    if version == "1.6":
        known = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    else:
        known = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": NOW}
    names = {"status": "status" if version == "1.6" else "connectorStatus"}
    return call(
        "StatusNotification", known | {names.get(name, name): v for name, v in changes.items()}
    )


def faults(version: str) -> dict[str, list[str | bytes]]:
    """Return frames with each of the faults of each row."""
    place = "connectorId" if version == "1.6" else "evseId"
    return {
        "not JSON, not UTF-8, not an array, too deep, too large, id unreadable, "
        "wrong number of elements": [
            '[2,"1","Heartbeat",{}',
            b'[2,"1","Heart\xff",{}]',
            "{}",
            "[" * 40 + "]" * 40,
            " " * 2**17 + call("Heartbeat", {}),
            '[2,null,"Heartbeat",{}]',
            '[2,"1","Heartbeat"]',
        ],
        "message id longer than 36 characters": [call("Heartbeat", {}, "x" * 37)],
        "unknown message type": ['[7,"1","Heartbeat",{}]'],
        "unknown action": [call("Hartbeat", {})],
        "payload not an object; unknown field": [
            call("Heartbeat", []),
            call("Heartbeat", {"x": 1}),
        ],
        "wrong JSON type, `null` included": [
            call("DataTransfer", {"vendorId": 1}),
            call("DataTransfer", {"vendorId": None}),
        ],
        "field missing; too few or too many items": [
            call("DataTransfer", {}),
            call("MeterValues", {place: 1, "meterValue": []}),
        ],
        "enum value, length, bound, form of a timestamp": [
            status(version, status="Tired"),
            call("DataTransfer", {"vendorId": "x" * 256}),
            status(version, connectorId=2**63),
            status(version, timestamp="soon"),
        ],
        "known action, but from the wrong side or without a handler": [call("ClearCache", {})],
        "message id of a call that is still being handled": [call("Heartbeat", {}, "handled")],
    }


def session(version: str) -> ocppj.Session:
    """Return that of a CSMS whose call is pending, and which is handling another."""
    made = ocppj.Session(ocppj.Codec(version), role="csms", next_id=lambda: PENDING)
    made.call(PACKAGES[version].ClearCacheRequest())
    made.receive(call("Heartbeat", {}, "handled"))
    return made


def rejected(version: str, data: str | bytes) -> Any:
    with pytest.raises((ocppj.DecodeError, ocppj.RemoteProtocolError)) as caught:
        session(version).receive(data)
    return caught.value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", CODES)
def test_a_fault_has_the_code_of_its_row(row: str, version: str) -> None:
    frames = faults(version)[row]
    if "without a handler" not in row:
        assert len(frames) == len(re.split("[,;] ", row))
    code = CODES[row][COLUMNS[version]]
    assert [rejected(version, frame).error_code for frame in frames] == [code] * len(frames)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_call_without_a_handler_has_the_code_of_its_row(version: str) -> None:
    code = CODES["known action, but from the wrong side or without a handler"][COLUMNS[version]]
    codec, ours = ocppj.Codec(version), session(version)
    frame: Any = ours.receive(call("DataTransfer", {"vendorId": "x"}))
    answer: Any = ocppj.Handlers(object(), codec).answer(ours, frame, (), lambda *_: None)
    assert json.loads(answer)[2] == code


RECEIVED: Final = {
    "invalid CALL": [call("Heartbeat", {"x": 1})],
    "id longer than 36": [call("Heartbeat", {}, "x" * 37)],
    "id unreadable": ['[2,null,"Heartbeat",{}]'],
    "unknown message type": ['[7,"1","Heartbeat",{}]'],
    "invalid CALLRESULT": [f'[3,"{PENDING}",{{"status":1}}]'],
    "invalid CALLERROR": [f'[4,"{PENDING}"]'],
    "CALLRESULTERROR or SEND, valid or invalid": ['[5,"1"]', '[6,"1","Heartbeat"]'],
    "result or error without a pending call": ['[3,"1",{}]', '[4,"1","GenericError","",{}]'],
}
TYPES: Final = {"CALLERROR": 4, "CALLRESULTERROR": 5}


def check_answer(cell: str, data: str, answer: bytes | None) -> None:
    kind, _, rest = cell.partition(",")
    if kind not in TYPES:
        assert kind.startswith("nothing")
        assert answer is None
        return
    assert answer is not None
    message_type, message_id, *_ = json.loads(answer)
    received = json.loads(data)[1]
    expected = {"": received or "-1", " id echoed": received, " id `-1`": "-1"}[rest]
    assert (message_type, message_id) == (TYPES[kind], expected)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("row", ANSWERS)
def test_a_frame_gets_the_answer_of_its_row(row: str, version: str) -> None:
    cells = ANSWERS[row]
    cell = cells[VERSIONS.index(version)]
    if cell == "the same":
        cell = cells[0]
    if cell == "unknown type":
        cell = ANSWERS["unknown message type"][VERSIONS.index(version)]
    for data in RECEIVED[row]:
        check_answer(cell, data, rejected(version, data).reply())


def test_what_is_valid_and_never_answered_is_no_error() -> None:
    error = session("2.1").receive('[5,"1","GenericError","",{}]')
    assert isinstance(error, ocppj.CallResultError)
    payload = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 0, "v": "1"}]}
    frame = session("2.1").receive(json.dumps([6, "1", "NotifyPeriodicEventStream", payload]))
    assert isinstance(frame, ocppj.Send)


def test_the_rules_of_a_policy_are_those_of_the_page() -> None:
    assert sorted(re.findall("`(.*?)`", " ".join(table("leniency.md", "rule")))) == sorted(
        policy.RULES
    )


@pytest.mark.parametrize("preset", table("leniency.md", "preset"))
def test_a_preset_tolerates_what_the_page_says(preset: str) -> None:
    (text,) = table("leniency.md", "preset")[preset]
    named = {name for name in re.findall("`(.*?)`", text) if name in policy.RULES}
    expected = set(policy.RULES) - named if text.startswith("every rule but") else named
    found: ocppj.Policy = getattr(ocppj.Policy, preset.strip("`").partition(".")[2][:-2])()
    settings = {rule: getattr(found, rule) for rule in policy.RULES}
    assert settings == {rule: "report" if rule in expected else "reject" for rule in policy.RULES}


LIMITS: Final = {
    "size of a frame": codec.MAX_SIZE // 1024,
    "calls of one station handled at a time": endpoint.MAX_HANDLING,
    "our calls that wait in the queue": endpoint.MAX_WAITING,
    "our calls kept for stations that are not connected": absent.MAX_KEPT,
    "time for the TLS handshake before it": transport.OPEN_TIMEOUT,
    "fragments of a message": fairness.MAX_FRAGMENTS,
    "control frames in a second": fairness.MAX_CONTROL_FRAMES,
    "time on the event loop": fairness.BURST * 1000,
}
"""Rows of the limits in `docs/endpoints.md` whose default begins with a constant of ours."""


@pytest.mark.parametrize("row", LIMITS)
def test_a_limit_is_that_of_the_code(row: str) -> None:
    default = table("endpoints.md", "what")[row][-1]
    number = re.match(r"[| ]*([\d,]+)", default)
    assert number, default
    assert float(number[1].replace(",", "")) == LIMITS[row]

"""`ocppj decode`: a frame, its types, and why it is rejected."""

import json
from typing import Any

import pytest

from tests.cli.frames import (
    ANSWER,
    FAULTY,
    HEARTBEAT,
    OLD_BOOT,
)


def test_a_call_is_shown_typed(run: Any) -> None:
    frame = {
        "eventType": "Started",
        "timestamp": "2026-01-01T12:00:00.5+01:00",
        "seqNo": 0,
        "triggerReason": "RemoteStart",
        "offline": False,
        "evse": {"id": 1},
        "transactionInfo": {"transactionId": "t"},
        "customData": {"vendorId": "v", "a b": [1, None, {"deep": []}], "x": {}, "e": 1.5},
    }
    done = run("decode", json.dumps([2, "1", "TransactionEvent", frame]))
    assert done.status == 0
    assert done.out.splitlines() == [
        "Call",
        '  message_id: "1"',
        '  action: "TransactionEvent"',
        "  payload: TransactionEventRequest",
        "    custom_data: CustomData",
        '      vendorId: "v"',
        '      "a b": list of 3',
        "        - 1",
        "        - null",
        "        - object",
        "          deep: []",
        "      x: {}",
        "      e: 1.5",
        "    event_type: Started",
        "    timestamp: 2026-01-01T12:00:00.500000+01:00",
        "    trigger_reason: RemoteStart",
        "    seq_no: 0",
        "    offline: false",
        "    transaction_info: TransactionType",
        '      transaction_id: "t"',
        "    evse: EVSEType",
        "      id: 1",
    ]


def test_a_list_of_structs_is_indented(run: Any) -> None:
    payload = {
        "evseId": 1,
        "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": 1}]}],
    }
    done = run("decode", json.dumps([2, "1", "MeterValues", payload]))
    start = done.out.index("    meter_value")
    assert done.out[start:].splitlines() == [
        "    meter_value: list of 1",
        "      - MeterValueType",
        "        sampled_value: list of 1",
        "          - SampledValueType",
        "            value: 1.0",
        "        timestamp: 2026-01-01T00:00:00Z",
    ]


def test_a_result_needs_its_action_to_be_typed(run: Any) -> None:
    done = run("decode", ANSWER)
    assert done.status == 0
    assert '  payload: {"currentTime":"2026-01-01T00:00:00Z"}\nhint: --action' in done.out
    done = run("decode", "--action", "Heartbeat", ANSWER)
    assert done.out.splitlines()[2:] == [
        "  payload: HeartbeatResponse",
        "    current_time: 2026-01-01T00:00:00Z",
    ]
    done = run("decode", "--action", "ClearCache", ANSWER)
    assert done.status == 1
    assert "  reply: none\n" in done.out


@pytest.mark.parametrize("action", ["Nonsense", "", "NotifyPeriodicEventStream"])
def test_an_action_that_has_no_response_is_wrong_usage(run: Any, action: str) -> None:
    done = run("decode", "-V", "2.1", "--action", action, ANSWER)
    assert (done.status, done.out) == (2, "")
    assert f"OCPP 2.1 has no action '{action}' with a response" in done.err


def test_an_error_is_shown(run: Any) -> None:
    done = run("decode", '[4,"1","InternalError","oops",{"a":1}]')
    assert done.status == 0
    assert '  error_code: "InternalError"\n  error_description: "oops"\n' in done.out
    assert done.out.endswith("  error_details: object\n    a: 1\n")


def test_a_refused_frame_is_explained(run: Any) -> None:
    done = run(
        "decode", '[2,"1","TriggerMessage",{"requestedMessage":"Heartbeat","evse":{"id":"1"}}]'
    )
    assert done.status == 1
    description = "expected int, got str at $.evse.id"
    assert done.out.splitlines() == [
        "refused by OCPP 2.0.1",
        "  error code: TypeConstraintViolation",
        f"  description: {description}",
        "  path: $.evse.id",
        f'  reply: [4,"1","TypeConstraintViolation","{description}",{{}}]',
    ]


def test_a_version_that_takes_the_frame_is_named(run: Any) -> None:
    done = run("decode", OLD_BOOT)
    assert done.status == 1
    assert done.out.endswith("hint: it is valid in OCPP 1.6: --version 1.6\n")
    assert run("decode", "--version", "1.6", OLD_BOOT).status == 0


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_frame_is_read_from_stdin(run: Any, piped: Any, arguments: tuple[str, ...]) -> None:
    piped('[\n  2,\n  "1",\n  "Heartbeat",\n  {}\n]\n')
    assert run("decode", *arguments).out.endswith("  payload: HeartbeatRequest\n")


def test_a_line_of_a_log_can_be_pasted(run: Any) -> None:
    assert run("decode", f"  2026-01-01 [INFO] >> {HEARTBEAT}  ").status == 0


@pytest.mark.usefixtures("unpiped")
def test_a_frame_has_to_come_from_somewhere(run: Any) -> None:
    done = run("decode")
    assert (done.status, done.out) == (2, "")
    assert "no frame: pass one as an argument or pipe it in" in done.err


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"x" * 3_000_000, b"[" * 100_000, f"{HEARTBEAT}\n{HEARTBEAT}".encode()],
)
def test_rubbish_is_refused(run: Any, piped: Any, data: bytes) -> None:
    piped(data)
    done = run("decode")
    assert done.status == 1
    assert "  error code: RpcFrameworkError\n" in done.out


def test_bytes_of_an_argument_are_those_of_the_shell(run: Any) -> None:
    done = run("decode", '[2,"\udcff","Heartbeat",{}]')
    assert "description: not UTF-8" in done.out


def test_what_a_peer_sent_cannot_act_on_the_terminal(run: Any) -> None:
    data = {"vendorId": "a\x1b[31m\x07\x7f\x85\u202e\ud7ff\u200b", "data": {"\x1b]0;x\x07": "\n"}}
    done = run("decode", json.dumps([2, "\x85", "DataTransfer", data], ensure_ascii=False))
    assert done.out.replace("\n", "").isprintable()
    done = run("decode", json.dumps([2, "\x85", "DataTransfer", data]))
    assert done.status == 0
    assert done.out.replace("\n", "").isprintable()
    assert r"\u001b[31m\u0007" in done.out
    done = run("decode", json.dumps([2, "\x1b\x7f\x85", "\x1b[31m", {}]))
    assert done.status == 1
    assert done.out.replace("\n", "").isprintable()


def test_decode_shows_what_was_tolerated(run: Any) -> None:
    text = FAULTY.replace('"info"', '"\\u001b[2J":{"a":[1]},"info"')
    assert run("decode", "-V", "1.6", text).status == 1
    done = run("decode", "-V", "1.6", "--lenient", text)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[-6:-3] == ["    error_code: NoError", "    status: Available", "tolerated"]
    assert sorted(lines[-3:]) == [
        '  letter_case: $.status: "available"',
        "  null: $.info: null",
        '  unknown_field: $.\\x1b[2J: {"a": [1]}',
    ]
    assert "tolerated" not in run("decode", "--lenient", HEARTBEAT).out

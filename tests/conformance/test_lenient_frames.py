"""Broken frames of real peers: `lenient` tolerates those whose fault a rule covers."""

import json
from typing import Any

import pytest

import ocppj
from ocppj.policy import RULES, Policy
from tests.conformance.test_real_frames import FRAMES

# The schema's keyword for a fault -> the rules that may be named for it.
NAMED = {
    "additionalProperties": {"unknown_field"},
    "enum": {"unknown_enum", "letter_case"},
    "maxLength": {"too_long"},
    "minItems": {"array_size"},
    "maxItems": {"array_size"},
    "minimum": {"number_bound"},
    "maximum": {"number_bound"},
    "multipleOf": {"decimal"},
    "required": {"missing"},
    "type": {"null", "number_form"},
}


def broken() -> list[dict[str, Any]]:
    lines = map(json.loads, FRAMES.read_text().splitlines())
    return [f for f in lines if f["schema_valid"] is False and not f.get("malformed")]


def outcome(frame: dict[str, Any], policy: Policy) -> set[str] | None:
    """Return the rules that a frame breaks, or None if it is rejected."""
    codec = ocppj.Codec(frame["version"], policy=policy)
    try:
        elements = json.loads(frame["frame"])
        pending = {str(elements[1]): frame["action"]} if frame["action"] else None
        return {v.rule for v in codec.decode(frame["frame"], pending).violations}
    except (ocppj.DecodeError, ValueError):
        return None


def test_lenient_takes_what_a_rule_covers_and_names_it() -> None:
    if not FRAMES.is_file():
        pytest.skip(f"no real frames at {FRAMES}: set OCPPJ_REAL_FRAMES")
    every = Policy(**dict.fromkeys(RULES, "report"))  # type: ignore[arg-type]
    covered = taken = 0
    missed = []
    for frame in broken():
        keyword = frame["schema_error"][0]
        rules = outcome(frame, every)
        if rules is None and keyword == "type":
            continue  # a string where an object belongs and the like: no rule covers it
        if "missing" in (rules or ()) or keyword == "required":
            # Off in `lenient`; by itself it is taken where it is allowed.
            assert outcome(frame, Policy.lenient()) is None
            if rules is None or "missing" not in rules:
                missed.append(frame["source"])
            continue
        covered += 1
        found = outcome(frame, Policy.lenient())
        if found and found & NAMED[keyword]:
            taken += 1
        else:
            missed.append((frame["source"], frame["schema_error"], found))
    print(f"{taken} of {covered} broken real frames are taken")
    assert covered >= 15
    assert taken / covered >= 0.9, missed

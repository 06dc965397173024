"""The dispatch table: which actions are fast, and which need the exact decoders."""

import msgspec
import pytest

import ocppj
from ocppj import v201
from tests.conftest import make_table


def test_every_official_action_is_fast() -> None:
    for version, count in (("1.6", 39), ("2.0.1", 64), ("2.1", 90)):
        known = make_table(version)
        assert set(known.fast_calls) == set(known.calls)
        assert set(known.fast_results) == set(known.results)
        assert len(known.calls) == count
    assert set(make_table("2.1").sends) == {"NotifyPeriodicEventStream"}


def test_types_that_nest_without_limit_are_not_fast() -> None:
    free = msgspec.defstruct("Free", [("x", dict)], forbid_unknown_fields=True)
    flat = msgspec.defstruct("Flat", [("x", int)], forbid_unknown_fields=True)
    features = (ocppj.Feature("A", free, flat), ocppj.Feature("B", flat, flat))
    known = make_table(profiles=[ocppj.Profile("v", features)])
    assert set(known.calls) == {"A", "B"}
    assert set(known.fast_calls) == {"B"}


def test_a_lower_depth_makes_fewer_actions_fast() -> None:
    assert "Heartbeat" in make_table(max_depth=20).fast_calls
    assert "TransactionEvent" not in make_table(max_depth=20).fast_calls
    assert make_table(max_depth=1).fast_calls == {}


def test_responses_are_found_by_their_type() -> None:
    known = make_table()
    assert known.response_actions[v201.ResetResponse] == "Reset"
    assert known.response_type("Reset") is v201.ResetResponse
    with pytest.raises(ValueError, match="this codec has no action 'Nope' with a"):
        known.response_type("Nope")

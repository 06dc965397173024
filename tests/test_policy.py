"""Policies are values: made from presets, arguments or a configuration, and nothing else."""

import pickle
from datetime import UTC, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import ocppj
from ocppj.policy import PRESETS, RULES, Policy


def test_the_rules() -> None:
    assert RULES == (
        "unknown_field",
        "unknown_enum",
        "too_long",
        "null",
        "number_form",
        "timestamp",
        "letter_case",
        "array_size",
        "single_item",
        "number_bound",
        "decimal",
        "message_id",
        "error_details",
        "missing",
    )


def test_presets() -> None:
    assert Policy() == Policy.strict() is PRESETS["strict"]
    assert not Policy.strict().is_lenient
    lenient = Policy.lenient()
    assert {rule for rule in RULES if getattr(lenient, rule) == "reject"} == {"missing"}
    repair = Policy.repair()
    assert {rule for rule in RULES if getattr(repair, rule) == "report"} == {
        "null",
        "number_form",
        "timestamp",
        "letter_case",
        "single_item",
        "error_details",
    }
    assert lenient.is_lenient
    assert Policy(missing="accept").is_lenient
    assert not Policy(zone=timezone(timedelta(hours=1))).is_lenient


def test_a_policy_is_a_value() -> None:
    one, other = Policy(null="accept"), Policy(null="accept")
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.null = "reject"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        ({}, Policy()),
        ({"preset": "lenient"}, Policy.lenient()),
        ({"preset": "repair", "null": "accept"}, Policy(
            null="accept", number_form="report", timestamp="report", letter_case="report",
            single_item="report", error_details="report",
        )),
        ({"too_long": "report", "zone": "+05:30"}, Policy(
            too_long="report", zone=timezone(timedelta(hours=5, minutes=30))
        )),
        ({"zone": "-01:00"}, Policy(zone=timezone(-timedelta(hours=1)))),
        ({"zone": "Z"}, Policy(zone=UTC)),
        ({"zone": "Europe/Berlin"}, Policy(zone=ZoneInfo("Europe/Berlin"))),
    ],
)  # fmt: skip
def test_a_policy_from_a_configuration(settings: dict[str, str], policy: Policy) -> None:
    assert Policy.of(settings) == policy


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"nulls": "accept"}, "unknown rule 'nulls': use one of preset, unknown_field"),
        ({"null": "maybe"}, "null='maybe': use one of reject, report, accept"),
        ({"null": 1}, "null=1: use one of"),
        ({"preset": "loose"}, "preset='loose': use one of strict, lenient, repair"),
        ({"zone": "Mars"}, "zone='Mars': use an offset"),
        ({"zone": "+25:00"}, "zone='\\+25:00'"),
        ({"zone": "../etc"}, "zone='../etc'"),
        ({"zone": 5}, "zone=5"),
        ({"zone": "+-1:00"}, "zone='\\+-1:00'"),
        ({"zone": "+ 1:00"}, "zone="),
        ({"preset": []}, "preset=\\[\\]: use one of"),
    ],
)
def test_a_wrong_configuration_is_an_error_that_helps(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Policy.of(settings)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="null='yes'"):
        Policy(null="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="zone='UTC'"):
        Policy(zone="UTC")  # type: ignore[arg-type]


def test_codecs_share_all_but_their_policy() -> None:
    strict = ocppj.Codec("1.6")
    assert strict.policy is Policy.strict()
    lenient = strict.with_policy(Policy.lenient())
    assert type(lenient) is ocppj.Codec
    assert lenient.policy is Policy.lenient()
    assert lenient._table is strict._table
    assert ocppj.Codec("1.6", policy=Policy.lenient())._table is strict._table


def test_a_policy_shows_what_differs_from_strict() -> None:
    assert repr(ocppj.Policy.strict()) == "Policy()"
    assert repr(ocppj.Policy.of({"null": "report"})) == "Policy(null='report')"
    assert eval(repr(ocppj.Policy.repair()), {"Policy": ocppj.Policy}) == ocppj.Policy.repair()

"""What is derived from types: plans for going through a payload, and how deep it may nest."""

import math
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest

from ocppj import v16, v201
from ocppj._core.plan import MAX_FREE_DEPTH, Part, nesting, plan


def closed(name: str, kind: Any) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [("x", kind)], forbid_unknown_fields=True)


class Node(msgspec.Struct, forbid_unknown_fields=True):
    children: "list[Node]" = []
    at: datetime | None = None


def test_a_plan_tells_what_fields_may_hold() -> None:
    found = plan(v201.MeterValuesRequest)
    assert found.names == ("custom_data", "evse_id", "meter_value")
    assert found.optional == (True, False, False)
    assert found.timestamp_fields == ("meter_value",)
    assert found.complete
    assert [part.kind for part in found.parts] == ["other", "int", "list"]
    assert found.parts[2].item == Part("struct", cls=v201.MeterValueType)
    assert plan(v201.DataTransferRequest).parts[-1] == Part("str", None, 255)
    assert plan(v201.DataTransferRequest).timestamp_fields == ()


def test_what_a_type_says_for_people_alone_changes_no_plan() -> None:
    meta = msgspec.Meta(description="for people", extra_json_schema={"x": 1})
    told = plan(closed("Told", Annotated[list[Annotated[datetime, msgspec.Meta(tz=True)]], meta]))
    assert told.parts == (Part("list", item=Part("timestamp")),)
    assert told.timestamp_fields == ("x",)
    assert plan(v16.ChargingSchedulePeriod).parts[1] == Part("float")


def test_a_struct_that_checks_itself_is_not_told_whole_by_its_plan() -> None:
    assert not plan(v16.ChargingSchedulePeriod).complete
    assert plan(v16.ChargingProfile).complete


def test_none_is_only_absent_where_it_is_left_out() -> None:
    class Talkative(msgspec.Struct):
        n: int = None  # type: ignore[assignment]

    assert plan(Talkative).optional == (False,)
    assert plan(Node).timestamp_fields == ("children", "at")


@pytest.mark.parametrize(
    ("kind", "depth"),
    [
        (v201.HeartbeatRequest, 1 + MAX_FREE_DEPTH),
        (v16.HeartbeatRequest, 1),
        (v16.MeterValuesRequest, 5),
        (closed("Free", Any), math.inf),
        (closed("Raw", msgspec.Raw), math.inf),
        (closed("Custom", complex), math.inf),
        (closed("Deep", dict[str, tuple[int, list[int | str]]]), 4),
        (closed("Flat", int), 1),
        (msgspec.defstruct("Open", [("x", int)]), math.inf),
        (Annotated[list[set[int]], msgspec.Meta(max_length=1)], 2),
        (Annotated[list[set[int]], msgspec.Meta(description="sets")], 2),
        (Node, math.inf),
    ],
)
def test_how_deep_a_type_lets_a_value_nest(kind: Any, depth: float) -> None:
    assert nesting(kind) == depth

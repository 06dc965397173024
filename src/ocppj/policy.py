"""Leniency: which rules of the schemas a codec may bend, and what it says of those that were bent.

Owns the settings, and nothing of how a payload is read.
"""

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["RULES", "STRICT", "Policy", "Setting", "Violation"]

Setting: TypeAlias = Literal["reject", "report", "accept"]
"""What is done with a fault: refuse the frame, take it and say so, take it silently."""

SETTINGS: Final = ("reject", "report", "accept")


class Violation(msgspec.Struct, frozen=True):
    """A fault that was tolerated.

    Attributes:
        rule: the setting of `Policy` that allowed it.
        path: JSON path of the faulty value within the payload; for a fault of another element of
            the frame its name: `"message_id"`, `"error_description"` or `"error_details"`.
        value: what the peer has sent there; `None` for what is missing.
    """

    rule: str
    path: str
    value: Any


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which faults of a peer are taken, rule by rule. Immutable; any number of codecs share it.

    A conforming frame is decoded strictly and does not meet the policy. JSON that is malformed,
    frames of a wrong shape and unknown actions are never taken.

    Attributes:
        unknown_field: a field that the type does not have; its value is in the violation.
        unknown_enum: a string that is none of an enum's values; it stays in the field as a `str`.
        too_long: a string that is too long; it is never cut.
        null: `null` for a field that is absent, or for an empty payload.
        number_form: `1.0` or `"12"` for a number, a number for a string, `1` or `"true"` for a
            boolean; the field gets the type that it should have.
        timestamp: a date and time in another form than RFC 3339 (no zone, `+02`, no seconds, hour
            24, a leap second, ...); the field gets a `datetime` all the same.
        letter_case: a field or an enum value in other letters (`evseID`, `accepted`), or with white
            space around it; it is taken for the one that it means.
        array_size: too few or too many items.
        single_item: an object where an array of objects belongs; the field is a list of that one.
        number_bound: a number beyond its bounds (64 bits are never exceeded).
        decimal: more decimals than allowed (OCPP 1.6).
        message_id: longer than 36 characters, or a number; the frame has it as a string.
        error_details: a CALLERROR or CALLRESULTERROR whose details are not an object, or are absent
            (then they are `{}`), or whose description is `null` (then it is `""`).
        missing: a required field that is absent; it is `None` then, against its type.
        zone: the zone of timestamps that name none.
    """

    unknown_field: Setting = "reject"
    unknown_enum: Setting = "reject"
    too_long: Setting = "reject"
    null: Setting = "reject"
    number_form: Setting = "reject"
    timestamp: Setting = "reject"
    letter_case: Setting = "reject"
    array_size: Setting = "reject"
    single_item: Setting = "reject"
    number_bound: Setting = "reject"
    decimal: Setting = "reject"
    message_id: Setting = "reject"
    error_details: Setting = "reject"
    missing: Setting = "reject"
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        for rule in RULES:
            if getattr(self, rule) not in SETTINGS:
                raise ValueError(
                    f"{rule}={getattr(self, rule)!r}: use one of {', '.join(SETTINGS)}"
                )
        if not isinstance(self.zone, tzinfo):
            raise TypeError(f"zone={self.zone!r}: use a tzinfo")

    def __repr__(self) -> str:
        changes = (
            f"{name}={value!r}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) != getattr(STRICT, name)
        )
        return f"Policy({', '.join(changes)})"

    @classmethod
    def strict(cls) -> "Policy":
        """Bend nothing."""
        return STRICT

    @classmethod
    def lenient(cls) -> "Policy":
        """Take and report all faults but missing fields."""
        return _LENIENT

    @classmethod
    def repair(cls) -> "Policy":
        """Take and report only what is unambiguous, so that the frame conforms once it is read."""
        return _REPAIR

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "Policy":
        """Return the policy of a configuration file.

        Args:
            settings: rule -> setting; `"preset"`: `strict`, `lenient` or `repair`, on which the
                rest stands; `"zone"`: an offset (`+01:00`) or a name (`Europe/Berlin`).

        Raises:
            ValueError: there is no such rule, setting, preset or zone.
        """
        changes: dict[str, Any] = dict(settings)
        preset = changes.pop("preset", "strict")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ValueError(f"preset={preset!r}: use one of {', '.join(PRESETS)}")
        if unknown := changes.keys() - {*RULES, "zone"}:
            known = ", ".join(("preset", *RULES, "zone"))
            raise ValueError(f"unknown rule {min(unknown)!r}: use one of {known}")
        if "zone" in changes:
            changes["zone"] = _zone(changes["zone"])
        return Policy(**msgspec.structs.asdict(PRESETS[preset]) | changes)

    def reporting(self) -> "Policy":
        """Return a policy that reports what this one accepts."""
        changes = {rule: "report" for rule in RULES if getattr(self, rule) == "accept"}
        return msgspec.structs.replace(self, **changes)

    @property
    def is_lenient(self) -> bool:
        """Whether any rule may be bent."""
        return self is not STRICT and any(getattr(self, rule) != "reject" for rule in RULES)


_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


def _zone(text: Any) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  most never name a zone, and it takes 3 ms

    try:
        if text == "Z":
            return UTC
        if match := _OFFSET.fullmatch(text):
            size = timedelta(hours=int(match[2]), minutes=int(match[3]))
            return timezone(-size if match[1] == "-" else size)
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError, TypeError):
        raise ValueError(
            f"zone={text!r}: use an offset such as +01:00 or a name such as Europe/Berlin"
        ) from None


RULES: Final = tuple(name for name in Policy.__struct_fields__ if name != "zone")
"""The names of the rules."""

STRICT: Final = Policy()
_LENIENT: Final = Policy(**{rule: "report" for rule in RULES if rule != "missing"})  # type: ignore[arg-type]
_REPAIR: Final = Policy(
    null="report",
    number_form="report",
    timestamp="report",
    letter_case="report",
    single_item="report",
    error_details="report",
)
PRESETS: Final = {"strict": STRICT, "lenient": _LENIENT, "repair": _REPAIR}

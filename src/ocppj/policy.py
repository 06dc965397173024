"""Leniency: which violations of the schemas a codec tolerates, and how it reports them.

Owns the settings. `_core/leniency.py` applies them to payloads.
"""

import re
from collections.abc import Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, Final, Literal, TypeAlias

import msgspec

__all__ = ["RULES", "STRICT", "Policy", "Setting", "Violation"]

Setting: TypeAlias = Literal["reject", "report", "accept"]
"""What a codec does with a violation: reject the frame, accept and report it, or accept it."""

SETTINGS: Final = ("reject", "report", "accept")


class Violation(msgspec.Struct, frozen=True):
    """A violation of the schema that was tolerated.

    Attributes:
        rule: the rule of `Policy` that tolerates it.
        path: JSON path of the invalid value within the payload. For another element of the frame,
            its name: `"message_id"`, `"error_description"` or `"error_details"`.
        value: what the peer sent there; `None` if it is missing.
    """

    rule: str
    path: str
    value: Any


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which violations to tolerate, rule by rule. Immutable; codecs may share it.

    A valid frame never meets the policy. Malformed JSON, frames of a wrong shape and unknown
    actions are always rejected.

    Attributes:
        unknown_field: a field that the type does not have; its value is in the violation.
        unknown_enum: a string that is not a value of the enum; it stays in the field as a `str`.
        too_long: a string that is too long; it is never cut.
        null: `null` instead of an absent field, or of an empty payload.
        number_form: `1.0` or `"12"` for a number, a number for a string, `1` or `"true"` for a
            boolean; the field gets the right type.
        timestamp: a date and time in another form than RFC 3339 (no zone, `+02`, no seconds, hour
            24, a leap second, ...); the field still gets a `datetime`.
        letter_case: a field or an enum value in the wrong case (`evseID`, `accepted`), or with
            white space around it; it counts as the one that it resembles.
        array_size: too few or too many items.
        single_item: an object instead of an array of objects; the field is a list of that one.
        number_bound: a number out of bounds (never beyond 64 bits).
        decimal: more decimals than allowed (OCPP 1.6).
        message_id: longer than 36 characters, or a number; the frame has it as a string.
        error_details: a CALLERROR or CALLRESULTERROR whose details are not an object, or are absent
            (then they are `{}`), or whose description is `null` (then it is `""`).
        missing: a required field that is absent; it is `None` then, whatever its type says.
        zone: time zone of timestamps without one.
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
        """Reject all violations."""
        return STRICT

    @classmethod
    def lenient(cls) -> "Policy":
        """Accept and report all violations except missing fields."""
        return _LENIENT

    @classmethod
    def repair(cls) -> "Policy":
        """Accept and report only violations with an unambiguous repair."""
        return _REPAIR

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> "Policy":
        """Return the policy of a configuration file.

        Args:
            settings: rule -> setting; `"preset"`: `strict`, `lenient` or `repair`, which the other
                keys change; `"zone"`: an offset (`+01:00`) or a name (`Europe/Berlin`).

        Raises:
            ValueError: a rule, setting, preset or zone is unknown.
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
        """Whether any violation is tolerated."""
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
_LENIENT: Final = Policy(**{rule: "report" for rule in RULES if rule != "missing"})  # type: ignore[arg-type]  # not a zone
_REPAIR: Final = Policy(
    null="report",
    number_form="report",
    timestamp="report",
    letter_case="report",
    single_item="report",
    error_details="report",
)
PRESETS: Final = {"strict": STRICT, "lenient": _LENIENT, "repair": _REPAIR}

"""What msgspec says of a payload, in terms of OCPP: the kind of fault, a text, a JSON path.

Owns the table of msgspec's wordings; a test goes through every row, so that a release of msgspec
that words a fault anew is seen. Texts name the fault and never repeat what the peer has sent, but
for a plain field name.
"""

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from ocppj.errors import Fault
from ocppj.schema import TOO_DEEP

__all__ = ["Finding", "translate", "translate_fast_error", "without_traceback"]


class Finding(NamedTuple):
    """One fault of a payload: its kind, a text for people, and the JSON path."""

    fault: Fault
    problem: str
    path: str


WORDINGS: Final[tuple[tuple[str, Fault, str], ...]] = (
    (
        r"Object missing required field `(\w+)`",
        Fault.OCCURRENCE,
        "required field {} is missing",
    ),
    (r"Object contains unknown field `(\w{1,50})`", Fault.FORMAT, "unknown field {}"),
    (r"Object contains unknown field .*", Fault.FORMAT, "unknown field"),
    (
        r"Expected `array` of (?:at least )?length (>=|<=) (\d+)",
        Fault.OCCURRENCE,
        "expected an array of length {} {}",
    ),
    (r"Expected `array` of length (\d+).*", Fault.OCCURRENCE, "expected an array of length {}"),
    (
        r"Expected `str` of length (>=|<=) (\d+)",
        Fault.PROPERTY,
        "expected a string of length {} {}",
    ),
    (r"Expected `(int|float)` (>=|<=|>|<) (\S+)", Fault.PROPERTY, "expected {} {} {}"),
    (r"Expected `float` with at most one decimal", Fault.PROPERTY, "expected at most one decimal"),
    (
        r"Expected `datetime` with a timezone component",
        Fault.PROPERTY,
        "expected a timestamp with a zone, such as 2026-01-31T12:00:00Z",
    ),
    (
        r"Invalid RFC3339 encoded datetime",
        Fault.PROPERTY,
        "expected a timestamp such as 2026-01-31T12:00:00Z",
    ),
    (r"Expected `(\w+(?: \| \w+)*)`, got `(\w+)`", Fault.TYPE, "expected {}, got {}"),
    (r"Invalid enum value .*", Fault.PROPERTY, "not one of the values of the enum"),
    (
        r"(?:Integer value out of range|integer beyond 64 bits)",
        Fault.PROPERTY,
        "expected an integer of at most 64 bits",
    ),
    (r"Number out of range", Fault.PROPERTY, "expected a number that fits a 64-bit float"),
    # What only a vendor's own types can meet: patterns, UUIDs, a check of their own, ...
    (r".*", Fault.PROPERTY, "not a value that its type allows"),
)
# One pattern for the whole table: the row that matches is the named group that closes last.
_PATTERN: Final = re.compile(
    "|".join(f"(?P<row{n}>{p})" for n, (p, *_) in enumerate(WORDINGS)), re.DOTALL
)
_ROWS: Final = {f"row{n}": (fault, text) for n, (_, fault, text) in enumerate(WORDINGS)}
PATH_MARK: Final = " - at `$"  # before the path that msgspec names
TICK: Final = ord("`")
BACKSLASH: Final = ord("\\")
_INNER: Final = re.compile(r"(Expected .*) in field `(\w+)`")  # what `schema` finds itself


def without_traceback(error: Exception) -> Exception:
    """Drop the tracebacks of an error and of what caused it, and return it.

    A traceback refers to a frame. Where that frame, or one that called it, keeps the error in a
    variable, they form a cycle, which keeps the peer's bytes until the garbage collector comes.
    """
    error.__traceback__ = None
    inner = error.__context__
    while inner is not None:
        inner.__traceback__ = None
        inner = inner.__context__
    return error


def translate(message: str, root: str = "$[0]") -> Finding:
    """Return what a msgspec `ValidationError` means, from its message.

    Args:
        message: what it says.
        root: the path that msgspec names for the payload; by default that of the one item of an
            array.
    """
    # The same few faults come again and again; long ones have something of the peer's in them.
    return (_translate_cached if len(message) < MAX_CACHED_LENGTH else _translate)(message, root)


def translate_fast_error(error: Exception, payload: Any) -> Finding | None:
    """Return what an error of a fast decoder means; `None` where that is no verdict.

    Such a decoder was given the bare payload, and of a fault at the root msgspec names no path
    then, so that a text of the peer's could pass for one; but not without a backtick.

    Args:
        error: what it has raised.
        payload: the bytes that it was given, or the same as `msgspec.Raw`.
    """
    if error.__traceback__ is not None or error.__context__ is not None:
        without_traceback(error)
    if type(error) is not msgspec.ValidationError:
        return None
    if error.__cause__ is not None:
        cause = str(error.__cause__)
        if cause == TOO_DEEP or PATH_MARK in cause:
            return None
    data = bytes(payload)
    # Integers are found five times as fast as bytes of one character.
    if TICK in data or (BACKSLASH in data and b"\\u" in data):
        return None
    return translate(str(error), "$")


def _translate(message: str, root: str) -> Finding:
    problem, mark, path = message.rpartition(f" - at `{root}")
    fault, text, inner = _match_row(problem if mark else message)
    path = f"${path.removesuffix('`') if mark else ''}{inner}"
    # The type of the payload itself is a matter of the frame's form.
    return Finding(Fault.FORMAT if fault is Fault.TYPE and path == "$" else fault, text, path)


def _match_row(problem: str) -> tuple[Fault, str, str]:
    """Return the kind of a fault, its text, and the rest of the path that `schema` has found."""
    step = ""
    if problem.endswith("`") and (inner := _INNER.fullmatch(problem)):
        problem, step = inner[1], f".{inner[2]}"
    match = _PATTERN.fullmatch(problem)
    if match is None or match.lastgroup is None:
        raise AssertionError("the last row takes everything")
    fault, text = _ROWS[match.lastgroup]
    values = [value for value in match.groups()[match.lastindex or 0 :] if value is not None]
    return fault, text.format(*values), step


MAX_CACHED_LENGTH: Final = 120
_translate_cached: Final = lru_cache(maxsize=512)(_translate)

"""Translate msgspec's errors into OCPP's terms: the fault, a description, a JSON path.

Owns the table of msgspec's messages. A test covers each row, so it fails if a release of msgspec
changes a message. Descriptions repeat nothing that the peer sent except plain field names.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import ValidationError

from ocppj.errors import Fault
from ocppj.schema import TOO_DEEP

__all__ = [
    "Finding",
    "has_unicode_escape",
    "translate",
    "translate_fast_error",
    "without_traceback",
]


class Finding(NamedTuple):
    """What is wrong with a payload: the fault, a text for people, and the JSON path."""

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
    # Only types of vendors get here: patterns, UUIDs, their own checks, ...
    (r".*", Fault.PROPERTY, "not a value that its type allows"),
)
# One pattern for the whole table. The matching row is the last named group that matched.
_PATTERN: Final = re.compile(
    "|".join(f"(?P<row{n}>{p})" for n, (p, *_) in enumerate(WORDINGS)), re.DOTALL
)
_ROWS: Final = {f"row{n}": (fault, text) for n, (_, fault, text) in enumerate(WORDINGS)}
PATH_MARK: Final = " - at `$"  # msgspec puts it before the path
TICK: Final = ord("`")
BACKSLASH: Final = ord("\\")
_INNER: Final = re.compile(r"(Expected .*) in field `(\w+)`")  # from the checks of `schema`


def without_traceback(error: Exception) -> Exception:
    """Drop the tracebacks of an error and of its causes, and return the error.

    A traceback refers to stack frames. If one of them holds the error in a variable, they form a
    cycle, which keeps the peer's bytes alive until the garbage collector runs. The context is not
    touched: the caller may be handling that exception.
    """
    inner: BaseException | None = error
    while inner is not None:
        inner.__traceback__ = None
        inner = inner.__cause__
    return error


def has_unicode_escape(text: bytes) -> bool:
    """Tell whether JSON text may have a character as the escape of its code point."""
    # `in` is many times as fast for an integer as for bytes.
    return BACKSLASH in text and b"\\u" in text


def translate(message: str, root: str = "$[0]") -> Finding:
    """Return what the message of a msgspec `ValidationError` means.

    Args:
        message: the message.
        root: msgspec's path of the payload. The default is for a payload decoded as the only item
            of an array.
    """
    # The same few faults repeat. Long messages are not cached: they contain text of the peer.
    return (_translate_cached if len(message) < MAX_CACHED_LENGTH else _translate)(message, root)


def translate_fast_error(error: Exception, payload: bytes) -> Finding | None:
    """Return what the error of a fast decoder means; `None` if that is not certain.

    A fast decoder gets the bare payload. If the fault is at its root, msgspec gives no path, and
    text of the peer that contains a backtick could be mistaken for one.

    Args:
        error: what the decoder raised, without tracebacks.
        payload: the bytes that the decoder got.
    """
    if type(error) is not ValidationError:
        return None
    if error.__cause__ is not None:
        cause = str(error.__cause__)
        if cause == TOO_DEEP or PATH_MARK in cause:
            return None
    if TICK in payload or has_unicode_escape(payload):
        return None
    return translate(str(error), "$")


def _translate(message: str, root: str) -> Finding:
    problem, mark, path = message.rpartition(f" - at `{root}")
    fault, text, inner = _match_row(problem if mark else message)
    path = f"${path.removesuffix('`') if mark else ''}{inner}"
    # A payload that is not an object is a fault of the frame's form.
    return Finding(Fault.FORMAT if fault is Fault.TYPE and path == "$" else fault, text, path)


def _match_row(problem: str) -> tuple[Fault, str, str]:
    """Return a fault, its text, and the last step of its path if a check of `schema` found it."""
    step = ""
    if problem.endswith("`") and (inner := _INNER.fullmatch(problem)):
        problem, step = inner[1], f".{inner[2]}"
    match = _PATTERN.fullmatch(problem)
    if match is None or match.lastgroup is None:
        raise AssertionError("the last row matches everything")
    fault, text = _ROWS[match.lastgroup]
    values = [value for value in match.groups()[match.lastindex or 0 :] if value is not None]
    return fault, text.format(*values), step


MAX_CACHED_LENGTH: Final = 120
_translate_cached: Final = lru_cache(maxsize=512)(_translate)

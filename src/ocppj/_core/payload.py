"""A payload decoded as its type, or as near to it as a policy allows.

Owns the order of the two: leniency first where a policy has any, then what is wrong with it.
"""

from contextlib import suppress
from typing import Any

import msgspec

from ocppj._core.faults import find, find_again, without_traceback
from ocppj._core.leniency import bend
from ocppj._core.table import Table
from ocppj.errors import (
    Fault,
    Known,
    PayloadError,
)
from ocppj.policy import Policy, Violation
from ocppj.schema import TOO_DEEP

__all__ = ["decode_payload"]


def decode_payload(
    payload: msgspec.Raw,
    kind: type[Any],
    table: Table,
    policy: Policy,
    violations: list[Violation],
    *,
    known: Known,
    complaint: Exception | None = None,
) -> Any:
    """Decode the payload of a frame as a type, or as near to it as the policy allows.

    Args:
        payload: valid JSON that nests no deeper than the table allows.
        kind: the Struct.
        table: the codec's.
        policy: what may be bent.
        violations: what is bent is added here.
        known: of the frame, for the error and its reply.
        complaint: what the payload's fast decoder has raised, if it has.

    Raises:
        PayloadError: it is not one.
    """
    if policy.bends:
        with suppress(Exception):  # a fault beyond the policy, or a vendor's type that raises
            made, bends = bend(kind, msgspec.json.decode(payload), policy, table.dec_hook)
            violations += bends
            return made
    found = None if complaint is None else find_again(complaint, payload)
    if found is None:
        try:
            return table.decode(kind, payload)
        except msgspec.ValidationError as error:
            complaint, found = without_traceback(error), find(str(error))
        except Exception as error:
            # A vendor's own type may raise anything, and only DecodeError may leave.
            deep = isinstance(error, RecursionError)
            problem = TOO_DEEP if deep else f"not a {kind.__name__}"
            rules = table.version.rules
            raise PayloadError(Fault.PROPERTY, problem, rules, "$", known) from error
    fault, problem, path = found
    raise PayloadError(fault, problem, table.version.rules, path, known) from complaint

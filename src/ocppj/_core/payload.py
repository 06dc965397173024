"""A payload decoded as its type, or as near to it as a policy allows.

Owns the order of the two: leniency first where a policy has any, then what is wrong with it.
"""

from contextlib import suppress
from typing import Any

import msgspec

from ocppj._core.faults import translate, translate_fast_error, without_traceback
from ocppj._core.leniency import decode_leniently
from ocppj._core.table import Table
from ocppj.errors import (
    Fault,
    FrameHead,
    PayloadError,
)
from ocppj.policy import Policy, Violation
from ocppj.schema import TOO_DEEP

__all__ = ["decode_payload"]


def decode_payload(
    payload: msgspec.Raw,
    cls: type[Any],
    table: Table,
    policy: Policy,
    violations: list[Violation],
    *,
    head: FrameHead,
    fast_error: Exception | None = None,
) -> Any:
    """Decode the payload of a frame as a type, or as near to it as the policy allows.

    Args:
        payload: valid JSON that nests no deeper than the table allows.
        cls: the Struct.
        table: the codec's.
        policy: what may be bent.
        violations: what is bent is added here.
        head: of the frame, for the error and its reply.
        fast_error: what the payload's fast decoder has raised, if it has.

    Raises:
        PayloadError: it is not one.
    """
    if policy.is_lenient:
        with suppress(Exception):  # a fault beyond the policy, or a vendor's type that raises
            decoded, tolerated = decode_leniently(
                cls, msgspec.json.decode(payload), policy, table.dec_hook
            )
            violations += tolerated
            return decoded
    found = None if fast_error is None else translate_fast_error(fast_error, payload)
    if found is None:
        try:
            return table.decode(cls, payload)
        except msgspec.ValidationError as error:
            fast_error, found = without_traceback(error), translate(str(error))
        except Exception as error:
            # A vendor's own type may raise anything, and only DecodeError may leave.
            deep = isinstance(error, RecursionError)
            problem = TOO_DEEP if deep else f"not a {cls.__name__}"
            rules = table.version.error_rules
            raise PayloadError(Fault.PROPERTY, problem, rules, "$", head) from error
    fault, problem, path = found
    raise PayloadError(fault, problem, table.version.error_rules, path, head) from fast_error

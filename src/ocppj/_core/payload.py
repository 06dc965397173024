"""Decode a payload, strictly or leniently, and find out what is wrong with it.

Owns the order: the lenient pass comes first if the policy tolerates anything.
"""

from contextlib import suppress
from typing import Any

import msgspec

from ocppj._core.faults import translate, translate_fast_error, without_traceback
from ocppj._core.leniency import decode_leniently
from ocppj._core.table import Table
from ocppj.errors import Fault, FrameHead, PayloadError
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
    """Decode the payload of a frame.

    Args:
        payload: valid JSON that nests no deeper than the table allows.
        cls: the type of the payload.
        table: the codec's table.
        policy: which violations to tolerate.
        violations: a list to which the tolerated violations are added.
        head: the head of the frame, for the error and its reply.
        fast_error: what the payload's fast decoder raised, if it did.

    Raises:
        PayloadError: the payload is invalid, and the policy does not tolerate that.
    """
    if policy.is_lenient:
        with suppress(Exception):  # not tolerated, or a vendor's type raises
            decoded, tolerated = decode_leniently(
                cls, msgspec.json.decode(payload), policy, table.dec_hook
            )
            violations += tolerated
            return decoded
    found = None if fast_error is None else translate_fast_error(fast_error, bytes(payload))
    if found is None:
        try:
            return table.decode(cls, payload)
        except msgspec.ValidationError as error:
            fast_error, found = without_traceback(error), translate(str(error))
        except Exception as error:
            # A vendor's own type may raise anything, but only DecodeError may get out.
            deep = isinstance(error, RecursionError)
            problem = TOO_DEEP if deep else f"not a {cls.__name__}"
            rules = table.error_rules
            raise PayloadError(Fault.PROPERTY, problem, rules, "$", head) from error
    fault, problem, path = found
    raise PayloadError(fault, problem, table.error_rules, path, head) from fast_error

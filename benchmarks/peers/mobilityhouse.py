"""Peer: the decode path of the package `ocpp` of The Mobility House."""

from typing import Any, Final

from ocpp import messages
from ocpp.charge_point import camel_to_snake_case

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Decode

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = (
    "ocpp.messages.unpack, validate_payload without its thread pool, camel_to_snake_case; formats "
    "are not checked, the values stay dicts and text"
)

# In a pool's thread the same work would be timed with the hand-over on top.
messages.ASYNC_VALIDATION = False


def decoder(entry: Entry) -> Decode:
    """Return a function for frames of the entry's version."""
    version = entry.version
    pending = entry.pending
    unpack, validate = messages.unpack, messages.validate_payload

    def decode(data: str) -> Any:
        message = unpack(data)
        if message.message_type_id == 3:
            message.action = pending[message.unique_id]
        try:
            validate(message, version).send(None)
        except StopIteration:
            return message, camel_to_snake_case(message.payload)
        raise RuntimeError("the validation waits for something")

    return decode

"""Peer: what one writes with msgspec alone."""

from typing import Any, Final

import msgspec

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Decode
from benchmarks.peers.messages import decoders

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = (
    "msgspec decodes the frame to a tuple with a Raw payload, and that into our Struct; "
    "returns a tuple, checks neither the id's length nor sizes"
)

_call: Final = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw]).decode
_result: Final = msgspec.json.Decoder(tuple[int, str, msgspec.Raw]).decode


def decoder(entry: Entry) -> Decode:
    """Return a function for frames of the entry's kind."""
    calls, results = decoders(entry.version)
    pending = entry.pending

    def decode_call(data: str) -> tuple[int, str, str, Any]:
        number, message_id, action, payload = _call(data)
        return number, message_id, action, calls[action](payload)

    def decode_result(data: str) -> tuple[int, str, Any]:
        number, message_id, payload = _result(data)
        return number, message_id, results[pending[message_id]](payload)

    return decode_call if entry.is_call else decode_result

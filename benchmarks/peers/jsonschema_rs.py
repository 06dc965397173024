"""Peer: a JSON Schema validator in Rust."""

from typing import Any, Final

import jsonschema_rs
import orjson

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Decode
from benchmarks.peers.schemas import official_schema

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = (
    "orjson.loads of the frame, jsonschema-rs validates the payload with the official schema and "
    "formats; the values stay dicts and text"
)


def decoder(entry: Entry) -> Decode:
    """Return a function for frames of the entry's kind."""
    validator = jsonschema_rs.validator_for(official_schema(entry), validate_formats=True)
    validators = {entry.action: validator.validate}
    pending = entry.pending

    def decode(data: str) -> Any:
        frame = orjson.loads(data)
        action = frame[2] if frame[0] == 2 else pending[frame[1]]
        validators[action](frame[-1])
        return frame

    return decode

"""Peer: pydantic at its best, head of the frame and look-up left out."""

from typing import Final

from pydantic import TypeAdapter

from benchmarks.corpus import Entry
from benchmarks.corpus import payload_bytes as load
from benchmarks.peers import Decode
from benchmarks.peers.models import model

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = "pydantic's TypeAdapter(Model).validate_json of the bare payload, whose type it knows"


def decoder(entry: Entry) -> Decode:
    """Return the adapter's method."""
    return TypeAdapter(model(entry)).validate_json

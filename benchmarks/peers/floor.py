"""Peer: the least that a typed decode can cost."""

from typing import Final

from benchmarks.corpus import payload_bytes as load
from benchmarks.peers.messages import payload_decoder as decoder

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = "msgspec decodes the bare payload, whose type it knows, into our Struct"

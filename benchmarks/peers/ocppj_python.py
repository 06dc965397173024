"""Peer: this project, Python backend."""

from typing import Final

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Calls, Decode
from benchmarks.peers.messages import backend_calls, backend_decoder
from ocppj._core.backend_py import Backend

__all__ = ["CHECKS", "WHAT", "calls", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = "`Codec.decode` of the frame, Python backend"


def decoder(entry: Entry) -> Decode:
    """Return the codec's method."""
    return backend_decoder(Backend, entry)


def calls(entry: Entry) -> Calls:
    """Return the codec's other methods."""
    return backend_calls(Backend, entry)

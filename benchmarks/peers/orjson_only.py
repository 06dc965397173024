"""Peer: parsing, without any check."""

from typing import Final

import orjson

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Decode

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "parse"
WHAT: Final = "orjson.loads of the frame: lists and dicts; only the JSON is checked"


def decoder(_entry: Entry) -> Decode:
    """Return the parser."""
    return orjson.loads

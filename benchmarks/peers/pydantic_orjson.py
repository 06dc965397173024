"""Peer: what one writes with pydantic."""

from typing import Any, Final

import orjson

from benchmarks.corpus import Entry
from benchmarks.corpus import frame_text as load
from benchmarks.peers import Decode
from benchmarks.peers.models import CALLS, RESULTS

__all__ = ["CHECKS", "WHAT", "decoder", "load"]

CHECKS: Final = "full schema"
WHAT: Final = (
    "orjson.loads of the frame, the action looked up in a dict, Model.model_validate of the "
    "payload; accepts a number as a timestamp"
)


def decoder(entry: Entry) -> Decode:
    """Return a function for frames of the entry's version."""
    calls, results = CALLS[entry.version], RESULTS[entry.version]
    pending = entry.pending

    def decode(data: str) -> Any:
        frame = orjson.loads(data)
        if frame[0] == 2:
            frame[3] = calls[frame[2]].model_validate(frame[3])
        else:
            frame[2] = results[pending[frame[1]]].model_validate(frame[2])
        return frame

    return decode

"""The peers, one module each, with the same names.

    CHECKS   "parse" (it is JSON), "types" or "full schema"
    WHAT     what it does to a frame, and what it leaves out
    load     corpus entry -> the decoder's input
    decoder  corpus entry -> callable that decodes it, or raises
    calls    (only ours) corpus entry -> what else is timed: name -> function and argument

A decoder may know what a running gateway knows: its tables, and the pending calls. Decoders of the
bare payload also know its type.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Literal, Protocol

from benchmarks.corpus import Entry

__all__ = ["LABELS", "NAMES", "Calls", "Decode", "Peer", "peer"]

Decode = Callable[..., Any]
Calls = dict[str, tuple[Callable[..., Any], Any]]

NAMES: Final = (
    "floor",
    "ocppj_cython",
    "ocppj_python",
    "two_pass",
    "orjson_only",
    "pydantic_typed",
    "pydantic_orjson",
    "jsonschema_rs",
    "fastjsonschema",
    "mobilityhouse",
)

LABELS: Final = {
    "floor": "floor",
    "ocppj_cython": "ocppj",
    "ocppj_python": "ocppj, pure Python",
    "pydantic_typed": "pydantic v2, type known",
    "pydantic_orjson": "orjson + pydantic",
    "mobilityhouse": "mobilityhouse/ocpp",
    "orjson_only": "`orjson.loads` alone",
}
"""What texts and plots call the peers that they show."""


class Peer(Protocol):
    """The names in the module of a peer."""

    CHECKS: Literal["parse", "types", "full schema"]
    WHAT: str

    @staticmethod
    def load(entry: Entry) -> str | bytes:
        """Return the decoder's input."""
        ...

    @staticmethod
    def decoder(entry: Entry) -> Decode:
        """Return a callable that decodes the entry."""
        ...


def peer(name: str) -> Peer:
    """Import a peer."""
    module: Any = import_module(f"{__name__}.{name}")
    return module  # type: ignore[no-any-return]

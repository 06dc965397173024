"""Encode each frame; grouped by frame. Only ours validates what it sends.

ocppj_cython, ocppj_python  `Codec.encode` of the frame, either backend
msgspec_only                msgspec.json.encode of the same frame, unchecked
pydantic_payload            model_dump_json of the payload's model, without the frame's head
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import pytest

from benchmarks.corpus import ENTRIES, Entry, payload_bytes
from benchmarks.peers import peer
from benchmarks.peers.messages import backend_calls
from benchmarks.peers.models import model
from ocppj._core import backend_c, backend_py

Encode = Callable[[], bytes | str]


def ours(entry: Entry, dispatch: type[Any]) -> Encode:
    encode, frame = backend_calls(dispatch, entry)["encode"]
    return partial(encode, frame)


def msgspec_only(entry: Entry) -> Encode:
    return partial(msgspec.json.Encoder().encode, _frame(entry))


def pydantic_payload(entry: Entry) -> Encode:
    value = model(entry).model_validate_json(payload_bytes(entry))
    return partial(value.model_dump_json, by_alias=True, exclude_none=True)


ENCODERS: Final[dict[str, Callable[[Entry], Encode]]] = {
    "ocppj_cython": lambda entry: ours(entry, backend_c.Backend),
    "ocppj_python": lambda entry: ours(entry, backend_py.Backend),
    "msgspec_only": msgspec_only,
    "pydantic_payload": pydantic_payload,
}


def _frame(entry: Entry) -> Any:
    one = peer("ocppj_python")
    return one.decoder(entry)(one.load(entry))


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{e.version} {e.name}" for e in ENTRIES])
@pytest.mark.benchmark(max_time=0.2, min_time=0.0005, min_rounds=5)
def test_encode(benchmark: Any, entry: Entry, name: str) -> None:
    benchmark.group = f"encode {entry.version} {entry.name}"
    written = json.loads(benchmark(ENCODERS[name](entry)))
    if name.startswith("ocppj"):
        assert written == entry.frame
    else:
        # The others may write a timestamp's fraction with six digits.
        payload = written if name == "pydantic_payload" else written[-1]
        assert payload.keys() == entry.payload.keys()

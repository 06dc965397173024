"""Decode each frame with each peer; grouped by frame."""

from typing import Any

import pytest

from benchmarks.corpus import ENTRIES, Entry
from benchmarks.peers import NAMES, peer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{e.version} {e.name}" for e in ENTRIES])
@pytest.mark.benchmark(max_time=0.2, min_time=0.0005, min_rounds=5)
def test_decode(benchmark: Any, entry: Entry, name: str) -> None:
    one = peer(name)
    benchmark.group = f"decode {entry.version} {entry.name}"
    benchmark.extra_info["checks"] = one.CHECKS
    assert benchmark(one.decoder(entry), one.load(entry)) is not None

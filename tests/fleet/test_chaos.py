"""A short storm; `python -m tests.fleet.chaos` is a long one."""

import asyncio
from pathlib import Path

import pytest

from tests.fleet.chaos import storm

pytest.importorskip("picows")


def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = asyncio.run(storm(tmp_path, count=30, seconds=10, every=3, rate=5))
    with capsys.disabled():
        print(f"\nchaos: {' '.join(f'{name}={value}' for name, value in result._asdict().items())}")
    assert result.faults >= 3
    assert result.acknowledged > 100
    assert result.stored > 20
    assert result.good

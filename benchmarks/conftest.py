"""No benchmark runs unless the peers agree."""

import pytest

from benchmarks import agreement


@pytest.fixture(scope="session", autouse=True)
def _agreement() -> None:
    agreement.check()

"""Tests of the fleet run against a real nats-server; where there is none, they are skipped."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("nats", reason="nats-py is not installed")

from tests.aio.conftest import certificates
from tests.aio.ends import ENDS, End
from tests.fleet.server import NatsServer

__all__ = ["certificates"]

NUMBERS = count(1)


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """The server that most tests share; each has a fleet of its own by its prefix."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    yield server
    server.stop()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that a test may stop."""
    server = NatsServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def prefix() -> str:
    return f"t{next(NUMBERS)}"


@pytest.fixture(params=["websockets", "picows-uvloop"])
def end(request: pytest.FixtureRequest) -> End:
    """A transport and an event loop; the transports themselves are tested in `tests/aio`."""
    found = ENDS[request.param]
    pytest.importorskip(found.transport)
    return found

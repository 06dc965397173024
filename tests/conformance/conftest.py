"""Backends, the payloads of each schema file, and the number of payloads that were tested."""

import importlib
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Protocol

import pytest

from ocppj import Codec, DecodeError
from tests.conftest import VERSIONS

from .official import MESSAGES, Message
from .payloads import Case, cases

ROUNDS: Final = int(os.environ.get("OCPPJ_CONFORMANCE_ROUNDS", "1"))
MODULES: Final = {"cython": "ocppj._core.backend_c", "python": "ocppj._core.backend_py"}
MAX_SIZE: Final = 2**20
"""Bytes. The largest payloads that the schemas allow exceed the default."""

TRIED: Final = pytest.StashKey[Counter[tuple[str, str]]]()


class Decoder(Protocol):
    """What the tests use of a backend."""

    def decode(self, data: bytes | str, pending: Mapping[str, str] | None = None) -> Any: ...


class Backend:
    """A backend, with a decoder for each version."""

    def __init__(self, name: str) -> None:
        self.name = name
        backend_class = importlib.import_module(MODULES[name]).Backend
        self.decoders: Mapping[str, Decoder] = {
            version: backend_class(Codec(version, max_size=MAX_SIZE)._table) for version in VERSIONS
        }

    def decode(self, version: str, data: str, pending: Mapping[str, str] | None) -> Any:
        """Return the frame, or the `DecodeError`."""
        try:
            return self.decoders[version].decode(data, pending)
        except DecodeError as error:
            return error


def _backend(name: str) -> Backend:
    try:
        return Backend(name)
    except ModuleNotFoundError as error:
        if error.name != MODULES[name]:
            raise
        if os.environ.get("CI"):
            pytest.fail(f"the {name} backend is missing, and CI has to have it")
        pytest.skip(f"the {name} backend is not built")


@pytest.fixture(params=["cython", "python"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """One backend, by its name."""
    return _backend(request.param)


@pytest.fixture
def backends() -> list[Backend]:
    """Both."""
    return [_backend(name) for name in MODULES]


class Corpus:
    """A schema file and its test payloads."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.cases: list[Case] = list(cases(message, ROUNDS))
        self.pending = {"1": message.action} if message.message_type == 3 else None
        self._outcomes: dict[str, list[Any]] = {}

    def outcomes(self, backend: Backend) -> list[Any]:
        """Return the frame, or the `DecodeError`, of each case on a backend."""
        if backend.name not in self._outcomes:
            message = self.message
            self._outcomes[backend.name] = [
                backend.decode(message.version, message.frame(case.text), self.pending)
                for case in self.cases
            ]
        return self._outcomes[backend.name]


@pytest.fixture(scope="module", params=MESSAGES, ids=str)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    """A schema file. All tests of one run before the next is read."""
    corpus = Corpus(request.param)
    version, tried = corpus.message.version, request.config.stash[TRIED]
    tried[version, "files"] += 1
    for case in corpus.cases:
        tried[version, "invalid" if case.fault else "valid"] += 1
    return corpus


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Counter[tuple[str, str]]:
    """The counter of the test session."""
    return request.config.stash[TRIED]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TRIED] = Counter()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tried = config.stash[TRIED]
    if not tried:
        return
    terminalreporter.section("conformance")
    for version in VERSIONS:
        terminalreporter.write_line(
            f"OCPP {version}: {tried[version, 'files']} schema files, "
            f"{tried[version, 'valid']} valid payloads, "
            f"{tried[version, 'invalid']} with one fault; {tried[version, 'frames']} real frames"
        )
    payloads = sum(number for (_, what), number in tried.items() if what in ("valid", "invalid"))
    frames = sum(number for (_, what), number in tried.items() if what == "frames")
    terminalreporter.write_line(
        f"{payloads} payloads and {frames} real frames in total (rounds: {ROUNDS})"
    )

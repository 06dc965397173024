"""What the tests share: versions, backends, terminals."""

import gc
import os
import signal
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

import ocppj
from ocppj import catalog
from ocppj._core.table import Table
from tests.decided import skip_if_decided

BACKENDS = {"cython": "ocppj._core.backend_c", "python": "ocppj._core.backend_py"}
VERSIONS = tuple(version.name for version in catalog.VERSIONS)
"""The names of the versions. Do not list them anywhere else: a new one is a row of the catalog."""

PACKAGES: dict[str, Any] = {
    version.name: import_module(version.package) for version in catalog.VERSIONS
}
"""Version -> the package with its messages."""

Make = Callable[..., Any]


@pytest.fixture(params=sorted(BACKENDS))
def make_backend(request: pytest.FixtureRequest) -> Make:
    """Make an instance of a backend for a version: `make_backend("2.0.1").decode(data)`."""
    return backend_factory(request.param)


def backend_factory(name: str) -> Make:
    """Return a function that makes instances of a backend; skip if not built (in CI: fail)."""
    try:
        module = import_module(BACKENDS[name])
    except ModuleNotFoundError:
        if os.environ.get("CI"):
            pytest.fail(f"the {name} backend is not built")
        pytest.skip(f"the {name} backend is not built")

    def make(version: str = "2.0.1", **options: Any) -> Any:
        policy = options.pop("policy", ocppj.Policy.strict())
        return module.Backend(make_table(version, **options), policy)

    return make


def make_table(version: str = "2.0.1", **options: Any) -> Table:
    return ocppj.Codec(version, **options)._table


@pytest.fixture(scope="session")
def codec() -> ocppj.Codec:
    return ocppj.Codec("2.0.1")


def interruptible() -> None:
    """Reset SIGINT in a child (`preexec_fn`): `nohup`, a shell's `&` and CI ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def open_terminal() -> tuple[int, int]:
    """Return both ends of a pseudo-terminal, ours and a program's; skip if none can be opened."""
    import pty  # noqa: PLC0415  Windows has none

    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be opened here: {error}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    skip_if_decided(item)


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Exclude all objects that exist before a test module from garbage collection.

    Tests of endpoints and of leaks collect hundreds of times, and each takes a thirtieth then.
    """
    gc.collect()
    gc.freeze()

"""The public names: where they can be imported from, and their examples."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import pytest

import ocppj
from ocppj.catalog import VERSIONS


def test_the_top_level_has_what_the_modules_export() -> None:
    public = {"BACKEND", "__version__", "CustomData", "Maybe", "Message", "Request"}
    for name in ("codec", "errors", "frames", "handlers", "openapi", "session"):
        module = importlib.import_module(f"ocppj.{name}")
        # Constants stay in their modules.
        public |= {name for name in module.__all__ if not name.isupper()}
    public |= {"Feature", "Policy", "Profile", "Version", "Violation"}
    public |= {version.package.removeprefix("ocppj.") for version in VERSIONS}
    assert set(ocppj.__all__) == public
    for name in ocppj.__all__:
        assert hasattr(ocppj, name)


def modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(ocppj.__path__, "ocppj.")]
    return [name for name in found if not name.endswith(("__main__", "backend_c"))]


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_exports(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert not (error.name or "ocppj").startswith("ocppj")
        pytest.skip(f"{error.name} is not installed")
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public)


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("module", "library", "extra"),
    [
        ("integrations.mobilityhouse", "ocpp", "mobilityhouse"),
        ("aio.prometheus", "prometheus_client", "prometheus"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    module: str, library: str, extra: str
) -> None:
    code = f"""
import sys
sys.modules[{library!r}] = None
try:
    import ocppj.{module}
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    problem = f"{library} is not installed: pip install 'ocppj[{extra}]'"
    assert python(code) == f"{library} {problem}"


def test_importing_ocppj_loads_neither_messages_nor_what_describes_them() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('ocppj.v', 'ocppj.openapi'))]"
    assert python(f"import sys, ocppj; print({loaded})") == "[]"


def test_message_packages_are_loaded_when_they_are_used() -> None:
    assert python("import ocppj; print(ocppj.v21.HeartbeatRequest())").startswith("Heartbeat")
    with pytest.raises(AttributeError, match="no attribute 'v3'"):
        _ = ocppj.v3


def test_a_codec_loads_its_own_version_alone() -> None:
    loaded = "sorted({name.split('.')[1] for name in sys.modules if name.startswith('ocppj.v')})"
    for version in VERSIONS:
        code = f"import sys, ocppj; ocppj.Codec({version.name!r}); print({loaded})"
        assert python(code) == f"['{version.package.removeprefix('ocppj.')}']"


def test_the_version_is_the_distributions() -> None:
    assert ocppj.__version__ == metadata.version("ocppj")


def documented() -> Iterator[tuple[str, str]]:
    """Yield the names and docstrings of the top-level API that have examples."""
    yield "ocppj", ocppj.__doc__ or ""
    for name in ocppj.__all__:
        public = getattr(ocppj, name)
        if isinstance(public, type) and public.__module__.startswith("ocppj."):
            members = {name: public} | {f"{name}.{n}": m for n, m in vars(public).items()}
            for member_name, member in members.items():
                doc = getattr(member, "__doc__", "") or ""
                if ">>>" in doc:
                    yield member_name, doc


EXAMPLES = dict(documented())


def test_classes_and_methods_have_examples() -> None:
    assert EXAMPLES.keys() >= {"Codec", "Codec.decode", "Codec.encode", "Codec.peek", "Session"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(name: str) -> None:
    test = doctest.DocTestParser().get_doctest(EXAMPLES[name], {"ocppj": ocppj}, name, None, None)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0

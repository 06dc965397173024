"""Arrows point one way: a module imports only from layers below it."""

import ast
from pathlib import Path

import pytest

import ocppj

SOURCE = Path(ocppj.__file__).parent
LAYERS: dict[str, set[str]] = {
    "schema": set(),
    "depth": set(),
    "errors": set(),
    "policy": set(),
    "frames": {"errors", "policy"},
    "catalog": {"schema", "errors"},
    "faults": {"errors", "schema"},
    "plan": {"schema"},
    "table": {"schema", "catalog", "plan"},
    "exponents": {"depth"},
    "lenience": {"plan", "policy", "schema"},
    "_dispatch_py": {
        "depth",
        "encoding",
        "exponents",
        "lenience",
        "policy",
        "schema",
        "errors",
        "faults",
        "frames",
        "table",
    },
    "_dispatch": {"_dispatch_py"},
    "encoding": {"errors", "frames", "plan", "table"},
    "codec": {
        *("schema", "catalog", "frames", "policy", "table"),
        *("_dispatch", "_dispatch_py", "encoding", "errors"),
    },
    "ids": set(),
    "session": {"_dispatch_py", "codec", "encoding", "errors", "frames", "ids"},
    "handlers": {"codec", "errors", "frames", "schema", "session"},
}
INTEGRATIONS: dict[str, set[str]] = {
    "__init__": set(),
    "names": {"plan", "schema"},
    "wire": {"catalog", "codec", "errors", "policy", "integrations.names"},
    "mobilityhouse": {"errors", "policy", "integrations.names", "integrations.wire"},
}
RIM = {
    *("__init__", "__main__", "cli", "check", "report", "tally", "terminal"),
    *("log", "replay", "sources", "stations", "versions"),
}
OUTER = ("aio", "demo")
"""Packages of the rim: they may know all of the core, and nothing of the core may know them."""

TRANSPORTS = {"websockets", "picows"}


def imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            names = [node.module or ""]
            if node.module == "ocppj":
                names = [f"ocppj.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("ocppj.") for name in names if name.startswith("ocppj")}
    return found


@pytest.mark.parametrize("module", sorted(path.stem for path in SOURCE.glob("*.py")))
def test_core_modules_know_only_those_below(module: str) -> None:
    if module not in RIM:
        assert imports(SOURCE / f"{module}.py") <= LAYERS[module]


def test_integrations_use_the_core_and_nothing_uses_them() -> None:
    for path in (SOURCE / "integrations").glob("*.py"):
        assert imports(path) <= INTEGRATIONS[path.stem]
    for path in SOURCE.glob("*.py"):
        assert not any(name.startswith("integrations") for name in imports(path))


@pytest.mark.parametrize("package", ["v16", "v201", "v21"])
def test_version_packages_know_themselves_and_the_vocabulary(package: str) -> None:
    for path in (SOURCE / package).glob("*.py"):
        for name in imports(path):
            assert name == "schema" or name.split(".")[0] == package, path


def test_only_the_rim_may_know_asyncio() -> None:
    for path in SOURCE.glob("*.py"):
        if path.stem not in RIM:
            assert "asyncio" not in path.read_text()


@pytest.mark.parametrize("package", OUTER)
def test_the_outer_packages_know_the_core_and_those_below(package: str) -> None:
    allowed = set(LAYERS) | set(OUTER[: OUTER.index(package) + 1])
    for path in (SOURCE / package).glob("*.py"):
        known = {name.split(".")[0] for name in imports(path)}
        assert known <= allowed | ({"terminal"} if package == "demo" else set()), path


def test_the_engine_knows_no_websocket_library() -> None:
    for path in (SOURCE / "aio").glob("*.py"):
        if path.stem in TRANSPORTS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                names = {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            assert not {name.split(".")[0] for name in names} & TRANSPORTS, path
            assert not names & {f"ocppj.aio.{name}" for name in TRANSPORTS}, path


def test_the_command_line_knows_only_the_arguments_of_the_demonstration() -> None:
    assert {name for name in imports(SOURCE / "cli.py") if name.startswith("demo")} == {
        "demo.arguments"
    }

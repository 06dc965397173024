"""The layers: a module imports only from those before it in the table."""

import ast
from pathlib import Path

import pytest

import ocppj
from ocppj.catalog import VERSIONS, Version

SOURCE = Path(ocppj.__file__).parent
API = {
    "catalog",
    "codec",
    "errors",
    "frames",
    "handlers",
    "ids",
    "openapi",
    "policy",
    "schema",
    "session",
}
"""The modules in the root of the package: the documented API."""

LAYERS: dict[str, set[str]] = {
    "_core.depth": set(),
    "_core.message_types": set(),
    "ids": set(),
    "policy": set(),
    "_core.exponents": {"_core.depth"},
    "errors": {"_core.message_types"},
    "schema": {"errors"},
    "_core.plan": {"schema"},
    "_core.describe": {"errors"},
    "_core.faults": {"errors", "schema"},
    "_core.leniency": {"_core.plan", "policy", "schema"},
    "catalog": {"_core.message_types", "errors", "schema"},
    "frames": {"_core.message_types", "errors", "policy"},
    "_core.table": {"_core.plan", "catalog", "schema"},
    "_core.encoding": {"_core.describe", "_core.plan", "_core.table", "errors", "frames", "schema"},
    "_core.roundtrip": {"_core.encoding", "_core.plan", "_core.table", "frames", "schema"},
    "_core.payload": {
        "_core.faults",
        "_core.leniency",
        "_core.table",
        "errors",
        "policy",
        "schema",
    },
    "_core.reader": {
        "_core.depth",
        "_core.exponents",
        "_core.faults",
        "_core.payload",
        "_core.table",
        "errors",
        "frames",
        "policy",
        "schema",
    },
    "_core.backend_py": {
        "_core.depth",
        "_core.roundtrip",
        "_core.encoding",
        "_core.exponents",
        "_core.faults",
        "_core.reader",
        "_core.table",
        "errors",
        "frames",
        "policy",
    },
    "_core.backend": {"_core.backend_py"},
    "codec": {
        "_core.backend",
        "_core.describe",
        "_core.payload",
        "_core.table",
        "catalog",
        "errors",
        "frames",
        "policy",
        "schema",
    },
    "session": {"_core.describe", "codec", "errors", "frames", "ids"},
    "handlers": {"_core.describe", "codec", "errors", "frames", "schema", "session"},
    "openapi": {"schema"},
}
"""Module of the root or `_core` -> what it may import: only modules before it in the table."""

INTEGRATIONS: dict[str, set[str]] = {
    "__init__": set(),
    "litestar": {"schema"},
    "mobilityhouse": {"errors", "frames", "integrations.names", "integrations.wire", "policy"},
    "names": {"_core.plan", "schema"},
    "pydantic": {"_core.faults", "openapi", "schema"},
    "pytest": {"aio", "catalog", "testing.samples"},
    "wire": {"catalog", "codec", "errors", "frames", "integrations.names", "policy"},
}
OUTER = ("aio", "testing", "fleet", "web", "cli")
"""Outer packages. They may import the layers and the outer packages before them."""

TRANSPORTS = {"websockets", "picows"}


def modules(folder: Path) -> dict[str, Path]:
    """Return name in ocppj -> path of all modules in a folder, subfolders included."""
    found = {}
    for path in folder.rglob("*.py"):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


CORE = {path.stem: path for path in SOURCE.glob("*.py")} | modules(SOURCE / "_core")
OUTSIDE = {"__init__", "__main__", "_core"}
"""Modules of the root and `_core` that are not layers."""


def imports(path: Path) -> set[str]:
    """Return the modules of ocppj that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            names = [node.module or ""]
            # `from ocppj._core import plan` imports a module, not a name from a module.
            folder = SOURCE.parent.joinpath(*(node.module or "").split("."))
            inside = [name for alias in node.names if is_module(folder / (name := alias.name))]
            if inside:
                names = [f"{node.module}.{name}" for name in inside]
        found |= {name.removeprefix("ocppj.") for name in names if name.startswith("ocppj")}
    return found


def is_module(path: Path) -> bool:
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_the_root_is_the_documented_api() -> None:
    assert {path.stem for path in SOURCE.glob("*.py")} == API | {"__init__", "__main__"}


def test_layers_know_only_those_before_them() -> None:
    before: set[str] = set()
    for module, known in LAYERS.items():
        assert known <= before, module
        before.add(module)


@pytest.mark.parametrize("module", sorted(CORE.keys() - OUTSIDE))
def test_a_module_imports_what_its_layer_may_know(module: str) -> None:
    assert imports(CORE[module]) <= LAYERS[module]


def test_integrations_use_the_core_and_nothing_uses_them() -> None:
    for path in (SOURCE / "integrations").glob("*.py"):
        assert imports(path) <= INTEGRATIONS[path.stem]
    for path in CORE.values():
        assert not any(name.startswith("integrations") for name in imports(path))


@pytest.mark.parametrize("version", VERSIONS, ids=[version.name for version in VERSIONS])
def test_version_packages_know_themselves_and_the_vocabulary(version: Version) -> None:
    package = version.package.removeprefix("ocppj.")
    for path in (SOURCE / package).glob("*.py"):
        for name in imports(path):
            assert name == "schema" or name.split(".")[0] == package, path


def test_only_the_outer_packages_may_know_asyncio() -> None:
    for module in CORE.keys() - OUTSIDE:
        assert "asyncio" not in CORE[module].read_text()


@pytest.mark.parametrize("package", OUTER)
def test_the_outer_packages_know_the_core_and_those_before_them(package: str) -> None:
    outer = OUTER[: OUTER.index(package) + 1]
    for path in modules(SOURCE / package).values():
        for name in imports(path):
            assert name in LAYERS or name == "ocppj" or name.split(".")[0] in outer, path


def test_an_endpoint_knows_no_websocket_library() -> None:
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


def test_the_command_line_loads_no_endpoint_before_a_command_needs_one() -> None:
    slow = ("ocppj.aio", "ocppj.cli.demo", "asyncio")
    for path in (SOURCE / "cli").glob("*.py"):
        for node in ast.parse(path.read_text()).body:  # not what functions import
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(slow) for name in names), path

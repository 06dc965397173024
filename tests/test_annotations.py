"""An annotation means the same read at once, as CPython did up to 3.13, and late (PEP 649).

Late, a name is looked up in the class first, so that a field called `type` takes the place of the
builtin. Both ways are gone here on every Python.
"""

import ast
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

import ocppj
from tools import model, render

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(ocppj.__path__, "ocppj.")
    if not info.name.endswith((".__main__", ".backend_c"))
)


def annotations(cls: ast.ClassDef) -> Iterator[ast.expr | None]:
    """Yield what is annotated in a class: fields, arguments and what methods give back."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg))
            yield node.returns


def read_apart(module: ModuleType, tree: ast.Module) -> Iterator[str]:
    """Yield the annotations of a module that mean something else, or nothing, when read late."""
    for cls in tree.body:
        if isinstance(cls, ast.ClassDef):
            inside = dict(vars(getattr(module, cls.name)))
            for annotation in filter(None, annotations(cls)):
                source = ast.unparse(annotation)
                at_once = eval(source, vars(module))
                try:
                    late = eval(source, vars(module), inside)
                except TypeError:
                    late = None
                if late != at_once:
                    yield f"{cls.name}: {source}"


@pytest.mark.parametrize("name", MODULES)
def test_it_means_the_same_early_and_late(name: str) -> None:
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        assert not (error.name or "ocppj").startswith("ocppj")
        pytest.skip(f"{error.name} is not installed")
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    assert list(read_apart(module, tree)) == []


class Trapped:
    made: ClassVar[type[int]] = int

    def both(self, one: type[str]) -> None: ...

    type: str = ""


def test_a_shadowed_builtin_is_seen() -> None:
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    found = list(read_apart(sys.modules[__name__], tree))
    assert found == ["Trapped: ClassVar[type[int]]", "Trapped: type[str]"]


VENDOR = Path(__file__).parent.parent / "docs" / "vendor.md"


@pytest.mark.parametrize("first", ["", "from __future__ import annotations\n"])
def test_a_vendor_may_have_a_field_named_type(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The types are written as docs/vendor.md does; msgspec reads strings late on every Python."""
    source = VENDOR.read_text(encoding="utf-8").partition("```python\n")[2].partition("print(")[0]
    name = f"vendor_{len(first)}"
    source = first + source.replace("    note:", "    type: str\n    note:")
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module(name)
    request = module.codec.decode('[2,"1","AcmeFan",{"speed":3,"type":"x"}]').payload
    assert (request.type, request.response_type) == ("x", module.FanResponse)


def test_the_generator_lets_no_field_shadow_a_builtin() -> None:
    fields = tuple(
        model.Field(name, kind, required=True, array=array)
        for name, kind, array in (
            ("type", "string", None),
            ("list", "boolean", (("maxItems", 2),)),
            ("str", "number", None),
        )
    )
    facts = ["    response_type: ClassVar[type[X]] = X"]
    lines = render._struct(model.Struct("Odd", "Odd.", fields), "Odd.", facts=facts)
    assert [line.strip() for line in lines if ":" in line][1:] == [
        "response_type: ClassVar[builtins.type[X]] = X",
        "type: builtins.str",
        "list: Annotated[builtins.list[bool], Meta(max_length=2)]",
        "str: float",
    ]

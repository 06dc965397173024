"""The Python of README and docs runs unchanged, and prints what its comments say."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks import sections
from ocppj.cli.main import main, parser

ROOT = Path(__file__).parent.parent
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in page.read_text()
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = page.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        try:
            exec(block, namespace)
        except ModuleNotFoundError as error:
            assert not (error.name or "ocppj").startswith("ocppj")
            pytest.skip(f"{error.name} is not installed")
    printed = capsys.readouterr().out.splitlines()
    wanted = re.findall(r"^ *print\(.*\)  # (.*)$", "\n".join(blocks), re.MULTILINE)
    lines = iter(printed)
    for comment in wanted:
        pattern = re.escape(comment).replace(re.escape("..."), ".*")
        assert any(re.fullmatch(pattern, line) for line in lines), f"not printed: {comment}"
    for shown in re.findall(r"```text\n(.*?)```", text, re.DOTALL):
        assert shown in "\n".join(printed) + "\n"


@pytest.mark.parametrize("page", sections.PAGES, ids=lambda page: page.name)
def test_its_numbers_are_those_of_the_results(page: Path) -> None:
    text = page.read_text()
    assert "<!-- benchmarks: " in text
    assert sections.rewritten(text) == text


TEXTS = [path.read_text() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def found(pattern: str) -> list[Any]:
    """Return what all pages say that matches, each once."""
    return sorted({match for text in TEXTS for match in re.findall(pattern, text)})


@pytest.mark.parametrize("line", found(r"(?m)^(?:\$ |.*&& )?ocppj ((?:check|csms|station)\b.*)$"))
def test_a_command_of_ours_can_be_typed(line: str) -> None:
    parser().parse_args(shlex.split(line))


@pytest.mark.parametrize(("line", "shown"), found(r"```\n\$ ocppj (check .*)\n([^`]*)```"))
def test_a_command_says_what_is_shown(
    line: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(shlex.split(line))
    said = capsys.readouterr().out
    assert all(part.strip("\n") in said for part in shown.split("...\n"))


@pytest.mark.parametrize("extras", found(r"'(?:\.|ocppj)\[([a-z,]+)\]'"))
def test_an_extra_is_there(extras: str) -> None:
    assert set(extras.split(",")) <= set(EXTRAS)


@pytest.mark.parametrize("name", found(r"python -m ((?:benchmarks|tests|tools)[\w.]*)"))
def test_a_module_that_is_to_be_run_is_there(name: str) -> None:
    path = ROOT / name.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()

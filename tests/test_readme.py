"""The Python of README and docs runs as it stands, and prints what its comments say."""

import re
from pathlib import Path

import pytest

from benchmarks import sections

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
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
        exec(block, namespace)
    printed = capsys.readouterr().out.splitlines()
    wanted = re.findall(r"^ *print\(.*\)  # (.*)$", "\n".join(blocks), re.MULTILINE)
    lines = iter(printed)
    for comment in wanted:
        pattern = re.escape(comment).replace(re.escape("..."), ".*")
        assert any(re.fullmatch(pattern, line) for line in lines), f"not printed: {comment}"
    for shown in re.findall(r"```text\n(.*?)```", text, re.DOTALL):
        assert shown in "\n".join(printed) + "\n"


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]*)\)", README))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`((?:src|ext|tools|benchmarks)/[^`]*)`", README))
def test_the_files_it_names_are_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("page", sections.PAGES, ids=lambda page: page.name)
def test_its_numbers_are_those_of_the_results(page: Path) -> None:
    text = page.read_text()
    assert "<!-- benchmarks: " in text
    assert sections.rewritten(text) == text

"""The README's Python runs as it stands, and prints what its comments say."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("leniency", "mobilityhouse", "pydantic")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(block, namespace)
    printed = capsys.readouterr().out.splitlines()
    wanted = re.findall(r"^print\(.*\)(?:  # (.*))?$", "\n".join(blocks), re.MULTILINE)
    if len(wanted) == len(re.findall(r"\bprint\(", "\n".join(blocks))):
        assert len(printed) == len(wanted)
        for line, comment in zip(printed, wanted, strict=True):
            pattern = re.escape(comment).replace(re.escape("..."), ".*")
            assert not comment or re.fullmatch(pattern, line)
    else:
        assert printed


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]*)\)", README))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`((?:src|ext|tools|benchmarks)/[^`]*)`", README))
def test_the_files_it_names_are_there(path: str) -> None:
    assert (ROOT / path).exists()

"""The README's Python runs as it stands, and prints what its comments say."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, namespace)
    printed = capsys.readouterr().out.splitlines()
    wanted = re.findall(r"print\(.*\)(?:  # (.*))?", "\n".join(BLOCKS))
    assert len(printed) == len(wanted) >= 5
    for line, comment in zip(printed, wanted, strict=True):
        pattern = re.escape(comment).replace(re.escape("..."), ".*")
        assert not comment or re.fullmatch(pattern, line)


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)]*)\)", README))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parent.parent / link).exists()


@pytest.mark.parametrize("path", re.findall(r"`((?:src|ext|tools|benchmarks)/[^`]*)`", README))
def test_the_files_it_names_are_there(path: str) -> None:
    assert (Path(__file__).parent.parent / path).exists()

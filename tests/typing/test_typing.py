"""mypy --strict and pyright on code as users write it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-error-summary", "--no-incremental"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


def errors(checker: str, path: Path) -> dict[int, str]:
    command = [sys.executable, "-m", *CHECKERS[checker], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        if match := re.search(rf"{path.name}:(\d+)(?::\d+)?(?: -|:) error: (.*)", line):
            found[int(match[1])] = match[2]
    return found


@pytest.mark.parametrize("checker", CHECKERS)
def test_good_code_is_good(checker: str) -> None:
    assert errors(checker, HERE / "usage.py") == {}


@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_seen(checker: str) -> None:
    path = HERE / "mistakes.py"
    marked = {n for n, line in enumerate(path.read_text().splitlines(), 1) if "# error" in line}
    assert set(errors(checker, path)) == marked


def test_the_package_itself_is_strict() -> None:
    command = [sys.executable, "-m", "mypy"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout

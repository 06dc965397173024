"""Where a rule of a linter or of a type checker is ignored, the same line says why."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOQA = "# " + "noqa"  # not as one string, or this file would be found
IGNORE = "# " + "type: ignore"
SILENT = re.compile(rf"{NOQA}(?!: \w+(, \w+)*  (?!as above)\S)|{IGNORE}\[[\w, -]+\]\s*$")


@pytest.mark.parametrize("folder", ["benchmarks", "examples", "src", "tests", "tools"])
def test_each_line_has_its_reason(folder: str) -> None:
    checked = folder in ("src", "tools")  # elsewhere, types are wrong on purpose or not checked
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := SILENT.search(line)) and (checked or match[0].startswith(NOQA))
    ]
    assert found == []


@pytest.mark.parametrize(
    "end", [NOQA, f"{NOQA}: E1", f"{NOQA}: E1, E2", f"{NOQA}: E1  as above", f"{IGNORE}[a-b]"]
)
def test_a_missing_reason_is_seen(end: str) -> None:
    assert SILENT.search(f"x = 1  {end}")
    assert not SILENT.search(f"x = 1  {NOQA}: E1, E2  because")
    assert not SILENT.search(f"x = 1  {IGNORE}[a-b]  # because")

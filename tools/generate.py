"""Generate the version packages and their pages from the official schemas and the facts.

python -m tools.generate            write the files that have changed
python -m tools.generate --check    write nothing; exit 1 and name the files that would change
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import model, pages, render

ROOT = Path(__file__).parent.parent


def write(version: model.Version, folder: Path) -> None:
    """Write the formatted files of a version package into a folder."""
    folder.mkdir()
    for name, text in render.package(version).items():
        (folder / name).write_text(text)


def ruff(*arguments: str) -> None:
    """Run ruff with the settings of the project."""
    config = ("--config", str(ROOT / "pyproject.toml"))
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", *config]
    subprocess.run(command, check=True)  # noqa: S603  our own arguments


def build(folder: Path) -> None:
    """Write all generated files into a folder, with the paths that they have in the project."""
    source, docs = folder / "src" / "ocppj", folder / "docs"
    source.mkdir(parents=True)
    docs.mkdir()
    for package in model.VERSIONS:
        version = model.read(package)
        write(version, source / package)
        for path, text in pages.pages(version).items():
            (docs / path).parent.mkdir(exist_ok=True)
            (docs / path).write_text(text)
    # In this order: removing unused names after sorting would leave broken lines.
    ruff("check", "--select=F401", "--fix-only", str(source))
    ruff("check", "--select=I,RUF022", "--fix-only", str(source))
    ruff("format", str(source))


def generated(root: Path) -> dict[str, str]:
    """Return the generated files in a folder: relative path -> text."""
    paths = [
        path
        for pattern in ("src/ocppj/v[0-9]*/*.py", "docs/ocpp-*.md", "docs/ocpp-*/*.md")
        for path in root.glob(pattern)
    ]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; list the files that would change"
    )
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as temporary:
        build(Path(temporary))
        new = generated(Path(temporary))
    old = generated(ROOT)
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    for path in changed:
        print("would change" if check else "wrote", path)
        if check:
            continue
        if path in new:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(new[path])
        else:
            (ROOT / path).unlink()
    return 1 if check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main())

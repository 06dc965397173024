"""Write the version packages of `src/ocppj` from the official schemas and the facts.

python -m tools.generate            write what has changed
python -m tools.generate --check    write nothing; exit 1 and name the files that would change
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import model, render

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ocppj"


def write(version: model.Version, folder: Path) -> None:
    """Write the formatted files of a version package into a folder."""
    folder.mkdir()
    for name, text in render.package(version).items():
        (folder / name).write_text(text)


def ruff(*arguments: str) -> None:
    """Run ruff with the settings of the project."""
    config = ("--config", str(ROOT / "pyproject.toml"))
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", *config]
    subprocess.run(command, check=True)  # noqa: S603


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing, tell what would change"
    )
    check = parser.parse_args().check
    changed: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for package in model.VERSIONS:
            write(model.read(package), folder / package)
        ruff("check", "--select=F401,I,RUF022", "--fix-only", str(folder))
        ruff("format", str(folder))
        for package in model.VERSIONS:
            new = {path.name: path.read_text() for path in (folder / package).iterdir()}
            target = SOURCE / package
            old = {path.name: path.read_text() for path in target.glob("*.py")}
            for name in sorted(old.keys() | new.keys()):
                if old.get(name) == new.get(name):
                    continue
                changed.append(f"{package}/{name}")
                if not check:
                    target.mkdir(exist_ok=True)
                    if name in new:
                        (target / name).write_text(new[name])
                    else:
                        (target / name).unlink()
    for name in changed:
        print("would change" if check else "wrote", name)
    return 1 if check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Compares built files with the files that git tracks: `python tests/contents.py FILE...`.

A wheel has the package and, if compiled, one extension; an sdist has all but what starts with a
dot. What is missing or in surplus is printed, and makes the status 1.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tracked() -> set[str]:
    command = ["git", "ls-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in done.stdout.splitlines() if not name.startswith(".")}


def wheel(path: Path) -> tuple[set[str], set[str]]:
    """Return the files in a wheel except its metadata, and the expected files."""
    names = [name for name in zipfile.ZipFile(path).namelist() if not name.endswith("/")]
    found = {name for name in names if ".dist-info/" not in name}
    metadata = {name.rpartition("/")[2] for name in names if ".dist-info/" in name}
    wanted = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    kept = {"METADATA", "WHEEL", "RECORD", "LICENSE", "top_level.txt", "entry_points.txt"}
    if not path.name.endswith("-py3-none-any.whl"):
        compiled = {
            n for n in found if n.startswith("ocppj/_core/backend_c.") and n[-3:] in (".so", "pyd")
        }
        assert len(compiled) == 1, compiled
        found -= compiled
    return found | metadata, wanted | kept


def sdist(path: Path) -> tuple[set[str], set[str]]:
    """Return the files in an sdist, and the expected files."""
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    return {name for name in names if ".egg-info/" not in name}, tracked() | made


status = 0
for path in map(Path, sys.argv[1:]):
    found, wanted = (wheel if path.suffix == ".whl" else sdist)(path)
    for name in sorted(found ^ wanted):
        print(f"{path.name}: {name} is {'in surplus' if name in found else 'missing'}")
        status = 1
    print(f"{path.name}: {len(found)} files")
sys.exit(status)

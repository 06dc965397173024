"""All tables and plots in one go: `python -m benchmarks`, about a quarter of an hour.

Each module measures in its own process and writes its results. Then the marked sections of README
and docs are updated from them. `python -m benchmarks.NAME` runs one alone.
"""

import argparse
import subprocess
import sys

from benchmarks import sections
from benchmarks.page import RESULTS

__all__ = ["main"]

MODULES = (
    "report",
    "others",
    "growth",
    "faults",
    "flood",
    "instructions",
    "leniency",
    "startup",
    "dropin",
    "starlette",
    "load",
)


def main() -> None:
    """Run every module, then write the sections."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.parse_args()
    for module in MODULES:
        print(f"== {module}", file=sys.stderr)
        command = [sys.executable, "-m", f"benchmarks.{module}"]
        subprocess.run(command, cwd=RESULTS.parents[1], check=True)
    sections.write()


if __name__ == "__main__":
    main()

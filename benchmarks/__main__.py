"""All tables and plots in one go: `python -m benchmarks`, about twenty minutes.

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
    "threads",
    "growth",
    "faults",
    "flood",
    "instructions",
    "leniency",
    "startup",
    "dropin",
    "starlette",
    "load",
    "fleet",
)


def main() -> None:
    """Run every module, then write the sections."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--free-threaded", metavar="INTERPRETER", help="for benchmarks.threads")
    interpreter = parser.parse_args().free_threaded
    for module in MODULES:
        print(f"== {module}", file=sys.stderr)
        command = [sys.executable, "-m", f"benchmarks.{module}"]
        command += [interpreter] if interpreter and module == "threads" else []
        subprocess.run(command, cwd=RESULTS.parents[1], check=True)
    sections.write()


if __name__ == "__main__":
    main()

"""Fuzz a target with atheris: `python -m tests.fuzz decode [options of libFuzzer]`.

Options such as `-max_total_time=600` (seconds) or `-runs=N` go to libFuzzer; so does a folder, a
corpus to start from beside the seeds and to add to. What breaks the invariant is a traceback, a
status that is not 0, and a file that, given in place of the folder, is run again.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

try:
    # Its symbols are there for an extension that was compiled for libFuzzer: see CONTRIBUTING.md.
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    import atheris.core_with_libfuzzer
except ImportError:
    sys.exit(
        "atheris is not installed: pip install '.[fuzz]' (it has wheels for CPython 3.11 to 3.13)"
    )

__all__: list[str] = []

with atheris.instrument_imports(include=["ocppj"]):
    from tests.fuzz import targets

LENGTH = 4096  # bytes of a frame; most are shorter

parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
parser.add_argument("target", choices=targets.TARGETS)
chosen, options = parser.parse_known_args()
with tempfile.TemporaryDirectory() as folder:
    words = Path(folder) / "words"
    words.write_text("".join(f'"{word}"\n' for word in targets.words()))
    seeds = Path(folder) / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(targets.seeds()):
        (seeds / str(number)).write_bytes(seed)
    defaults = [f"-max_len={LENGTH}", f"-dict={words}", "-print_final_stats=1", "-timeout=10"]
    again = any(Path(option).is_file() for option in options)
    atheris.Setup(
        [sys.argv[0], *defaults, *options, *([] if again else [str(seeds)])],
        targets.TARGETS[chosen.target],
        internal_libfuzzer=True,
    )
    atheris.Fuzz()

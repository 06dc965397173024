"""No path leaks, each in a new interpreter; and a leak would be detected."""

import subprocess
import sys

import pytest

from tests.leaks.__main__ import STATM
from tests.leaks.paths import PATHS
from tests.strategies import QUICK

NUMBER = 60_000  # detects a block or a reference leaked by every hundredth frame


@pytest.mark.skipif(QUICK, reason="the quick profile looks for no leaks")
@pytest.mark.parametrize("path", PATHS)
def test_a_path(path: str) -> None:
    # Without the collector, cycles are counted too.
    command = [sys.executable, "-m", "tests.leaks", path, str(NUMBER), "--no-collector"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


LEAKS = {
    "references": "ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))",
    "blocks": "kept.append(object())",
    "resident bytes": "kept.append(bytes(1000))",
    "cycles": "(loop := []).append(loop)",
}
PROGRAM = """
import ctypes
import gc
from tests.leaks.__main__ import LIMITS, growth
gc.disable()
kept = []
grown = growth((lambda one: {leak}, [kept, LIMITS]), {number})
print([name for name in LIMITS if grown[name] > LIMITS[name]])
"""


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_seen(name: str) -> None:
    if name == "resident bytes" and not STATM.exists():
        pytest.skip("resident memory is read from /proc")
    program = PROGRAM.format(leak=LEAKS[name], number=NUMBER)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert repr("blocks" if name == "cycles" else name) in done.stdout, done

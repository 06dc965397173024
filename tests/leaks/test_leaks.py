"""No path leaves anything behind, each in an interpreter of its own; and a leak is seen."""

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from tests.leaks.__main__ import LIMITS, STATM, growth
from tests.leaks.paths import PATHS
from tests.strategies import QUICK

NUMBER = 20_000  # a block or a reference for every hundredth frame is seen
kept: list[Any] = []


@pytest.mark.skipif(QUICK, reason="the quick profile looks for no leaks")
@pytest.mark.parametrize("path", PATHS)
def test_a_path(path: str) -> None:
    command = [sys.executable, "-m", "tests.leaks", path, str(NUMBER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def take_reference(one: object) -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))


def keep_object(one: Any) -> None:
    kept.append(object())


def keep_bytes(one: Any) -> None:
    kept.append(bytes(1000))


@pytest.mark.parametrize(
    ("leak", "name"),
    [
        (take_reference, "references"),
        (keep_object, "blocks"),
        (keep_bytes, "resident bytes"),
    ],
)
def test_a_leak_is_seen(leak: Any, name: str) -> None:
    if name == "resident bytes" and not STATM.exists():
        pytest.skip("resident memory is read from /proc")
    grown = growth((leak, [kept, LIMITS]), NUMBER)
    assert grown[name] > LIMITS[name]
    kept.clear()

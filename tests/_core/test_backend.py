"""The choice of the backend: a forced one works or fails; without the extension Python is used."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

import ocppj
from tests.conftest import BACKENDS


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "OCPPJ_BACKEND"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, env=env | environment, check=False
    )


SHOW = "import ocppj; print(ocppj.BACKEND, ocppj.Codec('1.6').decode('[2,\"i\",\"Heartbeat\",{}]'))"


@pytest.mark.parametrize("backend", ["cython", "python"])
def test_a_backend_can_be_forced(backend: str) -> None:
    done = run(SHOW, OCPPJ_BACKEND=backend)
    assert done.stdout.startswith(f"{backend} Call(message_id='i'")


def test_the_compiled_backend_is_the_default() -> None:
    assert run(SHOW).stdout.startswith("cython ")
    assert run(SHOW, OCPPJ_BACKEND="").stdout.startswith("cython ")


def test_a_typo_is_an_error() -> None:
    done = run(SHOW, OCPPJ_BACKEND="Cython")
    assert done.returncode
    assert "OCPPJ_BACKEND='Cython': use cython or python" in done.stderr


MISSING = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "ocppj._core.backend_c":
            raise ModuleNotFoundError("no", name=name)
sys.meta_path.insert(0, Missing())
{SHOW}
"""


def test_without_the_extension_python_takes_over() -> None:
    assert run(MISSING).stdout.startswith("python ")
    done = run(MISSING, OCPPJ_BACKEND="cython")
    assert "the extension is not built" in done.stderr
    assert done.returncode


def test_a_broken_extension_is_not_hidden() -> None:
    done = run(MISSING.replace("name=name", "name='something_else'"))
    assert "ModuleNotFoundError" in done.stderr
    done = run(MISSING.replace('ModuleNotFoundError("no", name=name)', 'ImportError("broken")'))
    assert "ImportError: broken" in done.stderr


def test_this_run_uses_the_backend_that_was_asked_for() -> None:
    assert (os.environ.get("OCPPJ_BACKEND") or "cython") == ocppj.BACKEND


def test_both_backends_have_the_same_public_names() -> None:
    names = {name: public(import_module(path).Backend) for name, path in BACKENDS.items()}
    assert names["cython"] == names["python"] == {"decode", "encode", "peek"}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}

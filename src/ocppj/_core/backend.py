"""Chooses the backend: compiled where there is one, else pure Python.

`OCPPJ_BACKEND=cython|python` forces one; a backend that is asked for by name works or fails.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__all__ = ["BACKEND", "Backend"]

_MODULES: Final = {"cython": "ocppj._core.backend_c", "python": "ocppj._core.backend_py"}


def _choose(wanted: str | None) -> tuple[str, Any]:
    if wanted and wanted not in _MODULES:
        raise ImportError(f"OCPPJ_BACKEND={wanted!r}: use cython or python, or leave it unset")
    for backend in [wanted] if wanted else _MODULES:
        try:
            return backend, import_module(_MODULES[backend]).Backend
        except ModuleNotFoundError as error:
            # Only a module that is not there: one that is broken has to be heard of.
            if error.name != _MODULES[backend]:
                raise
    raise ImportError(
        "OCPPJ_BACKEND=cython, but the extension is not built: "
        "reinstall with OCPPJ_BUILD_EXT=yes to see why"
    )


if TYPE_CHECKING:
    from ocppj._core.backend_py import Backend

    BACKEND: str
else:
    BACKEND, Backend = _choose(os.environ.get("OCPPJ_BACKEND"))

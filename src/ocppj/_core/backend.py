"""Choose the backend: the compiled one if it is built, else pure Python.

`OCPPJ_BACKEND=cython|python` forces one. If that one cannot be imported, importing `ocppj` fails.
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
            # Only if the module itself is missing: a broken extension must not be hidden.
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

"""Chooses the backend of the dispatch seam: compiled where there is one, else pure Python.

`OCPPJ_BACKEND=cython|python` forces one; a backend that is asked for by name works or fails.
"""

import os
from typing import TYPE_CHECKING, Literal

__all__ = ["BACKEND", "Dispatch"]

_MODULE = "ocppj._dispatch_c"

BACKEND: Literal["cython", "python"]
_wanted = os.environ.get("OCPPJ_BACKEND") or None

if TYPE_CHECKING:
    from ocppj._dispatch_py import Dispatch

if _wanted not in (None, "cython", "python"):
    raise ImportError(f"OCPPJ_BACKEND={_wanted!r}: use cython or python, or leave it unset")

if _wanted == "python":
    from ocppj._dispatch_py import Dispatch

    BACKEND = "python"
else:
    try:
        from ocppj._dispatch_c import Dispatch

        BACKEND = "cython"
    except ModuleNotFoundError as error:
        # Only a module that is not there: one that is broken has to be heard of.
        if error.name != _MODULE:
            raise
        if _wanted == "cython":
            raise ImportError(
                "OCPPJ_BACKEND=cython, but the extension is not built: "
                "reinstall with OCPPJ_BUILD_EXT=yes to see why"
            ) from error
        from ocppj._dispatch_py import Dispatch

        BACKEND = "python"

"""Builds the compiled backend; everything else is in pyproject.toml.

OCPPJ_BUILD_EXT=yes    the extension must compile
OCPPJ_BUILD_EXT=no     no extension: the package is pure Python
OCPPJ_BUILD_EXT=auto   (default) try, and install without it where it cannot be compiled
"""

import os

from setuptools import Extension, setup

wanted = os.environ.get("OCPPJ_BUILD_EXT") or "auto"
if wanted not in ("auto", "yes", "no"):
    raise SystemExit(f"OCPPJ_BUILD_EXT={wanted!r}: use auto, yes or no")

extensions = []
if wanted != "no":
    from Cython.Build import cythonize

    extensions = cythonize(
        [Extension("ocppj._core.backend_c", ["ext/backend_c.pyx"])], build_dir="build"
    )
    for extension in extensions:
        # cythonize() drops it when it is given to Extension().
        extension.optional = wanted == "auto"

setup(ext_modules=extensions)

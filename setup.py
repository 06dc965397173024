"""Build the compiled backend. Everything else is in pyproject.toml.

OCPPJ_BUILD_EXT=yes    build the extension, fail if it does not compile
OCPPJ_BUILD_EXT=no     install pure Python
OCPPJ_BUILD_EXT=auto   (default) build the extension, install pure Python if it does not compile
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
        # Set here because cythonize() drops what Extension() is given.
        extension.optional = wanted == "auto"

setup(ext_modules=extensions)

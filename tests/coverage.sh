#!/usr/bin/env bash
# Compiles the extension with line tracing, runs the tests that reach it, and reports the lines of ext/
# that they miss. Needs Cython and coverage; uses `python`.
# Usage: tests/coverage.sh [ARGUMENTS OF PYTEST]
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# coverage finds the C file only beside its .pyx.
cp -r ext tests benchmarks pyproject.toml src/ocppj "$work"
cd "$work"
rm -f ocppj/_core/*.so
python -m cython -3 -X linetrace=True --module-name ocppj._core.backend_c ext/backend_c.pyx
suffix=$(python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
include=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
# Tracing as in CPython before 3.12: coverage needs no more.
cc -shared -fPIC -O1 -DCYTHON_TRACE_NOGIL=1 -DCYTHON_USE_SYS_MONITORING=0 -I"$include" \
    ext/backend_c.c -o "ocppj/_core/backend_c$suffix"
printf '[run]\nplugins = Cython.Coverage\nsource = ext\n' >coveragerc

export PYTHONPATH=$work OCPPJ_BACKEND=cython OCPPJ_TEST_PROFILE=quick COVERAGE_CORE=ctrace
[ "$#" -gt 0 ] || set -- tests/{fuzz/test_escape.py,parity} tests/test_codec.py tests/_core/test_{backend_py,encoding,leniency}.py
python -m coverage run --rcfile=coveragerc -m pytest -q -p no:cacheprovider "$@"
python -m coverage report --rcfile=coveragerc --show-missing

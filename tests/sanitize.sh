#!/usr/bin/env bash
# Compiles the extension with AddressSanitizer and UBSan and runs the tests that reach it, with `python`.
# Usage: tests/sanitize.sh [ARGUMENTS OF PYTEST]
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for library in libasan.so libubsan.so; do
    path=$(cc -print-file-name="$library")
    [ -e "$path" ] || { echo "the compiler has no $library: no tests ran"; exit 1; }
    preload=${preload:+$preload:}$path
done

CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" OCPPJ_BUILD_EXT=yes \
    python setup.py -q build --build-base "$work/base" --build-lib "$work/lib" >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}

# CPython leaks at exit on purpose; tests/leaks checks for leaks per frame.
# CPython's allocator would hide reads beyond the end of an object.
export LD_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc
export PYTHONPATH=$work/lib OCPPJ_BACKEND=cython OCPPJ_TEST_PROFILE=${OCPPJ_TEST_PROFILE:-quick}
python - <<'EOF'
import ocppj._core.backend_c
assert b"__asan_init" in open(ocppj._core.backend_c.__file__, "rb").read(), "not the one just compiled"
EOF
[ "$#" -gt 0 ] || set -- tests/{fuzz,parity} tests/test_{codec,errors,threads}.py tests/_core/test_{backend_py,encoding,leniency,plan}.py
python -m pytest -q -n 2 -p no:cacheprovider "$@"

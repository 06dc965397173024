#!/usr/bin/env bash
# Builds a free-threaded CPython from source, once, and runs the tests of the codec with it.
# Usage: tests/freethreading.sh [FOLDER [ARGUMENTS OF PYTEST]] (FOLDER is /opt/py314t unless given)
# Needs a compiler and the headers that CPython is built with: on Debian, `apt-get build-dep python3`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-/opt/py314t}
shift $(($# > 0))
version=3.14.7
sources=(
    "https://www.python.org/ftp/python/$version/Python-$version.tar.xz"
    "http://deb.debian.org/debian/pool/main/p/python3.14/python3.14_$version.orig.tar.xz"
)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stop() {
    echo "tests/freethreading.sh: $*" >&2
    exit 1
}

get_source() {
    local source
    for source in "${sources[@]}"; do
        curl --silent --fail --location --output "$work/source.tar.xz" "$source" && return
    done
    stop "no source of CPython $version at ${sources[*]}"
}

if [ ! -x "$folder/bin/python3.14t" ]; then
    get_source
    mkdir "$work/source"
    tar -xf "$work/source.tar.xz" -C "$work/source" --strip-components=1
    (
        cd "$work/source"
        ./configure --disable-gil --prefix="$folder" && make -j"$(nproc)" && make altinstall
    ) >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; stop "CPython $version cannot be built"; }
fi

"$folder/bin/python3.14t" -m venv "$work/venv"
# Not the extra `test`: orjson has no build for a free-threaded CPython.
OCPPJ_BUILD_EXT=yes "$work/venv/bin/pip" install --quiet . hypothesis jsonschema pytest pytest-xdist
[ "$#" -gt 0 ] || set -- tests/{parity,_core} tests/test_{codec,errors,frames,session,threads}.py
for backend in cython python; do
    OCPPJ_BACKEND=$backend OCPPJ_TEST_PROFILE=${OCPPJ_TEST_PROFILE:-quick} \
        "$work/venv/bin/python" -m pytest -q -n 2 -p no:cacheprovider "$@"
done

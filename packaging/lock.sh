#!/bin/bash
# Resolves requirements.lock (run time) and requirements-dev.lock (with tests and tools) with hashes and no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool" && "$tool/bin/pip" install --quiet uv
compile=("$tool/bin/uv" pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11)
"${compile[@]}" pyproject.toml --extra dev -o requirements-dev.lock
"${compile[@]}" pyproject.toml --constraint requirements-dev.lock -o requirements.lock

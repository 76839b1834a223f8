#!/bin/sh
# install.sh PYTHON REQUIREMENTS: install a locked set into PYTHON's environment, by uv where it can be had.
set -eu
python=$1
requirements=$2
echo "Installing $requirements into $(dirname "$(dirname "$python")") …"
bin=$(dirname "$python")
if [ ! -x "$bin/uv" ]; then
    # uv's own lines of the lock, with their hashes.
    uv_lock=$(mktemp)
    trap 'rm -f "$uv_lock"' EXIT
    awk '/^uv==/ {on=1} on && /^[a-z]/ && !/^uv==/ {on=0} on && !/# via/' requirements-dev.txt >"$uv_lock"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$uv_lock" || echo "uv cannot be had; pip goes on alone."
fi
if [ -x "$bin/uv" ] && "$bin/uv" pip install --quiet --python "$python" --require-hashes -r "$requirements"; then
    exit 0
fi
# uv does not read pip's settings (a private index, say), so pip has the last word.
"$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements"

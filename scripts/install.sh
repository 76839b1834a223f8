#!/bin/sh
# install.sh PYTHON REQUIREMENTS: install a locked set and this checkout (editable) into PYTHON's environment.
# uv does it several times as fast as pip; where uv cannot be had, pip does it alone.
set -eu
python=$1
requirements=$2
echo "Installing $requirements into $(dirname "$(dirname "$python")") …"
bin=$(dirname "$python")
if [ ! -x "$bin/uv" ]; then
    # uv's own lines of the lock, with their hashes.
    uv_lock=$(mktemp)
    trap 'rm -f "$uv_lock"' EXIT
    awk '/^uv==/ {on=1} on && /^[a-z]/ && !/^uv==/ {on=0} on && !/# via/' requirements/dev.txt >"$uv_lock"
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$uv_lock" || echo "uv cannot be had; pip goes on alone."
fi
install() {
    # uv does not read pip's settings (a private index, say), so pip has the last word.
    { [ -x "$bin/uv" ] && "$bin/uv" pip install --quiet --python "$python" "$@"; } \
        || "$python" -m pip install --quiet --disable-pip-version-check "$@"
}
install --require-hashes -r "$requirements"
# The locked set holds the build backend.
install --no-deps --no-build-isolation --editable .

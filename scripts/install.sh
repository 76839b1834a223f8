#!/bin/sh
# install.sh PYTHON REQUIREMENTS: install a locked set and this checkout (editable) into PYTHON's environment.
# uv is several times as fast as pip; without uv, pip does it.
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
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$uv_lock" || echo "uv cannot be installed; using pip."
fi
install() {
    # uv does not read pip's settings, e.g. a private index, so pip tries if uv fails.
    { [ -x "$bin/uv" ] && "$bin/uv" pip install --quiet --python "$python" "$@"; } \
        || "$python" -m pip install --quiet --disable-pip-version-check "$@"
}
install --require-hashes -r "$requirements"
# The locked set contains the build backend.
install --no-deps --no-build-isolation --editable .

#!/bin/sh
# lock.sh UV [--check]: compile pyproject.toml and requirements/*.in to the hashed locks, or check that they are current.
set -eu
uv=$1
check=${2:-}
product="pyproject.toml --extra airflow --extra train"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# lock FILE SOURCES...
lock() {
    file=$1
    shift
    output=$file
    # uv keeps the versions of the file that it writes to, so a check starts from a copy.
    if [ -n "$check" ]; then output=$scratch/lock.txt; cp "$file" "$output"; fi
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@" -o "$output"
    if [ -n "$check" ] && ! cmp -s "$file" "$output"; then
        echo "$file is out of date; run 'make lock' and commit it."
        exit 1
    fi
}

# shellcheck disable=SC2086 - a list of arguments
{
    lock requirements.txt requirements/runtime.in $product
    lock requirements/gpu.txt requirements/gpu.in $product --extra gpu
    lock requirements/control-plane.txt requirements/control-plane.in
    lock requirements/dev.txt requirements/dev.in $product
    lock requirements/sbom.txt requirements/sbom.in
}
if [ -n "$check" ]; then echo "The locks are current."; fi

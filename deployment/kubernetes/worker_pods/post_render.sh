#!/bin/sh
# Helm passes the rendered manifests on standard input, and reads the result from standard output.
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/*.yaml "$work"
cat >"$work/manifests.yaml"
kubectl kustomize "$work"

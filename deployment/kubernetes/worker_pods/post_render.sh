#!/bin/sh
# Helm hands over the rendered manifests on standard input, and takes back what comes out.
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/*.yaml "$work"
cat >"$work/manifests.yaml"
kubectl kustomize "$work"

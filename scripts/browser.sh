#!/bin/sh
# browser.sh: print the path of Chromium. As root, install Debian's if it is missing. Exits with 1 if there is none.
set -eu
find_chromium() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name"; then
            return 0
        fi
    done
    return 1
}
find_chromium && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No Chromium found; installing Debian's …" >&2
    apt-get update --quiet >&2 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes chromium >&2 || true
    find_chromium && exit 0
fi
echo "No Chromium found. Install one (on Debian: apt-get install chromium), or name it: CHROMIUM=/path/to/chromium" >&2
exit 1

#!/bin/sh
# servers.sh: print the paths of Postgres, Redis and Docker Compose. As root, install Debian's if one is missing. Exits
# with 1 if one is still missing. Tests only parse the Compose file, which needs no Docker engine. They start their own
# servers, so Debian's packages must not start any.
set -eu
find_servers() {
    # Debian's Postgres programs are not on the PATH.
    for name in initdb postgres redis-server; do
        PATH="$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')" command -v "$name" || return 1
    done
    docker compose version 2>/dev/null || command -v docker-compose || return 1
}
find_servers && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Postgres, Redis or Docker Compose is missing; installing Debian's …" >&2
    # Debian asks this program whether a package may start its service; 101 means no. An existing one is kept.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    # Do not create a database cluster either.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    apt-get update --quiet >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends postgresql redis-server docker-compose >&2 || true
    find_servers && exit 0
fi
echo "Postgres, Redis or Docker Compose was not found. Install all three (on Debian: apt-get install postgresql redis-server docker-compose)." >&2
exit 1

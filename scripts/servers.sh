#!/bin/sh
# servers.sh: print where Postgres, Redis and Docker Compose are; where one is not, install Debian's as root. Status 1: one
# is missing. Compose is there to read the Compose file; that needs no Docker engine.
# The tests start servers of their own: what Debian's packages would start for the whole machine stays off.
set -eu
find_servers() {
    # Debian keeps Postgres's programs off the PATH.
    for name in initdb postgres redis-server; do
        PATH="$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')" command -v "$name" || return 1
    done
    docker compose version 2>/dev/null || command -v docker-compose || return 1
}
find_servers && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "Postgres, Redis or Docker Compose is missing; installing Debian's …" >&2
    # Debian asks this program whether a package may start its service; 101 is no. One that is there already has the say.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    # And no database of the machine's own, which would be started with it.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    apt-get update --quiet >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends postgresql redis-server docker-compose >&2 || true
    find_servers && exit 0
fi
echo "Postgres, Redis or Docker Compose was not found. Install all three (on Debian: apt-get install postgresql redis-server docker-compose)." >&2
exit 1

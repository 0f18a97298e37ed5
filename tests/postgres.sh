#!/usr/bin/env bash
# A throw-away PostgreSQL cluster on a free port, as an unprivileged user.
#
#   eval "$(tests/postgres.sh start)"   sets SCHAKEL_TEST_POSTGRES and SCHAKEL_TEST_POSTGRES_DIR
#   tests/postgres.sh stop              stops the cluster in SCHAKEL_TEST_POSTGRES_DIR and removes it
#   tests/postgres.sh run COMMAND...    starts one, runs the command with the variables set, stops it
#
# SCHAKEL_TEST_POSTGRES_PARENT: where its directory is made (default: the directory for temporary files).
set -euo pipefail

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)") || true
[ -x "$bin/initdb" ] || { echo "PostgreSQL's server programs are missing: apt-get install postgresql" >&2; exit 1; }

# PostgreSQL refuses to run as root.
as_user() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start() {
    dir=$(mktemp -d "${SCHAKEL_TEST_POSTGRES_PARENT:-${TMPDIR:-/tmp}}/schakel-postgres-XXXXXX")
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    as_user "$bin/initdb" --pgdata "$dir/data" --username schakel --auth trust --encoding UTF8 --locale C --no-sync >"$dir/initdb.log" 2>&1 ||
        { cat "$dir/initdb.log" >&2; rm -rf "$dir"; exit 1; }
    # Another program may take a port between choosing and using it: try a few.
    for _ in 1 2 3 4 5 6 7 8; do
        port=$((20000 + (RANDOM << 15 | RANDOM) % 20000))
        if (cd / && as_user "$bin/pg_ctl" start --pgdata "$dir/data" --wait --silent --log "$dir/server.log" \
            --options "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 -c shared_buffers=64MB" >/dev/null 2>&1); then
            echo "export SCHAKEL_TEST_POSTGRES=postgres://schakel@127.0.0.1:$port/postgres"
            echo "export SCHAKEL_TEST_POSTGRES_DIR=$dir"
            return
        fi
    done
    cat "$dir/server.log" >&2
    rm -rf "$dir"
    exit 1
}

stop() {
    dir=${SCHAKEL_TEST_POSTGRES_DIR:?not started}
    (cd / && as_user "$bin/pg_ctl" stop --pgdata "$dir/data" --mode immediate --silent >/dev/null 2>&1) || true
    rm -rf "$dir"
}

case "${1:-}" in
start) start ;;
stop) stop ;;
run)
    shift
    variables=$(start)
    eval "$variables"
    trap stop EXIT
    "$@"
    ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

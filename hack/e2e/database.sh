#!/usr/bin/env bash
# A private PostgreSQL on this machine that the cluster of hack/cluster reaches:
#   database.sh init DIRECTORY      makes and starts it, and prints the connection string of its database tegata
#   database.sh start|stop|restart|kill DIRECTORY
# Root; the server runs as Debian's user postgres.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"

address=10.250.0.1 # this machine, as the cluster sees it
port=15432

action="${1:-}"
directory="${2:-}"
[[ -n "$directory" ]] || die "usage: hack/e2e/database.sh init|start|stop|restart|kill DIRECTORY"
shopt -s nullglob
programs=(/usr/lib/postgresql/*/bin)
shopt -u nullglob
((${#programs[@]})) || die "PostgreSQL's server programs are needed (Debian package postgresql)"
postgres="${programs[-1]}"

control() {
	# The server must not hold whatever this script's caller waits for.
	(cd "$directory" && runuser -u postgres -- "$postgres/pg_ctl" -D data -l server.log -w -t 60 "$@") </dev/null >>"$directory/control.log" 2>&1 || {
		tail -n 20 "$directory/control.log" "$directory/server.log" >&2
		die "pg_ctl $* failed"
	}
}

init() {
	local password database
	password="$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')"
	mkdir -p "$directory"
	printf '%s' "$password" >"$directory/password"
	chown -R postgres "$directory"
	(cd "$directory" && runuser -u postgres -- "$postgres/initdb" --pgdata=data --username=tegata --pwfile=password --auth=scram-sha-256 \
		--encoding=UTF8 --locale=C.UTF-8 >initdb.log 2>&1) || { cat "$directory/initdb.log" >&2; die "initdb failed"; }
	rm "$directory/password"
	printf 'host all all 10.250.0.0/22 scram-sha-256\n' >>"$directory/data/pg_hba.conf"
	# fsync stays on: a log-in must be as slow as it is.
	printf "listen_addresses = '%s'\nport = %s\nunix_socket_directories = '%s'\n" "$address" "$port" "$directory" >>"$directory/data/postgresql.conf"
	control start
	for database in tegata spare; do
		PGPASSWORD="$password" "$postgres/createdb" -h "$directory" -p "$port" -U tegata "$database"
	done
	printf 'postgres://tegata:%s@%s:%s/tegata?sslmode=disable\n' "$password" "$address" "$port"
}

case "$action" in
init) init ;;
start) control start ;;
stop) control stop -m fast ;;
restart) control restart -m fast ;;
kill) if [[ -f "$directory/data/postmaster.pid" ]]; then control stop -m immediate; fi ;;
*) die "unknown action $action" ;;
esac

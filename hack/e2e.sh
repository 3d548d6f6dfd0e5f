#!/usr/bin/env bash
# Runs test/e2e on a real one-node Kubernetes (hack/cluster): the images of this tree, config/default, and a private PostgreSQL
# on this machine as the database. Linux and root. It removes all that it made, also when it fails.
# Environment: TEST_ARGS (more flags of go test).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
cd "$root"

cluster="$root/hack/cluster/cluster.sh"
address=10.250.0.1 # this machine, as the cluster sees it
port=15432
export KUBECONFIG="$root/.cluster/kubeconfig"
kubectl="$root/.cluster/bin/kubectl"

[[ "$(uname -s)" == Linux ]] && ((EUID == 0)) || die "the e2e tests need Linux and root, as hack/cluster does"
[[ ! -e "$root/.cluster" ]] || die "a cluster is there; run 'make cluster-down' first"
require go git runuser
shopt -s nullglob
programs=(/usr/lib/postgresql/*/bin)
shopt -u nullglob
((${#programs[@]})) || die "the e2e tests need PostgreSQL's server programs (Debian package postgresql); 'make test' installs them"
postgres="${programs[-1]}"

work="$(mktemp -d "${TMPDIR:-/tmp}/tegata-e2e.XXXXXX")"
overlay="$root/bin/e2e"

clean_up() {
	local rc=$?
	trap - EXIT
	set +e
	if [[ -f "$work/data/postmaster.pid" ]]; then
		runuser -u postgres -- "$postgres/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null
	fi
	if [[ -e "$root/.cluster" ]]; then "$cluster" down || rc=1; fi
	rm -rf "$work" "$overlay"
	exit "$rc"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start_database makes a PostgreSQL that the cluster reaches, and prints its connection string.
start_database() {
	local password
	password="$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')"
	printf '%s' "$password" >"$work/password"
	chown -R postgres "$work"
	(
		cd "$work"
		runuser -u postgres -- "$postgres/initdb" --pgdata=data --username=tegata --pwfile=password --auth=scram-sha-256 \
			--encoding=UTF8 --locale=C.UTF-8 >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
		printf 'host all all 10.250.0.0/22 scram-sha-256\n' >>data/pg_hba.conf
		# fsync stays on: a log-in must be as slow as it is.
		runuser -u postgres -- "$postgres/pg_ctl" -D data -l server.log -w start \
			-o "-c listen_addresses=$address -c port=$port -c unix_socket_directories=$work" >&2 || { cat server.log >&2; exit 1; }
		PGPASSWORD="$password" "$postgres/createdb" -h "$work" -p "$port" -U tegata tegata
	)
	printf 'postgres://tegata:%s@%s:%s/tegata?sslmode=disable' "$password" "$address" "$port"
}

# write_overlay names the images of this tree in config/default.
write_overlay() {
	local operator idp
	operator="$(cat bin/images/tegata-operator.reference)"
	idp="$(cat bin/images/tegata-idp.reference)"
	mkdir -p "$overlay"
	cat >"$overlay/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images: [{name: tegata-operator, newName: ${operator%:*}, newTag: "${operator##*:}"}]
patches:
  - target: {kind: Deployment, name: tegata-operator}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: tegata-operator, namespace: tegata-system}
      spec:
        template:
          spec:
            containers: [{name: operator, env: [{name: IDP_IMAGE, value: "$idp"}]}]
YAML
}

hack/image/build.sh
"$cluster" up
"$cluster" load
TEGATA_E2E_POSTGRES="$(start_database)"
write_overlay
"$kubectl" apply --server-side --validate=strict -k "$overlay" >/dev/null
"$kubectl" -n tegata-system rollout status deployment/tegata-operator --timeout=120s
export TEGATA_E2E_POSTGRES TEGATA_E2E_CLUSTER="$cluster" TEGATA_E2E_KUBECTL="$kubectl"
rc=0
# shellcheck disable=SC2086 # flags, not one word
go test ./test/e2e -tags e2e -count=1 -v -timeout 20m ${TEST_ARGS:-} || rc=$?
if ((rc)); then
	"$kubectl" get tegata,pods -A -o wide >&2 || true
	"$kubectl" -n tegata-system logs deployment/tegata-operator --tail=40 >&2 || true
fi
exit "$rc"

#!/usr/bin/env bash
# Runs test/e2e on a real one-node Kubernetes (hack/cluster): Helm, two versions of the images of this tree, a private
# PostgreSQL and Chromium on this machine. Linux and root. It removes all that it made, also when it fails or is killed.
# Environment: TEST_ARGS (more flags of the test binary, such as -test.run=...).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
# shellcheck source=hack/debian.sh
. "$root/hack/debian.sh"
cd "$root"

cluster="$root/hack/cluster/cluster.sh"
database="$root/hack/e2e/database.sh"

# stop_group GROUP: ends its processes, by force when they do not.
stop_group() {
	local tries
	kill -TERM -- "-$1" 2>/dev/null || return 0
	for ((tries = 0; tries < 100; tries++)); do
		kill -0 -- "-$1" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL -- "-$1" 2>/dev/null || true
}

# clean_up GROUP WORK: ends what of a run still runs, and removes what it made.
clean_up() {
	local rc=0
	stop_group "$1"
	if [[ -d "$2/database" ]]; then "$database" kill "$2/database" || rc=1; fi
	if [[ -e "$root/.cluster" ]]; then "$cluster" down || rc=1; fi
	rm -rf "$2" || rc=1
	return "$rc"
}

# run WORK: everything between the preparations and the cleaning up.
run() {
	local work="$1" version kubectl rc=0 args
	step "Preparing Helm"
	TEGATA_E2E_HELM="$(hack/helm/build.sh)"
	step "Packing two versions of the images"
	for version in e2e-1 e2e-2; do
		VERSION="$version" IMAGES="$work/images/$version" hack/image/build.sh
	done
	step "Compiling the tests"
	go test -c -tags e2e -o "$work/e2e.test" ./test/e2e
	step "Starting the cluster and PostgreSQL"
	"$cluster" up >/dev/null
	"$cluster" load "$work"/images/*/*.tar
	TEGATA_E2E_POSTGRES="$("$database" init "$work/database")"
	export TEGATA_E2E_HELM TEGATA_E2E_POSTGRES
	export KUBECONFIG="$root/.cluster/kubeconfig" TEGATA_E2E_ROOT="$root" TEGATA_E2E_WORK="$work"
	step "Running the tests"
	read -ra args <<<"${TEST_ARGS:-}"
	# What programs leave in their temporary directory goes with the rest.
	(cd test/e2e && TMPDIR="$work" "$work/e2e.test" -test.v -test.timeout 45m "${args[@]}") || rc=$?
	if ((rc)); then
		kubectl="$root/.cluster/bin/kubectl"
		"$kubectl" get tegata,pods -A -o wide >&2 || true
		"$kubectl" -n identity-system logs --selector app.kubernetes.io/name=tegata-operator --prefix --tail=100 >&2 || true
	fi
	step "Ended with status $rc"
	return "$rc"
}

case "${1:-}" in
run)
	run "$2"
	exit
	;;
after) # PROCESS GROUP WORK: cleans up when the run was killed without a chance to do so itself
	tail --pid="$2" -f /dev/null
	clean_up "$3" "$4"
	exit
	;;
esac

[[ "$(uname -s)" == Linux ]] && ((EUID == 0)) || die "the e2e tests need Linux and root, as hack/cluster does"
[[ ! -e "$root/.cluster" ]] || die "a cluster is there; run 'make cluster-down' first"
require go git runuser setsid
step "Checking the tools that the tests drive"
need_chromium
need_postgres

work="$(mktemp -d "${TMPDIR:-/tmp}/tegata-e2e.XXXXXX")"
chmod 755 "$work" # the database's user passes through
# In the background and a group of its own: bash acts on a signal only when no program is in the foreground.
setsid "$0" run "$work" </dev/null &
group=$!
setsid "$0" after "$$" "$group" "$work" </dev/null >/dev/null 2>&1 &
after=$!

finish() {
	local rc=$?
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	step "Cleaning up"
	clean_up "$group" "$work" || rc=1
	stop_group "$after"
	exit "$rc"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
wait "$group"

#!/usr/bin/env bash
# Runs the tests of the main module after installing or building what they need.
# TEST_PACKAGES (default ./...) and TEST_ARGS (more flags of go test) narrow a run.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
cd "$root"

step() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

as_root=()
if ((EUID != 0)) && command -v sudo >/dev/null 2>&1; then as_root=(sudo); fi

apt_updated=
# apt_install WHY PACKAGE...: a package that cannot be had fails the run; a test that lacks its tool would prove nothing.
apt_install() {
	local why="$1" log
	shift
	command -v apt-get >/dev/null 2>&1 || die "$why needs $*, and there is no apt-get to install it with; install it by hand"
	((EUID == 0 || ${#as_root[@]} > 0)) || die "$why needs $*; install it as root: apt-get install $*"
	log="$(mktemp "${TMPDIR:-/tmp}/tegata-apt.XXXXXX")"
	if [[ -z "$apt_updated" ]]; then
		step "Updating the package lists (apt-get update)"
		"${as_root[@]}" apt-get update -qq </dev/null >"$log" 2>&1 || {
			cat "$log" >&2
			die "apt-get update failed; $* is needed for $why"
		}
		apt_updated=1
	fi
	step "Installing $* for $why"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "apt-get could not install $*, needed for $why"
	}
	rm -f "$log"
}

have_any() {
	local tool
	for tool in "$@"; do
		if command -v "$tool" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

have_postgres() {
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null 2>&1
}

install_postgres() {
	# Only the binaries are wanted: without this the package makes a cluster and starts it on port 5432.
	local conf=/etc/postgresql-common/createcluster.d/tegata-tests.conf
	if command -v apt-get >/dev/null 2>&1 && ((EUID == 0 || ${#as_root[@]} > 0)); then
		"${as_root[@]}" mkdir -p "$(dirname "$conf")"
		printf 'create_main_cluster = false\n' | "${as_root[@]}" tee "$conf" >/dev/null
	fi
	apt_install "the PostgreSQL storage tests" postgresql
	"${as_root[@]}" rm -f "$conf"
	have_postgres || die "postgresql is installed but initdb is not under /usr/lib/postgresql"
}

require go git

step "Checking the tools that the tests drive"
have_any chromium chromium-browser google-chrome || apt_install "the browser tests" chromium
if ! command -v fc-list >/dev/null 2>&1 || [[ -z "$(fc-list :lang=ja family)" ]]; then
	apt_install "Japanese pages in the browser tests" fontconfig fonts-ipafont
fi
have_postgres || install_postgres
command -v xmlsec1 >/dev/null 2>&1 || apt_install "the SAML signature tests" xmlsec1

if [[ -f test/interop/package-lock.json ]]; then
	command -v node >/dev/null 2>&1 || apt_install "the interoperability tests" nodejs
	command -v npm >/dev/null 2>&1 || apt_install "the interoperability tests" npm
	if [[ ! -f test/interop/node_modules/.package-lock.json || test/interop/package-lock.json -nt test/interop/node_modules/.package-lock.json ]]; then
		step "Installing the Node packages of test/interop (npm ci)"
		(cd test/interop && npm ci --no-audit --no-fund --loglevel=error </dev/null) || die "npm ci failed in test/interop"
	fi
fi

step "Preparing etcd and kube-apiserver"
assets="$(hack/controlplane/build.sh)"
export KUBEBUILDER_ASSETS="$assets"
step "Preparing Helm"
TEGATA_HELM="$(hack/helm/build.sh)"
export TEGATA_HELM
# A test whose tool is missing fails instead of skipping.
export TEGATA_TEST_REQUIRE=1

if [[ -z "${TEST_PACKAGES:-}" ]]; then
	for module in hack/cluster hack/image; do
		step "Running go test in $module"
		(cd "$module" && go test ./...)
	done
fi

read -ra packages <<<"${TEST_PACKAGES:-./...}"
read -ra args <<<"${TEST_ARGS:-}"
# Locally unchanged packages come from Go's cache; CI proves them anew.
if [[ "${CI:-}" == true ]]; then args=(-count=1 "${args[@]}"); fi

command=(go test -timeout 40m "${args[@]}" "${packages[@]}")
step "Running ${command[*]}"
exec "${command[@]}"

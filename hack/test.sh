#!/usr/bin/env bash
# Runs the tests of the main module after installing or building what they need.
# TEST_PACKAGES (default ./...) and TEST_ARGS (more flags of go test) narrow a run.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
# shellcheck source=hack/debian.sh
. "$root/hack/debian.sh"
cd "$root"

require go git

step "Checking the tools that the tests drive"
# make interop needs neither a browser nor a database nor a control plane.
if [[ "${TEST_PACKAGES:-}" != ./test/interop ]]; then
	need_chromium
	need_postgres
fi
command -v xmlsec1 >/dev/null 2>&1 || apt_install "the SAML signature tests" xmlsec1
# The schemas of OASIS and W3C, and what validates by them.
if [[ ! -e /usr/share/xml/opensaml/saml-schema-protocol-2.0.xsd || ! -e /usr/share/xml/xmltooling/xenc-schema.xsd ]] || ! command -v xmllint >/dev/null 2>&1; then
	apt_install "the SAML schema tests" opensaml-schemas xmltooling-schemas libxml2-utils
fi

# The module brings Apache's program alone: no service that the package could start.
[[ -e /usr/lib/apache2/modules/mod_auth_mellon.so ]] || apt_install "the interoperability tests" libapache2-mod-auth-mellon
need_shibboleth
if [[ -f test/interop/package-lock.json ]]; then
	command -v node >/dev/null 2>&1 || apt_install "the interoperability tests" nodejs
	command -v npm >/dev/null 2>&1 || apt_install "the interoperability tests" npm
	if [[ ! -f test/interop/node_modules/.package-lock.json || test/interop/package-lock.json -nt test/interop/node_modules/.package-lock.json ]]; then
		step "Installing the Node packages of test/interop (npm ci)"
		(cd test/interop && npm ci --no-audit --no-fund --loglevel=error </dev/null) || die "npm ci failed in test/interop"
	fi
fi

if [[ "${TEST_PACKAGES:-}" != ./test/interop ]]; then
	step "Preparing etcd and kube-apiserver"
	assets="$(hack/controlplane/build.sh)"
	export KUBEBUILDER_ASSETS="$assets"
	step "Preparing Helm"
	TEGATA_HELM="$(hack/helm/build.sh)"
	export TEGATA_HELM
fi
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

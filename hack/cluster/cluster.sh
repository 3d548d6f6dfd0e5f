#!/usr/bin/env bash
# A real one-node Kubernetes on this machine, without a container engine and without a registry:
#   cluster.sh up                     starts it; what is not built yet is built first
#   cluster.sh down                   removes everything it made, except Debian packages and the cache of builds
#   cluster.sh load [FILE...]         loads image archives (default: those of 'make image')
#   cluster.sh stop|start COMPONENT   keeps kube-apiserver, etcd, kubelet... from running, or lets it run again
# It needs Linux and root: namespaces, mounts and cgroups are made. State is in .cluster.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
state="$root/.cluster"

[[ "$(uname -s)" == Linux ]] || die "the cluster needs Linux; on other systems use kind, k3s or a cluster in a cloud: the rest works on the current kubeconfig"
((EUID == 0)) || die "the cluster needs root (namespaces, mounts, cgroups); run: sudo make ${1:+cluster}"
require go

# install_packages installs what is missing of Debian's containerd, CNI plugins and network tools.
install_packages() {
	local missing=()
	command -v containerd >/dev/null 2>&1 || missing+=(containerd)
	command -v runc >/dev/null 2>&1 || missing+=(runc)
	[[ -x /usr/lib/cni/bridge && -x /usr/lib/cni/portmap ]] || missing+=(containernetworking-plugins)
	command -v iptables-save >/dev/null 2>&1 || missing+=(iptables)
	command -v ip >/dev/null 2>&1 || missing+=(iproute2)
	command -v nsenter >/dev/null 2>&1 || missing+=(util-linux)
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null 2>&1 || die "these Debian packages, or the programs in them, are needed: ${missing[*]}"
	say "installing Debian packages: ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# build prints the directory of cluster, coredns and pause; it also holds the images of the last two.
build() (
	cd "$root/hack/cluster"
	export CGO_ENABLED=0
	build_flags=(-trimpath -ldflags "-s -w")
	mapfile -t sources < <(find . -name '*.go' ! -name '*_test.go' ! -path './probe/*' -o -name go.mod -o -name go.sum -o -path './files/*' | LC_ALL=C sort)
	dir="$cache_root/cluster/$(fingerprint "${sources[@]}")"
	if [[ ! -d "$dir" ]]; then cached_build "$dir" "the cluster's own programs" . ./coredns ./pause; fi
	printf '%s\n' "$dir"
)

# pack DIRECTORY: makes the images of CoreDNS and pause.
pack() {
	local name
	for name in coredns pause; do
		GOWORK=off go -C "$root/hack/image" run . build --name "$name" --version cluster --directory "$1" \
			"$(go env GOARCH)=$programs/$name" >/dev/null
	done
}

up() {
	local controlplane node images rc=0
	install_packages
	# What tests use may be of another version.
	controlplane="$(KUBEBUILDER_ASSETS='' "$root/hack/controlplane/build.sh")"
	node="$("$root/hack/controlplane/build.sh" node)"
	images="$(mktemp -d "${TMPDIR:-/tmp}/tegata-cluster.XXXXXX")"
	pack "$images"
	"$programs/cluster" up "$state" --programs "$controlplane" "$node" "$programs" --images "$images/pause.tar" "$images/coredns.tar" || rc=$?
	rm -rf "$images"
	return "$rc"
}

if [[ "${1:-}" == down && ! -e "$state" ]]; then exit 0; fi # nothing to build for
programs="$(build)"
case "${1:-}" in
up) up ;;
down) "$programs/cluster" down "$state" ;;
load)
	shift
	if (($# == 0)); then set -- "$root"/bin/images/*.tar; fi
	"$programs/cluster" load "$state" "$@"
	;;
stop | start) "$programs/cluster" "$1" "$state" "${2:-}" ;;
*) die "usage: hack/cluster/cluster.sh up | down | load [FILE...] | stop COMPONENT | start COMPONENT" ;;
esac

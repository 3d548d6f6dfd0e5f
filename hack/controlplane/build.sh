#!/usr/bin/env bash
# Builds Kubernetes from Go modules and prints the directory that holds it:
#   build.sh        etcd, kube-apiserver and kubectl; KUBEBUILDER_ASSETS, where it already holds etcd and kube-apiserver, is used as it is
#   build.sh node   what a node needs besides: kubelet, kube-proxy, kube-controller-manager and kube-scheduler
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=hack/lib.sh
. "$here/../lib.sh"

what="${1:-controlplane}"
case "$what" in
controlplane | node) ;;
*) die "usage: hack/controlplane/build.sh [node]" ;;
esac

if [[ "$what" == controlplane && -n "${KUBEBUILDER_ASSETS:-}" ]]; then
	if [[ -x "$KUBEBUILDER_ASSETS/etcd" && -x "$KUBEBUILDER_ASSETS/kube-apiserver" ]]; then
		printf '%s\n' "$KUBEBUILDER_ASSETS"
		exit 0
	fi
	say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no etcd and kube-apiserver; building them instead"
fi

require go
cd "$here"
# The node is a module of its own, so that nothing about it makes the control plane of tests and demo build again.
if [[ "$what" == node ]]; then cd node; fi

version="$(GOWORK=off go list -m -f '{{.Version}}' k8s.io/kubernetes)"
minor="${version#v*.}"

# kubectl and envtest parse /version; a plain go build would say v0.0.0-master.
ldflags="-s -w"
for pkg in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	ldflags+=" -X $pkg.gitVersion=$version -X $pkg.gitMajor=1 -X $pkg.gitMinor=${minor%%.*}"
	ldflags+=" -X $pkg.gitCommit=unknown -X $pkg.gitTreeState=archive"
done

export CGO_ENABLED=0
build_flags=(-trimpath -ldflags "$ldflags")

if [[ "$what" == node ]]; then
	dir="$cache_root/node/$(fingerprint go.mod go.sum tools.go)"
	if [[ ! -d "$dir" ]]; then
		say "The node (kubelet, kube-proxy, kube-controller-manager and kube-scheduler $version) is built from source once:"
		say "two to six minutes on two cores. It is kept in $dir"
		k8s=k8s.io/kubernetes/cmd
		cached_build "$dir" "the node" "$k8s/kubelet" "$k8s/kube-proxy" "$k8s/kube-controller-manager" "$k8s/kube-scheduler"
	fi
else
	dir="$cache_root/controlplane/$(fingerprint go.mod go.sum tools.go etcd/main.go)"
	if [[ ! -d "$dir" ]]; then
		etcd_version="$(GOWORK=off go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3)"
		say "The control plane (etcd $etcd_version, kube-apiserver and kubectl $version) is built from source once:"
		say "four to eight minutes on two cores. It is kept in $dir"
		cached_build "$dir" "the control plane" ./etcd k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
	fi
fi
printf '%s\n' "$dir"

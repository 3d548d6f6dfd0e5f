#!/usr/bin/env bash
# Builds one of the tools pinned in go.mod and prints the path of its binary.
# Usage: hack/tools/build.sh golangci-lint|controller-gen
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=hack/lib.sh
. "$here/../lib.sh"

name="${1:-}"
case "$name" in
golangci-lint) package=./cmd/golangci-lint ;;
controller-gen) package=sigs.k8s.io/controller-tools/cmd/controller-gen ;;
*) die "usage: hack/tools/build.sh golangci-lint|controller-gen" ;;
esac

require go
cd "$here"
export CGO_ENABLED=0
# controller-gen writes its module version into what it generates; -trimpath and -s keep that information.
build_flags=(-trimpath -ldflags "-s -w")

dir="$cache_root/tools/$name-$(fingerprint go.mod go.sum cmd/golangci-lint/main.go)"
if [[ ! -d "$dir" ]]; then
	cached_build "$dir" "$name" "$package"
fi
printf '%s\n' "$dir/$name"

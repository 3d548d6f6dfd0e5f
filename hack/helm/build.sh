#!/usr/bin/env bash
# Builds the Helm pinned in go.mod once into the cache and prints the path of its binary.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=hack/lib.sh
. "$here/../lib.sh"

require go
cd "$here"
export CGO_ENABLED=0
build_flags=(-trimpath -ldflags "-s -w")

dir="$cache_root/helm/$(fingerprint go.mod go.sum tools.go)"
if [[ ! -d "$dir" ]]; then
	cached_build "$dir" "Helm" helm.sh/helm/v4/cmd/helm
fi
printf '%s\n' "$dir/helm"

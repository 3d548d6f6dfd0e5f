#!/usr/bin/env bash
# Builds tegata-operator and tegata-idp and packs each into an OCI image under bin/images, without a container engine:
#   NAME.tar (ctr, docker, podman and skopeo read it), NAME.digest, NAME.reference and NAME.ARCHITECTURE.spdx.json.
# The same commit, VERSION and Go version give the same digest on every machine.
# Environment: VERSION (default: git describe), ARCHITECTURES (default: this machine's; such as "amd64 arm64"), IMAGES (directory instead of bin/images).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
cd "$root"

require go git
version="${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}"
revision="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
# Of the commit: the time of the build would change the digest.
created="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
architectures="${ARCHITECTURES:-$(go env GOARCH)}"
images="${IMAGES:-$root/bin/images}"

# pack NAME DESCRIPTION
pack() {
	local name="$1" description="$2" architecture programs=()
	for architecture in $architectures; do
		local program="$images/programs/$architecture/$name"
		CGO_ENABLED=0 GOOS=linux GOARCH="$architecture" GOFLAGS= go build -trimpath -buildvcs=false \
			-ldflags "-s -w -X main.version=$version" -o "$program" "./cmd/$name"
		programs+=("$architecture=$program")
	done
	rm -f "$images/$name".*
	GOWORK=off go -C hack/image run . build --name "$name" --description "$description" --version "$version" \
		--revision "$revision" --created "$created" --directory "$images" "${programs[@]}"
}

mkdir -p "$images"
pack tegata-operator "Reconciles Tegata's custom resources into running identity providers"
pack tegata-idp "Identity provider server of Tegata"

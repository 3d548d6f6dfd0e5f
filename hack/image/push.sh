#!/usr/bin/env bash
# Pushes the images under bin/images to REGISTRY (a host, or a host and a path) with their bills of materials attached,
# and prints each by digest. Logs in as docker does: DOCKER_CONFIG or ~/.docker/config.json.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"

require go
[[ -n "${REGISTRY:-}" ]] || die "REGISTRY is not set; for example: make push REGISTRY=registry.example/team"
reference="$(cat "$root/bin/images/tegata-idp.reference" 2>/dev/null)" || die "no images in bin/images; run 'make image' first"
GOWORK=off go -C "$root/hack/image" run . push --registry "$REGISTRY" --version "${reference##*:}" \
	--directory "$root/bin/images" tegata-operator tegata-idp

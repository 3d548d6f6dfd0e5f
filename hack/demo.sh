#!/usr/bin/env bash
# Runs Tegata on this machine: control plane, operator with the identity provider in it, a sample service provider and an inbox.
# CHECK=1 makes the whole journey without a browser and exits 0 or 1.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=hack/lib.sh
. "$root/hack/lib.sh"
cd "$root"

require go
assets="$(hack/controlplane/build.sh)"
say "Building the operator and the demo (the first time takes some minutes)"
# Built as go test builds, so that both share one build cache; make build makes what is released.
mkdir -p bin
version="$(git describe --tags --always --dirty 2>/dev/null || echo dev)"
go build -ldflags "-X main.version=$version" -o bin/tegata-operator ./cmd/tegata-operator
go build -o bin/tegata-demo ./test/demo

args=(--root "$root" --directory "$root/.demo" --assets "$assets" --operator "$root/bin/tegata-operator")
case "${CHECK:-}" in
"" | 0 | false) ;;
*) args+=(--check) ;;
esac
# exec: signals reach the demo itself, which stops what it started.
exec bin/tegata-demo "${args[@]}"

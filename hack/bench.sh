#!/usr/bin/env bash
# Measures Tegata against the floor of what it does; see test/bench. BENCH_ARGS narrows it, for example BENCH_ARGS="-only ac".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
KUBEBUILDER_ASSETS="$(hack/controlplane/build.sh)"
export KUBEBUILDER_ASSETS
make build
bench="$(mktemp -d)/bench"
go build -o "$bench" ./test/bench
# shellcheck disable=SC2086 # several words on purpose
"$bench" ${BENCH_ARGS:-}

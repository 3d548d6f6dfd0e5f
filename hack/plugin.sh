#!/usr/bin/env bash
# Packs kubectl-tegata for each of PLATFORMS into OUT, as .krew.yaml expects it: the same bytes from the same sources.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source hack/lib.sh

version="${VERSION:?set VERSION}"
platforms="${PLATFORMS:-darwin/amd64 darwin/arm64 linux/amd64 linux/arm64 windows/amd64}"
out="${OUT:-bin/plugin}"
require go tar gzip

mkdir -p "$out"
work="$(mktemp -d "${TMPDIR:-/tmp}/tegata-plugin.XXXXXX")"
trap 'rm -rf "$work"' EXIT
for platform in $platforms; do
	os="${platform%/*}" arch="${platform#*/}" suffix=""
	[[ "$os" == windows ]] && suffix=.exe
	folder="$work/${os}_$arch"
	mkdir "$folder"
	say "Building kubectl-tegata for $platform"
	CGO_ENABLED=0 GOOS="$os" GOARCH="$arch" go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$folder/kubectl-tegata$suffix" ./cmd/kubectl-tegata
	cp LICENSE "$folder/"
	archive="$out/kubectl-tegata_${version}_${os}_$arch.tar.gz"
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w --mtime=@0 -C "$folder" -cf - LICENSE "kubectl-tegata$suffix" | gzip -n >"$archive"
	printf '%s\n' "$archive"
done

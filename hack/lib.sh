# shellcheck shell=bash
# Shared by the scripts in hack/: plain progress on stderr, and builds kept in a cache outside the repository.

# shellcheck disable=SC2034 # for the scripts that source this file
cache_root="${TEGATA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tegata}"

say() { printf '%s\n' "$*" >&2; }

die() {
	say "error: $*"
	exit 1
}

require() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null 2>&1 || die "$tool is needed and not on PATH"
	done
}

sha256() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi
}

# fingerprint FILE...: changes with the files, the build flags, the Go version and the platform.
fingerprint() {
	{
		go env GOVERSION GOOS GOARCH
		# shellcheck disable=SC2154 # set by the caller
		printf '%s\n' "${build_flags[@]}"
		cat "$@"
	} | sha256 | cut -c1-16
}

# go_build_into DIR WHAT PACKAGE...: builds the packages into DIR with a line every 20 s, so that a long build does not look hung.
# Flags come from the array build_flags of the caller.
go_build_into() {
	local dir="$1" what="$2" log rc=0 start=$SECONDS build ticks=0
	shift 2
	log="$(mktemp "${TMPDIR:-/tmp}/tegata-build.XXXXXX")"
	# The lock's descriptor (9) is closed for the children, so that a killed script never leaves it held.
	# shellcheck disable=SC2154 # set by the caller
	GOWORK=off go build -v "${build_flags[@]}" -o "$dir/" "$@" >"$log" 2>&1 9>&- &
	build=$!
	# shellcheck disable=SC2064 # the pid of now is meant
	trap "kill $build 2>/dev/null || true; rm -rf '$log' '$dir'" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	while kill -0 "$build" 2>/dev/null; do
		sleep 1 9>&-
		ticks=$((ticks + 1))
		if ((ticks % 20 == 0)); then
			say "  $what: $((SECONDS - start)) s, $(grep -c '^go: downloading' "$log" || true) modules downloaded, $(grep -vc '^go: ' "$log" || true) packages compiled"
		fi
	done
	wait "$build" || rc=$?
	trap - EXIT INT TERM
	if ((rc != 0)); then
		grep -vE '^go: downloading|^[a-z0-9A-Z./_~-]+$' "$log" >&2 || tail -n 40 "$log" >&2
		rm -rf "$log" "$dir"
		die "building $what failed after $((SECONDS - start)) s"
	fi
	rm -f "$log"
	say "  $what: built in $((SECONDS - start)) s"
}

# cached_build FINAL WHAT PACKAGE...: builds once into FINAL. The directory appears whole or not at all.
cached_build() {
	local final="$1" what="$2" tmp
	shift 2
	mkdir -p "$(dirname "$final")"
	# Without flock (macOS) two callers may build twice; the rename keeps that harmless.
	if command -v flock >/dev/null 2>&1; then
		exec 9>"$(dirname "$final")/.lock"
		flock -n 9 || {
			say "another process is building $what; waiting for it"
			flock 9
		}
	fi
	if [[ ! -d "$final" ]]; then
		say "building $what"
		# Left by builds that were killed; nobody else builds here while the lock is held.
		if command -v flock >/dev/null 2>&1; then rm -rf "$(dirname "$final")"/.tmp.*; fi
		tmp="$(mktemp -d "$(dirname "$final")/.tmp.XXXXXX")"
		chmod 755 "$tmp"
		go_build_into "$tmp" "$what" "$@"
		mv "$tmp" "$final" 2>/dev/null || {
			rm -rf "$tmp"
			[[ -d "$final" ]] || die "cannot move the build of $what to $final"
		}
	fi
	exec 9>&-
}

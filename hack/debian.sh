# shellcheck shell=bash
# Installs the Debian packages that tests need, where they are missing. Sourced after lib.sh.

step() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

as_root=()
if ((EUID != 0)) && command -v sudo >/dev/null 2>&1; then as_root=(sudo); fi

apt_updated=
# apt_install WHY PACKAGE...: a package that cannot be had fails the run; a test that lacks its tool would prove nothing.
apt_install() {
	local why="$1" log
	shift
	command -v apt-get >/dev/null 2>&1 || die "$why needs $*, and there is no apt-get to install it with; install it by hand"
	((EUID == 0 || ${#as_root[@]} > 0)) || die "$why needs $*; install it as root: apt-get install $*"
	log="$(mktemp "${TMPDIR:-/tmp}/tegata-apt.XXXXXX")"
	if [[ -z "$apt_updated" ]]; then
		step "Updating the package lists (apt-get update)"
		"${as_root[@]}" apt-get update -qq </dev/null >"$log" 2>&1 || {
			cat "$log" >&2
			die "apt-get update failed; $* is needed for $why"
		}
		apt_updated=1
	fi
	step "Installing $* for $why"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >"$log" 2>&1 || {
		tail -n 40 "$log" >&2
		die "apt-get could not install $*, needed for $why"
	}
	rm -f "$log"
}

have_any() {
	local tool
	for tool in "$@"; do
		if command -v "$tool" >/dev/null 2>&1; then return 0; fi
	done
	return 1
}

need_chromium() {
	have_any chromium chromium-browser google-chrome || apt_install "the browser tests" chromium
	if ! command -v fc-list >/dev/null 2>&1 || [[ -z "$(fc-list :lang=ja family)" ]]; then
		apt_install "Japanese pages in the browser tests" fontconfig fonts-ipafont
	fi
}

have_postgres() {
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null 2>&1
}

need_postgres() {
	# Only the binaries are wanted: without this the package makes a cluster and starts it on port 5432.
	local conf=/etc/postgresql-common/createcluster.d/tegata-tests.conf
	if have_postgres; then return 0; fi
	if command -v apt-get >/dev/null 2>&1 && ((EUID == 0 || ${#as_root[@]} > 0)); then
		"${as_root[@]}" mkdir -p "$(dirname "$conf")"
		printf 'create_main_cluster = false\n' | "${as_root[@]}" tee "$conf" >/dev/null
	fi
	apt_install "the PostgreSQL storage tests" postgresql
	"${as_root[@]}" rm -f "$conf"
	have_postgres || die "postgresql is installed but initdb is not under /usr/lib/postgresql"
}

need_shibboleth() {
	# Only the programs are wanted: the package would start its service, now and at each boot.
	local unit=/etc/systemd/system/shibd.service
	if [[ -e /usr/lib/apache2/modules/mod_shib.so && -x /usr/sbin/shibd ]]; then return 0; fi
	if [[ ! -e "$unit" ]] && command -v apt-get >/dev/null 2>&1 && ((EUID == 0 || ${#as_root[@]} > 0)); then
		step "Masking shibd.service (systemctl unmask shibd if you want it)"
		"${as_root[@]}" mkdir -p "${unit%/*}"
		"${as_root[@]}" ln -sf /dev/null "$unit"
	fi
	apt_install "the interoperability tests" libapache2-mod-shib
}

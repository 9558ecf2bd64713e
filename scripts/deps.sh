#!/usr/bin/env bash
# Installs what the tests need besides Go and Node: a C compiler for the race
# detector, redis-server, which the tests start themselves, and Chromium. Debian
# and its relatives only; elsewhere it says what is missing. Does nothing when all
# is there.
set -euo pipefail

die() {
	echo "deps: $*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
# With the compiler that Go will use, and with the C library's headers.
compiles() {
	local cc
	cc=$("$GO" env CC)
	echo '#include <stdlib.h>' | $cc -x c -c -o /dev/null - 2>/dev/null
}

GO=${GO:-go}
have "$GO" || die "Go is missing: install Go 1.26 or newer from https://go.dev/dl/"
have node && have npm || die "Node.js is missing: install Node.js 20 or newer with npm from https://nodejs.org/"
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge 20 ] || die "Node.js $node_major is too old: install 20 or newer"

packages=()
compiles || packages+=(gcc libc6-dev)
have redis-server || packages+=(redis-server)
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || packages+=(chromium)
[ ${#packages[@]} -gt 0 ] || exit 0

have apt-get || die "missing here: ${packages[*]}; install them with your package manager"
root=()
if [ "$(id -u)" -ne 0 ]; then
	have sudo || die "missing here: ${packages[*]}; install them as root, or install sudo"
	root=(sudo)
fi
echo "deps: installing ${packages[*]}" >&2
"${root[@]}" apt-get update -q || die "apt-get update failed: is there a network?"
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" ||
	die "apt-get could not install ${packages[*]}"

# The package may start a service on 6379 now and at each boot; the tests run
# servers of their own, so one that was just installed is not left running.
if [[ " ${packages[*]} " == *" redis-server "* ]]; then
	if have systemctl && [ -d /run/systemd/system ]; then
		"${root[@]}" systemctl disable --now redis-server || die "cannot stop the redis-server service that was just installed"
	elif [ -x /etc/init.d/redis-server ]; then
		"${root[@]}" /etc/init.d/redis-server stop || die "cannot stop the redis-server service that was just installed"
	fi
fi

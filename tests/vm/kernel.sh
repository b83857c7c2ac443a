#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetches the guests' kernel, and the headers for it if none are installed, as
# Debian packages and unpacks them into the cache folder; prints the folder. The
# headers are in its usr/src. Nothing is installed on the machine that runs it.
# It must never know what the guests do with the kernel. The kernels that
# watch themselves are built by debug-kernel.sh.
#
#   kernel.sh 6.1|6.12|debug|kcsan
set -eu

say() {
	echo "kernel.sh: $*" >&2
	exit 1
}

# The guest kernel must be the one whose headers bfence.ko was built with.
from_headers() {
	for headers in /usr/src/linux-headers-"$1".*-cloud-amd64; do
		[ -d "$headers" ] && echo "${headers#/usr/src/linux-headers-}"
	done | sort -V | tail -n 1
}

from_archive() {
	apt-cache depends "$1" | sed -n 's/^ *Depends: linux-image-//p' | head -n 1
}

needs_headers() {
	[ ! -d "/usr/src/linux-headers-$kver" ]
}

# The headers of one flavour are in three packages.
packages() {
	echo "linux-image-$kver"
	needs_headers || return 0
	echo "linux-headers-$kver"
	apt-cache depends "linux-headers-$kver" |
		sed -n 's/^ *Depends: \(linux-headers-.*\|linux-kbuild-.*\)/\1/p'
}

is_there() {
	[ -e "$cache/$kver/boot/vmlinuz-$kver" ] || return 1
	! needs_headers || [ -d "$cache/$kver/usr/src/linux-headers-$kver" ]
}

unpack() {
	new=$(mktemp -d "$cache/unpack.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	# shellcheck disable=SC2046 # a list of names
	(cd "$new" && apt-get -qq -o APT::Sandbox::User=root download \
		$(packages)) >&2 ||
		say "linux-image-$kver or its headers: apt-get cannot download them"
	mkdir "$new/root"
	for package in "$new"/*.deb; do
		dpkg -x "$package" "$new/root"
	done
	# Debian 13's package has its modules under usr/lib.
	[ -d "$new/root/lib" ] || ln -s usr/lib "$new/root/lib"
	depmod -b "$new/root" "$kver"
	# The one absolute path in the headers.
	! needs_headers || sed -i "s|/usr/src/|$cache/$kver&|" \
		"$new/root/usr/src/linux-headers-$kver/Makefile"
	rm -rf "${cache:?}/$kver"
	mv "$new/root" "$cache/$kver"
}

case "${1:-}" in
6.1) meta=linux-image-cloud-amd64 ;;
6.12) meta=linux-image-6.12-cloud-amd64 ;;
debug | kcsan) exec "$(dirname "$0")/debug-kernel.sh" "$1" ;;
*)
	echo "usage: kernel.sh 6.1|6.12|debug|kcsan" >&2
	exit 2
	;;
esac

kver=$(from_headers "$1")
[ -n "$kver" ] || kver=$(from_archive "$meta")
[ -n "$kver" ] || say "$meta: no such package in the apt lists (apt-get update?)"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/bfence/kernels
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
is_there || unpack
echo "$cache/$kver"

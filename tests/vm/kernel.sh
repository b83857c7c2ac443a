#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetches the guests' kernel as a Debian package and unpacks it into the cache
# folder; prints the folder. Nothing is installed on the machine that runs it.
# It must never know what the guests do with the kernel.
#
#   kernel.sh 6.1|6.12
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

unpack() {
	new=$(mktemp -d "$cache/unpack.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	(cd "$new" && apt-get -qq -o APT::Sandbox::User=root download \
		"linux-image-$kver") >&2 ||
		say "linux-image-$kver: apt-get cannot download it"
	mkdir "$new/root"
	dpkg -x "$new"/linux-image-*.deb "$new/root"
	# Debian 13's package has its modules under usr/lib.
	[ -d "$new/root/lib" ] || ln -s usr/lib "$new/root/lib"
	depmod -b "$new/root" "$kver"
	mv "$new/root" "$cache/$kver"
}

case "${1:-}" in
6.1) meta=linux-image-cloud-amd64 ;;
6.12) meta=linux-image-6.12-cloud-amd64 ;;
*)
	echo "usage: kernel.sh 6.1|6.12" >&2
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
[ -e "$cache/$kver/boot/vmlinuz-$kver" ] || unpack
echo "$cache/$kver"

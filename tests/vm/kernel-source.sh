#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetches Debian's kernel source into the cache folder and prints the path of
# the archive. Nothing is installed on the machine that runs it.
#
#   kernel-source.sh 6.1|6.12	the archive: .../linux-source-VERSION.tar.xz
set -eu

case "${1:-}" in
6.1 | 6.12) package=linux-source-$1 ;;
*)
	echo "usage: kernel-source.sh 6.1|6.12" >&2
	exit 2
	;;
esac

say() {
	echo "kernel-source.sh: $*" >&2
	exit 1
}

version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
case $version in
"" | "(none)")
	say "$package: no such package in the apt lists (apt-get update?)"
	;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/bfence/kernels
mkdir -p "$cache"
exec 9>"$cache/lock-source"
flock 9
archive=$cache/linux-source-$version.tar.xz
if [ ! -e "$archive" ]; then
	work=$(mktemp -d "$cache/download.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download \
		"$package") >&2 || say "$package: apt-get cannot download it"
	dpkg -x "$work/$package"_*.deb "$work/deb"
	rm -f "$cache/linux-source-${1}."*.tar.xz
	mv "$work/deb/usr/src/$package.tar.xz" "$archive"
fi
echo "$archive"

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Unpacks the kernel's own checkers (scripts/) from Debian's kernel source into
# the cache folder and prints where they are. It must never check anything.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
archive=$("$here/../vm/kernel-source.sh" 6.1)
folder=${archive%.tar.xz}-scripts
exec 9>"$folder.lock"
flock 9
if [ ! -d "$folder" ]; then
	work=$(mktemp -d "$folder.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	tar -C "$work" --strip-components 1 -xf "$archive" --wildcards \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
		'*/scripts/const_structs.checkpatch' '*/scripts/coccinelle' \
		'*/scripts/spdx*' '*/LICENSES'
	mv "$work" "$folder"
fi
echo "$folder"

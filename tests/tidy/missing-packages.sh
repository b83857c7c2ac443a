#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints which of the named Debian packages are not installed, each preceded
# by a space. It must never install anything.
#
#   missing-packages.sh PACKAGE...
set -eu

if ! command -v dpkg-query >/dev/null; then
	echo "no dpkg here: nobody checks for the packages of \`make deps\`" >&2
	exit 0
fi

# A name that dpkg never heard of is no line at all, and exit code 1.
# shellcheck disable=SC2016 # ${...} is dpkg-query's
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" \
	2>/dev/null | sed -n 's/^installed //p') || true

for package; do
	printf '%s\n' "$installed" | grep -qxF "$package" ||
		printf ' %s' "$package"
done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# regressions.sh SIM: runs the worlds of regressions.txt, "SEED FAULTS WHAT"
# a line, which have found something once.
set -eu

sim=$1
grep -v '^#' "$(dirname "$0")/regressions.txt" |
	while read -r seed faults what; do
		echo "$what"
		"$sim" --seed "$seed" --faults "$faults" --trace >/dev/null ||
			"$sim" --seed "$seed" --faults "$faults"
	done

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints the gates of this host for shell scripts, one a line: VOLUME REPLICA
# PRIMARY STATE LINEAGE DISK, "-" for what a gate has not. It must never know
# what they are used for.
#
#   gates.sh [VOLUME]
bfence show "$@" -j | awk '
	{ text = text $0 }
	END {
		pair = "\"[a-z_]+\": *(\"[^\"]*\"|[0-9]+)"
		while (match(text, pair)) {
			split(substr(text, RSTART, RLENGTH), half, /": *"?/)
			text = substr(text, RSTART + RLENGTH)
			key = substr(half[1], 2)
			value = half[2]
			sub(/"$/, "", value)
			if (key == "volume")	# each gate begins with it
				order[++nr] = value
			gate[nr, key] = value
		}
		for (i = 1; i <= nr; i++)
			print order[i], get(i, "replica"), get(i, "primary"),
				get(i, "state"), get(i, "epoch") "." \
				get(i, "endpoint_version"), get(i, "disk")
	}
	function get(i, key) {
		return (i, key) in gate ? gate[i, key] : "-"
	}'

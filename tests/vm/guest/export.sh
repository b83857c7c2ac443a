#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On every host: exports each gate that is open here as a candidate, under a
# name that carries its lineage. Runs until it is ended. It must never know
# who connects, and never changes an export that exists.
#
#   export.sh ADDRESS
set -u
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh

export_open_gates() {
	gates.sh | while read -r volume replica primary state lineage disk; do
		if [ "$state" = open ] && [ "$replica" != "$primary" ]; then
			nvmet_export "$NQN_PREFIX:$volume:$replica:$lineage" "/dev/$disk"
		fi
	done
}

nvmet_start "${1:?usage: export.sh ADDRESS}" || exit 1
# A notification only wakes us; what is true is read again each time.
{
	echo start
	bfence monitor -j &
	while sleep 5; do
		echo tick
	done
} | while read -r _; do
	export_open_gates
done

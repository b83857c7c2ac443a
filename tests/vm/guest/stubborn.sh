#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On a zombie: writes straight to each disk of its old lineage, its own and its
# peers', past the mirror that may have given them up; connects again if a
# connection is gone. Prints a JSON object a disk. It must never know whether
# it succeeds.
#
#   stubborn.sh VOLUME LINEAGE RUN DISK REPLICA@ADDRESS...
set -eu
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh

volume=$1 lineage=$2 run=$3 disks=/dev/$4
shift 4
for peer in "$@"; do
	nqn=$NQN_PREFIX:$volume:${peer%@*}:$lineage
	disks="$disks $(nvme_connect "$nqn" "${peer#*@}")"
done
for disk in $disks; do
	iogen write "$disk" --run-id "$run" --from 8000 --count 50 --depth 1 \
		--keep-going 2>/dev/null || true
done

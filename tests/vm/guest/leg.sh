#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the primary: takes a returned peer into the mirror as a new leg and waits
# until it holds the same bytes. Its old content counts for nothing.
#
#   leg.sh VOLUME REPLICA@ADDRESS
set -eu
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh

volume=$1 peer=$2
lineage=$(gates.sh "$volume" | cut -d ' ' -f 5)
leg=$(nvme_connect "$NQN_PREFIX:$volume:${peer%@*}:$lineage" "${peer#*@}")

export MDADM_NO_UDEV=1
md=$(readlink -f "/dev/md/$volume")
for slot in "/sys/block/${md##*/}"/md/dev-*; do
	# A leg whose connection is gone is only a name in the mirror.
	[ -e "$slot/block" ] || mdadm --manage "$md" --remove detached
done
mdadm --zero-superblock --force "$leg" || true
mdadm --manage "$md" --add "$leg"
mdadm --wait "$md" || true
[ "$(cat "/sys/block/${md##*/}/md/dev-${leg##*/}/state")" = in_sync ]

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On a host: lets go of all that belongs to other lineages of a volume than its
# gate has: a stale primary's mirror and connections, retired exports. It must
# never touch the present lineage.
#
#   rejoin.sh VOLUME
set -u
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh
# shellcheck disable=SC1091
. /usr/lib/bfence/mirror.sh

volume=$1
gates.sh "$volume" >/run/rejoin.gate
read -r _ replica primary _ lineage _ </run/rejoin.gate

if [ "$replica" != "$primary" ] && [ -e "/dev/md/$volume" ]; then
	mdadm --stop "/dev/md/$volume" || exit 1
fi
for controller in $(nvme_controllers "$NQN_PREFIX:$volume:.*"); do
	case $(cat "/sys/class/nvme/$controller/subsysnqn") in
	*":$lineage") ;;
	*) nvme_disconnect "$controller" || exit 1 ;;
	esac
done
for export in "$NVMET/subsystems/$NQN_PREFIX:$volume:"*; do
	case $export in
	*":$lineage" | *'*') ;;
	*) nvmet_retire "${export##*/}" || exit 1 ;;
	esac
done

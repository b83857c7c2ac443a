#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the primary: takes a returned peer into the mirror as a new leg and waits
# until it holds the same bytes. Its old content counts for nothing.
#
#   leg.sh VOLUME REPLICA@ADDRESS
set -eu
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh
# shellcheck disable=SC1091
. /usr/lib/bfence/mirror.sh

volume=$1 peer=$2
lineage=$(gates.sh "$volume" | cut -d ' ' -f 5)
leg=$(nvme_connect "$NQN_PREFIX:$volume:${peer%@*}:$lineage" "${peer#*@}")

md=$(readlink -f "/dev/md/$volume")
drop_lost_legs "$md"
add_leg "$md" "$leg"
wait_for_all_legs "$md"

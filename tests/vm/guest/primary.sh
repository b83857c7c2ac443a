#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# On the primary: joins its own disk and those of the named peers, all at the
# lineage of its own gate, to the mirror /dev/md/VOLUME. It must never know
# how the primary was chosen.
#
#   primary.sh [--create] VOLUME REPLICA@ADDRESS...
set -u
# shellcheck disable=SC1091 # its place in the guests
. /usr/lib/bfence/nvmet.sh
# shellcheck disable=SC1091
. /usr/lib/bfence/mirror.sh

say() {
	echo "primary.sh: $*" >&2
	exit 1
}

# The peer opens its gate and exports it on its own time.
connect() { # NQN ADDRESS
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		nvme_connect "$1" "$2" 2>/run/connect.err && return 0
		sleep 0.4
	done
	say "$1 at $2: $(cat /run/connect.err)"
}

create=
if [ "$1" = --create ]; then
	create=yes
	shift
fi
volume=$1
shift

gates.sh "$volume" >/run/primary.gate
read -r _ replica primary state lineage disk </run/primary.gate
[ "$state" = open ] || say "$volume: the gate is $state"
[ "$replica" = "$primary" ] || say "$volume: the primary is $primary, not $replica"

legs=/dev/$disk
for peer in "$@"; do
	nqn=$NQN_PREFIX:$volume:${peer%@*}:$lineage
	leg=$(connect "$nqn" "${peer#*@}") || exit 1
	legs="$legs $leg"
done

modprobe raid1
echo 500000 >/proc/sys/dev/raid/speed_limit_min
# Metadata 1.0 lies at the end: byte 0 of the mirror is byte 0 of each leg.
if [ "$create" ]; then
	# shellcheck disable=SC2086 # a list of disks
	mdadm --create "/dev/md/$volume" --run --assume-clean --level=1 \
		--raid-devices=3 --metadata=1.0 --bitmap=none --homehost=any $legs
else
	# shellcheck disable=SC2086
	mdadm --assemble "/dev/md/$volume" --run $legs
fi || say "$volume: mdadm refused $legs"

# A leg that the last primary gave up before it was fenced is taken in anew.
md=$(readlink -f "/dev/md/$volume")
for leg in $legs; do
	[ -e "/sys/block/${md##*/}/md/dev-${leg##*/}" ] || add_leg "$md" "$leg"
done
echo "/dev/md/$volume"

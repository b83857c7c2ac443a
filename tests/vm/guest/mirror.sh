#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Functions on the mirror that a primary writes to. It must never know a gate.
export MDADM_NO_UDEV=1

# The old content of a leg counts for nothing; the mirror copies all to it.
add_leg() { # MIRROR LEG
	mdadm --zero-superblock --force "$2"
	mdadm --manage "$1" --add "$2"
}

# A leg whose connection is gone is only a name.
drop_lost_legs() { # MIRROR
	for slot in "/sys/block/${1##*/}"/md/dev-*; do
		[ -e "$slot/block" ] || mdadm --manage "$1" --remove detached
	done
}

wait_for_all_legs() { # MIRROR
	until [ "$(cat "/sys/block/${1##*/}/md/degraded")" = 0 ]; do
		sleep 0.1
	done
}

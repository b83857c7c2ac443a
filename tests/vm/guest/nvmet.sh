#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Functions to export and reach a disk over NVMe/TCP. The name of an export
# carries the lineage, so that a stale initiator keeps its old, dead disk and
# can never reach a newer one. It must never know who is primary.
#
# shellcheck disable=SC2034 # the names are for those who read this file in
NVMET=/sys/kernel/config/nvmet
NVMET_PORT=$NVMET/ports/1
NQN_PREFIX=nqn.2026-11.bfence

nvmet_start() { # ADDRESS
	modprobe nvmet-tcp || return 1
	[ ! -d "$NVMET_PORT" ] || return 0
	mkdir "$NVMET_PORT" || return 1
	echo tcp >"$NVMET_PORT/addr_trtype"
	echo ipv4 >"$NVMET_PORT/addr_adrfam"
	echo "$1" >"$NVMET_PORT/addr_traddr"
	echo 4420 >"$NVMET_PORT/addr_trsvcid"
}

# An export that exists is left as it is: its disk is never exchanged.
nvmet_export() { # NQN DEVICE
	[ ! -d "$NVMET/subsystems/$1" ] || return 0
	mkdir -p "$NVMET/subsystems/$1/namespaces/1"
	echo 1 >"$NVMET/subsystems/$1/attr_allow_any_host"
	echo "$2" >"$NVMET/subsystems/$1/namespaces/1/device_path"
	echo 1 >"$NVMET/subsystems/$1/namespaces/1/enable"
	ln -s "$NVMET/subsystems/$1" "$NVMET_PORT/subsystems/$1"
}

nvmet_retire() { # NQN
	rm "$NVMET_PORT/subsystems/$1"
	rmdir "$NVMET/subsystems/$1/namespaces/1" "$NVMET/subsystems/$1"
}

# Names of the controllers that are connected to an export: "nvme1".
nvme_controllers() { # PATTERN of a whole NQN
	for nqn in /sys/class/nvme/*/subsysnqn; do
		grep -qxe "$1" "$nqn" && basename "$(dirname "$nqn")"
	done
	return 0
}

# A lost connection is an I/O error at once: reconnecting is for those who may
# still write, and only a new lineage can tell. A dead peer is noticed after
# KEEP_ALIVE seconds; the default is longer than the pauses that the lab makes,
# so that what refuses a zombie is the gate and not a time limit.
#
# An id for each host: the default one belongs to the default name, and later
# kernels refuse a second name for the same id.
nvme_hostid() {
	hostname | md5sum | sed -E 's/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/\1-\2-\3-\4-\5/'
}

# Not by nvme(1): it asks every other controller first, and one whose peer is
# frozen does not answer.
nvme_connect() { # NQN ADDRESS; prints the disk
	modprobe nvme-tcp
	if [ -z "$(nvme_controllers "$1")" ]; then
		echo "transport=tcp,traddr=$2,trsvcid=4420,nqn=$1,nr_io_queues=1,\
hostnqn=$NQN_PREFIX:$(hostname),hostid=$(nvme_hostid),ctrl_loss_tmo=0,\
keep_alive_tmo=${KEEP_ALIVE:-120}" >/dev/nvme-fabrics || return 1
	fi
	disk=/dev/$(nvme_controllers "$1")n1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ ! -b "$disk" ] || break
		sleep 0.1
	done
	echo "$disk"
}

nvme_disconnect() { # CONTROLLER
	echo 1 >"/sys/class/nvme/$1/delete_controller"
}

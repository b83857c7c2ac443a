#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds the one read-only root image that all guests share. What is not built
# yet (bfence, bfenced, a module) is left out; the lab names it when a test
# asks for it. It must never know a guest's name, address or disks.
#
#   image.sh 6.1|6.12|debug|kcsan	prints the image: build/vm/root-VERSION.img
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../../build}
mkdir -p "$build/vm"
build=$(cd "$build" && pwd)

version=${1:?usage: image.sh 6.1|6.12|debug|kcsan}
image=$build/vm/root-$version.img
kernel=$("$here/kernel.sh" "$version")
kver=$(basename "$kernel")

programs="/usr/sbin/mdadm /usr/bin/kmod /usr/bin/flock /usr/sbin/mkfs.ext4
	/usr/sbin/dmsetup $build/bfence $build/bfenced $build/vm/iogen $build/vm/stamped $build/vm/asker"
drivers="virtio_pci virtio_blk virtio_net virtio_console nvmet-tcp nvme-tcp
	raid1 configfs null_blk brd loop dm-delay dm-flakey dm-log-writes"
kmod=$build/kmod-$kver/bfence.ko
kmod_lab=$build/kmod-lab-$kver/bfence.ko
planted=$build/planted-$kver/planted.ko

say() {
	echo "image.sh: $*" >&2
	exit 1
}

inputs() {
	# shellcheck disable=SC2086 # a list of paths without spaces
	stat -L -c '%n %s %Y' $programs "$kmod" "$kmod_lab" "$planted" \
		"$here/image.sh" \
		"$here"/guest/* /bin/busybox 2>/dev/null || true
	echo "$kernel"
}

# A program with the libraries that it loads, each at its own path.
add_program() {
	install -D "$1" "$root/usr/bin/$(basename "$1")"
	{ ldd "$1" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r lib; do
		install -D "$lib" "$root/usr/lib${lib#*/lib}"
	done
}

add_busybox() {
	install -D /bin/busybox "$root/usr/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
	done
}

# A kernel module with those it needs, unpacked if the package has them packed.
add_driver() {
	modprobe -d "$kernel" -S "$kver" --show-depends "$1" |
		sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r file; do
		to=$root/usr/lib/modules/$kver/${file##*/"$kver"/}
		case $file in
		*.xz) mkdir -p "$(dirname "$to")" && xz -dc "$file" >"${to%.xz}" ;;
		*) install -D -m 644 "$file" "$to" ;;
		esac
	done
}

add_all() {
	mkdir -p "$root/usr/lib/modules/$kver" "$root/usr/lib64"
	for dir in bin sbin lib lib64; do
		ln -s "usr/${dir#s}" "$root/$dir"
	done
	ln -s bin "$root/usr/sbin"
	for dir in proc sys dev run tmp etc root var/lib/bfence; do
		mkdir -p "$root/$dir"
	done
	for program in $programs; do
		[ ! -e "$program" ] || add_program "$program"
	done
	for name in modprobe insmod rmmod lsmod depmod modinfo; do
		ln -s kmod "$root/usr/bin/$name"
	done
	add_busybox
	for driver in $drivers; do
		add_driver "$driver" || say "$driver: not a module of $kver"
	done
	[ ! -e "$kmod" ] || install -D -m 644 "$kmod" \
		"$root/usr/lib/modules/$kver/extra/bfence.ko"
	[ ! -e "$kmod_lab" ] || install -D -m 644 "$kmod_lab" \
		"$root/usr/lib/bfence-lab.ko"
	[ ! -e "$planted" ] || install -D -m 644 "$planted" \
		"$root/usr/lib/bfence-planted.ko"
	cp "$kernel/lib/modules/$kver"/modules.builtin* \
		"$kernel/lib/modules/$kver/modules.order" \
		"$root/usr/lib/modules/$kver/"
	depmod -b "$root" "$kver"
	install -D -t "$root/usr/lib/bfence" "$here"/guest/*
}

exec 9>"$build/vm/lock"
flock 9
sum=$(inputs | sha256sum)
if [ ! -e "$image" ] || [ "$sum" != "$(cat "$image.sum" 2>/dev/null)" ]; then
	root=$(mktemp -d "$build/vm/root.XXXXXX")
	trap 'rm -rf "$root" "$image.new"' EXIT
	chmod 755 "$root"
	add_all
	size=$(du -sm "$root" | cut -f 1)
	rm -f "$image.new"
	mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -d "$root" "$image.new" \
		"$((size + size / 4 + 8))M" >/dev/null
	# Renamed, not overwritten: guests may be running on the old one.
	mv "$image.new" "$image"
	echo "$sum" >"$image.sum"
fi
echo "$image"

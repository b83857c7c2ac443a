#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Builds a guests' kernel that watches itself, from Debian's kernel source and
# the fragments in config/, into the cache folder; prints the folder, which has
# the same layout as an unpacked kernel package. Made once for each source
# version and configuration: about eight minutes on two cores. It must never
# know what the guests do with the kernel.
#
#   debug-kernel.sh debug|kcsan
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=${1:-}
layout=1	# of the folder: another number, another build

say() {
	echo "debug-kernel.sh: $*" >&2
	exit 1
}

case $name in
debug | kcsan) ;;
*)
	echo "usage: debug-kernel.sh debug|kcsan" >&2
	exit 2
	;;
esac

fragments="$here/config/base.config $here/config/$name.config"
archive=$("$here/kernel-source.sh" 6.1)
version=$(basename "$archive" .tar.xz)
version=${version#linux-source-}
# shellcheck disable=SC2086 # two paths without spaces
key=$({ echo "$version $layout" && cat $fragments; } | sha256sum | cut -c 1-12)
kver=${version%-*}-bfence-$name-$key

kmake() {
	# The name must not change with the one who builds.
	KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' \
		KBUILD_BUILD_USER=bfence KBUILD_BUILD_HOST=bfence \
		nice make -s -C "$source" O="$work/obj" \
		"-j$(nproc)" LOCALVERSION= "$@" >"$work/log" 2>&1 || {
		tail -n 30 "$work/log" >&2
		say "make $1 failed"
	}
}

# What a merge cannot set it drops in silence.
configure() {
	mkdir "$work/obj"
	kmake tinyconfig
	# shellcheck disable=SC2086 # two paths without spaces
	(cd "$source" && scripts/kconfig/merge_config.sh -m \
		-O "$work/obj" "$work/obj/.config" $fragments) >"$work/log" 2>&1
	echo "CONFIG_LOCALVERSION=\"-bfence-$name-$key\"" >>"$work/obj/.config"
	kmake olddefconfig
	# shellcheck disable=SC2086 # two paths without spaces
	lost=$(grep -hE '^CONFIG_' $fragments |
		grep -vxFf "$work/obj/.config" || true)
	[ -z "$lost" ] || say "not to be had with the other options: $lost"
}

# All that a module is built against, as the headers package has it.
add_headers() {
	to=$new/usr/src/linux-headers-$kver
	from=$source
	mkdir -p "$to"
	(cd "$from" && {
		find . arch/x86 -maxdepth 1 -name 'Makefile*'
		find include scripts arch/x86/include -type f -o -type l
		find arch/x86 -name 'Kbuild*' -o -name 'Kconfig*' -o \
			-path '*/scripts/*' -type f -o -path '*/tools/*' -type f
		find tools/objtool tools/include tools/arch/x86 -type f
	} | sort -u | tar -cf - -T -) | tar -xf - -C "$to"
	(cd "$work/obj" && find .config Module.symvers scripts \
		include arch/x86/include tools/objtool/objtool -type f \
		! -name '*.o' ! -name '*.cmd' 2>/dev/null |
		tar -cf - -T -) | tar -xf - -C "$to"
}

install_all() {
	mkdir -p "$new/boot"
	cp "$work/obj/arch/x86/boot/bzImage" "$new/boot/vmlinuz-$kver"
	cp "$work/obj/System.map" "$new/boot/System.map-$kver"
	kmake INSTALL_MOD_PATH="$new" INSTALL_MOD_STRIP=1 modules_install
	rm -f "$new/lib/modules/$kver/build" "$new/lib/modules/$kver/source"
	add_headers
	depmod -b "$new" "$kver"
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/bfence/kernels
mkdir -p "$cache"
exec 9>"$cache/lock-debug"
flock 9
if [ ! -e "$cache/$kver/boot/vmlinuz-$kver" ]; then
	echo "debug-kernel.sh: building $kver, once (about eight minutes)" >&2
	work=$(mktemp -d "$cache/build.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	new=$work/root
	source=$work/linux-source-6.1
	tar -C "$work" -xf "$archive"
	configure
	kmake bzImage modules
	release=$(cat "$work/obj/include/config/kernel.release")
	[ "$release" = "$kver" ] || say "it calls itself $release, not $kver"
	install_all
	# What this one replaces.
	rm -rf "$cache"/*-bfence-"$name"-*
	mv "$new" "$cache/$kver"
fi
echo "$cache/$kver"

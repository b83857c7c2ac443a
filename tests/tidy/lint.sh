#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One linter over our own files; prints what it finds and fails on anything.
# It must never change a file.
#
#   lint.sh TOOL	one of clang-format, checkpatch, coccinelle, sparse,
#			cppcheck, clang-tidy, shellcheck, codespell
#
# Environment: BUILD, and INC: how the userspace sources are compiled.
set -eu

cd "$(dirname "$0")/../.."
build=${BUILD:-build}
inc=${INC:--std=gnu11 -D_GNU_SOURCE -Iagent -Iuapi -I$build/gen}
seen=$build/lint
mkdir -p "$seen"

# Committed or about to be, and there.
files() {
	git -c safe.directory="$PWD" ls-files --cached --others \
		--exclude-standard -- "$@" | sort | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# A tool that is not there is a failure with its name.
need() {
	command -v "$1" >/dev/null && return
	echo "$1: not installed (make deps)"
	exit 1
}

clang_format() {
	need clang-format
	# shellcheck disable=SC2046 # a list of paths without spaces
	/usr/bin/python3 tests/tidy/format.py $(files '*.c' '*.h')
}

# For each kernel whose headers are here; its own headers are not ours to judge.
sparse_kmod() {
	need sparse
	for headers in /usr/src/linux-headers-6.1.*-amd64; do
		[ -d "$headers" ] || continue
		copy=$(cd "$seen" && pwd)/sparse-${headers#/usr/src/linux-headers-}
		rm -rf "$copy"
		mkdir "$copy"
		cp -r Kbuild kmod uapi "$copy"
		make -s -C "$headers" M="$copy" CONFIG_DEBUG_INFO_BTF_MODULES= \
			C=2 CF="-D__CHECK_ENDIAN__ -Wcontext" modules \
			>"$seen/sparse.log" 2>&1 || {
			cat "$seen/sparse.log"
			return 1
		}
		if grep -E '(warning|error):' "$seen/sparse.log"; then
			return 1
		fi
		found=yes
	done
	[ "${found:-}" ] || {
		echo "no kernel headers to check with"
		return 1
	}
}

# The kernel's own style; a file's known exceptions are listed with the reason.
check_patch() {
	need perl
	scripts=$(tests/tidy/kernel-scripts.sh)
	files 'kmod/*.[ch]' 'uapi/*.h' | while read -r file; do
		known=$(sed -n "s|^$file ||p" tests/tidy/checkpatch.suppress |
			paste -sd ,)
		perl "$scripts/scripts/checkpatch.pl" --no-tree --strict \
			--terse --no-summary --show-types --root="$scripts" \
			${known:+--ignore "$known"} -f "$file" || true
	done >"$seen/checkpatch.found" 2>&1
	cat "$seen/checkpatch.found"
	[ ! -s "$seen/checkpatch.found" ]
}

# The kernel's semantic rules and ours. Rules that want OCaml are left out:
# Debian's coccinelle has it not.
semantic_rules() {
	scripts=$(tests/tidy/kernel-scripts.sh)
	grep -L '^@script:ocaml' "$scripts"/scripts/coccinelle/*/*.cocci |
		xargs grep -l '^virtual report'
	echo tests/tidy/enter_leave.cocci
}

coccinelle() {
	need spatch
	semantic_rules | xargs -P "$(nproc)" -I '{}' spatch -D report \
		--very-quiet --no-show-diff --include-headers \
		--cocci-file '{}' --dir kmod -I uapi \
		>"$seen/coccinelle.log" 2>"$seen/coccinelle.err" || {
		cat "$seen/coccinelle.err"
		return 1
	}
	! grep . "$seen/coccinelle.log"
}

cpp_check() {
	need cppcheck
	# shellcheck disable=SC2046 # a list of paths without spaces
	cppcheck --quiet --std=c11 --language=c -j "$(nproc)" \
		--enable=warning,performance,portability --inline-suppr \
		--suppressions-list=tests/tidy/cppcheck.suppress \
		--library=posix --library=gnu \
		--library=tests/tidy/cppcheck.cfg \
		--error-exitcode=1 --template=gcc -D_GNU_SOURCE -U__KERNEL__ \
		-Iagent -Iuapi -Itools \
		$(files 'agent/*.c' 'tools/*.c' 'tests/*.c' ':!tests/vm/planted') 2>&1
}

clang_tidy() {
	need clang-tidy
	status=0
	# shellcheck disable=SC2086 # many compiler options
	files 'agent/*.c' 'tools/*.c' 'tests/vm/*.c' ':!tests/vm/planted' |
		xargs -P "$(nproc)" -I '{}' clang-tidy --quiet \
			--config-file=tests/tidy/clang-tidy.yaml '{}' -- $inc \
			>"$seen/clang-tidy.log" 2>"$seen/clang-tidy.err" || status=$?
	grep -E ': (warning|error): .*\[' "$seen/clang-tidy.log" | sort -u |
		sed "s|^$PWD/||" >"$seen/clang-tidy.found"
	grep -v '^#' tests/tidy/clang-tidy.suppress |
		while read -r file check; do
			[ -z "$file" ] || echo "^$file:.*\[$check"
		done >"$seen/clang-tidy.known"
	! grep -vf "$seen/clang-tidy.known" "$seen/clang-tidy.found" || return 1
	[ "$status" = 0 ] || {
		cat "$seen/clang-tidy.err"
		return 1
	}
}

shell_check() {
	need shellcheck
	# shellcheck disable=SC2046 # a list of paths without spaces
	shellcheck $(files | while read -r file; do
		case $file in
		*.bash | *.sh) echo "$file" ;;
		*) head -n 1 "$file" | grep -qE '^#!.*[/ ](ba|da)?sh$' &&
			echo "$file" ;;
		esac
	done)
}

spell() {
	need codespell
	# shellcheck disable=SC2046 # a list of paths without spaces
	codespell --ignore-words=tests/tidy/codespell.words \
		$(files ':!LICENSES')
}

case "${1:-}" in
clang-format) clang_format ;;
checkpatch) check_patch ;;
coccinelle) coccinelle ;;
sparse) sparse_kmod ;;
cppcheck) cpp_check ;;
clang-tidy) clang_tidy ;;
shellcheck) shell_check ;;
codespell) spell ;;
*)
	echo "usage: lint.sh clang-format|checkpatch|coccinelle|sparse|cppcheck|clang-tidy|shellcheck|codespell" >&2
	exit 2
	;;
esac

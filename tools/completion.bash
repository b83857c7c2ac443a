# SPDX-License-Identifier: GPL-2.0
# Bash completion of bfence. Volumes and hosts are asked from bfence itself;
# it changes nothing and knows no verb that `bfence --help` does not list.
# shellcheck shell=bash

declare -gA _bfence_options=(
	[show]="--host --json -j"
	[monitor]="--json -j"
	[attach]="--at --primary --incarnation --json -j"
	[detach]="--incarnation --force --json -j"
	[fence]="--primary --drain-ms --wait --keep-disk --mark-dead --incarnation --force --json -j"
	[open]="--primary --leased --read-only --incarnation --force --json -j"
	[close]="--drain-ms --wait --mark-dead --incarnation --force --json -j"
	[lease]="--incarnation --json -j"
	[io read]="--lineage --offset --length --json -j"
	[io write]="--lineage --offset --length --fua --json -j"
	[io flush]="--lineage --json -j"
	[cluster status]="--socket -s --json -j"
	[volume list]="--socket -s --json -j"
	[volume show]="--socket -s --json -j"
	[volume create]="--guard --socket -s --json -j"
	[volume delete]="--expect --force --socket -s --json -j"
	[volume recover]="--expect --guard --socket -s --json -j"
	[volume reassign]="--to --expect --force --socket -s --json -j"
	[host list]="--socket -s --json -j"
	[host show]="--socket -s --json -j"
	[host drain]="--socket -s --json -j"
	[host undrain]="--socket -s --json -j"
)

# The string values of one key of an array that `bfence ... -j` prints.
_bfence_values() {
	local key=$1
	shift
	bfence "$@" -j 2>/dev/null |
		sed -n "s/^    \"$key\": \"\\([^\"]*\\)\".*/\\1/p"
}

# The words of a position: $1 is the verb, $2 counts its words from 0.
_bfence_words() {
	case "$1:$2" in
	show:0 | monitor:0 | detach:0 | fence:0 | open:0 | close:0 | "io "*:0)
		_bfence_values volume show
		;;
	"volume show:0" | "volume delete:0" | "volume recover:0" | "volume reassign:0")
		_bfence_values volume volume list
		;;
	"volume create:"[123] | "volume recover:"[123] | "host show:0" | \
		"host drain:0" | "host undrain:0")
		_bfence_values host host list
		;;
	esac
}

# Second words for io, cluster, volume and host; all first words otherwise.
_bfence_verbs() {
	local name
	for name in "${!_bfence_options[@]}"; do
		if [[ -z $1 ]]; then
			echo "${name%% *}"
		elif [[ $name == "$1 "* ]]; then
			echo "${name#* }"
		fi
	done | sort -u
}

_bfence_complete() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local verb=${COMP_WORDS[1]} first=2 words
	COMPREPLY=()

	case $verb in
	io | cluster | volume | host)
		verb="$verb ${COMP_WORDS[2]}"
		first=3
		;;
	esac
	if ((COMP_CWORD == 1)); then
		words=$(_bfence_verbs "")
	elif ((COMP_CWORD < first)); then
		words=$(_bfence_verbs "${COMP_WORDS[1]}")
	elif [[ $prev == --guard ]]; then
		words="lease quorum"
	elif [[ $prev == --to ]]; then
		words=$(_bfence_values host host list)
	elif [[ $prev == -s || $prev == --socket ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	elif [[ $cur == -* ]]; then
		words=${_bfence_options[$verb]-}
	elif [[ $verb == io\ [rw]* ]] && ((COMP_CWORD == 4)); then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
	elif [[ $verb == attach ]] && ((COMP_CWORD == 4)); then
		mapfile -t COMPREPLY < <(compgen -f -- "${cur:-/dev/}")
		return
	else
		words=$(_bfence_words "$verb" $((COMP_CWORD - first)))
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _bfence_complete bfence

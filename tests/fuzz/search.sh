#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Searches for an input that a target does not hold, so many seconds long. What
# it learns stays in the build folder; what breaks the target too, and its path
# is the last thing said. It must never change the inputs of the tree.
#
#   search.sh BUILD/fuzz TARGET SECONDS
set -eu

dir=$1 target=$2 seconds=$3
learnt=$dir/learnt/$target broken=$dir/broken/$target
mkdir -p "$learnt" "$broken"
begin=$dir/broken/.begin
touch "$begin"

"$dir/search-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
	-max_len=4096 -print_final_stats=1 -verbosity=0 \
	-artifact_prefix="$broken/" "$learnt" "tests/fuzz/corpus/$target" && exit
status=$?
found=$(find "$broken" -type f -newer "$begin" | tail -n 1)
echo "$target: broken by ${found:-no input of its own}"
exit "$status"

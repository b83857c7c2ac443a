#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Group core: what a heartbeat, a tick, a lost host and a volume cost the
master, by the number of volumes that it has. It must never know how the master
looks anything up.
"""
from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack

import frame
from frame import QUICK, Entry, Program, Target, median, paired_ratio, percentile

GROUP = "core"
ROOM = frame.OUT / "core.tmp"  # the stores; removed at the end
SIZES = (100, 1_000, 10_000, 100_000)
SMALL, LARGE = SIZES[0], SIZES[-1]
SLOTS_A_HOST = 100
HOSTS_MIN = 4
REPLICAS = 3

BEAT_SLOTS = (0, 10, 64)  # the last is as many as one report may have
BEAT_US, SLOT_US = 5.0, 0.05  # a heartbeat may cost, and each slot in it
RATIO = 1.5
BEAT_ROUNDS = 20 if QUICK else 100
BEATS = 5  # times a round
TICKS = 10  # a second of them

LOST_VOLUMES, LOST_HOSTS = 9_425, 10  # placement gives one of them 1,000 primaries
LOST_PRIMARIES = 1_000
LOST_ROUNDS = 3 if QUICK else 21
OVER_MS = 10.0
VOLUME_BYTES = 1024

US, MS = 1e3, 1e6  # in nanoseconds


def say(text: str) -> None:
    print(f"           {text}", file=sys.stderr, flush=True)


def nr_hosts(volumes: int) -> int:
    return max(HOSTS_MIN, volumes * REPLICAS // SLOTS_A_HOST)


# --- nothing has changed ----------------------------------------------------

Times = dict[int, list[float]]  # by volumes: the median of each round


def ask_in_turn(programs: dict[int, Program], command: str) -> Times:
    """Every size in each round, so that a slow moment weighs on all."""
    times: Times = {size: [] for size in SIZES}
    say(f"{BEAT_ROUNDS} rounds of: {command}")
    for turn in range(BEAT_ROUNDS):
        at = turn % len(SIZES)
        for size in SIZES[at:] + SIZES[:at]:
            times[size].append(median([float(ns) for ns in programs[size].ask(command)]))
    return times


def flat_entry(name: str, unit_times: Times, method: str, aim: Target | None) -> Entry:
    """The largest size beside the smallest."""
    return Entry(GROUP, name, "us", median(unit_times[LARGE]) / US, BEAT_ROUNDS, method,
                 f"with {SMALL} volumes", median(unit_times[SMALL]) / US, aim,
                 paired_ratio(unit_times[LARGE], unit_times[SMALL]))


def beat_entries(found: dict[str, Times]) -> list[Entry]:
    entries = []
    for slots in BEAT_SLOTS:
        times = found[f"same {slots}"]
        method = (f"median of {BEAT_ROUNDS} rounds, sizes in turn: one host with {SLOTS_A_HOST} "
                  "slots is heard again and again, and what it reports is known")
        name = f"heartbeat of {slots} slots, {LARGE:,} volumes"
        entries += [flat_entry(name, times, method, Target("ratio", "<=", RATIO)),
                    Entry(GROUP, name, "us", median(times[LARGE]) / US, BEAT_ROUNDS, method,
                          aim=Target("ours", "<=", BEAT_US + SLOT_US * slots))]
    for slots in BEAT_SLOTS:
        times = found[f"turn {slots}"]
        method = (f"mean of a heartbeat from each of {nr_hosts(LARGE):,} hosts, one after the "
                  f"other; median of {BEAT_ROUNDS} rounds: no slot is in the CPU's caches")
        name = f"heartbeat of {slots} slots, every host in turn"
        aim = Target("ours", "<=", BEAT_US + SLOT_US * slots)
        entries.append(Entry(GROUP, name, "us", median(times[LARGE]) / US, BEAT_ROUNDS, method,
                             f"with {SMALL} volumes", median(times[SMALL]) / US, aim))
    return entries


def plot_beats(found: dict[str, Times]) -> str:
    """The plots, and their slopes in words."""
    lines = {f"heartbeat, {slots} slots": [(float(size), median(times) / US)
                                           for size, times in found[f"same {slots}"].items()]
             for slots in BEAT_SLOTS}
    lines["heartbeat, 64 slots, every host in turn"] = [
        (float(size), median(times) / US) for size, times in found["turn 64"].items()]
    lines["tick"] = [(float(size), median(times) / US) for size, times in found["tick"].items()]
    frame.plot_growth("core-beat", f"Nothing has changed; {SLOTS_A_HOST} slots a host",
                      ("volumes", "microseconds"), lines)
    slopes = ", ".join(f"{name} {frame.slope(points):.2f}" for name, points in lines.items())
    return (f"Slopes on log axes over the last {frame.SLOPE_POINTS} sizes (0 is flat, 1 is "
            f"linear): {slopes}. A tick looks at the hosts, and {LARGE:,} volumes have "
            f"{nr_hosts(LARGE):,} of them.")


def memory_entry(bytes_of: dict[int, int]) -> tuple[Entry, str]:
    growth = [(float(size), bytes_of[size] / 1024) for size in SIZES]
    frame.plot_growth("core-memory", "Memory of the master's core", ("volumes", "KiB"),
                      {"allocated": growth})
    first, second = SIZES[-2:]
    found = (bytes_of[second] - bytes_of[first]) / (second - first)
    note = ", ".join(f"{size:,}: {kib:,.0f} KiB" for size, kib in zip(SIZES, bytes_of.values())
                     for kib in [kib / 1024])
    return (Entry(GROUP, "memory of a volume with three slots", "bytes", found, 1,
                  f"what malloc gave to the core of {second:,} volumes and {nr_hosts(second):,} "
                  f"hosts, less that of {first:,} and {nr_hosts(first):,}, by volume",
                  aim=Target("ours", "<=", VOLUME_BYTES)),
            f"Memory of the core by volumes: {note}; slope {frame.slope(growth):.2f}.")


def quiet() -> tuple[list[Entry], list[str]]:
    found: dict[str, Times] = {}
    with ExitStack() as stack:
        programs = {size: stack.enter_context(
            Program("core_beat", size, nr_hosts(size), pinned=True)) for size in SIZES}
        memory, told = memory_entry({size: program.numbers()[0]
                                     for size, program in programs.items()})
        for slots in BEAT_SLOTS:
            for way in ("same", "turn"):
                found[f"{way} {slots}"] = ask_in_turn(programs, f"{way} {slots} {BEATS}")
        found["tick"] = ask_in_turn(programs, f"tick {TICKS}")
    tick = flat_entry(f"tick with nothing due, {LARGE:,} volumes", found["tick"],
                      f"median of {BEAT_ROUNDS} rounds of {TICKS}, sizes in turn; there are ten a "
                      f"second; {nr_hosts(LARGE):,} hosts beside {nr_hosts(SMALL)}", None)
    return [*beat_entries(found), tick, memory], [plot_beats(found), told]


# --- a host is lost ---------------------------------------------------------

def lost() -> tuple[list[Entry], list[str]]:
    say(f"{LOST_ROUNDS} times a host with about {LOST_PRIMARIES:,} primaries is lost")
    with Program("core_failover", ROOM, LOST_VOLUMES, LOST_HOSTS, pinned=True) as program:
        rounds = []
        for _ in range(LOST_ROUNDS):
            os.sync()
            rounds.append(program.ask("lose"))
    times = [ns / MS for ns, _, _, _ in rounds]
    groups = [ns / MS for _, ns, _, _ in rounds]
    over = [mine - group for mine, group in zip(times, groups)]
    minted = rounds[0][2]
    method = (f"median of {LOST_ROUNDS} new clusters of {LOST_VOLUMES:,} volumes on {LOST_HOSTS} "
              "hosts: from the tick that finds the silence too long until every mint is durable")
    peer = f"one group of {minted:,} alone"
    name = f"a host with {minted:,} primaries is lost"
    frame.plot_distributions("core-lost", "From the tick that decides to the last durable mint",
                             "milliseconds", {name: times, peer: groups})
    return ([Entry(GROUP, name, "ms", median(times), LOST_ROUNDS, method, peer, median(groups)),
             Entry(GROUP, f"{name}, longest", "ms", percentile(times, 100), LOST_ROUNDS, method,
                   peer, percentile(groups, 100)),
             Entry(GROUP, "what is over that group", "ms", median(over), LOST_ROUNDS,
                   "median of the rounds' differences", aim=Target("ours", "<=", OVER_MS))],
            [f"The {minted:,} mints of a lost host went in {rounds[0][3]} groups."])


def main() -> int:
    priority = frame.go_first()
    shutil.rmtree(ROOM, ignore_errors=True)
    ROOM.mkdir(parents=True)
    try:
        entries, notes = quiet()
        more, told = lost()
    finally:
        shutil.rmtree(ROOM, ignore_errors=True)
    frame.report(entries + more, [priority, *notes, *told])
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Group store: the authority log beside SQLite, LMDB, etcd and a bare write
with fdatasync, on the same disk in the same run. It must never know how any
of them stores.
"""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import frame
from frame import QUICK, Entry, Program, Target, median, paired_ratio, percentile

GROUP = "store"
ROOM = frame.OUT / "store.tmp"  # all stores; removed at the end
TITLES = {"bfence": "bfence", "write": "write + fdatasync", "sqlite": "SQLite",
          "lmdb": "LMDB", "etcd": "etcd"}
VOLUMES = 10_000  # in each store that mints
BATCH = 1000
FRAME = 512
FREE_SYNC_US = 50  # a disk that answers faster keeps nothing

MINT_ROUNDS, MINTS = (100, 20) if QUICK else (500, 20)
BATCH_ROUNDS = 5 if QUICK else 30
RELOAD_ROUNDS = 3 if QUICK else 11
RELOAD_SIZES = (100, 1_000, 10_000, 100_000)
STALL_SIZES = (10_000, 100_000)
COMPACTIONS = 3 if QUICK else 10

US, MS, S = 1e3, 1e6, 1e9  # in nanoseconds
KIB_PER_MIB = 1024


def say(text: str) -> None:
    print(f"           {text}", file=sys.stderr, flush=True)


# --- etcd -------------------------------------------------------------------

def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_health(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                if b"true" in answer.read():
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.05)
    frame.die(f"etcd is not healthy, see {ROOM / 'etcd.log'}")


@contextmanager
def etcd() -> Iterator[str]:
    """One server on loopback, its folder beside the other stores; its URL."""
    if not shutil.which("etcd"):
        frame.die("etcd is not installed")
    url, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command = ["etcd", "--data-dir", str(ROOM / "etcd"), "--log-level", "error",
               "--listen-client-urls", url, "--advertise-client-urls", url,
               "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
               "--initial-cluster", f"default={peer}"]
    with (ROOM / "etcd.log").open("wb") as log, \
            subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            wait_for_health(url, server)
            yield url
        finally:
            server.terminate()


def versions() -> str:
    """Of the peers' packages, as upstream counts them."""
    packages = {"libsqlite3-0": "SQLite", "liblmdb0": "LMDB", "etcd-server": "etcd"}
    lines = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages],
                           stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    told = dict(line.split() for line in lines)
    return ", ".join(f"{name} {told[package].split('-')[0]}" for package, name in packages.items())


# --- mints ------------------------------------------------------------------

Rounds = dict[str, list[list[float]]]  # by engine: the times of each round
METHOD = (f"engines in turn, {VOLUMES:,} volumes; p50 and rates: ratio is the median of the "
          "rounds' ratios")


def rotated(names: list[str], turn: int) -> list[str]:
    """So that no engine always follows the same other one."""
    at = turn % len(names)
    return names[at:] + names[:at]


def ask_in_turn(programs: dict[str, Program], rounds: int, command: str) -> Rounds:
    found: Rounds = {name: [] for name in programs}
    say(f"{rounds} rounds of: {command}")
    os.sync()  # what others left dirty is not ours to wait for
    for turn in range(rounds):
        for name in rotated(list(programs), turn):
            found[name].append([float(ns) for ns in programs[name].ask(command)])
    return found


def flat(rounds: list[list[float]]) -> list[float]:
    return [ns for one in rounds for ns in one]


def mint_entries(singles: Rounds) -> Iterator[Entry]:
    method = f"{MINT_ROUNDS} rounds of {MINTS} mints one after the other, {METHOD}"
    ours = flat(singles["bfence"])
    for name in list(TITLES)[1:]:
        peers = flat(singles[name])
        ratio = paired_ratio([median(one) for one in singles["bfence"]],
                             [median(one) for one in singles[name]])
        aim = Target("ratio", "<=", 1.2) if name == "write" else None
        yield Entry(GROUP, "single mint, p50", "us", median(ours) / US, len(ours), method,
                    TITLES[name], median(peers) / US, aim, ratio)
        for word, percent in (("p99", 99), ("max", 100)) if name == "write" else ():
            yield Entry(GROUP, f"single mint, {word}", "us", percentile(ours, percent) / US,
                        len(ours), method, TITLES[name], percentile(peers, percent) / US)


def batch_entries(batches: Rounds) -> Iterator[Entry]:
    ways = {"sqlite": ("SQLite, a transaction each", Target("ratio", ">=", 50)),
            "lmdb": ("LMDB, one commit for all", Target("ratio", ">=", 3)),
            "etcd": ("etcd, 100 connections", None),
            "write": ("one write + fdatasync", None)}
    rates = {name: [BATCH / ns * 1e9 for ns in flat(rounds)] for name, rounds in batches.items()}
    for name, (title, aim) in ways.items():
        yield Entry(GROUP, f"{BATCH:,} mints waiting together", "mint/s", median(rates["bfence"]),
                    BATCH_ROUNDS, f"median of {BATCH_ROUNDS} rounds, {METHOD}", title,
                    median(rates[name]), aim, paired_ratio(rates["bfence"], rates[name]))


def mints() -> tuple[list[Entry], str]:
    """Entries, and what a bare fdatasync costs here."""
    with etcd() as url, ExitStack() as stack:
        programs = {name: stack.enter_context(
            Program(f"store_{name}", url if name == "etcd" else ROOM / name, VOLUMES, pinned=True))
            for name in TITLES}
        for program in programs.values():
            program.numbers()
            program.ask("fill")
        singles = ask_in_turn(programs, MINT_ROUNDS, f"mint {MINTS}")
        batches = ask_in_turn(programs, BATCH_ROUNDS, f"batch {BATCH}")
    frame.plot_distributions("store-mint", "One mint, from its ask to its durable end",
                             "microseconds", {TITLES[name]: [ns / US for ns in flat(rounds)]
                                              for name, rounds in singles.items()})
    bare = flat(singles["write"])
    note = (f"One write of {FRAME} bytes + fdatasync here: p50 {median(bare) / US:.0f} us, "
            f"p99 {percentile(bare, 99) / US:,.0f} us")
    if median(bare) < FREE_SYNC_US * US:
        note += "; nearly free: this disk hides what a sync costs"
    return [*mint_entries(singles), *batch_entries(batches)], note + "."


# --- reload -----------------------------------------------------------------

READERS = ("bfence", "sqlite", "lmdb")


def drop_cache(folder: Path) -> None:
    """The page cache forgets its files, which are all synced."""
    for path in folder.iterdir():
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def reload_once(name: str, volumes: int) -> tuple[int, int]:
    """Nanoseconds and peak KiB of a process that opens the store, reads all."""
    folder = ROOM / f"{name}-{volumes}"
    drop_cache(folder)
    with Program(f"store_{name}", folder, volumes) as program:
        time_ns, rss_kib, nr_found = program.numbers()
    if nr_found != volumes:
        frame.die(f"{name}: {nr_found} of {volumes} volumes were found")
    return time_ns, rss_kib


def make_stores(volumes: int) -> None:
    for name in READERS:
        with Program(f"store_{name}", ROOM / f"{name}-{volumes}", volumes) as program:
            program.numbers()
            for _ in range(2):  # then it has its full size
                program.ask("fill")


Growth = dict[str, list[float]]  # by engine: a value for each of RELOAD_SIZES


def reload_entries(times: Growth, rss: Growth, n: int) -> Iterator[Entry]:
    volumes = RELOAD_SIZES[-1]
    method = f"median of {n} starts, engines in turn, page cache dropped first"
    for name in READERS[1:]:
        aim = Target("ours", "<=", 1) if name == "sqlite" else None
        yield Entry(GROUP, f"reload of {volumes:,} volumes", "s", times["bfence"][-1] / S, n,
                    method, f"{TITLES[name]}, open and read all", times[name][-1] / S, aim)
    for name in READERS[1:]:
        aim = Target("ours", "<=", 100) if name == "sqlite" else None
        yield Entry(GROUP, "peak memory of that reload", "MiB", rss["bfence"][-1] / KIB_PER_MIB, n,
                    "median VmHWM of a process that only does this",
                    f"{TITLES[name]}, the same", rss[name][-1] / KIB_PER_MIB, aim)


def reloads() -> tuple[list[Entry], str]:
    times: Growth = {name: [] for name in READERS}
    rss: Growth = {name: [] for name in READERS}
    for volumes in RELOAD_SIZES:
        say(f"{RELOAD_ROUNDS} reloads of {volumes:,} volumes")
        make_stores(volumes)
        os.sync()
        found = [{name: reload_once(name, volumes) for name in rotated(list(READERS), turn)}
                 for turn in range(RELOAD_ROUNDS)]
        for name in READERS:
            times[name].append(median([row[name][0] for row in found]))
            rss[name].append(median([row[name][1] for row in found]))
    lines = {TITLES[name]: list(zip(RELOAD_SIZES, (time / MS for time in times[name])))
             for name in READERS}
    frame.plot_growth("store-reload", "Open the store and read every volume",
                      ("volumes", "milliseconds"), lines)
    frame.plot_growth("store-memory", "Peak memory of that process", ("volumes", "MiB"),
                       {TITLES[name]: [(x, kib / KIB_PER_MIB)
                                       for x, kib in zip(RELOAD_SIZES, rss[name])]
                       for name in READERS})
    growth = ", ".join(f"{x:,}: {y:.3g} ms" for x, y in lines["bfence"])
    slopes = ", ".join(f"{title} {frame.slope(points):.2f}" for title, points in lines.items())
    note = (f"Reload by volumes: {growth}. Slopes on log axes over the last {frame.SLOPE_POINTS} "
            f"sizes (1 is linear): {slopes}.")
    return list(reload_entries(times, rss, RELOAD_ROUNDS)), note


# --- compaction -------------------------------------------------------------

def stalls() -> list[Entry]:
    entries: list[Entry] = []
    lines: dict[str, list[float]] = {}
    for volumes in STALL_SIZES:
        say(f"{COMPACTIONS} compactions at {volumes:,} volumes")
        os.sync()
        with Program("store_stall", ROOM / f"bfence-{volumes}", volumes,
                     COMPACTIONS) as program:
            quiet, busy, groups = ([time / MS for time in program.numbers()] for _ in range(3))
        lines[f"{volumes:,} volumes, compacting"] = busy
        lines[f"{volumes:,} volumes, not"] = quiet
        entries += [
            Entry(GROUP, f"longest stall of the loop, {volumes:,} volumes", "ms", max(busy),
                  len(busy), f"lateness of a 1 ms timer while groups of {BATCH} mints run, ticks "
                  f"that met one of {COMPACTIONS} compactions or came 5 ms after; n is those ticks",
                  "without compaction", max(quiet)),
            Entry(GROUP, f"longest group, {volumes:,} volumes", "ms", max(groups), len(groups),
                  f"of {BATCH} mints, in the same run", "median group", median(groups))]
    frame.plot_distributions("store-stall", "How late a timer of 1 ms comes", "milliseconds",
                             lines)
    return entries


def main() -> int:
    priority = frame.go_first()
    shutil.rmtree(ROOM, ignore_errors=True)
    ROOM.mkdir(parents=True)
    try:
        entries, disk = mints()
        more, growth = reloads()
        entries += more + stalls()
    finally:
        shutil.rmtree(ROOM, ignore_errors=True)
    frame.report(entries, [f"Peers: {versions()}.", priority, disk, growth])
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0
"""The authority log after the power went, on ext4 in a guest.

The guest's disk is recorded by dm-log-writes while real masters on it answer
operators, and each answer is a mark in the same record. Then the disk is made
as it may have been at many moments, its journal is replayed, and a real master
starts on what is there: all that had been answered before that moment is
served, and nothing else but what was being asked. SEED=n replays the choices.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

import pytest

from lab import BUILD, Guest, Lab, until
from powercut import Cut, Disk, Entry, lying_cuts, read_log, torn_cuts, whole_cuts

sys.path.append(str(Path(__file__).resolve().parent.parent / "process"))
import daemon  # noqa: E402  (a master as a process of this machine)

daemon.BFENCED = str(BUILD / "bfenced")
DISK_MIB, LOG_MIB = 24, 96
CLIENTS, TURNS = 4, 3  # of asker, and the volumes of each
PREFIXES = {"born": ["b1", "b2", "b3"], "full": ["f1"]}  # its runs on each store
OLD = 10  # volumes of the store that is nearly full
CHANGES_LEFT = 60  # of it, until it is compacted
CHANGES_MAX = 20000
CUTS_MAX = 150
MOUNTS = 4  # cuts that the guest's kernel mounts as well
CONF = """[master]
store=/run/disk/{store}
listen=127.0.0.1:7420
socket=/run/bfence/master.sock
keys=/etc/bfence/keys
volumes_max=256
"""


# --- what was answered -------------------------------------------------------

@dataclass
class Store:
    """What was answered of one store up to a moment."""
    name: str
    id: str = ""
    incarnation: int = 0
    seqs: dict[str, int] = field(default_factory=dict)  # the last one told
    gone: set[str] = field(default_factory=set)
    next_turn: dict[str, int] = field(default_factory=dict)  # "PREFIX-CLIENT"

    def take(self, what: str, words: list[str]) -> None:
        if what == "up":
            assert self.id in ("", words[0]) and int(words[1]) >= self.incarnation
            self.id, self.incarnation = words[0], int(words[1])
        elif what in ("has", "gone"):
            name = words[0]
            client, turn = name.rsplit("-", 1)
            self.next_turn[client] = (int(turn) + 1) % TURNS
            if what == "gone":
                self.gone.add(name)
            else:
                assert int(words[1]) > self.seqs.get(name, 0)
                self.seqs[name] = int(words[1])
                self.gone.discard(name)

    def open_asks(self) -> set[str]:
        """A client has one ask under way from one answer to the next."""
        clients = [f"{prefix}-{number}" for prefix in PREFIXES[self.name]
                   for number in range(CLIENTS)]
        return {f"{client}-{self.next_turn.get(client, 0)}" for client in clients}

    def faults(self, status: dict, volumes: list[dict]) -> list[str]:
        """Of what a master found on the disk."""
        wrong = [f"skipped: {skip}" for skip in status["skips"]
                 if skip["class"] != "AuthorityRecordUnwritten"]
        if self.id not in ("", status["store_id"]):
            wrong.append(f"the store is {status['store_id']}, not {self.id}")
        if status["incarnation"] <= self.incarnation:
            wrong.append(f"incarnation {status['incarnation']} after {self.incarnation}")
        found = {volume["volume"]: volume["write_seq"] for volume in volumes}
        for name in sorted(found.keys() | self.seqs.keys()):
            wrong += self.volume_faults(name, found.get(name))
        return wrong

    def volume_faults(self, name: str, found: int | None) -> list[str]:
        told = self.seqs.get(name, 0)
        exists = told > 0 and name not in self.gone
        if found is None:
            fits = not exists or name in self.open_asks()
        elif exists:
            fits = found == told
        else:
            fits = name in self.open_asks() and found > told
        return [] if fits else [f"{name}: found {found}, told {told}, "
                                f"{'there' if exists else 'not there'}"]


@dataclass
class Record:
    base: bytes  # the disk before the first entry
    entries: list[Entry]
    full: Store  # as it was before

    def answered(self, end: int) -> Store:
        """By the marks before that entry, of the store then in use."""
        store = Store("born")
        for entry in self.entries[:end]:
            what, *words = entry.mark.split(":")
            if what == "on" and words[0] == "full":
                store = Store("full", self.full.id, self.full.incarnation,
                              dict(self.full.seqs))
            store.take(what, words)
        return store


# --- the record --------------------------------------------------------------

def change(master: daemon.Master, number: int) -> None:
    """Volumes in turn, each created, then deleted."""
    name = f"old-{number // 2 % OLD}"
    if number % 2:
        status, _ = master.request("DELETE", f"/v1/volumes/{name}")
    else:
        body = json.dumps({"volume": name, "hosts": daemon.HOSTS[:3]})
        status, _ = master.request("POST", "/v1/volumes", body)
    assert status in (200, 201)


def started(folder: Path) -> daemon.Master:
    master = daemon.Master(folder)
    master.write_conf("volumes_max = 256\nlog_level = error\n")
    return master.start()


def changes_until_compacted(folder: Path) -> int:
    master = started(folder)
    try:
        log = (master.store / "log").stat().st_ino
        for number in range(CHANGES_MAX):
            change(master, number)
            if (master.store / "log").stat().st_ino != log:
                return number + 1
        raise AssertionError(f"not compacted after {CHANGES_MAX} changes")
    finally:
        master.kill()


def fill_store(folder: Path, changes: int) -> Store:
    """By a master of this machine."""
    master = started(folder)
    try:
        for number in range(changes // 2 * 2 + 1):
            change(master, number)
        _, status = master.request("GET", "/v1/status")
        _, volumes = master.request("GET", "/v1/volumes")
    finally:
        master.kill()
    return Store("full", status["store_id"], status["incarnation"],
                 {volume["volume"]: volume["write_seq"] for volume in volumes})


def make_disk(path: Path, tree: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-J", "size=4",
                    "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", str(tree),
                    str(path), f"{DISK_MIB}M"], stdout=subprocess.DEVNULL, check=True)


def start_master(guest: Guest, store: str) -> None:
    guest.put("/etc/bfence/master.conf", CONF.format(store=store))
    guest.ok(f"[ ! -e /dev/mapper/marked ] || dmsetup message marked 0 mark on:{store}")
    guest.spawn("master", "exec bfenced master --config /etc/bfence/master.conf")
    until("the master answers", lambda: guest.run("bfence cluster status")[0] == 0)


def ask(guest: Guest, prefix: str, changes: int) -> int:
    return int(guest.ok(f"asker /run/bfence/master.sock marked {prefix} {CLIENTS} "
                        f"{changes}", 120))


def entries_so_far(guest: Guest) -> int:
    return int(guest.ok("dmsetup status marked").split()[3])


def write_record(guest: Guest) -> None:
    guest.ok("""
	modprobe dm-log-writes && mkdir -p /run/disk /run/bfence
	disk=/dev/disk/by-id/virtio-data log=/dev/disk/by-id/virtio-writes
	DM_DISABLE_UDEV=1 dmsetup create marked --table \
		"0 $(blockdev --getsz $disk) log-writes $disk $log"
	mount -t ext4 /dev/mapper/marked /run/disk
	""")
    start_master(guest, "born")
    ask(guest, "b1", 40)
    guest.spawn("asker", f"exec asker /run/bfence/master.sock marked b2 {CLIENTS} 9999")
    before = entries_so_far(guest)
    until("it is busy", lambda: entries_so_far(guest) > before + 40)
    guest.kill("master", "KILL")
    guest.kill("asker")
    start_master(guest, "born")
    ask(guest, "b3", 30)
    guest.kill("master", "KILL")
    start_master(guest, "full")
    log = guest.ok("stat -c %i /run/disk/full/log")
    ask(guest, "f1", CHANGES_LEFT + 40)
    until("it is compacted", lambda: guest.ok("stat -c %i /run/disk/full/log") != log)
    guest.kill("master", "KILL")
    guest.ok("umount /run/disk && DM_DISABLE_UDEV=1 dmsetup remove marked && sync")


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Guest]:
    with Lab() as lab:
        yield lab.add("guest", volumes={"data": DISK_MIB, "writes": LOG_MIB,
                                        "cut": DISK_MIB})


@pytest.fixture(scope="module", name="record")
def fixture_record(machine: Guest, tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("filled")
    changes = changes_until_compacted(folder / "measured")
    full = fill_store(folder / "m", changes - CHANGES_LEFT)
    (folder / "tree").mkdir()
    shutil.copytree(folder / "m" / "store", folder / "tree" / "full")
    disk = machine.backing("data")
    make_disk(disk, folder / "tree")
    base = disk.read_bytes()
    machine.lab.boot()
    machine.put("/etc/bfence/keys",
                "".join(f"h{n} {'11' * 32}\n" for n in (1, 2, 3)), 0o600)
    write_record(machine)
    machine.check_dmesg()
    return Record(base, read_log(machine.backing("writes")), full)


# --- a disk without power ----------------------------------------------------

def found_on(image: bytes, store: str, folder: Path) -> tuple[dict, list[dict]]:
    """What a master of this machine serves from it."""
    folder.mkdir()
    disk = folder / "disk"
    disk.write_bytes(image)
    done = subprocess.run(["e2fsck", "-y", "-E", "journal_only", str(disk)],
                          capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done
    subprocess.run(["debugfs", "-R", f"rdump /{store} {folder}", str(disk)],
                   capture_output=True, check=True)
    master = daemon.Master(folder)
    master.store = folder / store
    master.write_conf("volumes_max = 256\nlog_level = error\n")
    master.start()
    try:
        return (master.request("GET", "/v1/status")[1],
                master.request("GET", "/v1/volumes")[1])
    finally:
        master.kill()
        shutil.rmtree(folder)


def judge(record: Record, cuts: list[Cut], folder: Path) -> Iterator[tuple[Cut, list[str]]]:
    """Each cut with the faults of what is found, or the refusal to start."""
    disk = Disk(record.base, record.entries)

    def one(cut: Cut, image: bytes) -> tuple[Cut, list[str]]:
        now = record.answered(cut.end)
        place = folder / f"{cut.end}-{cut.seed}-{cut.lost.start}"
        try:
            return cut, now.faults(*found_on(image, now.name, place))
        except AssertionError as error:
            return cut, [str(error)]

    at_once = os.cpu_count() or 1
    with ThreadPoolExecutor(at_once) as pool:
        for number in range(0, len(cuts), 2 * at_once):
            few = cuts[number:number + 2 * at_once]  # an image is large
            yield from pool.map(one, few, [disk.at(cut) for cut in few])


def some(rng: random.Random, cuts: list[Cut], nr: int) -> list[Cut]:
    """In the order of the record, as Disk wants them."""
    chosen = set(rng.sample(range(len(cuts)), min(nr, len(cuts))))
    return [cut for number, cut in enumerate(cuts) if number in chosen]


@pytest.fixture(name="rng")
def fixture_rng() -> random.Random:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"SEED={seed}")
    return random.Random(seed)


def test_the_whole_record_is_the_disk(machine: Guest, record: Record) -> None:
    assert record.full.seqs
    disk = Disk(record.base, record.entries)
    assert disk.at(Cut(len(record.entries))) == machine.backing("data").read_bytes()


def test_what_was_answered_is_on_the_disk_at_every_moment(
        record: Record, rng: random.Random, tmp_path: Path) -> None:
    whole = some(rng, list(whole_cuts(record.entries)), CUTS_MAX)
    torn = some(rng, list(torn_cuts(record.entries, rng)), CUTS_MAX)
    print(f"{len(record.entries)} entries: {len(whole)} cuts between, {len(torn)} torn ones")
    for cuts in whole, torn:
        assert [(cut, wrong) for cut, wrong in judge(record, cuts, tmp_path) if wrong] == []


def test_the_guests_kernel_recovers_the_disk_too(
        machine: Guest, record: Record, rng: random.Random) -> None:
    disk = Disk(record.base, record.entries)
    for cut in some(rng, list(torn_cuts(record.entries, rng)), MOUNTS):
        now = record.answered(cut.end)
        with machine.backing("cut").open("r+b") as raw:
            raw.write(disk.at(cut))
        machine.ok("mount -t ext4 /dev/disk/by-id/virtio-cut /run/disk")
        start_master(machine, now.name)
        (status,) = machine.json("bfence cluster status -j")
        assert now.faults(status, machine.json("bfence volume list -j")) == [], cut
        machine.kill("master", "KILL")
        machine.ok("umount /run/disk")
    machine.check_dmesg()


def test_a_disk_that_lies_about_its_flush_is_found_out(
        record: Record, rng: random.Random, tmp_path: Path) -> None:
    cuts = some(rng, list(lying_cuts(record.entries)), 30)
    found = [cut for cut, wrong in judge(record, cuts, tmp_path) if wrong]
    print(f"{len(found)} of {len(cuts)} lies found out")
    # Not all: what the flush was to keep may have been answered by no mark yet.
    assert len(found) > len(cuts) / 2

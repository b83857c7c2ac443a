# SPDX-License-Identifier: GPL-2.0
"""What an operator does to authority, on real kernels: a volume is deleted, the
master's store is lost and an older copy takes its place, a record is damaged.

One cluster for all; each test begins with every volume open on three hosts and
leaves it so. Writers go straight to a host's own disk; what became of their
blocks is read from the raw files, from outside.
"""
from __future__ import annotations

import json
import re
import time
from typing import Iterator

import pytest

from cluster import HOSTS, Cluster, is_open_at, lineage_of
from lab import Lab, until

STORE = "/var/lib/bfence/master"
BACKUP = "/var/lib/bfence/backup"
GUARDS = {"v1": "lease", "v2": "quorum", "v3": "lease"}
BLOCKS = 8000
RATE = 25  # blocks a second: far from the end when a test is over
PROBE = (8000, 50)  # past those of any writer
BODY_AT = 132  # in a frame
DAMAGE = "not a record"


class Writer:
    """iogen on the disk that the gate of a host has now, and on no later one."""

    def __init__(self, cluster: Cluster, host: str, volume: str, run: str):
        self.guest = cluster.hosts[host]
        self.volume, self.run = volume, run
        self.name = f"{volume}-{run}"
        disk = cluster.gate(host, volume)["disk"]
        self.guest.spawn(self.name, f"exec iogen write /dev/{disk} --run-id {run} "
                         f"--count {BLOCKS} --rate {RATE} --depth 1 --keep-going "
                         f"--ack-file /dev/virtio-ports/acks-{volume}")
        until(f"{self.name} writes on {host}", lambda: self.acked() >= 10)

    def acked(self) -> int:
        return len(self.guest.acks(self.volume, self.run))

    def landed(self) -> set[int]:
        return set(self.guest.scan(self.volume, self.run))

    def is_going_on(self) -> bool:
        before = self.acked()
        return bool(until(f"{self.name} goes on", lambda: self.acked() > before))

    def end(self) -> dict[str, int]:
        """The errors that it was told, and how often."""
        self.guest.kill(self.name)
        return json.loads(self.guest.log(self.name).splitlines()[-1])["errors"]


@pytest.fixture(scope="module")
def world() -> Iterator[Cluster]:
    with Lab() as lab:
        cluster = Cluster(lab)
        cluster.start()
        for volume in GUARDS:
            create(cluster, volume)
        yield cluster


@pytest.fixture
def cluster(world: Cluster) -> Iterator[Cluster]:
    until("every gate is open", world.is_settled, 60)
    yield world
    for guest in world.guests():
        guest.check_dmesg()


def create(cluster: Cluster, volume: str) -> None:
    cluster.master.ok(f"bfence volume create {volume} {' '.join(HOSTS)} "
                      f"--guard {GUARDS[volume]}")


def authority(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Line and number of the record of each volume: what a mint changes."""
    return {volume: (lineage_of(line), line["write_seq"])
            for volume, line in cluster.lines().items()}


def floors(cluster: Cluster, volume: str) -> list[str]:
    """What is durable on each host, from its log alone."""
    found = []
    for host in HOSTS:
        frames = cluster.hosts[host].ok("bfenced store dump /var/lib/bfence/replica -j")
        records = [record for record in map(json.loads, frames.splitlines())
                   if record["kind"] == "floor" and record["volume"] == volume]
        found.append(f"{records[-1]['floor_epoch']}."
                     f"{records[-1]['floor_endpoint_version']}")
    return found


def probe(cluster: Cluster, host: str, volume: str) -> None:
    """The gate takes writes now, and each of them is on the raw file."""
    gate = cluster.gate(host, volume)
    run, (start, count) = f"probe-{lineage_of(gate)}", PROBE
    cluster.hosts[host].ok(f"iogen write /dev/{gate['disk']} --run-id {run} "
                           f"--from {start} --count {count} --depth 4")
    assert len(cluster.hosts[host].scan(volume, run)) == count


def epoch_of(lineage: str) -> int:
    return int(lineage.split(".")[0])


def evidence(cluster: Cluster, volume: str) -> list[str]:
    (shown,) = cluster.master.json(f"bfence volume show {volume} -j")
    return [entry["code"] for entry in shown["evidence"]]


def test_a_deleted_volume_takes_no_byte_and_comes_back_above_its_floors(
        cluster: Cluster) -> None:
    lineage = lineage_of(cluster.line("v1"))
    writers = [Writer(cluster, host, "v1", "deleted") for host in HOSTS]
    code, said = cluster.master.run("bfence volume delete v1 --expect 77.1")
    assert code == 1 and f"the line {lineage}" in said
    assert cluster.is_settled()
    assert floors(cluster, "v1") == [lineage] * 3

    cluster.master.ok(f"bfence volume delete v1 --expect {lineage}")
    for host in HOSTS:
        until(f"the gate of {host} is closed",
              lambda: cluster.gate(host, "v1")["state"] == "closed")
    assert cluster.lines().keys() == {"v2", "v3"}
    landed = [writer.landed() for writer in writers]
    assert all(landed)
    time.sleep(2)
    assert [writer.landed() for writer in writers] == landed
    for host in HOSTS:
        gate = cluster.gate(host, "v1")
        assert (gate["state"], lineage_of(gate)) == ("closed", lineage)
    assert floors(cluster, "v1") == [lineage] * 3

    create(cluster, "v1")
    until("v1 is open again", cluster.is_settled, 60)
    later = lineage_of(cluster.line("v1"))
    assert epoch_of(later) == epoch_of(lineage) + 1
    assert floors(cluster, "v1") == [later] * 3
    for host in HOSTS:
        probe(cluster, host, "v1")
    for writer, before in zip(writers, landed):
        assert writer.end(), "the writers of the deleted volume were told nothing"
        assert writer.landed() == before


def fail_over(cluster: Cluster, volume: str) -> None:
    line = cluster.line(volume)
    host = line["primary_host"]
    cluster.hosts[host].kill("bfenced", "KILL")

    def failed_over() -> bool:
        now = cluster.line(volume)
        return now["epoch"] > line["epoch"] and now["state"] == "open"

    until(f"{volume} has another primary", failed_over, 90)
    cluster.start_replica(host)
    until("every gate is open", cluster.is_settled, 60)


def restart_master(cluster: Cluster, meanwhile: str) -> None:
    cluster.master.kill("bfenced")
    cluster.master.ok(meanwhile)
    cluster.start_master()


def age_the_backup(cluster: Cluster) -> None:
    """The master lives on: its incarnation, v1 and v2 rise, v3 stays."""
    restart_master(cluster, f"bfenced store raise {STORE} 8")
    until("the hosts are back", cluster.is_connected, 60)
    cluster.master.ok("bfence volume delete v2 --force")
    create(cluster, "v2")
    fail_over(cluster, "v1")


def order_of_refusal(cluster: Cluster, host: str) -> str:
    """The command that the refusal names, as an operator would copy it."""
    log = cluster.hosts[host].log("bfenced")
    found = re.search(r'is an older copy; stop it and run "(bfenced store raise DIR \d+)"',
                      log)
    return found.group(1).replace("DIR", STORE) if found else ""


def test_an_older_copy_of_the_store_mints_nothing_below_a_floor(cluster: Cluster) -> None:
    writer = Writer(cluster, cluster.line("v1")["primary_host"], "v1", "backup")
    cluster.master.ok(f"bfenced store backup {STORE} {BACKUP}")
    assert writer.is_going_on() and writer.end() == {}
    copied = authority(cluster)
    age_the_backup(cluster)
    newest = authority(cluster)
    assert newest["v3"] == copied["v3"]
    assert all(epoch_of(newest[v][0]) > epoch_of(copied[v][0]) for v in ("v1", "v2"))
    primary = cluster.line("v1")["primary_host"]
    writer = Writer(cluster, cluster.line("v2")["primary_host"], "v2", "during")

    restart_master(cluster, f"mv {STORE} {STORE}.lost && "
                   f"bfenced store backup {BACKUP} {STORE}")
    order = until("a host refuses", lambda: order_of_refusal(cluster, "host-a"), 60)
    assert {order} == {until(f"{host} refuses", lambda: order_of_refusal(cluster, host), 60)
                       for host in HOSTS}
    assert authority(cluster) == copied
    until("the lease of v1's primary is over",
          lambda: cluster.gate(primary, "v1")["state"] == "closed")

    restart_master(cluster, order)
    until("the hosts obey", cluster.is_connected, 60)
    until("v1 and v2 are quarantined", lambda: all(
        "AuthorityRegressed" in evidence(cluster, volume) for volume in ("v1", "v2")))
    until("v3 is open", lambda: all(
        is_open_at(cluster.gate(host, "v3"), newest["v3"][0]) for host in HOSTS))
    time.sleep(cluster.timing.lease_ms / 1000)
    assert authority(cluster) == copied
    for volume in ("v1", "v2"):
        assert cluster.line(volume)["state"] == "unsupported"
        assert floors(cluster, volume) == [newest[volume][0]] * 3
        for host in HOSTS:  # what serves goes on, what a lease has ended stays so
            gate = cluster.gate(host, volume)
            is_ended = volume == "v1" and host == primary
            assert (gate["state"], lineage_of(gate)) == \
                ("closed" if is_ended else "open", newest[volume][0])
    assert writer.is_going_on()

    recover(cluster, newest, {v: f"--expect {copied[v][0]}" for v in ("v1", "v2")})
    landed = writer.landed()
    assert writer.end().keys() and writer.landed() == landed


def recover(cluster: Cluster, before: dict[str, tuple[str, int]],
            words: dict[str, str]) -> None:
    """Each of the volumes goes on above all that any host has acknowledged."""
    for volume, more in words.items():
        cluster.master.ok(f"bfence volume recover {volume} {more}")
    until("every gate is open", cluster.is_settled, 60)
    for volume in words:
        lineage = lineage_of(cluster.line(volume))
        assert epoch_of(lineage) > epoch_of(before[volume][0])
        assert floors(cluster, volume) == [lineage] * 3
        for host in HOSTS:
            probe(cluster, host, volume)


def damage(cluster: Cluster, volume: str) -> str:
    """The command that spoils the newest record's body on the master's disk."""
    frames = cluster.master.ok(f"bfenced store dump {STORE} -j")
    offset = [frame["offset"] for frame in map(json.loads, frames.splitlines())
              if frame.get("volume") == volume][-1]
    return (f"printf '{DAMAGE}' | dd of={STORE}/log bs=1 seek={offset + BODY_AT} "
            "conv=notrunc")


def test_a_damaged_record_stops_its_own_volume_alone(cluster: Cluster) -> None:
    before = authority(cluster)
    writers = [Writer(cluster, cluster.line(volume)["primary_host"], volume, "beside")
               for volume in ("v2", "v3")]
    restart_master(cluster, damage(cluster, "v1"))
    until("the hosts are back", cluster.is_connected, 60)
    assert evidence(cluster, "v1") == ["AuthorityRecordCorrupt"]
    assert "epoch" not in cluster.line("v1")
    (skip,) = [skip for skip in cluster.master.json("bfence cluster status -j")[0]["skips"]
               if skip.get("volume")]
    assert (skip["class"], skip["volume"]) == ("AuthorityRecordCorrupt", "v1")
    code, said = cluster.master.run(f"bfence volume create v1 {' '.join(HOSTS)}")
    assert code == 1 and "exists already" in said
    assert all(writer.is_going_on() for writer in writers)
    for volume in ("v2", "v3"):
        assert cluster.line(volume)["state"] == "open"
        assert all(is_open_at(cluster.gate(host, volume), before[volume][0])
                   for host in HOSTS)

    recover(cluster, before, {"v1": " ".join(HOSTS)})
    assert all(writer.is_going_on() for writer in writers)
    assert [writer.end() for writer in writers] == [{}, {}]
    after = authority(cluster)
    assert (after["v2"], after["v3"]) == (before["v2"], before["v3"])

# SPDX-License-Identifier: GPL-2.0
"""The module in one guest, through the public CLI: a gate's promises and refusals.

The backing devices are virtio disks whose raw files lie on this side, so what
has landed is read from outside. A slow device is a disk that QEMU throttles.
"""
from __future__ import annotations

import json
import re
from typing import Iterator

import pytest

from lab import Guest, until

LAB_KO = "/usr/lib/bfence-lab.ko"
DEPTH = 32
SLOW = 64 * 1024  # bytes a second
BOUND_S = 60


def backing(volume: str) -> str:
    return f"/dev/disk/by-id/virtio-{volume}"


def show(guest: Guest, volume: str) -> dict:
    return guest.json(f"bfence show {volume} -j")[0]


def attach(guest: Guest, volume: str, options: str = "") -> dict:
    return guest.json(f"bfence attach {volume} r1 {backing(volume)} {options} -j")[0]


def fence(guest: Guest, volume: str, lineage: str, options: str = "--wait") -> dict:
    return guest.json(f"bfence fence {volume} {lineage} {options} -j")[0]


def open_gate(guest: Guest, volume: str, lineage: str, options: str = "") -> str:
    """The path of the disk."""
    gate = guest.json(f"bfence open {volume} {lineage} {options} -j")[0]
    return f"/dev/{gate['disk']}"


def opened(guest: Guest, volume: str, options: str = "") -> str:
    """The disk of a new gate that is open at 1.1."""
    attach(guest, volume)
    fence(guest, volume, "1.1")
    return open_gate(guest, volume, "1.1", options)


def throttle(guest: Guest, volume: str, bytes_per_s: int) -> None:
    """0 is no limit. Bytes and not requests, as a guest merges those."""
    guest._qmp.execute("block_set_io_throttle", device=volume, bps=bytes_per_s,
                       bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)


@pytest.fixture
def slow(guest: Guest) -> Iterator[Guest]:
    """Whatever a test throttles runs free again before its gates are taken away."""
    yield guest
    throttle(guest, "v1", 0)
    until_idle(guest, "v1")


def read_fd(fd: int) -> str:
    """A shell command that reads where nobody has read before: what the page cache
    holds is no I/O, and no gate sees it."""
    read_fd.skip += 100
    return f"dd bs=4096 count=1 skip={read_fd.skip} of=/dev/null <&{fd}"


read_fd.skip = 0


PRELUDE = """
set -e
refused() {
	if "$@" 2>/run/why; then echo "went through: $*"; exit 1; fi
}
"""


def script(guest: Guest, text: str, timeout: float = BOUND_S) -> str:
    """Of several commands, each of which must succeed, or be refused."""
    return guest.ok(PRELUDE + text, timeout)


def is_gone(guest: Guest, disk: str) -> bool:
    return guest.run(f"test -e /sys/block/{disk.removeprefix('/dev/')}")[0] != 0


def until_idle(guest: Guest, volume: str) -> None:
    """Everything that the guest ever sent to the raw disk has landed."""
    script(guest, f"""
	disk=$(basename "$(readlink {backing(volume)})")
	until [ "$(awk '{{ print $1 + $2 }}' "/sys/block/$disk/inflight")" = 0 ]; do
		sleep 0.05
	done
	""", timeout=BOUND_S)


@pytest.fixture
def lab_module(slow: Guest) -> Iterator[Guest]:
    """The build with the unsafe switches in the place of the product's."""
    slow.ok(f"rmmod bfence && insmod {LAB_KO}")
    yield slow
    throttle(slow, "v1", 0)
    slow.ok("bfence close v1 --wait")
    until("the writer is gone", lambda: slow.run("bfence detach v1")[0] == 0)
    slow.ok("rmmod bfence && modprobe bfence")


# --- the promise --------------------------------------------------------------


def late_blocks(guest: Guest, run: str) -> tuple[dict, set[int]]:
    """A fence under a writer in full flight on a slow disk: the proof, and the
    blocks of the writer, which goes on, that reached the raw file after it."""
    disk = opened(guest, "v1")
    throttle(guest, "v1", SLOW)
    guest.spawn("writer", f"iogen write {disk} --run-id {run} --depth {DEPTH} --keep-going")
    until("I/O in flight", lambda: show(guest, "v1")["inflight"] >= DEPTH // 2)
    proof = fence(guest, "v1", "2.1", "--wait --drain-ms 30000")
    landed = set(guest.scan("v1", run))
    throttle(guest, "v1", 0)
    until("the writer has tried every block", lambda: "issued" in guest.log("writer"),
          timeout=BOUND_S)
    until_idle(guest, "v1")
    return proof, set(guest.scan("v1", run)) - landed


def test_a_fence_is_acknowledged_only_when_nothing_older_is_in_flight(slow):
    proof, late = late_blocks(slow, "drain")
    assert late == set()
    assert (proof["state"], proof["epoch"], proof["inflight"]) == ("closed", 2, 0)
    assert proof["drained"] > 0
    assert proof["drain_ns"] >= proof["close_ns"] > 0
    assert show(slow, "v1")["rejected_stale"] > 0


def test_control_without_the_drain_older_writes_land_after_the_proof(lab_module):
    lab_module.ok("echo 1 >/sys/module/bfence/parameters/unsafe_no_drain")
    proof, late = late_blocks(lab_module, "no-drain")
    assert proof["drained"] > 0
    assert late


def test_control_without_the_check_newer_writes_land_after_the_proof(lab_module):
    lab_module.ok("echo 1 >/sys/module/bfence/parameters/unsafe_no_check")
    _, late = late_blocks(lab_module, "no-check")
    assert late


def test_a_dead_grant_stays_dead_for_every_opener(guest):
    disk = opened(guest, "v1")
    other = "/dev/bfence1"
    script(guest, f"""
	exec 3<>{disk} 4<{disk}
	bfence fence v1 2.1 --wait
	[ "$(bfence open v1 2.1)" = {other} ]
	echo new >{other}
	# Writers and readers that were there before: an error, never end of file.
	refused dd bs=4096 count=1 conv=fsync if=/dev/zero >&3
	refused {read_fd(4)}
	# One that comes now.
	refused dd bs=4096 count=1 of=/dev/null if={disk}
	grep -q 'No such device' /run/why
	# The grant of a later lineage wakes nobody either.
	bfence fence v1 3.1 --wait
	refused {read_fd(4)}
	refused bfence detach v1
	grep -q 'a disk of the gate open' /run/why
	# The capacity stays while somebody looks.
	[ "$(cat /sys/block/{disk.removeprefix("/dev/")}/size)" -gt 0 ]
	""")
    until("the last close deletes the disk", lambda: is_gone(guest, disk))
    gate = show(guest, "v1")
    assert gate["rejected_stale"] >= 3
    assert gate["io_errors"] == 0


def test_a_gate_that_was_closed_and_opened_again_has_another_disk(guest):
    disk = opened(guest, "v1")
    script(guest, f"""
	exec 3<{disk}
	bfence close v1 --wait
	[ "$(bfence open v1 1.1)" != {disk} ]
	refused {read_fd(3)}
	""")
    assert show(guest, "v1")["rejected_closed"] >= 1
    assert show(guest, "v1")["rejected_stale"] == 0


def test_an_endpoint_refresh_may_carry_the_disk_over(guest):
    attach(guest, "v1")
    fence(guest, "v1", "1.1", "--primary r1 --wait")
    disk = open_gate(guest, "v1", "1.1")
    script(guest, f"""
	exec 3<>{disk}
	bfence fence v1 1.2 --primary r1 --keep-disk --wait
	refused dd bs=4096 count=1 conv=fsync if=/dev/zero >&3
	[ "$(bfence open v1 1.2)" = {disk} ]
	dd bs=4096 count=1 conv=fsync if=/dev/zero >&3
	""")
    status, text = guest.run("bfence fence v1 2.1 --primary r1 --keep-disk")
    assert (status, "keep_disk needs" in text) == (1, True)


def test_a_stuck_device_is_quarantined_and_drains_by_itself(slow):
    disk = opened(slow, "v1")
    throttle(slow, "v1", 4096)
    slow.spawn("writer", f"iogen write {disk} --run-id stuck --depth 8 --count 64 --keep-going")
    until("I/O in flight", lambda: show(slow, "v1")["inflight"] >= 6)
    status, text = slow.run("bfence fence v1 2.1 --wait --drain-ms 200")
    assert status == 1, text
    gate = show(slow, "v1")
    assert (gate["state"], gate["epoch"]) == ("quarantined", 2)
    assert gate["inflight"] > 0
    assert gate["inflight_oldest_ns"] >= 200 * 10**6
    for refused in "bfence open v1 2.1", "bfence detach v1":
        assert slow.run(refused)[0] == 1
    throttle(slow, "v1", 0)
    until("the drain", lambda: show(slow, "v1")["state"] == "closed")
    assert open_gate(slow, "v1", "2.1")


def test_a_read_only_opening_refuses_writes(guest):
    disk = opened(guest, "v1", "--read-only")
    guest.ok(f"dd if={disk} of=/dev/null bs=4096 count=1")
    assert guest.run(f"dd if=/dev/zero of={disk} bs=4096 count=1 conv=notrunc")[0] != 0
    assert guest.scan("v1", "none") == {}


def test_marking_dead_reaches_what_sits_on_top_with_no_io_of_its_own(guest):
    disk = opened(guest, "v1")
    script(guest, f"""
	exec 3<{disk}
	bfence fence v1 2.1 --mark-dead --wait
	for i in $(seq 100); do
		before=$(bfence show v1 | grep stale)
		refused {read_fd(3)}
		after=$(bfence show v1 | grep stale)
		[ "$before" != "$after" ] || exit 0	# it died above the gate
		sleep 0.05
	done
	exit 1
	""")


# --- refusals -----------------------------------------------------------------


# What is there: v1 managed at 7.2 with primary r2, v2 open at 1.1 by hand.
REFUSALS = [
    ("attach v3 r1 /dev/nothing", "does not exist"),
    ("attach v3 r1 /dev/null", "not a block device"),
    ("attach v3 r1 {v1}", "has a gate already"),
    ("attach v1 r1 {v3}", "the volume has a gate already"),
    ("attach v3 r1 {v3} --incarnation 4", "incarnation is older"),
    ("fence v9 1.1", "no gate is attached"),
    ("fence v1 8.1", "managed by a master"),
    ("fence v1 8.1 --incarnation 4", "incarnation is older"),
    ("fence v1 7.1 --incarnation 6", "older than the gate's authority"),
    ("fence v1 6.9 --force", "older than the gate's authority"),
    ("fence v1 7.2 --primary r3 --incarnation 5", "another primary"),
    ("fence v1 8.1 --primary r2 --keep-disk --incarnation 5", "keep_disk needs"),
    ("open v1 7.1 --incarnation 5", "older than the gate's authority"),
    ("open v1 7.3 --incarnation 5", "fence at it first"),
    ("open v1 7.2 --primary r3 --incarnation 5", "another primary"),
    ("open v1 7.2 --leased --incarnation 5", "no running lease"),
    ("open v2 1.1 --read-only", "with other flags"),
    ("close v1", "managed by a master"),
    ("detach v1", "managed by a master"),
    ("detach v2", "the gate is open"),
    ("lease 1000", "managed by a master"),
    ("lease 1000 --incarnation 4", "incarnation is older"),
]


@pytest.fixture
def gates(guest: Guest) -> Guest:
    guest.ok("rmmod bfence && modprobe bfence")  # no incarnation seen
    opened(guest, "v2")
    attach(guest, "v1", "--at 7.2 --primary r2 --incarnation 5")
    return guest


def told(guest: Guest) -> str:
    """All that the module says, but the time."""
    text = guest.ok("bfence show -j; bfence show --host -j")
    return re.sub(r'"now_ns": ?\d+', "", text)


def test_refusals_name_the_cause_and_change_nothing(gates):
    commands = [command.format(v1=backing("v1"), v3=backing("v3"))
                for command, _ in REFUSALS]
    before = told(gates)
    answers = gates.ok("\n".join(f"bfence {command} 2>&1; echo $?; echo ---"
                                 for command in commands)).split("---\n")[:-1]
    assert told(gates) == before
    wrong = {command: answer
             for command, (_, sentence), answer in zip(commands, REFUSALS, answers)
             if sentence not in answer or not re.fullmatch(r".+\n1\n", answer)}
    assert (wrong, len(answers)) == ({}, len(REFUSALS))


def test_a_device_in_use_cannot_be_attached_and_a_gates_device_not_be_used(guest):
    guest.ok(f"mkfs.ext4 -q {backing('v1')} && mkdir -p /run/mnt")
    guest.ok(f"mount {backing('v1')} /run/mnt")
    status, text = guest.run(f"bfence attach v1 r1 {backing('v1')}")
    guest.ok("umount /run/mnt")
    assert (status, "is in use" in text) == (1, True)
    attach(guest, "v1")
    assert guest.run(f"mount {backing('v1')} /run/mnt")[0] != 0


def test_a_forced_change_shows_until_the_next_managed_one(gates):
    assert fence(gates, "v1", "8.1", "--force --wait")["forced"] is True
    assert show(gates, "v1")["forced"] is True
    assert fence(gates, "v1", "8.2", "--incarnation 6 --wait")["forced"] is False
    assert gates.run("bfence fence v1 8.3 --incarnation 5")[0] == 1


def test_the_same_fence_again_gives_the_same_proof(guest):
    opened(guest, "v1")
    proof = fence(guest, "v1", "2.1", "--primary r2 --wait")
    assert fence(guest, "v1", "2.1", "--wait") == proof
    disk = open_gate(guest, "v1", "2.1")
    again = fence(guest, "v1", "2.1")
    assert (again["state"], f"/dev/{again['disk']}") == ("open", disk)


# --- lease --------------------------------------------------------------------


def test_lease_end_closes_with_no_userspace(guest):
    guest.ok("rmmod bfence && modprobe bfence")
    plain = open_candidate(guest)
    guest.ok("bfence lease 4000")  # on a busy machine each command takes its time
    disk = opened(guest, "v1", "--leased")
    script(guest, f"""
	exec 3<{disk}
	{read_fd(3)}
	until dmesg | grep -q 'volume=v1 .*event=lease-ended'; do sleep 0.05; done
	refused {read_fd(3)}
	""")
    gate = show(guest, "v1")
    assert (gate["state"], gate["reason"]) == ("closed", "lease")
    assert gate["rejected_lease"] >= 1
    assert show(guest, "v2")["state"] == "open"
    guest.ok(f"dd if={plain} of=/dev/null bs=4096 count=1")


def open_candidate(guest: Guest) -> str:
    """A gate beside, opened without a lease."""
    return opened(guest, "v2")


def test_a_later_lease_revives_nothing(guest):
    guest.ok("rmmod bfence && modprobe bfence")
    guest.ok("bfence lease 60000")
    disk = opened(guest, "v1", "--leased")
    script(guest, f"""
	exec 3<{disk}
	bfence lease 0
	bfence lease 60000
	refused {read_fd(3)}
	until bfence open v1 1.1 --leased; do sleep 0.05; done
	refused {read_fd(3)}
	""")
    assert show(guest, "v1")["rejected_lease"] >= 1


# --- telling ------------------------------------------------------------------


def test_the_monitor_tells_each_change_in_order(guest):
    attach(guest, "v2")
    guest.spawn("monitor", "bfence monitor -j")
    until("the present state", lambda: '"v2"' in guest.log("monitor"))
    opened(guest, "v1")
    fence(guest, "v1", "2.1")
    guest.ok("bfence detach v1")
    until("the last event", lambda: "detached" in guest.log("monitor"))
    guest.kill("monitor")
    lines = map(json.loads, guest.log("monitor").splitlines())
    assert [line["event"] for line in lines if "event" in line] == ["attached", "fenced", "drained", "opened", "fenced", "drained",
                     "detached"]


def test_the_log_and_the_tracepoints_tell_the_lineages(guest):
    trace = "/sys/kernel/tracing"
    guest.ok(f"echo 1 >{trace}/events/bfence/enable && echo >{trace}/trace")
    disk = opened(guest, "v1")
    script(guest, f"""
	exec 3<{disk}
	bfence fence v1 2.1 --wait
	refused {read_fd(3)}
	""")
    text = guest.ok(f"cat {trace}/trace; echo 0 >{trace}/events/bfence/enable")
    for event in ("bfence_fence: volume=v1 lineage=1.1->2.1",
                  "bfence_open: volume=v1 lineage=1.1",
                  "bfence_drained: volume=v1 lineage=2.1",
                  "bfence_reject: volume=v1 lineage=1.1 why=stale"):
        assert event in text
    assert "volume=v1 replica=r1 event=fenced lineage=1.1->2.1" in guest.dmesg()


# --- coming and going ---------------------------------------------------------


def test_unload_with_gates_is_refused(guest):
    attach(guest, "v1")
    assert guest.run("rmmod bfence")[0] != 0
    assert show(guest, "v1")["state"] == "closed"
    guest.ok("bfence detach v1 && rmmod bfence && modprobe bfence")


def test_detach_and_unload_leave_dmesg_clean(guest):
    script(guest, f"""
	for round in $(seq 8); do
		bfence attach v1 r1 {backing("v1")}
		bfence fence v1 $round.1 --wait
		disk=$(bfence open v1 $round.1)
		dd if=/dev/zero of=$disk bs=64k count=4 conv=fsync 2>/dev/null
		bfence close v1 --wait
		bfence detach v1 || exit 1
	done >/dev/null
	rmmod bfence
	[ -z "$(ls -d /sys/block/bfence* 2>/dev/null)" ]
	""", timeout=BOUND_S)
    guest.check_dmesg()
    guest.ok("modprobe bfence")

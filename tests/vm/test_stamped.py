# SPDX-License-Identifier: GPL-2.0
"""Stamped I/O in one guest: commands that carry their lineage themselves.

What they say is compared with what lies on the raw file on this side.
"""
from __future__ import annotations

import json
from typing import Iterator

import pytest

from lab import Guest, until
from test_gate import (BOUND_S, DEPTH, SLOW, attach, backing, fence, lab_module, open_gate,
                       opened, script, show, slow, throttle, until_idle)

__all__ = ["lab_module", "slow"]
BLOCK = 4096
VOLUME_BYTES = 32 << 20
DEVICE = "/dev/bfence-io/v1"
READ, WRITE, FLUSH, DISCARD, ZEROES = "read write flush discard write_zeroes".split()
ONE_BLOCK = f"--length {BLOCK}"


def told(guest: Guest, commands: list[str], device: str = DEVICE) -> list[dict]:
    """What each command is told, done or refused: "write --length 4096"."""
    lines = "\n".join(commands)
    text = guest.ok(f"stamped batch {device} <<'END'\n{lines}\nEND\n")
    return [json.loads(line) for line in text.splitlines()]


def stamped(guest: Guest, command: str, device: str = DEVICE) -> dict:
    return told(guest, [command], device)[0]


def results(guest: Guest, commands: list[str]) -> list[str]:
    return [answer["res"] for answer in told(guest, commands)]


def raw(guest: Guest, offset: int, length: int) -> bytes:
    with guest.backing("v1").open("rb") as disk:
        disk.seek(offset)
        return disk.read(length)


def filled(byte: int, length: int) -> bytes:
    return bytes([byte]) * length


def flushes(guest: Guest) -> int:
    """How many flushes the backing device has completed."""
    return int(guest.ok(f'cat "/sys/block/$(basename "$(readlink {backing("v1")})")/stat"')
               .split()[15])


# --- what is told -------------------------------------------------------------


# At each stage: what is done to the gate, then what a stamp of 2.1 and others hear.
STAGES = [
    ("true", {"2.1": ("EAGAIN", 0)}),
    ("bfence fence v1 2.1 --wait",
     {"2.1": ("ENOLINK", 2), "1.9": ("ESTALE", 2), "2.2": ("EAGAIN", 2),
      "3.1": ("EAGAIN", 2)}),
    ("bfence open v1 2.1",
     {"2.1": ("OK", 2), "1.9": ("ESTALE", 2), "2.2": ("EAGAIN", 2)}),
    ("bfence close v1 --wait", {"2.1": ("ENOLINK", 2), "1.9": ("ESTALE", 2)}),
    ("bfence fence v1 2.2 --wait; bfence lease 60000; bfence open v1 2.2 --leased",
     {"2.2": ("OK", 2), "2.1": ("ESTALE", 2)}),
    ("bfence lease 0", {"2.2": ("EKEYEXPIRED", 2), "2.1": ("ESTALE", 2),
                        "2.3": ("EAGAIN", 2)}),
    ("bfence fence v1 3.1 --wait", {"2.2": ("ESTALE", 3), "3.1": ("ENOLINK", 3)}),
]


def test_each_answer_says_how_the_stamp_and_the_gate_stand(guest):
    guest.ok("rmmod bfence && modprobe bfence")  # no lease of before
    attach(guest, "v1")
    for command, expected in STAGES:
        guest.ok(f"{command} >/dev/null")
        asked = [f"{verb} {ONE_BLOCK} --lineage {stamp}"
                 for stamp in expected for verb in (READ, WRITE)]
        heard = [(answer["res"], answer["epoch"]) for answer in told(guest, asked)]
        assert (command, heard) == (command, [answer for answer in expected.values()
                                              for _ in (READ, WRITE)])
    gate = show(guest, "v1")
    assert (gate["rejected_stale"], gate["rejected_newer"], gate["rejected_closed"],
            gate["rejected_lease"]) == (12, 10, 6, 2)
    assert gate["admitted"] == 4


def test_a_gate_open_for_reading_takes_no_change(guest):
    opened(guest, "v1", "--read-only")
    asked = [f"{WRITE} {ONE_BLOCK}", f"{DISCARD} {ONE_BLOCK}", f"{ZEROES} {ONE_BLOCK}",
             f"{READ} {ONE_BLOCK}", FLUSH]
    assert results(guest, asked) == 3 * ["EROFS"] + 2 * ["OK"]
    assert show(guest, "v1")["rejected_read_only"] == 3


def test_who_may_not_write_the_device_can_read_and_flush_alone(guest):
    opened(guest, "v1")
    asked = [f"{WRITE} --read-only {ONE_BLOCK} --fill 7", f"{DISCARD} --read-only {ONE_BLOCK}",
             f"{READ} --read-only {ONE_BLOCK}", f"{FLUSH} --read-only"]
    assert results(guest, asked) == 2 * ["EBADF"] + 2 * ["OK"]
    guest.ok("grep -q ^nobody /etc/passwd || echo nobody:x:99:99::/:/bin/sh >>/etc/passwd")
    for option in "", "--read-only":
        text = guest.run(f"su nobody -c 'stamped read {DEVICE} {option} {ONE_BLOCK}'")[1]
        assert json.loads(text) == {"open": "EACCES"}
    guest.ok(f"chmod o+r {DEVICE}")
    text = guest.run(f"su nobody -c 'stamped read {DEVICE} --read-only {ONE_BLOCK}'")[1]
    assert json.loads(text)["res"] == "OK"
    assert raw(guest, 0, BLOCK) != filled(7, BLOCK)


def test_refused_stamps_are_traced(guest):
    trace = "/sys/kernel/tracing"
    opened(guest, "v1")
    guest.ok(f"echo 1 >{trace}/events/bfence/enable && echo >{trace}/trace")
    stamped(guest, f"write {ONE_BLOCK} --lineage 5.6")
    text = guest.ok(f"cat {trace}/trace; echo 0 >{trace}/events/bfence/enable")
    assert "bfence_reject: volume=v1 lineage=5.6 why=newer" in text


# --- bytes --------------------------------------------------------------------


# Command and what lies at its place then; a read says the byte that it saw.
WAYS = [
    ("write --length 4096 --offset 8192 --fill 17", 17),
    ("write --length 512 --offset 512 --fill 18", 18),
    ("write --length 1048576 --offset 1048576 --fill 19", 19),
    ("write --length 1048064 --offset 4194304 --fill 20 --skew 512", 20),
    ("write --length 4096 --offset 33550336 --fill 21", 21),
    ("write --length 4096 --offset 65536 --fill 22 --fixed", 22),
    ("write --length 1048576 --offset 5242880 --fill 23 --fixed --skew 512", 23),
    ("write --length 4096 --offset 69632 --fill 24 --async", 24),
    ("write --length 4096 --offset 73728 --fill 25 --flags 1", 25),
    ("write --length 4096 --offset 77824 --fill 26 --plain-cqe", 26),
    ("write_zeroes --length 8388608 --offset 1048576", 0),
]


def test_bytes_land_where_they_were_sent(guest):
    opened(guest, "v1")
    for command, byte in WAYS:
        words = dict(zip(command.split()[1::2], command.split()[2::2]))
        offset, length = int(words["--offset"]), int(words["--length"])
        back = f"read --length {min(length, 1 << 20)} --offset {offset} --fill 99"
        wrote, flushed, *backs = told(guest, [command, FLUSH, back, f"{back} --fixed"])
        assert (command, wrote["res"], wrote["bytes"]) == (command, "OK", length)
        assert (command, flushed["res"], flushed["bytes"]) == (command, "OK", 0)
        assert (command, raw(guest, offset, length)) == (command, filled(byte, length))
        assert (command, [(answer["byte"], answer["epoch"]) for answer in backs]) == \
            (command, [(byte, 1), (byte, 1)])


def test_a_flush_and_fua_reach_the_backing_device(guest):
    opened(guest, "v1")
    counts = [flushes(guest)]
    for command in (f"write {ONE_BLOCK}", FLUSH, f"write {ONE_BLOCK} --flags 1", FLUSH):
        assert stamped(guest, command)["res"] == "OK"
        counts.append(flushes(guest))
    assert [after - before for before, after in zip(counts, counts[1:])] == [0, 1, 1, 1]


def test_a_polled_ring_needs_a_device_that_polls(guest):
    opened(guest, "v1")
    assert stamped(guest, f"write --iopoll {ONE_BLOCK}")["res"] == "EOPNOTSUPP"
    assert stamped(guest, f"write --iopoll {ONE_BLOCK} --lineage 7.1")["res"] == "EAGAIN"
    try:
        guest.ok("modprobe null_blk nr_devices=1 queue_mode=2 poll_queues=1 memory_backed=1")
        guest.ok("""
	bfence attach polled r1 /dev/nullb0 && bfence fence polled 1.1 --wait
	bfence open polled 1.1
	""")
        *done, refused = told(guest, [
            f"write --iopoll {ONE_BLOCK} --fill 5 --count 100", f"read --iopoll {ONE_BLOCK}",
            f"read --iopoll --fixed {ONE_BLOCK}", "flush --iopoll",
            f"write --iopoll {ONE_BLOCK} --lineage 1.2"], "/dev/bfence-io/polled")
        for answer in done:
            assert (answer["res"], answer.get("byte", 5), answer["epoch"]) == ("OK", 5, 1)
        assert refused["res"] == "EAGAIN"
    finally:
        guest.ok("bfence close polled --wait; bfence detach polled; rmmod null_blk")


def test_who_asks_not_to_wait_is_served_by_a_worker(slow):
    """Few tags and a slow disk: most commands cannot be sent at once, and their
    places in the ring are used again before a worker sends them."""
    opened(slow, "v1")
    script(slow, f"echo 4 >/sys/block/$(basename $(readlink {backing('v1')}))/queue/nr_requests")
    throttle(slow, "v1", BLOCK)
    slow.spawn("nowait", f"stamped load {DEVICE} --run-id nowait --depth 32 --count 96")
    until("a worker", lambda: "iou-wrk" in slow.ok("cat /proc/[0-9]*/task/*/comm 2>/dev/null; true"))
    throttle(slow, "v1", 0)
    until("the writer has ended", lambda: "OK" in slow.log("nowait"), timeout=BOUND_S)
    assert json.loads(slow.log("nowait")) == {"OK": 96}
    until_idle(slow, "v1")
    assert set(slow.scan("v1", "nowait")) == set(range(96))


# --- hostile ------------------------------------------------------------------


HOSTILE = [
    ("write --length 4096 --small", "EINVAL"),
    ("write --length 4096 --cmd-op 1", "EINVAL"),
    ("write --length 4096 --cmd-op 2", "EINVAL"),
    ("write --length 4096 --cmd-op 0xffffffff", "EINVAL"),
    ("write --length 4096 --cmd-op 0x4050bf06", "EINVAL"),
    ("write --length 4096 --flags 2", "EINVAL"),
    ("write --length 4096 --flags 0x80000001", "EINVAL"),
    ("read --length 4096 --flags 1", "EINVAL"),
    ("write_zeroes --length 4096 --flags 1", "EINVAL"),
    *((f"write --length 4096 --reserved {word}", "EINVAL") for word in range(9)),
    ("write --length 4096 --lineage 0.1", "EINVAL"),
    ("write --length 4096 --lineage 1.0", "EINVAL"),
    ("write --length 4096 --lineage 18446744073709551615.1", "EAGAIN"),
    ("write --length 0", "EINVAL"),
    ("write --length 1", "EINVAL"),
    ("write --length 4096 --offset 1", "EINVAL"),
    ("write --length 4096 --skew 1", "EINVAL"),
    ("write --length 4096 --offset 33554432", "EINVAL"),
    ("write --length 8192 --offset 33550336", "EINVAL"),
    ("write --length 4096 --offset 0xfffffffffffff000", "EINVAL"),
    ("write --length 4096 --offset 0x7ffffffffffff000", "EINVAL"),
    ("discard --length 0x40000000", "EINVAL"),
    ("discard --length 0x40000200", "E2BIG"),
    ("discard --length 0xfffffffffffffe00 --offset 512", "E2BIG"),
    ("discard --length 4096 --addr 4096", "EINVAL"),
    ("discard --length 4096 --fixed", "EINVAL"),
    ("flush --length 4096", "EINVAL"),
    ("flush --offset 4096", "EINVAL"),
    ("flush --addr 4096", "EINVAL"),
    ("flush --flags 1", "EINVAL"),
    ("write --length 1049088", "E2BIG"),
    ("write --length 0xfffffffffffff000", "E2BIG"),
    ("write --length 0x100001000", "E2BIG"),
    ("write --length 1048576 --skew 512", "E2BIG"),
    ("write --length 4096 --addr 0", "EFAULT"),
    ("write --length 4096 --addr 4096", "EFAULT"),
    ("read --length 4096 --addr 0x7ffffffff000", "EFAULT"),
    ("write --length 4096 --addr 0xffff888000000000", "EFAULT"),
    ("write --length 4096 --addr 0xfffffffffffff000", "EFAULT"),
    ("write --length 4096 --addr 4096 --fixed", "EFAULT"),
    ("write --length 1048576 --addr 0xfffffffffff00000 --fixed", "EFAULT"),
]


def test_hostile_commands_are_refused_and_change_nothing(guest):
    opened(guest, "v1")
    before = raw(guest, 0, VOLUME_BYTES)
    heard = results(guest, [f"{command} --fill 13" for command, _ in HOSTILE])
    wrong = {command: answer for (command, expected), answer in zip(HOSTILE, heard)
             if answer != expected}
    assert (wrong, len(heard)) == ({}, len(HOSTILE))
    assert stamped(guest, FLUSH)["res"] == "OK"
    assert raw(guest, 0, VOLUME_BYTES) == before
    gate = show(guest, "v1")
    assert (gate["inflight"], gate["io_errors"], gate["admitted"]) == (0, 0, 1)


# Field, the other value, and what may be heard but success.
RACES = [
    ("epoch", 2, "EAGAIN"),
    ("offset", VOLUME_BYTES, "EINVAL"),
    ("length", 1 << 40, "E2BIG"),
    ("reserved", 1, "EINVAL"),
]


def test_a_command_that_changes_under_way_is_what_was_checked(guest):
    """Looked at twice, one would be checked and another sent: the block layer's
    error, a short result or bytes beyond the end would tell."""
    opened(guest, "v1")
    for field, bad, refused in RACES:
        counts = json.loads(guest.ok(f"stamped race {DEVICE} --field {field} --bad {bad} "
                                     f"{ONE_BLOCK} --count 3000 --fill 31"))
        assert set(counts) == {"OK", refused}, field
        assert sum(counts.values()) >= 3000
    assert show(guest, "v1")["io_errors"] == 0
    assert raw(guest, BLOCK, BLOCK) != filled(31, BLOCK)


# --- fences -------------------------------------------------------------------


def late_blocks(guest: Guest, run: str, volume: str = "v1") -> tuple[dict, set[int], dict]:
    """A fence under a stamped writer in full flight on a slow disk: the proof, the
    blocks that reached the raw file after it, and what the writer was told."""
    guest.spawn(run, f"stamped load /dev/bfence-io/{volume} --run-id {run} "
                f"--depth {DEPTH} --count 4096")
    until("I/O in flight", lambda: show(guest, volume)["inflight"] >= DEPTH // 2)
    proof = fence(guest, volume, "2.1", "--wait --drain-ms 30000")
    landed = set(guest.scan("v1", run))
    open_gate(guest, volume, "2.1")
    throttle(guest, "v1", 0)
    until("the writer has tried every block", lambda: "OK" in guest.log(run),
          timeout=BOUND_S)
    until_idle(guest, "v1")
    return proof, set(guest.scan("v1", run)) - landed, json.loads(guest.log(run))


def check_drained(proof: dict, late: set[int], heard: dict) -> None:
    assert late == set()
    assert (proof["state"], proof["epoch"], proof["inflight"]) == ("closed", 2, 0)
    assert proof["drained"] > 0
    assert proof["drain_ns"] >= proof["close_ns"] > 0
    assert set(heard) == {"OK", "ESTALE"}
    assert heard["OK"] >= proof["drained"]


def test_after_the_proof_no_older_stamped_byte_lands(slow):
    opened(slow, "v1")
    throttle(slow, "v1", SLOW)
    check_drained(*late_blocks(slow, "drain"))


def test_control_without_the_drain_older_stamped_bytes_land_later(lab_module):
    lab_module.ok("echo 1 >/sys/module/bfence/parameters/unsafe_no_drain")
    opened(lab_module, "v1")
    throttle(lab_module, "v1", SLOW // 8)  # longer in flight than a busy machine needs to look
    _, late, _ = late_blocks(lab_module, "no-drain")
    assert late


@pytest.fixture
def delayed(slow: Guest) -> Iterator[Guest]:
    """A gate "slow" on a disk that holds each write for a while, and that cannot be
    asked not to wait."""
    slow.ok(f"""
	modprobe dm-delay
	echo "0 $((32 << 11)) delay {backing("v1")} 0 0 {backing("v1")} 0 40" |
		dmsetup create slow
	dmsetup mknodes
	bfence attach slow r1 /dev/mapper/slow
	bfence fence slow 1.1 --wait && bfence open slow 1.1
	""")
    yield slow
    slow.ok("""
	bfence close slow --wait
	bfence detach slow && dmsetup remove slow
	""")


def test_the_same_over_a_device_that_delays_each_write(delayed):
    check_drained(*late_blocks(delayed, "delay", "slow"))


def test_what_was_submitted_before_a_fence_and_is_issued_after_is_refused(guest):
    opened(guest, "v1")
    script(guest, f"""
	rm -f /run/go && mkfifo /run/go
	stamped write {DEVICE} {ONE_BLOCK} --fill 41 --async --after /run/go >/run/late &
	sleep 0.5
	bfence fence v1 2.1 --wait && bfence open v1 2.1
	printf x >/run/go
	wait
	grep -q '"ESTALE", "bytes": -116, "epoch": 2' /run/late
	""")
    assert raw(guest, 0, BLOCK) != filled(41, BLOCK)


# --- coming and going ---------------------------------------------------------


def test_a_descriptor_outlives_its_gate_and_keeps_the_module(guest):
    opened(guest, "v1")
    script(guest, f"""
	exec 3<>{DEVICE}
	bfence close v1 --wait && bfence detach v1
	[ ! -e {DEVICE} ]
	refused stamped write fd:3 {ONE_BLOCK} >/run/told
	grep -q ENODEV /run/told
	# There is no way to it by name either.
	refused sh -c ': </proc/self/fd/3'
	refused rmmod bfence
	# The next gate of the volume is another one.
	bfence attach v1 r1 {backing("v1")} && bfence fence v1 1.1 --wait
	bfence open v1 1.1
	refused stamped write fd:3 {ONE_BLOCK} >/run/told
	grep -q ENODEV /run/told
	stamped write {DEVICE} {ONE_BLOCK}
	bfence close v1 --wait && bfence detach v1
	exec 3>&-
	rmmod bfence
	[ ! -e /sys/class/bfence ]
	modprobe bfence
	""")


def test_attach_and_detach_under_commands_leave_dmesg_clean(guest):
    script(guest, f"""
	for round in 1 2 3 4 5 6; do
		bfence attach v1 r1 {backing("v1")}
		bfence fence v1 $round.1 --wait && bfence open v1 $round.1
		stamped load {DEVICE} --lineage $round.1 --count 4000 >/run/load.$round &
		sleep 0.2
		bfence close v1 --wait
		bfence detach v1
		wait
	done >/dev/null
	cat /run/load.*
	rmmod bfence && modprobe bfence
	""", timeout=BOUND_S)
    heard = [json.loads(line) for line in guest.ok("cat /run/load.*").splitlines()]
    assert len(heard) == 6
    assert set().union(*heard) <= {"OK", "ENOLINK", "ENODEV"}
    guest.check_dmesg()


def test_of_two_gates_for_one_volume_one_gets_the_name(guest):
    script(guest, f"""
	for round in $(seq 10); do
		bfence attach v1 r1 {backing("v1")} >/dev/null 2>&1 & one=$!
		bfence attach v1 r1 {backing("v2")} >/dev/null 2>&1 & two=$!
		done=0
		if wait $one; then done=$((done + 1)); fi
		if wait $two; then done=$((done + 1)); fi
		[ $done = 1 ]
		[ -c {DEVICE} ]
		bfence detach v1 >/dev/null
	done
	refused sh -c 'dmesg | grep duplicate'
	""")


# --- by hand ------------------------------------------------------------------


def test_the_command_line_reads_writes_and_flushes(guest):
    opened(guest, "v1")
    before = flushes(guest)
    guest.ok("head -c 3000000 /dev/urandom >/run/noise; truncate -s 3145728 /run/noise")
    assert guest.json("bfence io write v1 /run/noise --lineage 1.1 --offset 4096 -j") == [
        {"volume": "v1", "offset": BLOCK, "bytes": 3 << 20, "gate_epoch": 1}]
    script(guest, """
	bfence io flush v1 --lineage 1.1
	bfence io read v1 --lineage 1.1 --offset 4096 --length 3145728 | cmp - /run/noise
	bfence io read v1 /run/back --lineage 1.1 --offset 4096 --length 3145728
	cmp /run/back /run/noise
	head -c 8192 /run/noise | bfence io write v1 --lineage 1.1 --length 4096 --fua
	""")
    assert flushes(guest) == before + 2
    assert raw(guest, 0, BLOCK) == raw(guest, BLOCK, BLOCK)


# What is asked of the volume v1, open at 2.1 while nothing else is attached.
SENTENCES = [
    ("read v1 --lineage 1.9 --length 4096", "older than the gate's authority (the gate's epoch is 2)"),
    ("read v1 --lineage 2.2 --length 4096", "newer than the gate knows"),
    ("read v1 --lineage 2.1 --length 100", "multiples of the device's block"),
    ("read v1 --lineage 2.1 --length 4096 --offset 33554432", "and end within it"),
    ("read v1 --lineage 2.1 --length 4096 -j", "the data must go to a FILE"),
    ("read v9 --lineage 2.1 --length 4096", "no gate is attached"),
    ("write v1 /run/short --lineage 2.1 --length 8192", "ends after 4096 bytes"),
    ("write v1 /run/none --lineage 2.1", "No such file"),
]


def test_refusals_of_the_command_line_are_sentences(guest):
    attach(guest, "v1", "--at 2.1")
    assert "the gate is closed" in guest.run("bfence io flush v1 --lineage 2.1")[1]
    open_gate(guest, "v1", "2.1")
    guest.ok("head -c 4096 /dev/zero >/run/short")
    for command, sentence in SENTENCES:
        status, text = guest.run(f"bfence io {command} >/dev/null")
        assert (command, status, sentence in text) == (command, 1, True)
    assert guest.run("bfence io read v1 --length 4096")[0] == 2

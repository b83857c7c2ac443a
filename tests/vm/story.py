# SPDX-License-Identifier: GPL-2.0
"""The main job as a story: what `make demo` tells and what the tests assert.

A step does one thing to the cluster and then reads the system: raw backing
files from outside, the kernels of other hosts, their counters and logs. What
it reads must be as it says, or the step raises; what held is told to `say`.
It must never believe a daemon about what that daemon itself has done.
"""
from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Callable

from cluster import HOSTS, PLAIN, VOLUMES, Cluster, is_open_at, lineage_of
from lab import Guest, LabError, until

VOLUME = "v1"
MIRROR = f"/dev/md/{VOLUME}"
BLOCK_BYTES = 4096
NS_PER_S = 10**9

# Which blocks of the volume belong to whom. No run meets another's, but that of
# a primary cut off comes last and writes over the pattern, and what a zombie has
# on its own disk alone (OWN) ends with its rejoin.
PATTERN = (0, 1000)
ZOMBIE = {"running": (1000, 2500), "frozen": (4000, 2500), "cut": (0, 900)}
SUCCESSOR = {"running": (3500, 400), "frozen": (6500, 400), "cut": (900, 100)}
OWN = (7000, 1000)
STEADY = (7000, 1000)
DEPTH = 16
STUBBORN = 50  # writes of guest/stubborn.sh to each disk
LIBRARY = ". /usr/lib/bfence/nvmet.sh"
PLAIN_NQN = "nqn.2026-11.bfence:plain"


@dataclass
class Zombie:
    """A primary that was paused with a writer in full flight."""
    clock: str  # "running" (SIGSTOP), "frozen" (QMP stop) or "cut" (off the master)
    host: str
    disk: str
    lineage: str
    run: str
    acked: set[int] = field(default_factory=set)
    lawful: dict[str, set[int]] = field(default_factory=dict)  # by host, at the fence
    own: set[int] = field(default_factory=set)  # past the mirror, at the pause
    plain: set[int] = field(default_factory=set)
    paused_at: float = 0.0
    pause_seconds: float = 0.0
    closed_at: float = 0.0


def tell_nobody(_text: str) -> None:
    pass


class Story:
    def __init__(self, cluster: Cluster, say: Callable[[str], None] = tell_nobody):
        self.cluster = cluster
        self.say = say
        self.zombie: Zombie

    def holds(self, sentence: str, fact: object) -> None:
        if not fact:
            raise LabError(f"not so: {sentence}")
        self.say(f"ok: {sentence}")

    # -- who is who ---------------------------------------------------------

    def guest(self, host: str) -> Guest:
        return self.cluster.hosts[host]

    def primary(self) -> str:
        return self.cluster.line(VOLUME)["primary_host"]

    def others(self, *hosts: str) -> list[str]:
        return [host for host in HOSTS if host not in hosts]

    # -- steps: a healthy cluster -------------------------------------------

    def create_volumes(self) -> None:
        self.cluster.create_volumes()
        lines = self.cluster.lines()
        for volume, line in lines.items():
            self.say(f"{volume}: lineage {lineage_of(line)}, primary "
                     f"{line['primary']} on {line['primary_host']}")
        self.holds("three volumes, each with its primary on another host",
                   {line["primary_host"] for line in lines.values()} == set(HOSTS))
        self.holds("all nine gates are open in their kernels at the master's lineage",
                   len(lines) == len(VOLUMES) and self.cluster.is_settled())

    def show_gates(self) -> None:
        for host in HOSTS:
            self.say(f"{host}# bfence show")
            for line in self.guest(host).ok("bfence show").splitlines():
                self.say("    " + line)

    def write_pattern(self) -> None:
        """md raid1 over the primary's disk and its peers' by NVMe/TCP."""
        host = self.primary()
        self._mirror(host, self.others(host), "--create ")
        start, count = PATTERN
        self._write(host, "pattern", PATTERN)
        verdict = self.guest(host).json(f"iogen verify {MIRROR} --run-id pattern "
                                        f"--from {start} --count {count}")
        self.holds(f"{count} blocks written with O_DIRECT and read back on {host}",
                   verdict == {"good": count, "missing": 0, "bad": 0})
        for name in HOSTS:
            self.holds(f"{count} sound blocks on the raw file of {name}",
                       len(self.guest(name).scan(VOLUME, "pattern")) == count)

    # -- steps: a zombie ----------------------------------------------------

    def pause_primary(self, clock: str) -> None:
        """In the middle of its writes. Beside the mirror's writer there is one on its
        own disk alone, and for the control one that has no bfence under it."""
        host = self.primary()
        guest = self.guest(host)
        zombie = self.zombie = self._zombie(host, clock)
        start, count = OWN
        guest.spawn("own", f"exec iogen write /dev/{zombie.disk} --run-id own-{clock} "
                    f"--from {start} --count {count} --depth 1 --rate 100 --keep-going")
        self._start_writer(zombie, rate=800)
        if clock == "running":
            self._start_plain_writer(host)
        until("its writers are busy", lambda: self._is_busy(zombie, 200))
        zombie.paused_at = time.monotonic()
        if clock == "running":
            guest.sigstop()
        else:
            guest.stop()
        zombie.acked = set(guest.acks(VOLUME, zombie.run))
        zombie.own = set(guest.scan(VOLUME, f"own-{clock}"))
        self.say(f"{host} is primary at {zombie.lineage}; paused, its clock {clock}, with a "
                 f"writer {DEPTH} deep, after {len(zombie.acked)} acknowledged writes")

    def await_failover(self) -> None:
        """A new line, fenced on a majority without the zombie."""
        zombie, cluster = self.zombie, self.cluster
        epoch = int(zombie.lineage.split(".")[0])

        def failed_over() -> dict | None:
            line = cluster.line(VOLUME)
            return line if line["epoch"] > epoch and line["state"] == "open" else None

        line = until("the master fails over", failed_over, 60)
        seconds = time.monotonic() - zombie.paused_at
        lineage, host = lineage_of(line), line["primary_host"]
        self.say(f"{seconds:.1f} s after the pause: lineage {lineage}, "
                 f"primary {line['primary']} on {host}")
        self.holds(f"one epoch more: {zombie.lineage} is now {lineage}",
                   line["epoch"] == epoch + 1 and host != zombie.host)
        for name in self.others(zombie.host):
            until(f"{name} is open at {lineage}",
                  lambda: is_open_at(cluster.gate(name, VOLUME), lineage))
            gate = cluster.gate(name, VOLUME)
            self.holds(f"the kernel of {name} refuses all but {lineage} "
                       f"(drained {gate['drained']} I/O in {gate['drain_ns'] // 1000} us)",
                       lineage_of(gate) == lineage and gate["inflight"] == 0)
            zombie.lawful[name] = set(self.guest(name).scan(VOLUME, zombie.run))
        if zombie.clock == "running":
            zombie.plain = set(self._plain_guest().scan(PLAIN, zombie.run))

    def take_over(self) -> None:
        """The new primary finds what was acknowledged, and writes."""
        zombie, host = self.zombie, self.primary()
        guest = self.guest(host)
        self._mirror(host, self.others(host, zombie.host))
        found = set(self._scan_mirror(host, zombie.run))
        self.holds(f"{host} finds all {len(zombie.acked)} blocks that were acknowledged "
                   "before the pause", zombie.acked <= found)
        run = f"after-{zombie.clock}"
        self._write(host, run, SUCCESSOR[zombie.clock])
        for name in self.others(zombie.host):
            self.holds(f"{SUCCESSOR[zombie.clock][1]} new blocks on the raw file of {name}",
                       len(self.guest(name).scan(VOLUME, run)) == SUCCESSOR[zombie.clock][1])

    def wake_zombie(self) -> None:
        """It writes on, to its mirror and past it; and nothing of it lands."""
        zombie = self.zombie
        guest = self.guest(zombie.host)
        before = {name: self._refused(name) for name in zombie.lawful}
        zombie.pause_seconds = time.monotonic() - zombie.paused_at
        woken_at = time.monotonic()
        if zombie.clock == "running":
            guest.sigcont()
        else:
            guest.cont()
        until("the zombie's own gate is closed to it", self._own_gate_is_shut, 60)
        self.say(f"{zombie.host} woke after {zombie.pause_seconds:.1f} s; its own gate "
                 f"was shut {time.monotonic() - woken_at:.1f} s later at the latest")
        self._be_stubborn()
        self._count_refusals(before)
        self._read_raw_files(woken_at)
        if zombie.clock == "running":
            self._control_without_bfence()
        for name, place in (("zombie", "the mirror"), ("own", "its own disk")):
            guest.kill(name)
            errors = json.loads(guest.log(name).splitlines()[-1])["errors"]
            self.holds(f"its writer on {place} was told: {errors}", errors)

    def rejoin(self) -> None:
        """The zombie comes back as a candidate and gets the truth."""
        zombie, cluster = self.zombie, self.cluster
        guest, host = self.guest(zombie.host), self.primary()
        lineage = lineage_of(cluster.line(VOLUME))
        until(f"{zombie.host} is fenced and open at {lineage}",
              lambda: is_open_at(cluster.gate(zombie.host, VOLUME), lineage), 60)
        guest.ok(f"rejoin.sh {VOLUME}")
        self.guest(host).ok(f"leg.sh {VOLUME} {cluster.peer(VOLUME, zombie.host)}", 120)
        for name in self.others(zombie.host):
            self.guest(name).ok(f"rejoin.sh {VOLUME}")
        known = set().union(*zombie.lawful.values())
        left = set(guest.scan(VOLUME, zombie.run)) - known
        left |= set(guest.scan(VOLUME, f"own-{zombie.clock}"))
        self.holds(f"nothing that only the zombie had is left on {zombie.host}", not left)
        self.holds("the three raw files hold the same bytes", self._raw_files_are_equal())
        self.check_logs()

    # -- steps: a partition -------------------------------------------------

    def cut_off_primary(self) -> None:
        """From the master alone: its peers hear it, so its lease must end it."""
        lab, host = self.cluster.lab, self.primary()
        self.zombie = self._zombie(host, "cut")
        self._start_writer(self.zombie, rate=100)
        until("its writer is busy", lambda: self._is_busy(self.zombie, 50))
        self.zombie.acked = set(self.guest(host).acks(VOLUME, self.zombie.run))
        self.zombie.paused_at = time.monotonic()
        lab.cut(host, "master")
        lab.cut("master", host)
        until("its own gate is closed to it", self._own_gate_is_shut)
        self.zombie.closed_at = self._changed_at(host)
        self.say(f"{host} closed itself "
                 f"{self.zombie.closed_at - self.zombie.paused_at:.1f} s after the cut")

    def compare_times(self) -> None:
        opened_at = self._changed_at(self.primary())
        self.holds(f"{opened_at - self.zombie.closed_at:.1f} s after the old primary closed "
                   "the new one opened", opened_at > self.zombie.closed_at)

    def count_lost_writes(self) -> None:
        """A mirror goes on with the legs that are left, be it its own alone; what it
        acknowledged so is the price of a consumer without a majority rule."""
        zombie = self.zombie
        guest = self.guest(zombie.host)
        guest.kill("zombie")
        later = set(guest.acks(VOLUME, zombie.run)) - zombie.acked
        lost = later - set(self._scan_mirror(self.primary(), zombie.run))
        self.say(f"of {len(later)} writes that {zombie.host} acknowledged after the cut, "
                 f"{len(lost)} had found a majority of gates closed and are lost")

    def heal(self) -> None:
        lab, host = self.cluster.lab, self.zombie.host
        lab.join(host, "master")
        lab.join("master", host)
        until("the host is back", self.cluster.is_connected)

    # -- steps: the master --------------------------------------------------

    def kill_master(self) -> None:
        """While the primary writes; it must not notice."""
        cluster, host = self.cluster, self.primary()
        guest = self.guest(host)
        before = self._authority()
        start, count = STEADY
        guest.spawn("steady", f"exec iogen write {MIRROR} --run-id steady --from {start} "
                    f"--count {count} --depth 4 --rate 100 "
                    f"--ack-file /dev/virtio-ports/acks-{VOLUME}")
        until("the writer is busy", lambda: len(guest.acks(VOLUME, "steady")) > 50)
        cluster.kill_master()
        at_kill = len(guest.acks(VOLUME, "steady"))
        cluster.start_master()
        until("the hosts are back", cluster.is_connected)
        at_return = len(guest.acks(VOLUME, "steady"))
        self.say(f"master killed and started again; {at_return - at_kill} writes on "
                 f"{host} meanwhile")
        until("the lines are served again", cluster.is_settled)
        after = self._authority()
        self.holds("the same lines came back, nothing was minted: " + ", ".join(
            f"{volume} {lineage_of(line)}" for volume, line in after.items()),
            before == after)
        summary = until("the writer is done", lambda: guest.log("steady"))
        gap = self._longest_gap(guest.acks(VOLUME, "steady"))
        self.holds(f"I/O on {host} never stopped: {count} writes through a lease and "
                   f"more, no error, longest gap {gap:.2f} s",
                   json.loads(summary) == {"issued": count, "acked": count, "errors": {}}
                   and gap < self.cluster.timing.lease_ms / 1000)

    def check_logs(self) -> None:
        for guest in self.cluster.guests():
            guest.check_dmesg()
        self.say("ok: no kernel of the four complains")

    def check_health(self) -> None:
        """What a scenario begins with; it fails when an earlier one has failed."""
        mirror = self.guest(self.primary()).ok("cat /proc/mdstat")
        if not self.cluster.is_settled() or "[3/3]" not in mirror:
            raise LabError(f"the cluster is not healthy to begin with:\n{mirror}")

    # -- how ----------------------------------------------------------------

    def _mirror(self, host: str, peers: list[str], option: str = "") -> None:
        names = " ".join(self.cluster.peer(VOLUME, peer) for peer in peers)
        self.guest(host).ok(f"primary.sh {option}{VOLUME} {names}", 120)
        state = self.guest(host).ok("cat /proc/mdstat").split("blocks", 1)[1]
        self.say(f"{host} joined its disk and {names} by NVMe/TCP: "
                 f"{state.split(']', 2)[1].strip()}]")

    def _write(self, host: str, run: str, blocks: tuple[int, int]) -> None:
        start, count = blocks
        self.guest(host).ok(f"iogen write {MIRROR} --run-id {run} --from {start} "
                            f"--count {count} --depth 16", 120)

    def _scan_mirror(self, host: str, run: str) -> list[int]:
        blocks = self.guest(host).json(f"iogen scan {MIRROR} --run-id {run}")
        return [block["sequence"] for block in blocks if block["good"]]

    def _authority(self) -> dict[str, dict]:
        keys = ("epoch", "endpoint_version", "primary", "primary_host", "write_seq")
        return {volume: {key: line[key] for key in keys}
                for volume, line in self.cluster.lines().items()}

    def _zombie(self, host: str, clock: str) -> Zombie:
        gate = self.cluster.gate(host, VOLUME)
        return Zombie(clock, host, gate["disk"], lineage_of(gate), f"zombie-{clock}")

    def _start_writer(self, zombie: Zombie, rate: int) -> None:
        start, count = ZOMBIE[zombie.clock]
        self.guest(zombie.host).spawn(
            "zombie", f"exec iogen write {MIRROR} --run-id {zombie.run} "
            f"--lineage {zombie.lineage} --from {start} --count {count} "
            f"--depth {DEPTH} --rate {rate} --keep-going "
            f"--ack-file /dev/virtio-ports/acks-{VOLUME}")

    # A control: the same zombie, a disk that it reaches without bfence.

    def _plain_guest(self) -> Guest:
        return self.guest(self.others(self.zombie.host)[0])

    def _start_plain_writer(self, host: str) -> None:
        target = self._plain_guest()
        target.ok(f"{LIBRARY}; nvmet_start {target.address} && "
                  f"nvmet_export {PLAIN_NQN} /dev/disk/by-id/virtio-{PLAIN}")
        disk = self.guest(host).ok(
            f"{LIBRARY}; nvme_connect {PLAIN_NQN} {target.address}").split()[-1]
        self.guest(host).spawn(
            "plain", f"exec iogen write {disk} --run-id {self.zombie.run} --depth 4 "
            f"--rate 100 --keep-going --ack-file /dev/virtio-ports/acks-{PLAIN}")

    def _control_without_bfence(self) -> None:
        zombie, target = self.zombie, self._plain_guest()
        landed = until("the plain writer goes on", lambda: set(
            target.scan(PLAIN, zombie.run)) - zombie.plain)
        self.guest(zombie.host).kill("plain")
        self.guest(zombie.host).ok(f"{LIBRARY}; nvme_disconnect "
                                   f"$(nvme_controllers {PLAIN_NQN})")
        self.holds(f"the control: on a plain export without bfence {len(landed)} of the "
                   "zombie's late blocks landed already", landed)

    def _is_busy(self, zombie: Zombie, acked: int) -> bool:
        guest = self.guest(zombie.host)
        if zombie.clock == "running" and len(guest.acks(PLAIN, zombie.run)) < 20:
            return False
        return len(guest.acks(VOLUME, zombie.run)) >= acked

    # What the zombie tries, and what became of it.

    def _own_gate_is_shut(self) -> bool:
        gate = self.cluster.gate(self.zombie.host, VOLUME)
        return gate["state"] != "open" or lineage_of(gate) != self.zombie.lineage

    def _be_stubborn(self) -> None:
        zombie = self.zombie
        peers = " ".join(self.cluster.peer(VOLUME, name) for name in zombie.lawful)
        answers = self.guest(zombie.host).ok(
            f"stubborn.sh {VOLUME} {zombie.lineage} stubborn-{zombie.clock} "
            f"{zombie.disk} {peers}", 180).splitlines()
        results = dict(zip([zombie.host, *zombie.lawful], map(json.loads, answers)))
        for name, result in results.items():
            tried = 1 if name == zombie.host else STUBBORN  # its dead disk: no open
            self.holds(f"the zombie writes straight to {name}: refused, "
                       f"{result['errors']}", result["acked"] == 0
                       and sum(result["errors"].values()) == tried)

    def _count_refusals(self, before: dict[str, int]) -> None:
        for name, count in before.items():
            grown = self._refused(name) - count
            self.holds(f"the gate of {name} counted {grown} stale I/O", grown >= STUBBORN)
        answers = self.guest(self.zombie.host).ok("dmesg | grep 'I/O Error (sct' || true")
        self.holds("the zombie's kernel was told not to retry", " DNR" in answers)

    def _refused(self, host: str) -> int:
        return self.cluster.gate(host, VOLUME)["rejected_stale"]

    def _read_raw_files(self, woken_at: float) -> None:
        zombie = self.zombie
        known = set().union(*zombie.lawful.values())
        for name in zombie.lawful:
            late = set(self.guest(name).scan(VOLUME, zombie.run)) - known
            late |= set(self.guest(name).scan(VOLUME, f"stubborn-{zombie.clock}"))
            self.holds(f"no late block of the zombie on the raw file of {name}", not late)
        own = self.guest(zombie.host)
        alone = own.scan(VOLUME, f"own-{zombie.clock}")
        stubborn = own.scan(VOLUME, f"stubborn-{zombie.clock}")
        if zombie.clock == "frozen":
            self.say(f"{zombie.host}'s own disk took {len(set(alone) - zombie.own)} more "
                     "writes until the fence reached it: no clock of its own told it")
            self.holds("and none after that", not stubborn)
            return
        # Half of the pause is margin enough between before and after.
        boottime = own.uptime() - (time.monotonic() - woken_at)
        middle = (boottime - zombie.pause_seconds / 2) * NS_PER_S
        issued = [*alone.values(), *own.scan(VOLUME, zombie.run).values()]
        late = [moment for moment in issued if moment > middle]
        gate = self.cluster.gate(zombie.host, VOLUME)
        refused = gate["rejected_lease"] + gate["rejected_closed"] + gate["rejected_stale"]
        self.holds(f"and none on {zombie.host}'s own, whose lease had run out: its gate "
                   f"refused {refused}", refused and not late and not stubborn)

    def _changed_at(self, host: str) -> float:
        """When the gate came into its state: its kernel's clock, told in ours."""
        gate = self.cluster.gate(host, VOLUME)
        return gate["since_ns"] / NS_PER_S + time.monotonic() - self.guest(host).uptime()

    # Raw bytes.

    def _raw_files_are_equal(self) -> bool:
        size = int(self.guest(self.primary()).ok(
            f"blockdev --getsize64 {MIRROR}"))
        sums = set()
        for host in HOSTS:
            with self.guest(host).backing(VOLUME).open("rb") as raw:
                sums.add(hashlib.sha256(raw.read(size)).hexdigest())
        return len(sums) == 1

    @staticmethod
    def _longest_gap(acks: dict[int, int]) -> float:
        times = sorted(acks.values())
        return max(b - a for a, b in zip(times, times[1:])) / NS_PER_S


# -- scenarios: lists of steps ----------------------------------------------

Scenario = list[tuple[str, list[Callable[[], None]]]]


def beginning(story: Story) -> Scenario:
    return [
        ("One master, three hosts: boot and start", [story.cluster.start]),
        ("Three volumes over three hosts", [story.create_volumes, story.show_gates]),
        (f"A checksummed pattern on {VOLUME}", [story.write_pattern]),
    ]


def zombie(story: Story, clock: str) -> Scenario:
    how = {"running": "its clock runs on (SIGSTOP)",
           "frozen": "its clock is frozen (QMP stop)"}[clock]
    return [
        (f"The primary becomes a zombie; {how}", [lambda: story.pause_primary(clock)]),
        ("The master fails over", [story.await_failover]),
        ("The new primary takes over", [story.take_over]),
        ("The zombie wakes", [story.wake_zombie]),
        ("The zombie rejoins", [story.rejoin, story.show_gates]),
    ]


def partition(story: Story) -> Scenario:
    return [
        ("The primary is cut off from the master", [story.cut_off_primary]),
        ("The master fails over", [story.await_failover, story.compare_times]),
        ("The new primary takes over", [story.take_over, story.count_lost_writes]),
        ("The cut is healed", [story.heal, story.rejoin]),
    ]


def master_restart(story: Story) -> Scenario:
    return [("The master is killed and started again",
             [story.kill_master, story.check_logs])]


def play(scenario: Scenario) -> None:
    for _title, steps in scenario:
        for step in steps:
            step()

# SPDX-License-Identifier: GPL-2.0
"""A bfence cluster in the lab: one master, three replica hosts, their daemons.

    with Lab() as lab:
        cluster = Cluster(lab)
        cluster.start()
        cluster.create_volumes()
        cluster.line("v1")              # what the master says
        cluster.gate("host-a", "v1")    # what that host's kernel says

It talks to bfence as an operator would, by its CLI alone. It must never know
what a test wants to prove.
"""
from __future__ import annotations

import secrets
from dataclasses import dataclass

from lab import Guest, Lab, LabError, until

HOSTS = ["host-a", "host-b", "host-c"]
VOLUMES = ["v1", "v2", "v3"]
PLAIN = "plain"  # a disk that no gate guards, for control experiments
VOLUME_MIB = 32
PLAIN_MIB = 16


@dataclass(frozen=True)
class Timing:
    """Shorter than the defaults, to save the reader's time."""
    heartbeat_ms: int = 500
    freshness_ms: int = 4000
    lease_ms: int = 5000
    retry_ms: int = 1000

    def lines(self) -> str:
        return "".join(f"{name}={value}\n" for name, value in vars(self).items())


class Cluster:
    def __init__(self, lab: Lab, timing: Timing = Timing()):
        self.lab = lab
        self.timing = timing
        self.keys = {host: secrets.token_hex(32) for host in HOSTS}
        sizes = {name: VOLUME_MIB for name in VOLUMES} | {PLAIN: PLAIN_MIB}
        self.master = lab.add("master", cpus=1)
        self.hosts = {name: lab.add(name, volumes=sizes) for name in HOSTS}

    def start(self) -> None:
        self.lab.boot()
        if self.master.run("command -v bfence && command -v bfenced")[0] != 0:
            raise LabError("bfence or bfenced is not built: run make")
        self.start_master()
        for name in HOSTS:
            self.hosts[name].ok("modprobe bfence")
            self.start_replica(name)
            self.hosts[name].spawn("export", "exec export.sh " +
                                   self.hosts[name].address)
        until("all hosts are connected", self.is_connected)

    # -- daemons ------------------------------------------------------------

    def start_master(self) -> None:
        master = self.master
        master.put("/etc/bfence/keys", "".join(
            f"{host} {key}\n" for host, key in self.keys.items()), 0o600)
        master.put("/etc/bfence/master.conf",
                   "[master]\n"
                   "store=/var/lib/bfence/master\n"
                   f"listen={master.address}:7420\n"
                   "socket=/run/bfence/master.sock\n"
                   "keys=/etc/bfence/keys\n" + self.timing.lines())
        master.ok("mkdir -p /run/bfence /var/lib/bfence/master")
        master.spawn("bfenced", "exec bfenced master --config /etc/bfence/master.conf")
        until("the master answers", lambda: master.run("bfence cluster status")[0] == 0)

    def kill_master(self) -> None:
        self.master.kill("bfenced", "KILL")

    def start_replica(self, name: str) -> None:
        host = self.hosts[name]
        host.put("/etc/bfence/host.key", f"{name} {self.keys[name]}\n", 0o600)
        host.put("/etc/bfence/replica.conf",
                 "[replica]\n"
                 f"host={name}\n"
                 f"master={self.master.address}:7420\n"
                 "key=/etc/bfence/host.key\n"
                 "store=/var/lib/bfence/replica\n"
                 f"data_addr={host.address}:4420\n"
                 f"ctrl_addr={host.address}:7421\n"
                 "[volumes]\n" + "".join(
                     f"{volume}=/dev/disk/by-id/virtio-{volume}\n"
                     for volume in VOLUMES))
        host.ok("mkdir -p /run/bfence /var/lib/bfence/replica")
        host.spawn("bfenced", "exec bfenced replica --config /etc/bfence/replica.conf")

    # -- what the system says -----------------------------------------------

    def create_volumes(self) -> None:
        for volume in VOLUMES:
            self.master.ok(f"bfence volume create {volume} {' '.join(HOSTS)}")
        until("all volumes are open everywhere", self.is_settled, 60)

    def lines(self) -> dict[str, dict]:
        """What the master says, by volume."""
        return {line["volume"]: line
                for line in self.master.json("bfence volume list -j")}

    def gates(self, host: str) -> dict[str, dict]:
        """What a host's kernel says, by volume."""
        return {gate["volume"]: gate
                for gate in self.hosts[host].json("bfence show -j")}

    def line(self, volume: str) -> dict:
        return self.lines()[volume]

    def gate(self, host: str, volume: str) -> dict:
        """Empty while the host has no gate for the volume."""
        return self.gates(host).get(volume, {})

    def is_connected(self) -> bool:
        hosts = self.master.json("bfence host list -j")
        return all(host["connected"] for host in hosts)

    def is_settled(self) -> bool:
        """Master and all three kernels agree, and every gate is open."""
        lines = self.lines()
        if any(line["state"] != "open" for line in lines.values()):
            return False
        gates = [self.gates(host) for host in HOSTS]
        return all(is_open_at(on_host.get(volume, {}), lineage_of(line))
                   for on_host in gates for volume, line in lines.items())

    def peer(self, volume: str, host: str) -> str:
        """As the lab's scripts name it: "r2@10.77.0.3"."""
        slot = next(s for s in self.line(volume)["slots"] if s["host"] == host)
        return f"{slot['replica']}@{self.hosts[host].address}"

    def guests(self) -> list[Guest]:
        return [self.master, *self.hosts.values()]


def is_open_at(gate: dict, lineage: str) -> bool:
    return gate.get("state") == "open" and lineage_of(gate) == lineage


def lineage_of(line_or_gate: dict) -> str:
    """"7.2"; "0.0" for what has no lineage yet."""
    return (f"{line_or_gate.get('epoch', 0)}."
            f"{line_or_gate.get('endpoint_version', 0)}")

# SPDX-License-Identifier: GPL-2.0
"""The daemons' refusals beside a real kernel: master and replica on one guest.

Each refusal is one sentence and exit code 1, and no gate comes of it.
"""
from __future__ import annotations

from typing import Iterator

import pytest

from lab import Guest, until

KEY, OTHER = "11" * 32, "22" * 32
MASTER = """[master]
store=/tmp/daemons/master
listen=127.0.0.1:7420
socket=/tmp/daemons/master.sock
keys=/tmp/daemons/keys
"""
REPLICA = """[replica]
host=host-a
master=127.0.0.1:7420
key=/tmp/daemons/host.key
store=/tmp/daemons/replica
data_addr=127.0.0.1:4420
ctrl_addr=127.0.0.1:7421
[volumes]
v1=/dev/disk/by-id/virtio-v1
"""
RUN_REPLICA = "bfenced replica --config /tmp/daemons/replica.conf"


@pytest.fixture
def host(guest: Guest) -> Iterator[Guest]:
    """A guest with a master that knows host-a by KEY."""
    guest.ok("rm -rf /tmp/daemons /run/master.log /run/replica.log && mkdir -p /tmp/daemons")
    guest.put("/tmp/daemons/keys", f"host-a {KEY}\nhost-b {KEY}\nhost-c {KEY}\n", 0o600)
    guest.put("/tmp/daemons/master.conf", MASTER)
    guest.put("/tmp/daemons/host.key", f"host-a {KEY}\n", 0o600)
    guest.put("/tmp/daemons/replica.conf", REPLICA)
    guest.spawn("master", "exec bfenced master --config /tmp/daemons/master.conf")
    until("the master answers", lambda: cli(guest, "cluster status")[0] == 0)
    yield guest
    guest.kill("master")


def cli(guest: Guest, words: str) -> tuple[int, str]:
    return guest.run(f"BFENCE_SOCKET=/tmp/daemons/master.sock bfence {words}")


def refusal(guest: Guest, command: str) -> str:
    """The one sentence of a command that must fail with 1 and change nothing."""
    before = guest.json("bfence show -j")
    code, said = guest.run(f"timeout 20 {command} 2>&1")
    assert code == 1, said
    assert guest.json("bfence show -j") == before
    sentences = [line for line in said.splitlines() if line.startswith("bfenced: ")]
    assert len(sentences) == 1, said
    return sentences[0]


def test_a_replica_with_a_wrong_key_is_refused(host: Guest) -> None:
    host.put("/tmp/daemons/host.key", f"host-a {OTHER}\n", 0o600)
    said = refusal(host, RUN_REPLICA)
    assert "host.key" in said and "wrong key or unknown host" in said
    assert "claims to be host-a: wrong key" in host.ok("cat /run/master.log")
    host.put("/tmp/daemons/host.key", f"host-a {KEY}\n", 0o600)
    host.spawn("replica", f"exec {RUN_REPLICA}")
    until("the right key is taken",
          lambda: "host-up host=host-a" in host.ok("cat /run/master.log"))
    host.kill("replica")


def test_a_key_that_others_may_read_is_refused(host: Guest) -> None:
    host.ok("chmod 644 /tmp/daemons/host.key")
    assert "host.key" in refusal(host, RUN_REPLICA)


def test_a_damaged_replica_config_is_named_with_its_line(host: Guest) -> None:
    host.put("/tmp/daemons/replica.conf", REPLICA + "v2=relative/path\n")
    assert "replica.conf:10: " in refusal(host, RUN_REPLICA)


def test_a_second_agent_on_the_floor_log_is_refused_with_the_pid(host: Guest) -> None:
    host.spawn("replica", f"exec {RUN_REPLICA}")
    until("the first agent is up",
          lambda: "host-up host=host-a" in host.ok("cat /run/master.log"))
    pid = host.ok("cat /run/replica.pid").strip()
    said = refusal(host, RUN_REPLICA)
    assert "/tmp/daemons/replica" in said and pid in said
    host.kill("replica")


def test_the_agent_brings_the_module_with_it(host: Guest) -> None:
    host.ok("modprobe -r bfence")
    assert "bfence" not in host.ok("cat /proc/modules")
    host.spawn("replica", f"exec {RUN_REPLICA}")
    until("the agent is up",
          lambda: "host-up host=host-a" in host.ok("cat /run/master.log"))
    assert "bfence" in host.ok("cat /proc/modules")
    host.kill("replica")


def test_a_wrong_backing_path_is_said_and_shown_and_harms_no_other(host: Guest) -> None:
    host.put("/tmp/daemons/replica.conf", REPLICA + "v2=/dev/disk/by-id/no-such-disk\n")
    for volume in ("v1", "v2"):
        host.ok("BFENCE_SOCKET=/tmp/daemons/master.sock bfence volume create "
                f"{volume} host-a host-b host-c")
    host.spawn("replica", f"exec {RUN_REPLICA}")
    until("the good volume is attached",
          lambda: [gate["volume"] for gate in host.json("bfence show -j")] == ["v1"])
    until("the bad one is reported", lambda: slot_of(host, "v2").get("backing_ok") is False)
    assert slot_of(host, "v1")["backing_ok"] is True
    assert "no-such-disk" in host.ok("cat /run/replica.log") \
        or "does not exist" in host.ok("cat /run/replica.log")
    host.kill("replica")


def slot_of(host: Guest, volume: str) -> dict:
    shown = host.json("BFENCE_SOCKET=/tmp/daemons/master.sock "
                      f"bfence volume show {volume} -j")
    return shown[0]["slots"][0]

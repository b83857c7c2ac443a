# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the VM ring: `guest`, one machine with the module and the CLI.

Between two tests the guest loses its gates and its background processes, and
its kernel log must be clean. What a fixture misses fails; nothing is skipped.
"""
from __future__ import annotations

from typing import Iterator

import pytest

from lab import VERSION, Guest, Lab, LabError

collect_ignore = [] if VERSION in ("debug", "kcsan") else ["test_watch.py"]
VOLUME_MIB = 32
VOLUMES = ["v1", "v2", "v3", "v4"]


@pytest.fixture(scope="session")
def machine() -> Iterator[Guest]:
    """A guest for gate tests: disks /dev/disk/by-id/virtio-v1 to -v4."""
    with Lab() as lab:
        guest = lab.add("guest", volumes={name: VOLUME_MIB for name in VOLUMES})
        lab.boot()
        if guest.run("command -v bfence && modinfo bfence")[0] != 0:
            raise LabError("bfence or bfence.ko is not built: run make")
        yield guest


def clean(guest: Guest) -> None:
    """Back to a machine with the module loaded and nothing attached."""
    guest.ok("""
	for pid in /run/*.pid; do
		[ -e "$pid" ] || continue
		kill -s KILL -- "-$(cat "$pid")" 2>/dev/null
		rm -f "$pid"
	done
	gates.sh | while read -r volume _; do
		bfence close "$volume" --force --wait 2>/dev/null
		bfence detach "$volume" --force || exit 1
	done
	""")


@pytest.fixture
def guest(machine: Guest) -> Iterator[Guest]:
    """The machine with the module loaded and no gate."""
    if not machine.is_on():
        machine.boot()
    machine.ok("modprobe bfence && dmesg -c >/dev/null")
    yield machine
    try:
        machine.check_dmesg()
        clean(machine)
        machine.check_dmesg()
    except LabError:
        machine.power_kill()  # the next test begins on a fresh one
        raise

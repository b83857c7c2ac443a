# SPDX-License-Identifier: GPL-2.0
"""The testers tested: what a kernel that watches itself must see, it sees.

Each fault has a boot of its own, as the first report switches the lock checker
off. Only for the kernels that debug-kernel.sh builds.
"""
from __future__ import annotations

import pytest

from lab import VERSION, Lab, LabError

FAULTS = {
    "debug": {
        "freed": "KASAN: slab-use-after-free|KASAN: use-after-free",
        "inversion": "possible circular locking dependency",
        "sleep": "sleeping function called from invalid context|scheduling while atomic",
        "leak": "unreferenced object",
    },
    "kcsan": {
        "race": "KCSAN: data-race in racer",
    },
}.get(VERSION, {})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str) -> None:
    with Lab() as lab:
        guest = lab.add("guest", append="kmemleak=on" if fault == "leak" else "")
        lab.boot()
        check = guest.check_leaks if fault == "leak" else guest.check_dmesg
        check()
        guest.run(f"insmod /usr/lib/bfence-planted.ko fault={fault}")
        with pytest.raises(LabError, match=FAULTS[fault]):
            check()

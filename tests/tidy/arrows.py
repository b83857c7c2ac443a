# SPDX-License-Identifier: GPL-2.0
"""Which module may include which: the house as one table.

A module is a file and its header; files named after a module of the table
(master_pump.c, wire_decode.c) are part of it. A row lists all that the module
may include directly; what has no row may include nothing of ours, and a file
of kmod or agent without a row is a fault. "*" in a row stands for any name.
"""

KMOD = {
    "verdict": "uapi",
    "compat": "",
    "lab": "",
    "policy": "kmod/verdict",
    "refusal": "kmod/verdict",
    "trace": "kmod/verdict",
    "host": "kmod/verdict",
    "grant": "kmod/verdict kmod/host",
    "gate": "kmod/verdict kmod/compat kmod/grant kmod/lab kmod/trace",
    "fence": "kmod/gate kmod/lab kmod/trace",
    "attach": "kmod/fence kmod/stamped",
    "disk": "kmod/gate kmod/lab",
    "disks": "kmod/disk kmod/fence",
    "proof": "kmod/disks",
    "stamped": "uapi kmod/gate",
    "netlink": "kmod/attach kmod/fence kmod/policy kmod/proof kmod/refusal",
    "main": "kmod/attach kmod/lab kmod/netlink kmod/proof kmod/stamped kmod/trace",
}

WORDS = "core/types core/index core/record core/message core/registry"

# Each stage sees the words and its left neighbour.
CORE = {
    "types": "",
    "index": "",
    "record": "core/types core/index",
    "message": "core/types",
    "registry": "core/types core/index",
    "reload": "core/types core/record",
    "observation": WORDS,
    "publisher": WORDS,
    "snapshot": f"{WORDS} core/observation",
    "controller": f"{WORDS} core/snapshot core/publisher",
    "bridge": f"{WORDS} core/snapshot",
    "convergence": f"{WORDS} core/controller",
    "damper": "core/types",
    "master": f"{WORDS} core/snapshot core/bridge core/convergence core/damper",
    "replica_door": "core/message core/record",
    "adapter": f"{WORDS} core/replica_door",
    "replica": f"{WORDS} core/replica_door core/adapter",
}

EDGE = {
    "clock": "core/types",
    "loop": "",
    "signals": "edge/loop agent/err",
    "keys": "core/types agent/err",
    "wire": "core/message generated",
    "tls": "edge/keys edge/clock",
    "link": "core/message edge/clock edge/keys edge/loop edge/tls edge/wire agent/err",
    "store": "core/record core/reload edge/clock edge/loop agent/err",
    "genl": "uapi core/message core/record core/replica_door edge/loop agent/err",
    "api": "core/master core/message core/types edge/clock edge/loop edge/store agent/err",
    "metrics": "core/master",
}

# Only main and run_* join the core and the edge.
WIRING = "core/* edge/* agent/*"
AGENT = {
    "err": "",
    "version": "",
    "log": "agent/err",
    "config": "uapi core/types core/registry core/bridge core/damper edge/keys agent/err agent/log",
    "restart_smoke": WIRING,
    "run_master": WIRING,
    "run_replica": WIRING,
    "main": f"{WIRING} storetool",
}

TESTS = {
    "unit": "uapi generated core/* edge/* agent/* storetool kmod/verdict tools",
    "crash": "core/* edge/* agent/*",
    "sim": "core/* edge/wire kmod/verdict",
    "fuzz": "core/* edge/* agent/* tests/unit",
    "vm": "uapi",
    "bench": "core/* edge/* agent/*",
}

ROWS: dict[str, list[str]] = {
    f"{room}/{name}": row.split()
    for room, rows in {"kmod": KMOD, "core": CORE, "edge": EDGE, "agent": AGENT,
                       "tests": TESTS}.items()
    for name, row in rows.items()
} | {"uapi": [], "generated": [], "tools": ["uapi"],
     "storetool": "core/record core/reload core/types edge/* agent/*".split()}

FOLDERS = {
    "kmod/": "kmod/",
    "agent/core/": "core/",
    "agent/edge/": "edge/",
    "agent/": "agent/",
}
WHOLE = {
    "agent/storetool/": "storetool",
    "tools/": "tools",
    "uapi/": "uapi",
    "tests/unit/": "tests/unit",
    "tests/crash/": "tests/crash",
    "tests/sim/": "tests/sim",
    "tests/fuzz/": "tests/fuzz",
    "tests/vm/": "tests/vm",
    "tests/bench/": "tests/bench",
}

# A header whose words its own stages speak is a module of its own.
DOORS = {"agent/core/replica.h": "core/replica_door"}

# What the compiler is given with -I.
SEARCH = ["agent/", "uapi/", "kmod/"]
GENERATED = "wire.pb-c.h"

# The core asks the C library for words and asserts, not for the world.
CORE_LIBC = {"assert.h", "errno.h", "inttypes.h", "stdarg.h", "stdbool.h",
             "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"}
# The same file is compiled for the kernel and for the tests.
KMOD_LIBC = {"kmod/verdict": {"errno.h", "stdbool.h", "stddef.h", "string.h"}}
KMOD_PREFIXES = ("linux/", "net/", "trace/", "asm/", "crypto/")

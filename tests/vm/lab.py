# SPDX-License-Identifier: GPL-2.0
"""The lab: guests under QEMU, their network and disks, and the hand that breaks them.

    with Lab() as lab:
        a = lab.add("host-a", volumes={"v1": 32})       # MiB
        b = lab.add("host-b", volumes={"v1": 32})
        lab.boot()                                      # all at once
        a.ok("ping -c 1 host-b")

What a guest can do:

    run(cmd, timeout=60)    a shell script, as (exit code, all it printed)
    ok(cmd, timeout=60)     what it printed; LabError with the text if it failed
    json(cmd)               its standard output, parsed
    put(path, text, mode)   a file
    spawn(name, cmd)        in the background, printing to /run/NAME.log
    kill(name)              ends what spawn started and waits for it
    dmesg(), check_dmesg()  the kernel's log; the second raises on a splat
    check_leaks()           raises on lost memory (debug kernel, kmemleak=on)
    stop(), cont()          freeze it with its clock (QMP)
    sigstop(), sigcont()    freeze it while its clock runs on
    power_kill(), boot()    SIGKILL of QEMU; start again on the same disks
    link(up)                its network cable
                            (lab.cut(a, b), lab.join(a, b): one way, silently)
    backing("v1")           the raw file behind /dev/disk/by-id/virtio-v1
    acks("v1", run)         what iogen wrote to /dev/virtio-ports/acks-v1 so far:
                            known outside even while the guest is frozen
    scan("v1", run)         which of its blocks lie on the raw file

Commands may run side by side, also on one guest. A guest's root is read-only
and shared; /etc, /run, /tmp and /root are its memory and end with it;
/var/lib/bfence is a disk of its own that survives power_kill(). Everything the
lab makes lives in build/vm/run-*; it is removed at the end unless KEEP=1 is in
the environment. No QEMU outlives this process.

Environment: KERNEL (6.1, 6.12, debug or kcsan: what kernel.sh knows), KEEP,
BFENCE_VM_ACCEL (tcg or kvm: do not probe). A kernel that watches itself is slow,
and every time limit here is as much longer.

It must never know what bfence is: volumes are raw files here.
"""
from __future__ import annotations

import atexit
import base64
import ctypes
import itertools
import json
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable, TypeVar

from qmp import QMP

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("BUILD", HERE.parent.parent / "build")).resolve()
ADDRESSES = {
    "master": "10.77.0.1",
    "host-a": "10.77.0.2",
    "host-b": "10.77.0.3",
    "host-c": "10.77.0.4",
}
STATE_MIB = 64
SOCKET_PATH_MAX = 100  # the kernel's limit is 108
BOOT_TIMEOUT = 120
VERSION = os.environ.get("KERNEL", "6.1")
PATIENCE = {"debug": 5, "kcsan": 3}.get(VERSION, 1)
MEMORY_MIB = {"debug": 512, "kcsan": 384}.get(VERSION, 256)
SPLAT = re.compile(
    r"BUG:|WARNING:|KASAN|KCSAN|UBSAN|Oops|possible circular|possible recursive"
    r"|unreferenced object|general protection|self-detected stall"
    r"|detected stalls|blocked for more than|refcount_t"
)

T = TypeVar("T")


class LabError(Exception):
    """The lab or a command in it failed; the text says which and how."""


def until(what: str, probe: Callable[[], T], timeout: float = 30) -> T:
    """Asks probe again and again until it answers something true."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise LabError(f"not within {timeout} s: {what}")
        time.sleep(0.1)


def die_with_parent() -> None:
    """In a new child: be killed when the thread that started it ends."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us alone
            preexec_fn=die_with_parent,
        )


def output_of(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit code {done.returncode}")
    return done.stdout.decode().strip()


def sweep(parent: Path) -> None:
    """Removes what labs left behind that could not end by themselves."""
    for owner in parent.glob("run-*/owner"):
        if not Path("/proc", owner.read_text()).exists():
            shutil.rmtree(owner.parent, ignore_errors=True)


def program(name: str) -> Path:
    """One of the lab's own, which make builds."""
    path = BUILD / "vm" / name
    if not path.exists():
        raise LabError(f"{path} is not built: run make")
    return path


class Kernel:
    def __init__(self, version: str):
        self.folder = Path(output_of(str(HERE / "kernel.sh"), version))
        self.release = self.folder.name
        self.vmlinuz = self.folder / "boot" / f"vmlinuz-{self.release}"
        self.accel = os.environ.get("BFENCE_VM_ACCEL") or self._probe_accel()

        self.clock = self._clock()

    def _clock(self) -> str:
        """The guest's other clock stands still after a pause of 21 s or more."""
        if self.accel == "kvm":
            return ""
        return f"tsc=reliable tsc_early_khz={output_of(str(program('tsc')))}"

    def _probe_accel(self) -> str:
        """KVM only if a guest really boots with it; a device file proves nothing."""
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            return "tcg"
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        memory = self.folder.parent / f"accel-{machine}"
        if not memory.exists():
            memory.write_text("kvm" if self._boots_with_kvm() else "tcg")
        return memory.read_text()

    def _boots_with_kvm(self) -> bool:
        """Without a root disk a kernel that runs panics, and QEMU ends with 0."""
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "kvm",
                   "-cpu", "host", "-m", "256", "-nodefaults", "-display", "none",
                   "-no-reboot", "-kernel", str(self.vmlinuz),
                   "-append", "panic=-1 console=ttyS0", "-serial", "stdio"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=20,
                                  capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0 and b"Kernel panic" in done.stdout

    def cpu(self) -> str:
        if self.accel == "kvm":
            return "host"
        # QEMU 7.2's emulation of cmpxchg16b crashes later kernels by itself.
        return "max,la57=off" + ("" if self.release.startswith("6.1.") else ",-cx16")


class Port:
    """The lab's end of a guest's agent: scripts out, answers in, by number."""

    def __init__(self, path: str):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._send_lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.Queue[tuple[int, bytes] | None]] = {}
        self._gone = False
        self.ready: queue.Queue[tuple[int, bytes] | None] = queue.Queue()
        self._waiting[0] = self.ready
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._socket.makefile("rb"):
                number, status, text = line.split(b" ", 2)
                waiting = self._waiting.pop(int(number), None)
                if waiting:
                    waiting.put((int(status), base64.b64decode(text)))
        except OSError:
            pass  # closed under us, on purpose
        self._gone = True
        for waiting in list(self._waiting.values()):
            waiting.put(None)

    def ask(self, script: str, timeout: float) -> tuple[int, bytes] | None:
        """None when the guest died; queue.Empty when it is silent."""
        timeout *= PATIENCE
        number = next(self._numbers)
        answer: queue.Queue[tuple[int, bytes] | None] = queue.Queue()
        self._waiting[number] = answer
        text = base64.b64encode(script.encode()).decode()
        limit = max(1, round(timeout))
        if self._gone:
            return None
        with self._send_lock:
            self._socket.sendall(f"{number} {limit} {text}\n".encode())
        return answer.get(timeout=timeout + 10)

    def close(self) -> None:
        self._socket.close()


class Guest:
    def __init__(self, lab: Lab, name: str, volumes: dict[str, int], cpus: int,
                 memory: int):
        self.lab = lab
        self.name = name
        self.address = ADDRESSES.get(name, "")
        self.volumes = volumes
        self.cpus = cpus
        self.memory = memory
        self.append = ""
        self.boot_seconds = 0.0
        self.folder = lab.folder / name
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self._port: Port | None = None
        self._qmp: QMP | None = None
        self._make_disks()

    def _make_disks(self) -> None:
        for volume, mib in self.volumes.items():
            with self.backing(volume).open("wb") as disk:
                disk.truncate(mib << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4",
                        str(self.folder / "state.img"), f"{STATE_MIB}M"],
                       stdout=subprocess.DEVNULL, check=True)

    def backing(self, volume: str) -> Path:
        return self.folder / f"{volume}.raw"

    def _acks_path(self, volume: str) -> Path:
        return self.folder / f"{volume}.acks"

    def acks(self, volume: str, run: str) -> dict[int, int]:
        """Sequence to moment of issue (ns of the guest's boottime) of each write
        that iogen saw acknowledged, as they left the guest."""
        path = self._acks_path(volume)
        text = path.read_text() if path.exists() else ""
        whole = text[:text.rfind("\n") + 1]  # the last line may be on its way
        words = (line.split() for line in whole.splitlines())
        return {int(seq): int(issued) for name, seq, issued in words if name == run}

    def scan(self, volume: str, run: str) -> dict[int, int]:
        """The same of each block of the run that lies on the raw file."""
        blocks = json.loads(output_of(str(program("iogen")), "scan",
                                      str(self.backing(volume)), "--run-id", run))
        torn = [block["sequence"] for block in blocks if not block["good"]]
        if torn:
            raise LabError(f"{self.name}: {volume}: damaged blocks of {run}: {torn}")
        return {block["sequence"]: block["issued_ns"] for block in blocks}

    # -- life ---------------------------------------------------------------

    def _disk(self, serial: str, path: Path) -> list[str]:
        return ["-drive", f"file={path},format=raw,if=none,id={serial}",
                "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]

    def _network(self) -> list[str]:
        if not self.lab.has_network:
            return ["-nic", "none"]
        mac = f"52:54:00:77:00:{int(self.address.rsplit('.', 1)[1]):02x}"
        return ["-netdev", "stream,id=net,server=off,addr.type=unix,"
                f"addr.path={self.lab.port_socket(self.name)}",
                "-device", f"virtio-net-pci,netdev=net,id=nic,mac={mac},"
                "romfile=,host_mtu=9000"]

    def _command(self) -> list[str]:
        kernel = self.lab.kernel
        # A guest whose clock ran on in a pause must not take it for a lock-up, and
        # a zombie's I/O must meet the gate, not a time limit of its own.
        append = ("root=/dev/nvme0n1 ro rootwait init=/usr/lib/bfence/init "
                  "console=ttyS0 loglevel=4 panic=-1 mitigations=off "
                  "watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=300 "
                  "nvme_core.multipath=N nvme_core.io_timeout=120 "
                  f"lab.host={self.name} {kernel.clock} {self.append}")
        if self.lab.has_network:
            append += f" lab.address={self.address}"
        command = [
            "qemu-system-x86_64", "-name", self.name, "-machine", "q35",
            "-accel", kernel.accel, "-cpu", kernel.cpu(),
            "-smp", str(self.cpus), "-m", str(self.memory),
            "-display", "none", "-nodefaults", "-no-reboot",
            "-kernel", str(kernel.vmlinuz), "-append", append,
            "-chardev", f"file,id=console,path={self.folder}/console,append=on",
            "-serial", "chardev:console",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off",
            "-drive", f"file={self.lab.image},format=raw,if=none,id=root,readonly=on",
            "-device", "nvme,drive=root,serial=root",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=port,path={self.folder}/port,server=on,wait=off",
        ]
        command += self._disk("state", self.folder / "state.img")
        for volume in self.volumes:
            command += self._disk(volume, self.backing(volume))
            command += ["-chardev", f"file,id=acks-{volume},append=on,"
                        f"path={self._acks_path(volume)}",
                        "-device", f"virtserialport,chardev=acks-{volume},"
                        f"name=acks-{volume}"]
        command += ["-device", "virtserialport,chardev=port,name=agent"]
        return command + self._network()

    def power_on(self) -> None:
        self._began = time.monotonic()
        self._process = start(self._command(), self.folder / "qemu.log")

    def _connect(self) -> None:
        path = self.folder / "port"

        def connected() -> bool:
            if self._process.poll() is not None:
                raise LabError(f"{self.name}: QEMU ended: {self._tail('qemu.log')}")
            try:
                self._port = Port(str(path))
                return True
            except OSError:
                return False

        until(f"{self.name}: QEMU's sockets", connected)
        self._qmp = QMP(str(self.folder / "qmp"))

    def wait_ready(self) -> None:
        self._connect()
        try:
            answer = self._port.ready.get(timeout=BOOT_TIMEOUT * PATIENCE)
        except queue.Empty:
            answer = None
        if answer is None:
            raise LabError(f"{self.name}: did not boot: {self._tail('console')}")
        self.boot_seconds = time.monotonic() - self._began

    def boot(self) -> None:
        self.power_on()
        self.wait_ready()

    def power_kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._port:
            self._port.close()
        if self._qmp:
            self._qmp.close()
        self._process = self._port = self._qmp = None
        for name in ("port", "qmp"):
            (self.folder / name).unlink(missing_ok=True)

    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # -- faults -------------------------------------------------------------

    def stop(self) -> None:
        self._qmp.execute("stop")

    def cont(self) -> None:
        self._qmp.execute("cont")

    def sigstop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def sigcont(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def link(self, up: bool) -> None:
        self._qmp.execute("set_link", name="nic", up=up)

    # -- commands -----------------------------------------------------------

    def run(self, cmd: str, timeout: float = 60) -> tuple[int, str]:
        if not self._port:
            raise LabError(f"{self.name}: is switched off: {cmd}")
        try:
            answer = self._port.ask(cmd, timeout)
        except queue.Empty:
            raise LabError(f"{self.name}: no answer in {timeout} s: {cmd}") from None
        if answer is None:
            raise LabError(f"{self.name}: died: {cmd}\n{self._tail('console')}")
        return answer[0], answer[1].decode(errors="replace")

    def ok(self, cmd: str, timeout: float = 60) -> str:
        status, text = self.run(cmd, timeout)
        if status != 0:
            raise LabError(f"{self.name}: exit code {status}: {cmd}\n{text}")
        return text

    def json(self, cmd: str, timeout: float = 60):
        errors = f"/run/agent/errors.{threading.get_ident()}"
        text = self.ok(f"{{ {cmd}\n}} 2>{errors} || {{ status=$?; cat {errors}; "
                       "exit $status; }", timeout)
        try:
            return json.loads(text)
        except ValueError:
            raise LabError(f"{self.name}: not JSON: {cmd}\n{text}") from None

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        quoted = shlex.quote(path)
        data = base64.b64encode(text.encode()).decode()
        self.ok(f"mkdir -p $(dirname {quoted}) && rm -f {quoted} && umask 077 && "
                f"echo {data} | base64 -d >{quoted} && chmod {mode:o} {quoted}")

    def spawn(self, name: str, cmd: str) -> None:
        """The script is its own process group; /run/NAME.pid is its leader."""
        self.put(f"/run/{name}.sh", cmd + "\n")
        self.ok(f"setsid sh -c 'echo $$ >/run/{name}.pid; exec sh /run/{name}.sh' "
                f"</dev/null >>/run/{name}.log 2>&1 &")

    def kill(self, name: str, sig: str = "TERM", timeout: float = 30) -> None:
        group = f"kill -s 0 -- -$(cat /run/{name}.pid) 2>/dev/null"
        self.run(f"kill -s {sig} -- -$(cat /run/{name}.pid)")
        self.ok(f"while {group}; do sleep 0.1; done; rm -f /run/{name}.pid", timeout)

    def log(self, name: str) -> str:
        return self.ok(f"cat /run/{name}.log")

    # -- evidence -----------------------------------------------------------

    def dmesg(self) -> str:
        return self.ok("dmesg")

    def check_dmesg(self) -> None:
        lines = self.dmesg().splitlines()
        for number, line in enumerate(lines):
            if SPLAT.search(line):
                near = "\n".join(lines[max(0, number - 3):number + 40])
                raise LabError(f"{self.name}: the kernel complains:\n{near}")

    def check_leaks(self) -> None:
        """What nothing points to in two scans, and is old enough, is lost."""
        leaks = self.ok("for i in 1 2; do echo scan; sleep 6; done "
                        ">/sys/kernel/debug/kmemleak; cat /sys/kernel/debug/kmemleak")
        if "unreferenced object" in leaks:
            raise LabError(f"{self.name}: the kernel lost memory:\n{leaks}")

    def uptime(self) -> float:
        return float(self.ok("cat /proc/uptime").split()[0])

    def _tail(self, name: str) -> str:
        text = (self.folder / name).read_text(errors="replace")
        return "\n".join(text.splitlines()[-30:])


class Lab:
    def __init__(self) -> None:
        self.kernel = Kernel(VERSION)
        self.image = Path(output_of(str(HERE / "image.sh"), VERSION))
        self.folder = self._make_folder()
        self.guests: dict[str, Guest] = {}
        self.has_network = False
        self._switch: subprocess.Popen[str] | None = None
        atexit.register(self.close)

    @staticmethod
    def _make_folder() -> Path:
        parent = BUILD / "vm"
        if len(str(parent)) + len("/run-XXXXXXXX/ports/host-a") > SOCKET_PATH_MAX:
            parent = Path(tempfile.gettempdir())
        sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        if os.environ.get("KEEP") != "1":
            (folder / "owner").write_text(str(os.getpid()))
        return folder

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Guest:
        return self.guests[name]

    def add(self, name: str, volumes: dict[str, int] | None = None,
            cpus: int = 2, memory: int = MEMORY_MIB, append: str = "") -> Guest:
        """append: more of the kernel's command line."""
        guest = Guest(self, name, volumes or {}, cpus, memory)
        guest.append = append
        self.guests[name] = guest
        return guest

    def boot(self) -> None:
        if len(self.guests) > 1:
            self._start_switch()
        for guest in self.guests.values():
            guest.power_on()
        for guest in self.guests.values():
            guest.wait_ready()
        times = ", ".join(f"{g.name} {g.boot_seconds:.1f}" for g in self.guests.values())
        print(f"lab: {self.kernel.accel}, {self.kernel.release}, "
              f"seconds to boot: {times}", file=sys.stderr)

    def port_socket(self, name: str) -> Path:
        return self.folder / "ports" / name

    def _start_switch(self) -> None:
        (self.folder / "ports").mkdir()
        self._switch = subprocess.Popen(
            [str(program("switch")), str(self.folder / "ports"), *self.guests],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=die_with_parent, text=True, bufsize=1)
        self.has_network = True
        until("the switch's sockets", lambda: all(
            self.port_socket(name).exists() for name in self.guests))

    def _order(self, order: str) -> None:
        self._switch.stdin.write(order + "\n")
        answer = self._switch.stdout.readline()
        if answer != "ok\n":
            raise LabError(f"switch: {order}: {answer or 'it is gone'}")

    def cut(self, source: str, target: str) -> None:
        """Drops what source sends to target; both keep their carrier."""
        self._order(f"cut {source} {target}")

    def join(self, source: str, target: str) -> None:
        self._order(f"join {source} {target}")

    def close(self) -> None:
        for guest in self.guests.values():
            guest.power_kill()
        if self._switch:
            self._switch.kill()
            self._switch.communicate()
            self._switch = None
        if os.environ.get("KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

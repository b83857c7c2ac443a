# SPDX-License-Identifier: GPL-2.0
"""SIGKILL of a busy master, again and again, on one store.

Clients create and delete volumes as fast as the master answers; it is killed
at a random moment: while it starts, while it serves, amid a compaction. What
it had acknowledged must be there at its next start, and nothing else but the
one ask of a volume that was open at the kill. SEED=n replays the choices.
"""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field

from daemon import BFENCED, DEADLINE_S, HOSTS, UnixConnection

ROUNDS, ROUNDS_MAX = 200, 400  # more until one kill fell amid a compaction
CLIENTS = 8
VOLUMES_EACH = 6
VOLUMES_MAX = CLIENTS * VOLUMES_EACH  # so few that the log is soon full
STARTING = range(0, 25)  # of 200: how often the kill falls into the start
COMPACTING = range(25, 55)  # how often a compaction is waited for
START_S = 0.06
BUSY_S = 0.2
COMPACTION_S = 0.003  # about what one takes
AWAIT_COMPACTION_S = 3
GONE = (OSError, http.client.HTTPException)


@dataclass
class Volume:
    """What a client was told of its volume, and what it asks now."""
    name: str
    exists: bool = False
    write_seq: int = 0
    asked: str = ""  # "POST" or "DELETE" until that is answered

    def faults(self, found):
        """What the master serves of it, against what it had said before."""
        exists = found is not None
        if exists == self.exists:
            if exists and found != self.write_seq:
                return [f"{self.name}: write_seq {found}, not {self.write_seq}"]
            return []
        if self.asked != ("POST" if exists else "DELETE"):
            return [f"{self.name}: {'back' if exists else 'lost'}: {self}"]
        if exists and found <= self.write_seq:
            return [f"{self.name}: write_seq {found} after {self.write_seq}"]
        return []

    def settle(self, found):
        """A served state never changes by itself again."""
        self.exists = found is not None
        self.write_seq = found or self.write_seq
        self.asked = ""


@dataclass
class Client:
    """Asks for one change after the other until the master is gone."""
    master: object
    volumes: list
    rng: random.Random
    acked: int = 0
    wrong: list = field(default_factory=list)

    def run(self):
        with contextlib.closing(UnixConnection(self.master.socket)) as to:
            with contextlib.suppress(*GONE):
                while not self.wrong:
                    self.change(to, self.rng.choice(self.volumes))

    def change(self, to, volume):
        if volume.exists:
            volume.asked, path, body = "DELETE", f"/v1/volumes/{volume.name}", None
        else:
            volume.asked, path = "POST", "/v1/volumes"
            body = json.dumps({"volume": volume.name, "hosts": HOSTS[:3]})
        to.request(volume.asked, path, body)
        answer = to.getresponse()
        text = answer.read()
        if answer.status not in (200, 201, 204):
            self.wrong.append(f"{volume}: {answer.status} {text}")
        elif volume.asked == "DELETE":
            volume.settle(None)
        else:
            found = json.loads(text)["write_seq"]
            if found <= volume.write_seq:
                self.wrong.append(f"{volume}: created at {found}")
            volume.settle(found)
        self.acked += 1


class Watch:
    """Wakes when a file of this name is made in the folder (inotify)."""
    IN_CREATE = 0x100

    def __init__(self, folder, name):
        libc = ctypes.CDLL(None, use_errno=True)
        self.name = name.encode()
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self.fd >= 0
        assert libc.inotify_add_watch(self.fd, bytes(folder), self.IN_CREATE) > 0

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0] and \
                    self.name in os.read(self.fd, 4096):
                return True
        return False

    def close(self):
        os.close(self.fd)


class Story:
    def __init__(self, master, seed):
        self.master = master
        self.rng = random.Random(seed)
        self.volumes = [Volume(f"v{i}") for i in range(CLIENTS * VOLUMES_EACH)]
        self.acked = 0
        self.store_id = ""
        self.incarnation = 0
        self.log_inode = 0
        self.rounds = self.compactions = self.amid = self.unserved = self.open_asks = 0

    def clients(self):
        return [Client(self.master, self.volumes[i::CLIENTS],
                       random.Random(self.rng.random())) for i in range(CLIENTS)]

    def start_and_check(self):
        self.master.start()
        status, found = self.master.request("GET", "/v1/volumes")
        assert status == 200
        _, about = self.master.request("GET", "/v1/status")
        assert about["skips"] == []
        assert about["store_id"] == (self.store_id or about["store_id"])
        assert about["incarnation"] > self.incarnation
        self.store_id, self.incarnation = about["store_id"], about["incarnation"]
        self.compare({volume["volume"]: volume["write_seq"] for volume in found})

    def compare(self, found):
        assert found.keys() <= {volume.name for volume in self.volumes}
        faults = [fault for volume in self.volumes
                  for fault in volume.faults(found.get(volume.name))]
        assert faults == []
        self.open_asks += sum(bool(volume.asked) for volume in self.volumes)
        for volume in self.volumes:
            volume.settle(found.get(volume.name))

    def look_at_files(self):
        """What the kill left behind, before anybody tidies it up."""
        store = pathlib.Path(self.master.store)
        self.amid += (store / "log.new").exists()
        with contextlib.suppress(FileNotFoundError):
            inode = (store / "log").stat().st_ino
            self.compactions += inode != self.log_inode
            self.log_inode = inode

    def kill_amid_start(self):
        starting = subprocess.Popen(
            [BFENCED, "master", "--config", self.master.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        time.sleep(self.rng.uniform(0, START_S))
        starting.kill()
        _, said = starting.communicate()
        assert starting.returncode == -signal.SIGKILL, said
        self.unserved += 1

    def kill_amid_work(self, moment):
        self.start_and_check()
        clients = self.clients()
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        moment()
        assert self.master.is_running(), self.master.log.lines
        self.master.kill()
        for thread in threads:
            thread.join()
        assert [wrong for client in clients for wrong in client.wrong] == []
        self.acked += sum(client.acked for client in clients)

    def await_busy(self):
        time.sleep(self.rng.uniform(0, BUSY_S))

    def await_compaction(self):
        with contextlib.closing(Watch(self.master.store, "log.new")) as watch:
            watch.wait(AWAIT_COMPACTION_S)
        if self.rng.random() < 0.5:
            time.sleep(self.rng.uniform(0, COMPACTION_S))

    def round(self):
        die = self.rng.randrange(200)
        if die in STARTING:
            self.kill_amid_start()
        elif die in COMPACTING:
            self.kill_amid_work(self.await_compaction)
        else:
            self.kill_amid_work(self.await_busy)
        self.look_at_files()
        self.await_port()
        self.rounds += 1

    def await_port(self):
        """The kernel takes a dead process's ring apart in the background: what it
        listened on is free a few ms after the process has been waited for."""
        end = time.monotonic() + DEADLINE_S
        while not is_free(self.master.port):
            assert time.monotonic() < end
            time.sleep(0.001)


def is_free(port):
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def port_of_our_own():
    """That nobody is given by chance while the master is dead."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return next(port for port in random.SystemRandom().sample(range(low // 2, low), 100)
                if is_free(port))


def test_what_was_acknowledged_survives_200_kills(stopped):
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"SEED={seed}")
    stopped.port = port_of_our_own()
    stopped.write_conf(f"volumes_max = {VOLUMES_MAX}\nlog_level = error\n")
    story = Story(stopped, seed)
    while story.rounds < ROUNDS or (not story.amid and story.rounds < ROUNDS_MAX):
        story.round()
    story.start_and_check()
    print(f"{story.rounds} kills, {story.unserved} of them amid a start, {story.amid} amid "
          f"a compaction; {story.acked} changes acknowledged, {story.open_asks} open at "
          f"a kill, at least {story.compactions} compactions")
    assert story.acked > ROUNDS and story.open_asks > 0
    assert story.compactions > 5 and story.amid > 0

# SPDX-License-Identifier: GPL-2.0
"""bfenced as a process: started in a folder of its own, watched, stopped.

Readiness is what the process itself says to its service manager; nothing here
sleeps, each wait has a deadline.
"""

import contextlib
import http.client
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import threading

BFENCED = os.environ.get(
    "BFENCED_BIN", os.path.join(os.environ.get("BUILD", "build"), "bfenced"))
BFENCE = os.environ.get(
    "BFENCE_BIN", os.path.join(os.environ.get("BUILD", "build"), "bfence"))
DEADLINE_S = 20
HOSTS = ["h1", "h2", "h3", "h4"]


def free_port():
    """A TCP port of loopback that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_bfenced(*words):
    """One call of the daemon that is expected to end by itself."""
    return subprocess.run(
        [BFENCED, *map(str, words)], stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def sentence_of(done):
    """The one line of a refusal, which is exit 1 and silence on stdout."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Log:
    """The lines of a pipe, as they come."""

    def __init__(self, pipe):
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        self.reader = threading.Thread(target=self._read, args=(pipe,),
                                       daemon=True)
        self.reader.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                with self.changed:
                    self.lines.append(line.rstrip("\n"))
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def find(self, *parts):
        return [line for line in self.lines
                if all(part in line for part in parts)]

    def wait(self, *parts, nr=1):
        """The lines that hold all parts, once there are nr of them."""
        with self.changed:
            self.changed.wait_for(
                lambda: self.ended or len(self.find(*parts)) >= nr,
                timeout=DEADLINE_S)
            found = self.find(*parts)
        assert len(found) >= nr, f"not logged: {parts} in {self.lines}"
        return found


class Master:
    """A master's folder, and the process when it runs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.conf = self.folder / "master.conf"
        self.keys = self.folder / "keys"
        self.store = self.folder / "store"
        self.socket = self.folder / "m.sock"
        self.port = free_port()
        self.secrets = {host: secrets.token_hex(32) for host in HOSTS}
        self.process = None
        self.log = None
        self.write_keys()
        self.write_conf()

    def write_keys(self):
        self.keys.write_text("".join(
            f"{host} {key}\n" for host, key in self.secrets.items()))
        self.keys.chmod(0o600)

    def write_conf(self, more=""):
        self.conf.write_text(
            "[master]\n"
            f"store = {self.store}\n"
            f"listen = 127.0.0.1:{self.port}\n"
            f"socket = {self.socket}\n"
            f"keys = {self.keys}\n" + more)

    # --- the process ---------------------------------------------------------

    def start(self):
        """Runs it, and returns when it has said that it is ready."""
        notify = self.folder / "notify"
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(str(notify))
            self.process = subprocess.Popen(
                [BFENCED, "master", "--config", self.conf],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True,
                env={**os.environ, "NOTIFY_SOCKET": str(notify)})
            self.log = Log(self.process.stderr)
            self._await_ready(ready)
        return self

    def _await_ready(self, ready):
        end = os.pidfd_open(self.process.pid)
        try:
            seen, _, _ = select.select([ready, end], [], [], DEADLINE_S)
        finally:
            os.close(end)
        if ready not in seen:
            self.kill()
            raise AssertionError(f"the master is not up: {self.log.lines}")
        assert b"READY=1" in ready.recv(4096).split(b"\n")

    def start_refused(self):
        """Its one sentence, when it must not come up."""
        return sentence_of(run_bfenced("master", "--config", self.conf))

    def stop(self, signo=signal.SIGTERM):
        """Asks it to end; its exit code."""
        self.process.send_signal(signo)
        return self._reap()

    def kill(self):
        self.process.kill()
        return self._reap()

    def _reap(self):
        code = self.process.wait(timeout=DEADLINE_S)
        self.log.reader.join(timeout=DEADLINE_S)
        self.process = None
        return code

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # --- its doors -----------------------------------------------------------

    def bfence(self, *words):
        """One call of the tool at this master's socket."""
        return subprocess.run(
            [BFENCE, *words, "-s", str(self.socket)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False, env={"PATH": os.environ["PATH"]})

    def objects(self, *words):
        """What a verb of the tool shows, as objects."""
        done = self.bfence(*words, "-j")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def create(self, volume, *hosts):
        done = self.bfence("volume", "create", volume, *(hosts or HOSTS[:3]))
        assert (done.returncode, done.stderr) == (0, "")

    def status(self):
        (status,) = self.objects("cluster", "status")
        return status

    def volumes(self):
        """What is durable of each volume, by name."""
        passing = ("state", "evidence", "slots")
        return {
            volume["volume"]: {
                **{k: v for k, v in volume.items() if k not in passing},
                "slots": [(s["replica"], s["host"]) for s in volume["slots"]]}
            for volume in self.objects("volume", "list")}

    def request(self, method, path, body=None):
        """One HTTP exchange: status and the parsed answer."""
        with contextlib.closing(UnixConnection(self.socket)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def dial(self):
        """A TCP connection to where replicas connect."""
        return socket.create_connection(("127.0.0.1", self.port),
                                        timeout=DEADLINE_S)

    def handshake(self, host, key):
        """A TLS 1.3 handshake of `host`; what the client says of it."""
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}",
             "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256",
             "-psk_identity", host, "-psk", key],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False)

    # --- its store -----------------------------------------------------------

    def store_bytes(self):
        """The store as it lies on the disk; the pid in lock is no content."""
        return {path.name: path.read_bytes()
                for path in sorted(self.store.iterdir())
                if path.name != "lock"}

# SPDX-License-Identifier: GPL-2.0
"""A QMP client: one command, one answer, over QEMU's unix socket.

It must never know what a guest runs.
"""
from __future__ import annotations

import json
import socket
import threading


class QMPError(Exception):
    """QEMU refused a command."""


class QMP:
    def __init__(self, path: str, timeout: float = 30):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r")
        self._lock = threading.Lock()
        self._lines.readline()  # the greeting
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: object) -> object:
        with self._lock:
            message = {"execute": command, "arguments": arguments}
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            while True:
                line = self._lines.readline()
                if not line:
                    raise QMPError(f"{command}: QEMU is gone")
                answer = json.loads(line)
                if "error" in answer:
                    raise QMPError(f"{command}: {answer['error']['desc']}")
                if "return" in answer:  # what has neither is an event
                    return answer["return"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

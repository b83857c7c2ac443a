# SPDX-License-Identifier: GPL-2.0
"""The authority log from outside: where the frame of a record lies, and a bit
of it the other way round. The form is that of agent/core/record.c."""

import pathlib

FRAME = 512
KIND = 10
VOLUME = slice(64, 128)
BODY = 132
KIND_INCARNATION, KIND_VOLUME = 1, 2


class AuthorityLog:
    def __init__(self, store):
        self.path = pathlib.Path(store) / "log"

    def offset(self, kind, volume=""):
        """Of the newest frame of that kind and volume, in bytes."""
        image = self.path.read_bytes()
        found = [
            at for at in range(0, len(image), FRAME)
            if image[at + KIND] == kind and
            image[at:at + FRAME][VOLUME].rstrip(b"\0") == volume.encode()]
        assert found, f"no frame of {volume or kind}"
        return found[-1]

    def volumes(self):
        """Every frame of a volume, as bytes, oldest first."""
        image = self.path.read_bytes()
        return [image[at:at + FRAME] for at in range(0, len(image), FRAME)
                if image[at + KIND] == KIND_VOLUME]

    def flip(self, at):
        """Turns one bit of the byte at this offset."""
        with self.path.open("r+b") as log:
            log.seek(at)
            byte = log.read(1)[0]
            log.seek(at)
            log.write(bytes([byte ^ 0x10]))

# SPDX-License-Identifier: GPL-2.0
"""What a disk may hold after the power went: the log of dm-log-writes, cut.

The target logs a write when the flush after it is done, one with FUA when it
is done itself, and a mark where it stands. So the log is a row of windows

    FUA or mark ..., plain ..., FLUSH

and a disk that lost its power holds all before the window, any prefix of its
FUA writes, and after those any sectors of the plain ones. It must never know
what a file system or a store is.
"""
from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

SECTOR = 512
MAGIC = 0x6A736677736872
VERSION = 1
FLUSH, FUA, DISCARD, MARK, METADATA = (1 << bit for bit in range(5))


class CutError(Exception):
    """The log is not one that this page can tell."""


@dataclass(frozen=True)
class Entry:
    sector: int
    flags: int
    data: bytes  # what was written; of a mark its text

    @property
    def mark(self) -> str:
        return self.data.decode() if self.flags & MARK else ""

    @property
    def is_plain(self) -> bool:
        """May be lost until the next flush is done."""
        return not self.flags & (FLUSH | FUA | MARK)

    def apply(self, image: bytearray) -> None:
        if self.data and not self.flags & MARK:
            at = self.sector * SECTOR
            image[at:at + len(self.data)] = self.data

    def apply_torn(self, image: bytearray, rng: random.Random) -> None:
        """Each sector may be lost for itself. But no file system has a defence
        against half a superblock: the disk's first block is one unit."""
        unit = SECTOR if self.sector else max(SECTOR, len(self.data))
        for at in range(0, len(self.data), unit):
            if rng.random() < 0.5:
                start = self.sector * SECTOR + at
                image[start:start + unit] = self.data[at:at + unit]


def read_log(path: Path) -> list[Entry]:
    raw = path.read_bytes()
    magic, version, nr_entries, sector_bytes = struct.unpack_from("<QQQI", raw)
    if (magic, version, sector_bytes) != (MAGIC, VERSION, SECTOR):
        raise CutError(f"{path}: no log of dm-log-writes")
    entries = []
    at = SECTOR
    for number in range(nr_entries):
        sector, nr_sectors, flags, mark_bytes = struct.unpack_from("<4Q", raw, at)
        if flags & ~(FLUSH | FUA | MARK | METADATA):
            raise CutError(f"{path}: entry {number}: flags {flags:#x}")
        if flags & MARK:
            start, size = at + struct.calcsize("<4Q"), mark_bytes
        else:
            start, size = at + SECTOR, nr_sectors * SECTOR
        entries.append(Entry(sector, flags, raw[start:start + size]))
        at += SECTOR + nr_sectors * SECTOR
    return entries


@dataclass(frozen=True)
class Cut:
    """One moment. All before `end` is on the disk; with a seed, some sectors of
    the plain writes behind it too; but not what is before `end` and in `lost`."""
    end: int
    seed: int | None = None
    lost: range = range(0)


def plain_runs(entries: list[Entry]) -> Iterator[range]:
    """The plain writes of each window, where it has any."""
    begin = 0
    for number, entry in enumerate(entries):
        if entry.is_plain:
            continue
        if begin < number:
            yield range(begin, number)
        begin = number + 1
    if begin < len(entries):
        yield range(begin, len(entries))


def whole_cuts(entries: list[Entry]) -> Iterator[Cut]:
    """After each flush, each FUA write, and the last of the marks that follow."""
    for number, entry in enumerate(entries):
        marked = number + 1 < len(entries) and entries[number + 1].flags & MARK
        if not entry.is_plain and not marked:
            yield Cut(number + 1)


def torn_cuts(entries: list[Entry], rng: random.Random) -> Iterator[Cut]:
    """Within each window, and more often within a long one."""
    for run in plain_runs(entries):
        sectors = sum(len(entries[number].data) for number in run) // SECTOR
        for _ in range(max(1, sectors.bit_length() - 6)):
            yield Cut(run.start, rng.randrange(1 << 32))


def lying_cuts(entries: list[Entry]) -> Iterator[Cut]:
    """Where marks follow a flush: the disk answered that flush and did nothing."""
    runs = {run.stop: run for run in plain_runs(entries)}
    for cut in whole_cuts(entries):
        flush = cut.end - 1
        while flush and entries[flush].mark:
            flush -= 1
        if flush in runs and flush < cut.end - 1:
            yield Cut(cut.end, lost=runs[flush])


class Disk:
    """The image, moved forward from cut to cut."""

    def __init__(self, base: bytes, entries: list[Entry]):
        self._image = bytearray(base)
        self._entries = entries
        self._at = 0

    def forward(self, end: int) -> None:
        if end < self._at:
            raise CutError(f"the image is at {self._at} already, not at {end}")
        for entry in self._entries[self._at:end]:
            entry.apply(self._image)
        self._at = end

    def at(self, cut: Cut) -> bytes:
        """Cuts must come in order."""
        if cut.lost:
            self.forward(cut.lost.start)
            image = bytearray(self._image)
            for number in range(cut.lost.stop, cut.end):
                self._entries[number].apply(image)
            return bytes(image)
        self.forward(cut.end)
        if cut.seed is None:
            return bytes(self._image)
        image, rng = bytearray(self._image), random.Random(cut.seed)
        for entry in self._entries[cut.end:]:
            if not entry.is_plain:
                break
            entry.apply_torn(image, rng)
        return bytes(image)

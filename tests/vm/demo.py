# SPDX-License-Identifier: GPL-2.0
"""`make demo`: the story told with elapsed times. Exit code 0 only if every
step was verified. It must never know how a step is done.
"""
from __future__ import annotations

import sys
import time

from cluster import Cluster
from lab import Lab, LabError
from story import Story, beginning, master_restart, zombie

BEGAN = time.monotonic()


def tell(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", flush=True)


def tell_all(story: Story) -> None:
    chapters = (beginning(story) + zombie(story, "running") + zombie(story, "frozen")
                + master_restart(story))
    for number, (title, steps) in enumerate(chapters, 1):
        tell(f"{number}. {title}")
        for step in steps:
            step()


def main() -> int:
    try:
        with Lab() as lab:
            tell_all(Story(Cluster(lab), lambda text: tell("   " + text)))
    except LabError as error:
        tell(f"FAILED: {error}")
        return 1
    tell("every step was verified; that is the time in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())

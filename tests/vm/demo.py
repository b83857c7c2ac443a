# SPDX-License-Identifier: GPL-2.0
"""`make demo`: the story told with elapsed times. Exit code 0 only if every
step was verified. It must never know how a step is done.
"""
from __future__ import annotations

import sys
import time

from cluster import Cluster
from lab import Lab, LabError
from story import Story

BEGAN = time.monotonic()


def tell(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", flush=True)


def chapters(story: Story) -> list[tuple[str, list]]:
    return [
        ("One master, three hosts: boot and start", [story.cluster.start]),
        ("Three volumes over three hosts", [story.create_volumes, story.show_gates]),
        ("A checksummed pattern on v1", [story.write_pattern]),
        ("The primary becomes a zombie; its clock runs on (SIGSTOP)",
         [lambda: story.pause_primary("running")]),
        ("The master fails over", [story.await_failover]),
        ("The new primary takes over", [story.take_over]),
        ("The zombie wakes", [story.wake_zombie]),
        ("The zombie rejoins", [story.rejoin, story.show_gates]),
        ("The primary becomes a zombie again; its clock is frozen (QMP stop)",
         [lambda: story.pause_primary("frozen")]),
        ("The master fails over", [story.await_failover]),
        ("The new primary takes over", [story.take_over]),
        ("The zombie wakes", [story.wake_zombie]),
        ("The zombie rejoins", [story.rejoin, story.show_gates]),
        ("The master is killed and started again", [story.kill_master]),
    ]


def main() -> int:
    try:
        with Lab() as lab:
            story = Story(Cluster(lab), lambda text: tell("   " + text))
            for number, (title, steps) in enumerate(chapters(story), 1):
                tell(f"{number}. {title}")
                for step in steps:
                    step()
    except LabError as error:
        tell(f"FAILED: {error}")
        return 1
    tell("every step was verified")
    return 0


if __name__ == "__main__":
    sys.exit(main())

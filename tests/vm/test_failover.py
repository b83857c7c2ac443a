# SPDX-License-Identifier: GPL-2.0
"""The main job on real kernels, between hosts; the steps assert by themselves.

The cluster is one for all; each test begins with three legs in sync and leaves
it so.
"""
from __future__ import annotations

from typing import Iterator

import pytest

from cluster import Cluster
from lab import Lab
from story import Story, beginning, master_restart, partition, play, zombie


@pytest.fixture(scope="module")
def world() -> Iterator[Story]:
    with Lab() as lab:
        story = Story(Cluster(lab), print)
        play(beginning(story))
        yield story


@pytest.fixture
def story(world: Story) -> Story:
    world.check_health()
    return world


def test_a_zombie_whose_clock_runs_changes_no_byte_of_any_host(story: Story) -> None:
    play(zombie(story, "running"))


def test_a_frozen_zombie_changes_no_byte_of_a_fenced_host(story: Story) -> None:
    play(zombie(story, "frozen"))


def test_a_killed_master_brings_the_same_lines_back_and_stops_no_io(story: Story) -> None:
    play(master_restart(story))


def test_a_primary_cut_off_closes_itself_before_the_next_one_opens(story: Story) -> None:
    play(partition(story))

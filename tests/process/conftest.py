# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the process ring: masters in folders of their own.

What still runs at the end of a test is killed, so that a failure leaves
nothing behind.
"""

import pytest

from daemon import Master


@pytest.fixture(name="new_master")
def fixture_new_master(tmp_path):
    """Makes a master's folder; nothing is started."""
    masters = []

    def new_master(name):
        masters.append(Master(tmp_path / name))
        return masters[-1]

    yield new_master
    for master in masters:
        if master.process:
            master.kill()


@pytest.fixture(name="stopped")
def fixture_stopped(new_master):
    """One master with a configuration, not started."""
    return new_master("m")


@pytest.fixture(name="running")
def fixture_running(stopped):
    """One master that serves."""
    return stopped.start()

# SPDX-License-Identifier: GPL-2.0
"""`bfenced master --store DIR --restart-smoke`: what a restart brings back,
told by a process that opens the store as a master does.

The older log of these tests is a copy that was taken between two runs; what
the smoke itself keeps beside the log is not part of it.
"""

import json

import pytest

from daemon import run_bfenced
from frames import BODY, KIND_VOLUME, AuthorityLog

VOLUME = "restart-smoke"


def smoke(store, code=0):
    """One run: what it printed, and nothing else was said."""
    done = run_bfenced("master", "--store", store, "--restart-smoke")
    assert (done.returncode, done.stderr) == (code, "")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert found["pass"] == ("" if code else "restart-smoke")
    assert ("error" in found) == bool(code)
    return found


def line_of(epoch, version=1, replica="smoke-r1"):
    return {"vid": VOLUME, "rid": replica, "epoch": epoch,
            "endpointVersion": version}


NO_LINE = line_of(0, 0, "")


def test_the_second_run_finds_the_line_of_the_first(tmp_path):
    store = tmp_path / "s"
    first, second, third = smoke(store), smoke(store), smoke(store)
    assert first == {"pass": "restart-smoke", "run": "first", "reloaded": 0,
                     "skips": 0, "line": line_of(1), "backwardMint": False}
    assert second == {**first, "run": "second", "reloaded": 1}
    assert third == second


def test_a_run_that_finds_the_line_writes_no_record(tmp_path):
    smoke(tmp_path)
    before = (tmp_path / "log").read_bytes()
    smoke(tmp_path)
    assert (tmp_path / "log").read_bytes() == before


def test_an_older_log_without_the_volume_is_a_step_backward(stopped):
    stopped.start()
    assert stopped.stop() == 0
    log = stopped.store / "log"
    older = log.read_bytes()
    assert smoke(stopped.store)["run"] == "first"
    log.write_bytes(older)
    found = smoke(stopped.store, 1)
    assert (found["run"], found["reloaded"]) == ("second", 0)
    assert (found["line"], found["backwardMint"]) == (NO_LINE, True)
    assert "0.0 is older than 1.1" in found["error"]
    # It is said until the log is the newer one again.
    assert smoke(stopped.store, 1) == found


def test_an_older_log_with_an_older_line_is_a_step_backward(stopped):
    log = stopped.store / "log"
    smoke(stopped.store)
    older = log.read_bytes()
    stopped.start()
    done = stopped.bfence("volume", "delete", VOLUME, "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert stopped.stop() == 0
    # The name's next life is no step backward.
    found = smoke(stopped.store)
    assert (found["run"], found["line"]) == ("first", line_of(2))
    assert not found["backwardMint"]
    newer = log.read_bytes()
    log.write_bytes(older)
    found = smoke(stopped.store, 1)
    assert (found["reloaded"], found["line"]) == (1, line_of(1))
    assert found["backwardMint"]
    assert "1.1 is older than 2.1" in found["error"]
    log.write_bytes(newer)
    assert not smoke(stopped.store)["backwardMint"]


def test_the_damage_of_another_volume_is_a_skip_and_no_more(stopped):
    before = smoke(stopped.store)
    stopped.start()
    stopped.create("v1")
    assert stopped.stop() == 0
    log = AuthorityLog(stopped.store)
    log.flip(log.offset(KIND_VOLUME, "v1") + BODY + 20)
    found = smoke(stopped.store)
    assert found == {**before, "run": "second", "reloaded": 1, "skips": 1}


def test_its_own_damaged_record_is_neither_a_line_nor_a_new_volume(tmp_path):
    smoke(tmp_path)
    log = AuthorityLog(tmp_path)
    log.flip(log.offset(KIND_VOLUME, VOLUME) + BODY + 20)
    image = log.path.read_bytes()
    found = smoke(tmp_path, 1)
    assert (found["run"], found["reloaded"], found["skips"]) == \
        ("second", 0, 1)
    assert (found["line"], found["backwardMint"]) == (NO_LINE, False)
    assert "its record is damaged" in found["error"]
    assert log.path.read_bytes() == image


def test_a_store_of_other_volumes_is_left_alone(stopped):
    stopped.start()
    stopped.create("v1")
    assert stopped.stop() == 0
    before = stopped.store_bytes()
    found = smoke(stopped.store, 1)
    assert (found["run"], found["reloaded"]) == ("second", 1)
    assert (found["line"], found["backwardMint"]) == (NO_LINE, False)
    assert "no line of this one" in found["error"]
    assert stopped.store_bytes() == before


def test_a_store_that_a_master_holds_is_refused_with_the_pid(running):
    found = smoke(running.store, 1)
    assert str(running.process.pid) in found["error"]
    assert (found["line"], found["backwardMint"]) == (NO_LINE, False)
    assert not (running.store / "smoke").exists()
    assert running.is_running()


@pytest.mark.parametrize("text", ["", "1.1", "1.1 smoke-r1", "-1.1 r\n",
                                  "1.x smoke-r1\n", "1.1 smoke r1\n",
                                  f"{2 ** 64}.1 smoke-r1\n"])
def test_what_the_run_before_left_is_not_guessed_at(tmp_path, text):
    smoke(tmp_path)
    (tmp_path / "smoke").write_text(text)
    found = smoke(tmp_path, 1)
    assert f"{tmp_path}/smoke: " in found["error"]
    assert (tmp_path / "smoke").read_text() == text


@pytest.mark.parametrize("words", [
    ["master", "--restart-smoke"],
    ["replica", "--store", "/nowhere", "--restart-smoke"],
    ["master", "--store", "/nowhere", "--restart-smoke", "--check-config"],
    ["master", "--store", "/nowhere", "--restart-smoke", "--config", "/no"],
])
def test_it_goes_with_a_masters_store_alone(words):
    done = run_bfenced(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--restart-smoke" in done.stderr

# SPDX-License-Identifier: GPL-2.0
"""The master as a process: real bfenced, real bfence, loopback and a folder.

No replica is there, so no volume gets a line; what becomes of lines is shown
by the VM ring.
"""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket

import pytest

from daemon import HOSTS, run_bfenced, sentence_of
from frames import BODY, FRAME, KIND_INCARNATION, KIND_VOLUME, AuthorityLog

# --- configuration -----------------------------------------------------------


@pytest.mark.parametrize("more, part", [
    ("frobnicate = 1\n", "frobnicate"),
    ("Lease_ms = 6000\n", "Lease_ms"),
    ("lease_ms = soon\n", "soon"),
    ("lease_ms = 1\n", "lease_ms"),
    ("lease_ms = 99999999999\n", "99999999999"),
    ("lease_ms = -6000\n", "-6000"),
    ("lease_ms =\n", "lease_ms"),
    ("log_level = loud\n", "loud"),
    ("store = relative/path\n", "store"),
    ("keys = /another\n", "keys is set a second time"),
    ("heartbeat_ms = 1000\nheartbeat_ms = 1000\n",
     "heartbeat_ms is set a second time"),
    ("[slave]\n", "slave"),
    ("[replica]\nhost = h1\n", "replica"),
    ("no key and no value\n", "KEY = VALUE"),
])
def test_a_damaged_config_is_one_sentence_with_its_line(stopped, more, part):
    stopped.start()
    stopped.create("v1")
    assert stopped.stop() == 0
    before = stopped.store_bytes()
    stopped.write_conf(more)
    nr_lines = len(stopped.conf.read_text().splitlines())
    sentence = stopped.start_refused()
    faults = [f"{stopped.conf}:{line}: " for line in (nr_lines, nr_lines - 1)]
    assert any(fault in sentence for fault in faults)
    assert part in sentence
    assert stopped.store_bytes() == before
    assert not stopped.socket.exists()


def test_values_that_do_not_suit_each_other_are_one_sentence(stopped):
    stopped.write_conf("heartbeat_ms = 5000\nlease_ms = 6000\n")
    sentence = stopped.start_refused()
    assert f"{stopped.conf}: " in sentence
    assert "heartbeat_ms" in sentence and "lease_ms" in sentence
    assert not stopped.store.exists()


def test_a_missing_config_is_one_sentence(stopped):
    stopped.conf.unlink()
    sentence = stopped.start_refused()
    assert str(stopped.conf) in sentence
    assert "No such file or directory" in sentence


@pytest.mark.parametrize("text, mode, part", [
    ("h1\n", 0o600, "line 1"),
    (f"h1 {'0f' * 32}\nh2 {'0f' * 31}\n", 0o600, "line 2"),
    (f"h1 {'0f' * 32}\nh1 {'0f' * 32}\n", 0o600, "line 2"),
    ("", 0o600, "no key"),
    (f"h1 {'0f' * 32}\n", 0o644, "0644"),
])
def test_a_bad_key_file_is_one_sentence_without_a_secret(stopped, text, mode,
                                                         part):
    stopped.keys.write_text(text)
    stopped.keys.chmod(mode)
    sentence = stopped.start_refused()
    assert str(stopped.keys) in sentence
    assert part in sentence
    assert "0f0f" not in sentence
    assert not stopped.store.exists()


def test_check_config_prints_values_and_bounds_and_touches_nothing(stopped):
    stopped.write_conf("lease_ms = 8000\n")
    stopped.keys.unlink()
    done = run_bfenced("master", "--check-config", "--config", stopped.conf)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "lease_ms = 8000" in lines
    assert "heartbeat_ms = 1000" in lines
    bounds = [line for line in lines if line.startswith("# ")]
    assert [line for line in bounds if "clock margin" in line and
            "1001" in line]
    assert [line for line in bounds if "fail over, guard lease" in line and
            "15000" in line]
    assert not stopped.store.exists()
    assert not stopped.socket.exists()


@pytest.mark.parametrize("words", [
    [], ["slave"], ["master", "replica"], ["master", "--nonsense"],
])
def test_a_wrong_command_line_is_exit_2(words):
    done = run_bfenced(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "bfenced: " in done.stderr


# --- one owner ---------------------------------------------------------------

def test_a_second_master_on_the_store_is_refused_with_the_pid(running,
                                                              new_master):
    running.create("v1")
    before = running.volumes()
    second = new_master("second")
    second.store = running.store
    second.write_conf()
    sentence = second.start_refused()
    assert str(running.store) in sentence
    assert f"process {running.process.pid}" in sentence
    assert not second.socket.exists()
    assert running.volumes() == before
    running.create("v2")


def test_a_second_master_on_the_socket_is_refused(running, new_master):
    second = new_master("second")
    second.socket = running.socket
    second.write_conf()
    assert f"{running.socket}: another master answers" in \
        second.start_refused()
    running.create("v1")


def test_a_second_master_on_the_port_is_refused(running, new_master):
    second = new_master("second")
    second.port = running.port
    second.write_conf()
    sentence = second.start_refused()
    assert f"127.0.0.1:{running.port}" in sentence
    assert "Address already in use" in sentence
    assert not second.socket.exists()
    running.create("v1")


def test_a_left_over_lock_and_socket_do_not_block(running):
    running.kill()
    assert running.socket.exists()
    assert (running.store / "lock").exists()
    running.start()
    running.create("v1")


# --- operators ---------------------------------------------------------------

def test_a_created_volume_is_listed_and_shown(running):
    running.create("v1")
    done = running.bfence("volume", "create", "v2", "h4", "h2", "h1",
                          "--guard", "quorum")
    assert done.returncode == 0
    assert running.volumes() == {
        "v1": {"volume": "v1", "guard": "lease", "write_seq": 1,
               "slots": [("r1", "h1"), ("r2", "h2"), ("r3", "h3")]},
        "v2": {"volume": "v2", "guard": "quorum", "write_seq": 1,
               "slots": [("r1", "h4"), ("r2", "h2"), ("r3", "h1")]},
    }
    (shown,) = running.objects("volume", "show", "v2")
    assert shown["guard"] == "quorum"
    table = [line.split() for line in
             running.bfence("volume", "list").stdout.splitlines()]
    assert table[0][0] == "VOLUME"
    assert [row[0] for row in table[1:]] == ["v1", "v2"]
    running.log.wait("created", "volume=v2")


def test_hosts_and_status_tell_what_the_master_knows(running):
    running.create("v1")
    running.create("v2", "h2", "h3", "h4")
    hosts = {host["host"]: host for host in running.objects("host", "list")}
    assert list(hosts) == HOSTS
    assert [hosts[h]["slots"] for h in HOSTS] == [1, 2, 2, 1]
    for host in hosts.values():
        assert host["configured"] is True
        assert (host["connected"], host["fresh"]) == (False, False)
        assert host["primaries"] == 0
        assert "boot_id" not in host and "last_heard_ms" not in host
    status = running.status()
    assert status["volumes"] == 2
    assert (status["hosts"], status["hosts_connected"]) == (4, 0)
    assert (status["incarnation"], status["reloaded"]) == (1, 0)
    assert status["skips"] == []
    assert len(bytes.fromhex(status["store_id"])) == 16


@pytest.mark.parametrize("words, code, part", [
    (["volume", "show", "v9"], 1, "volume v9 is unknown"),
    (["volume", "create", "v1", "h1", "h2", "h4"], 1,
     "volume v1 exists already"),
    (["volume", "create", "v2", "h1", "h9", "h3"], 1, "host h9 is unknown"),
    (["volume", "create", "v2", "h1", "h2", "h1"], 2, '"h1"'),
    (["volume", "create", "-v", "h1", "h2", "h3"], 2, "-v"),
])
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
        running, words, code, part):
    running.create("v1")
    before, frames = running.volumes(), AuthorityLog(running.store).volumes()
    done = running.bfence(*words)
    assert done.returncode == code
    assert done.stdout == ""
    sentence = done.stderr.splitlines()[0]
    assert sentence.startswith("bfence: ") and part in sentence
    assert code == 2 or len(done.stderr.splitlines()) == 1
    assert running.volumes() == before
    assert AuthorityLog(running.store).volumes() == frames


@pytest.mark.parametrize("body, status, part", [
    ({"volume": "v2", "hosts": ["h1", "h2", "h1"]}, 400,
     "host h1 is named twice"),
    ({"volume": "v2", "hosts": ["h1", "h2"]}, 400, "hosts: "),
    ({"volume": "v 2", "hosts": ["h1", "h2", "h3"]}, 400, 'volume: "v 2"'),
    ({"volume": "v1", "hosts": ["h1", "h2", "h3"]}, 409, "v1"),
])
def test_the_api_itself_refuses_what_the_tool_would_not_send(running, body,
                                                             status, part):
    running.create("v1")
    before, frames = running.volumes(), AuthorityLog(running.store).volumes()
    got, answer = running.request("POST", "/v1/volumes", json.dumps(body))
    assert got == status
    assert list(answer) == ["error"] and part in answer["error"]
    assert running.volumes() == before
    assert AuthorityLog(running.store).volumes() == frames


def test_asks_at_one_time_are_all_answered(running):
    names = [f"v{i}" for i in range(100)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(
            lambda name: running.request(
                "POST", "/v1/volumes",
                json.dumps({"volume": name, "hosts": HOSTS[:3]})), names))
    assert [status for status, _ in answers] == [201] * 100
    assert [volume["volume"] for _, volume in answers] == names
    assert running.volumes().keys() == set(names)


def test_a_deleted_volume_is_gone_and_its_name_may_come_back(running):
    running.create("v1")
    running.create("v2")
    done = running.bfence("volume", "delete", "v1")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == \
        [["volume", "v1"], ["deleted", "yes"]]
    assert running.volumes().keys() == {"v2"}
    assert running.request("GET", "/v1/volumes/v1")[0] == 404
    again = running.bfence("volume", "delete", "v1", "--force")
    assert "volume v1 is unknown" in sentence_of(again)
    running.log.wait("delete volume=v1", f"uid={os.getuid()}")
    running.kill()
    running.start()
    assert running.volumes().keys() == {"v2"}
    assert running.status()["reloaded"] == 1
    running.create("v1", "h4", "h2", "h1")
    assert running.volumes()["v1"]["write_seq"] == 3
    assert [host["slots"] for host in running.objects("host", "list")] == \
        [2, 2, 1, 1]


@pytest.mark.parametrize("path, status, part", [
    ("v1?expect=1.1", 409, "volume v1 has no line, the ask expects the line 1.1"),
    ("v1?expect=1", 400, 'expect: "1" is not'),
    ("v1?expect=0.1", 400, 'expect: "0.1" is not'),
    ("v1?expect=99999999999999999999.1", 400, "expect: "),
    ("v1?expected=1.1", 400, 'argument: "expected" is not one'),
    ("v1?expect=none&expect=none", 400, "more than once"),
    ("v1/recover", 405, "DELETE"),
])
def test_a_delete_that_is_misspelt_deletes_nothing(running, path, status,
                                                   part):
    running.create("v1")
    before, frames = running.volumes(), AuthorityLog(running.store).volumes()
    got, answer = running.request("DELETE", f"/v1/volumes/{path}")
    assert got == status
    assert part in answer["error"]
    assert running.volumes() == before
    assert AuthorityLog(running.store).volumes() == frames


def test_a_volume_that_is_sound_is_not_recovered(running):
    running.create("v1")
    done = running.bfence("volume", "recover", "v1")
    assert sentence_of(done).startswith("bfence: volume recover v1: volume v1: ")
    done = running.bfence("volume", "recover", "v9")
    assert "volume v9 is unknown" in sentence_of(done)


def test_a_volume_without_a_primary_is_not_reassigned(running):
    running.create("v1")
    done = running.bfence("volume", "reassign", "v1", "--to", "h2")
    assert sentence_of(done) == \
        "bfence: volume reassign v1: volume v1: there is no primary yet"
    done = running.bfence("volume", "reassign", "v1", "--to", "h9")
    assert "host h9 has no slot of it" in sentence_of(done)
    done = running.bfence("volume", "reassign", "v1", "--expect", "2.1")
    assert "has no line, the ask expects the line 2.1" in sentence_of(done)


def test_a_drain_is_shown_and_ends_with_the_master(running):
    (host,) = running.objects("host", "drain", "h2")
    assert (host["host"], host["drained"]) == ("h2", True)
    drained = {h["host"]: h["drained"]
               for h in running.objects("host", "list")}
    assert drained == {"h1": False, "h2": True, "h3": False, "h4": False}
    (host,) = running.objects("host", "undrain", "h2")
    assert not host["drained"]
    running.bfence("host", "drain", "h2")
    running.stop()
    running.start()
    (host,) = running.objects("host", "show", "h2")
    assert not host["drained"]
    done = running.bfence("host", "drain", "h9")
    assert sentence_of(done) == "bfence: host drain h9: host h9 is unknown"


# --- ends and starts ---------------------------------------------------------

def test_after_sigkill_the_same_volumes_come_back_and_nothing_is_minted(
        running):
    for i in range(5):
        running.create(f"v{i}", *HOSTS[i % 2:][:3])
    before, status = running.volumes(), running.status()
    assert running.kill() == -signal.SIGKILL
    running.start()
    assert running.volumes() == before
    again = running.status()
    assert again["store_id"] == status["store_id"]
    assert again["incarnation"] == status["incarnation"] + 1
    assert (again["reloaded"], again["skips"]) == (5, [])
    assert running.log.find("minted") == []


def test_each_start_raises_the_incarnation_by_one(running):
    for incarnation in (1, 2, 3):
        assert running.status()["incarnation"] == incarnation
        assert running.stop() == 0
        running.start()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_end_is_exit_0_and_takes_the_socket_away(running, signo):
    running.create("v1")
    with contextlib.closing(running.dial()), \
            socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(running.socket))
        idle.sendall(b"GET /v1")
        assert running.stop(signo) == 0
        assert idle.recv(1) == b""
    assert not running.socket.exists()
    running.log.wait("stopping")


def test_the_socket_is_its_owners_alone(running):
    assert running.socket.stat().st_mode & 0o7777 == 0o600
    assert running.socket.stat().st_uid == os.getuid()


# --- strangers ---------------------------------------------------------------

def test_a_replica_with_its_key_passes_the_handshake(running):
    done = running.handshake("h1", running.secrets["h1"])
    assert "Cipher is TLS_AES_128_GCM_SHA256" in done.stdout
    assert "alert" not in done.stderr
    assert running.log.find("link-refused", "h1") == []


def test_a_wrong_key_is_refused_and_the_log_says_whose(running):
    done = running.handshake("h1", running.secrets["h2"])
    assert "Cipher is (NONE)" in done.stdout
    (line,) = running.log.wait("link-refused", "h1")
    assert "wrong key" in line
    assert "127.0.0.1" in line
    assert running.status()["hosts_connected"] == 0


def test_an_unknown_host_is_refused_and_the_log_says_who(running):
    done = running.handshake("stranger", running.secrets["h1"])
    assert "Cipher is (NONE)" in done.stdout
    (line,) = running.log.wait("link-refused", "stranger")
    assert "unknown host" in line
    assert "127.0.0.1" in line


def test_no_secret_is_ever_logged(running):
    running.handshake("h1", running.secrets["h2"])
    running.log.wait("link-refused")
    running.stop()
    log = "\n".join(running.log.lines).lower()
    assert not [s for s in running.secrets.values() if s in log]


GARBAGE = [
    b"\0" * 4096,
    b"\xff" * 4096,
    b"GET / HTTP/1.1\r\nHost: h1\r\n\r\n",
    b"\x16\x03\x01\x02\x00" + b"\x01" * 512,
    b"\x16\x03\x03\xff\xff" + b"A" * 16384,
    bytes(range(256)) * 64,
]


def test_garbage_over_tcp_ends_its_own_connection_and_nothing_else(running):
    for i, garbage in enumerate(GARBAGE):
        with contextlib.closing(running.dial()) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
        running.log.wait("link-refused", nr=i + 1)
    assert running.is_running()
    running.create("v1")
    done = running.handshake("h1", running.secrets["h1"])
    assert "Cipher is TLS_AES_128_GCM_SHA256" in done.stdout


# --- a damaged store ---------------------------------------------------------

def damaged(master, kind, volume, at):
    """Three volumes, the master stopped, one bit of a frame turned."""
    master.start()
    for name in ("v1", "v2", "v3"):
        master.create(name)
    assert master.stop() == 0
    log = AuthorityLog(master.store)
    offset = log.offset(kind, volume)
    log.flip(offset + at)
    return offset


def test_a_damaged_body_costs_its_own_volume_alone(stopped):
    offset = damaged(stopped, KIND_VOLUME, "v2", BODY + 20)
    stopped.start()
    volumes = {v["volume"]: v for v in stopped.objects("volume", "list")}
    assert volumes.keys() == {"v1", "v2", "v3"}
    assert [e["code"] for e in volumes["v2"]["evidence"]] == \
        ["AuthorityRecordCorrupt"]
    assert volumes["v2"]["state"] == "unsupported"
    assert "epoch" not in volumes["v2"]
    for name in ("v1", "v3"):
        assert len(volumes[name]["slots"]) == 3
        assert "AuthorityRecordCorrupt" not in str(volumes[name])
    (skip,) = stopped.status()["skips"]
    assert (skip["class"], skip["volume"], skip["offset"]) == \
        ("AuthorityRecordCorrupt", "v2", offset)
    assert skip["note"]
    stopped.log.wait("skip", "volume=v2", f"offset={offset}")


def test_a_damaged_volume_is_never_taken_for_a_new_one(stopped):
    damaged(stopped, KIND_VOLUME, "v2", BODY + 20)
    stopped.start()
    done = stopped.bfence("volume", "create", "v2", *HOSTS[:3])
    assert "volume v2 exists already" in sentence_of(done)
    stopped.kill()
    stopped.start()
    (shown,) = stopped.objects("volume", "show", "v2")
    assert [e["code"] for e in shown["evidence"]] == \
        ["AuthorityRecordCorrupt"]


def test_a_damaged_volume_is_not_recovered_blindly(stopped):
    damaged(stopped, KIND_VOLUME, "v2", BODY + 20)
    stopped.write_conf("grace_ms = 1000\n")
    stopped.start()
    done = stopped.bfence("volume", "recover", "v2")
    assert "its three hosts must be named" in sentence_of(done)
    done = stopped.bfence("volume", "recover", "v2", *HOSTS[:3])
    assert "0 of its hosts have given a fresh and complete inventory, " \
        "recovery needs 2" in sentence_of(done)
    assert "recover it, or delete it" in \
        sentence_of(stopped.bfence("volume", "delete", "v2"))
    done = stopped.bfence("volume", "delete", "v2", "--force")
    assert (done.returncode, done.stderr) == (0, "")
    assert stopped.volumes().keys() == {"v1", "v3"}
    stopped.stop()
    stopped.start()
    assert stopped.volumes().keys() == {"v1", "v3"}
    assert [skip.get("volume") for skip in stopped.status()["skips"]] == [None]


@pytest.mark.parametrize("kind, volume, at", [
    (KIND_VOLUME, "v2", 3),
    (KIND_VOLUME, "v2", 70),
    (KIND_INCARNATION, "", BODY + 1),
])
def test_damage_that_is_nobodys_refuses_to_start_with_its_offset(
        stopped, kind, volume, at):
    offset = damaged(stopped, kind, volume, at)
    before = stopped.store_bytes()
    sentence = stopped.start_refused()
    assert f"{stopped.store}/log: offset {offset}: " in sentence
    assert stopped.store_bytes() == before
    assert not stopped.socket.exists()


def test_a_log_that_was_cut_refuses_to_start(stopped):
    damaged(stopped, KIND_VOLUME, "v2", 3)
    log = stopped.store / "log"
    os.truncate(log, log.stat().st_size - FRAME)
    before = stopped.store_bytes()
    assert f"{log}: offset " in stopped.start_refused()
    assert stopped.store_bytes() == before


def test_the_store_of_another_master_is_not_mixed_in(stopped, new_master):
    offset = damaged(stopped, KIND_VOLUME, "v2", 3)
    other = new_master("other").start()
    for name in ("v1", "v2", "v3"):
        other.create(name)
    assert other.stop() == 0
    foreign = (other.store / "log").read_bytes()[offset:offset + FRAME]
    with (stopped.store / "log").open("r+b") as log:
        log.seek(offset)
        log.write(foreign)
    sentence = stopped.start_refused()
    assert f"offset {offset}: " in sentence
    assert "foreign store" in sentence

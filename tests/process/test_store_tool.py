# SPDX-License-Identifier: GPL-2.0
"""`bfenced store` as a process: on the store of a real master, at work or not.

Volumes here have no line, as no replica is there; what the tools make of lines
is shown by the unit tests.
"""

import json
import os
import pathlib
import subprocess
import threading

import pytest

from daemon import BFENCED, DEADLINE_S, run_bfenced, sentence_of
from frames import (BODY, FRAME, KIND_INCARNATION, KIND_VOLUME,
                    AuthorityLog)

MANUAL = pathlib.Path(__file__).parents[2] / "agent" / "bfenced.8.scd"
VERBS = ["check", "dump", "backup", "export", "import", "salvage", "raise"]


def run(*words, stdin=""):
    """One call of a tool."""
    return subprocess.run([BFENCED, "store", *map(str, words)], input=stdin,
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          check=False)


def output_of(*words, stdin=""):
    done = run(*words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def answer_of(*words, stdin=""):
    """The one object that a verb answers with -j."""
    (answer,) = json.loads(output_of(*words, "-j", stdin=stdin))
    return answer


def refusal_of(*words, stdin=""):
    """The sentence of an exit 1, whatever is on stdout."""
    done = run(*words, stdin=stdin)
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("bfenced: ")
    return line


def frames_of(store):
    return [json.loads(line)
            for line in output_of("dump", store, "-j").splitlines()]


def records_of(store):
    """What a dump says of volumes and incarnations, without their places."""
    places = ("offset", "log_seq", "durable_through", "group_last", "format")
    return [{k: v for k, v in frame.items() if k not in places}
            for frame in frames_of(store) if frame["kind"] != "marker"]


@pytest.fixture(name="filled")
def fixture_filled(stopped):
    """A master at rest that has v1, v2 and v3."""
    stopped.start()
    for volume in ("v1", "v2", "v3"):
        stopped.create(volume)
    assert stopped.stop() == 0
    return stopped


# --- words -------------------------------------------------------------------

@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["check"], ["check", "a", "b"], ["check", ""],
    ["dump"], ["backup", "a"], ["backup", "a", "b", "c"], ["export"],
    ["import"], ["import", "a", "b"], ["salvage", "a"], ["raise", "a"],
    ["raise", "a", "0"], ["raise", "a", "7x"], ["raise", "a", ""],
    ["raise", "a", "9223372036854775808"], ["raise", "a", "0x10"],
    ["check", "a", "--nonsense"],
])
def test_a_wrong_command_line_is_exit_2(words, tmp_path):
    done = subprocess.run([os.path.abspath(BFENCED), "store", *words],
                          cwd=tmp_path, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=DEADLINE_S,
                          check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "bfenced: store: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_help_names_each_verb():
    text = output_of("--help")
    assert [line.split()[0] for line in text.splitlines()
            if line.startswith("  ") and line[2] not in " -"] == VERBS
    assert "bfenced store VERB" in run_bfenced("--help").stdout


def test_the_manual_has_each_verb():
    manual = MANUAL.read_text()
    for verb in VERBS:
        assert f"*bfenced store {verb}* _D" in manual


@pytest.mark.parametrize("words", [
    ["check", "{}"], ["dump", "{}"], ["backup", "{}", "{}/b"],
    ["export", "{}"], ["salvage", "{}", "{}/s"], ["raise", "{}", "5"],
])
@pytest.mark.parametrize("made", [False, True])
def test_no_log_is_one_sentence_and_nothing_is_made(tmp_path, words, made):
    store = tmp_path / "absent"
    if made:
        store.mkdir()
    sentence = sentence_of(run(*[word.format(store) for word in words]))
    assert str(store) in sentence and "No such file" in sentence
    assert store.exists() == made
    assert not made or not list(store.iterdir())


# --- check -------------------------------------------------------------------

def test_check_tells_what_a_sound_store_holds(filled):
    before = filled.store_bytes()
    found = answer_of("check", filled.store)
    assert found["volumes"] == 3
    assert found["incarnation"] == 1
    assert found["format"] == 2
    assert found["last_seq"] == 5
    assert found["frames"] == found["frames_free"] + 5
    assert found["skips"] == []
    assert "refusal" not in found
    assert len(found["store_id"]) == 32
    text = output_of("check", filled.store)
    assert ["volumes", "3"] in [line.split() for line in text.splitlines()]
    assert filled.store_bytes() == before


def test_check_looks_at_a_store_that_a_master_owns(running):
    running.create("v1")
    assert answer_of("check", running.store)["volumes"] == 1
    running.create("v2")
    assert answer_of("check", running.store)["volumes"] == 2


def spoil_body(log):
    at = log.offset(KIND_VOLUME, "v2")
    log.flip(at + BODY + 20)
    return at, "body damaged"


def spoil_header(log):
    at = log.offset(KIND_VOLUME, "v2")
    log.flip(at + 60)
    return at, "damage that no volume can be blamed for"


def spoil_incarnation(log):
    at = log.offset(KIND_INCARNATION)
    log.flip(at + BODY)
    return at, "belongs to no volume"


def spoil_opening(log):
    log.flip(3)
    return 0, "opening frame"


def zero_a_frame(log):
    at = log.offset(KIND_VOLUME, "v1")
    with log.path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(FRAME))
    return at, "gap"


def repeat_a_frame(log):
    at = log.offset(KIND_VOLUME, "v2")
    with log.path.open("r+b") as file:
        file.seek(log.offset(KIND_VOLUME, "v1"))
        frame = file.read(FRAME)
        file.seek(at)
        file.write(frame)
    return at, "gap"


def fill_spare_space(log):
    at = 4000 * FRAME
    with log.path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * FRAME)
    return at, "damage that no volume can be blamed for"


def cut_a_frame(log):
    at = log.path.stat().st_size - FRAME
    os.truncate(log.path, at + 100)
    return at, "whole frame"


def cut_frames(log):
    os.truncate(log.path, 3 * FRAME)
    return 3 * FRAME, "was made with"


def later_format(log):
    """A frame of format 3, its sums made anew."""
    def crc32c(data):
        crc = 0xffffffff
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
        return (crc ^ 0xffffffff).to_bytes(4, "little")

    at = log.offset(KIND_VOLUME, "v2")
    with log.path.open("r+b") as file:
        file.seek(at)
        header = bytearray(file.read(128))
        header[8] = 3
        file.seek(at)
        file.write(header + crc32c(header))
    return at, "format version 3"


REFUSED = [spoil_header, spoil_incarnation, spoil_opening, zero_a_frame,
           repeat_a_frame, fill_spare_space, cut_a_frame, cut_frames,
           later_format]


@pytest.mark.parametrize("spoil", [spoil_body, *REFUSED])
def test_check_is_exit_1_on_each_kind_of_damage(filled, spoil):
    at, words = spoil(AuthorityLog(filled.store))
    before = filled.store_bytes()
    sentence = refusal_of("check", filled.store)
    assert f"{filled.store}/log: offset {at}: " in sentence
    assert words in sentence
    done = run("check", filled.store, "-j")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    if spoil is spoil_body:
        (skip,) = found["skips"]
        assert (skip["class"], skip["volume"], skip["offset"]) == \
            ("AuthorityRecordCorrupt", "v2", at)
        assert (found["volumes"], found["damaged"]) == (2, 1)
    else:
        assert found["refusal"]["offset"] == at
        assert words in found["refusal"]["note"]
        # The same judgement as at a start, in the same words.
        assert filled.start_refused().endswith(sentence[len("bfenced: "):])
    assert filled.store_bytes() == before


# --- dump --------------------------------------------------------------------

def test_dump_shows_every_frame(filled):
    frames = frames_of(filled.store)
    assert [frame["offset"] for frame in frames] == \
        [i * FRAME for i in range(5)]
    assert [frame["log_seq"] for frame in frames] == [1, 2, 3, 4, 5]
    assert [frame["kind"] for frame in frames] == \
        ["marker", "incarnation", "volume", "volume", "volume"]
    v2 = frames[3]
    assert (v2["volume"], v2["write_seq"], v2["guard"]) == ("v2", 1, "lease")
    assert [(slot["replica"], slot["host"]) for slot in v2["slots"]] == \
        [("r1", "h1"), ("r2", "h2"), ("r3", "h3")]
    assert {frame["verdict"] for frame in frames} == {"ok"}
    head, *rows = output_of("dump", filled.store).splitlines()
    assert head.split()[0] == "offset"
    assert len(rows) == 5 and rows[3].split()[:5] == \
        [str(3 * FRAME), "4", "ok", "volume", "v2"]


@pytest.mark.parametrize("spoil, verdict", [
    (spoil_body, "bad_body"), (spoil_header, "bad_header"),
    (spoil_opening, "bad_header"), (zero_a_frame, "zero"),
    (later_format, "bad_version"), (fill_spare_space, "bad_header"),
    (cut_a_frame, "cut"),
])
def test_dump_shows_a_damaged_log_too(filled, spoil, verdict):
    at, _ = spoil(AuthorityLog(filled.store))
    (frame,) = [frame for frame in frames_of(filled.store)
                if frame["offset"] == at]
    assert frame["verdict"] == verdict
    assert verdict in output_of("dump", filled.store)


# --- backup ------------------------------------------------------------------

class Client(threading.Thread):
    """Creates volumes as fast as the master answers, until it is stopped."""

    def __init__(self, master, prefix):
        super().__init__()
        self.master = master
        self.prefix = prefix
        self.created = []
        self.stopping = False

    def run(self):
        while not self.stopping:
            volume = f"{self.prefix}-{len(self.created)}"
            status, _ = self.master.request("POST", "/v1/volumes", json.dumps(
                {"volume": volume, "hosts": ["h1", "h2", "h3"]}))
            assert status == 201
            self.created.append(volume)


def test_backups_under_load_hold_all_that_was_acknowledged(running, new_master,
                                                           tmp_path):
    clients = [Client(running, f"c{i}") for i in range(4)]
    for client in clients:
        client.start()
    taken = []
    try:
        for i in range(12):
            before = [volume for client in clients
                      for volume in list(client.created)]
            dest = tmp_path / f"backup-{i}"
            held = answer_of("backup", running.store, dest)
            taken.append((dest, before))
            assert held["volumes"] >= len(before)
            assert held["damaged"] == 0
    finally:
        for client in clients:
            client.stopping = True
            client.join(timeout=DEADLINE_S)
    assert all(client.created for client in clients)
    for dest, before in taken:
        assert answer_of("check", dest)["skips"] == []
        assert set(before) <= {record.get("volume")
                               for record in records_of(dest)}
    dest, before = taken[-1]
    assert before, "nothing was acknowledged before the last backup"
    restored = new_master("restored")
    dest.rename(restored.store)
    restored.start()
    assert set(before) <= set(restored.volumes())
    assert running.is_running()


def test_an_older_backup_serves_and_goes_on(running, new_master):
    running.create("v1")
    restored = new_master("restored")
    answer_of("backup", running.store, restored.store)
    running.create("v2")
    store = running.status()["store_id"]
    restored.start()
    assert set(restored.volumes()) == {"v1"}
    assert restored.status()["store_id"] == store
    restored.create("v3")
    restored.stop()
    assert answer_of("check", restored.store)["volumes"] == 2


def test_backup_keeps_a_damaged_volume_damaged(filled, tmp_path):
    spoil_body(AuthorityLog(filled.store))
    held = answer_of("backup", filled.store, tmp_path / "b")
    assert (held["volumes"], held["damaged"]) == (2, 1)
    assert "v2" in refusal_of("check", tmp_path / "b")


@pytest.mark.parametrize("spoil", REFUSED)
def test_backup_of_a_refused_log_is_refused(filled, tmp_path, spoil):
    at, _ = spoil(AuthorityLog(filled.store))
    assert f"offset {at}: " in refusal_of("backup", filled.store,
                                          tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("verb", ["backup", "import", "salvage"])
def test_a_folder_with_a_log_is_never_written(filled, new_master, verb):
    document = output_of("export", filled.store)
    other = new_master("other").start()
    other.create("mine")
    before = other.store_bytes()
    words = {"backup": [filled.store, other.store], "import": [other.store],
             "salvage": [filled.store, other.store]}[verb]
    if verb == "salvage":
        spoil_header(AuthorityLog(filled.store))
    assert f"{other.store} has a log" in refusal_of(verb, *words,
                                                    stdin=document)
    assert other.store_bytes() == before
    assert set(other.volumes()) == {"mine"}


# --- export and import -------------------------------------------------------

def test_an_export_makes_the_same_store(filled, new_master):
    document = output_of("export", filled.store)
    assert set(json.loads(document)) == \
        {"export_version", "store_id", "incarnation", "records", "sha256"}
    again = new_master("again")
    held = answer_of("import", again.store, stdin=document)
    assert held["store_id"] == answer_of("check", filled.store)["store_id"]
    assert records_of(again.store) == records_of(filled.store)
    assert output_of("check", again.store)
    again.start()
    assert set(again.volumes()) == {"v1", "v2", "v3"}
    assert again.status()["incarnation"] == 2


def test_an_export_may_be_laid_out_anew(filled, tmp_path):
    document = json.dumps(json.loads(output_of("export", filled.store)),
                          indent=8, sort_keys=True)
    output_of("import", tmp_path / "again", stdin=document)
    assert records_of(tmp_path / "again") == records_of(filled.store)


def test_an_export_keeps_a_damaged_volume_damaged(filled, tmp_path):
    spoil_body(AuthorityLog(filled.store))
    output_of("import", tmp_path / "again",
              stdin=output_of("export", filled.store))
    assert "v2" in refusal_of("check", tmp_path / "again")


def edit_host(document):
    document["records"][2]["slots"][1]["host"] = "h4"
    return "volume v2: field \"slots\""


def edit_write_seq(document):
    document["records"][2]["write_seq"] = 7
    return "volume v2: field \"write_seq\""


def edit_frame(document):
    frame = document["records"][2]["frame"]
    document["records"][2]["frame"] = "B" + frame[1:]
    return "volume v2: field \"frame\""


def edit_guard(document):
    del document["records"][2]["guard"]
    return "volume v2: field \"guard\""


def edit_incarnation(document):
    document["incarnation"] = 99
    return "document: field \"incarnation\""


def edit_store(document):
    document["store_id"] = "0" * 31 + "1"
    return "record 1: field \"frame\""


def edit_version(document):
    document["export_version"] = 2
    return "document: field \"export_version\""


def drop_record(document):
    del document["records"][3]
    return "document: field \"sha256\""


@pytest.mark.parametrize("edit", [
    edit_host, edit_write_seq, edit_frame, edit_guard, edit_incarnation,
    edit_store, edit_version, drop_record])
def test_an_edited_export_is_refused_with_its_field(filled, tmp_path, edit):
    document = json.loads(output_of("export", filled.store))
    words = edit(document)
    assert words in refusal_of("import", tmp_path / "again",
                               stdin=json.dumps(document))
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", "\0", "null"])
def test_what_is_no_export_is_refused(tmp_path, text):
    assert "import: " in refusal_of("import", tmp_path / "again", stdin=text)
    assert not (tmp_path / "again").exists()


# --- salvage -----------------------------------------------------------------

def test_a_hole_is_salvaged_and_every_volume_in_doubt(filled, new_master):
    at, _ = spoil_header(AuthorityLog(filled.store))
    before = filled.store_bytes()
    saved = new_master("saved")
    told = answer_of("salvage", filled.store, saved.store)
    assert told["frames_lost"] == 1
    assert told["lost"] == [{"first_log_seq": 4, "last_log_seq": 4}]
    assert [hole["offset"] for hole in told["unread"]] == [at]
    assert [(record["volume"], record["saved"])
            for record in told["records"]] == \
        [("v1", "in_doubt"), ("v3", "in_doubt")]
    found = answer_of("check", saved.store)
    assert (found["volumes"], found["in_doubt"]) == (2, 2)
    # Above the one seen, and above one that the lost frame may have held.
    assert found["incarnation"] == told["incarnation"] == 3
    assert found["store_id"] == told["store_id"]
    assert filled.store_bytes() == before
    saved.start()
    assert set(saved.volumes()) == {"v1", "v3"}
    assert saved.status()["incarnation"] == 4


@pytest.mark.parametrize("spoil", [spoil_header, spoil_incarnation,
                                   spoil_opening, zero_a_frame, repeat_a_frame,
                                   fill_spare_space, cut_a_frame, cut_frames])
def test_each_refused_log_is_salvaged_into_one_that_boots(filled, new_master,
                                                          spoil):
    spoil(AuthorityLog(filled.store))
    saved = new_master("saved")
    told = answer_of("salvage", filled.store, saved.store)
    assert told["incarnation"] > 1
    assert output_of("check", saved.store)
    names = {record["volume"] for record in told["records"]}
    saved.start()
    assert set(saved.volumes()) == names
    assert names and names <= {"v1", "v2", "v3"}


def test_salvage_tells_people_too(filled, tmp_path):
    spoil_header(AuthorityLog(filled.store))
    text = output_of("salvage", filled.store, tmp_path / "saved")
    assert "saved=in_doubt" in text and "first_log_seq=4" in text


def test_a_log_that_boots_is_not_salvaged(filled, tmp_path):
    assert "backup" in refusal_of("salvage", filled.store, tmp_path / "s")
    spoil_body(AuthorityLog(filled.store))
    assert "backup" in refusal_of("salvage", filled.store, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_later_format_is_not_salvaged_by_an_older_program(filled, tmp_path):
    at, words = later_format(AuthorityLog(filled.store))
    sentence = refusal_of("salvage", filled.store, tmp_path / "s")
    assert f"offset {at}: " in sentence and words in sentence
    assert not (tmp_path / "s").exists()


# --- raise -------------------------------------------------------------------

def test_raise_lifts_the_incarnation_and_never_lowers_it(filled):
    told = answer_of("raise", filled.store, 40)
    assert (told["incarnation_before"], told["incarnation"]) == (1, 40)
    told = answer_of("raise", filled.store, 30)
    assert (told["incarnation_before"], told["incarnation"]) == (40, 40)
    newest = records_of(filled.store)[-1]
    assert (newest["incarnation"], newest["lease_ms"]) == (40, 6000)
    filled.start()
    assert filled.status()["incarnation"] == 41
    assert set(filled.volumes()) == {"v1", "v2", "v3"}


def test_a_store_that_is_owned_is_not_raised(running):
    running.create("v1")
    before = running.store_bytes()
    assert f"process {running.process.pid}" in refusal_of(
        "raise", running.store, 40)
    assert running.store_bytes() == before


def test_a_refused_log_is_not_raised(filled):
    at, _ = spoil_header(AuthorityLog(filled.store))
    before = filled.store_bytes()
    assert f"offset {at}: " in refusal_of("raise", filled.store, 40)
    assert filled.store_bytes() == before

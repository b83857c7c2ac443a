# SPDX-License-Identifier: GPL-2.0
"""The bfence tool as a process: what it prints, where, and its exit code.

No kernel module is needed: the local verbs are tried for what they say without
one, the cluster verbs against a small master of this test's own.
"""

import http.server
import json
import os
import pathlib
import socket
import socketserver
import subprocess
import threading

import pytest

BFENCE = os.environ.get(
    "BFENCE_BIN", os.path.join(os.environ.get("BUILD", "build"), "bfence"))

VOLUME = {
    "volume": "v1",
    "guard": "lease",
    "state": "open",
    "epoch": 4,
    "endpoint_version": 2,
    "primary": "r2",
    "primary_host": "h2",
    "data_addr": "10.0.0.2:9000",
    "write_seq": 17,
    "slots": [
        {"replica": "r1", "host": "h1", "connected": False, "fenced": False,
         "floor_epoch": 3, "floor_endpoint_version": 1, "backing_ok": True},
        {"replica": "r2", "host": "h2", "connected": True, "state": "open",
         "fenced": True, "floor_epoch": 4, "floor_endpoint_version": 2,
         "applied_epoch": 4, "applied_endpoint_version": 2,
         "backing_ok": True},
    ],
    "evidence": [{"code": "SlotSilent", "note": "h1 was not heard for 12 s"}],
    "future_key": {"kept": True},
}
UNBOUND = {"volume": "v2", "guard": "quorum", "state": "unbound",
           "slots": [], "evidence": []}
HOSTS = [
    {"host": "h1", "connected": False, "fresh": False, "drained": True,
     "lease_left_ms": 0, "slots": 2, "primaries": 0},
    {"host": "h2", "connected": True, "boot_id": "b-2", "fresh": True,
     "drained": False, "lease_left_ms": 5210, "slots": 2, "primaries": 1, "last_heard_ms": 740},
]
STATUS = {"store_id": "s-1", "incarnation": 9, "uptime_ms": 61000,
          "volumes": 2, "hosts": 3, "hosts_connected": 2, "reloaded": 2,
          "skips": [{"volume": "v3", "offset": 1536,
                     "class": "AuthorityRecordCorrupt",
                     "note": "body checksum differs"}]}


def run(*words, env=None, timeout=20):
    """One call of the tool, with nothing of the caller's environment."""
    return subprocess.run(
        [BFENCE, *words], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=timeout,
        env={"PATH": os.environ["PATH"], **(env or {})})


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from server.answers and writes down what was asked."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(
            (self.command, self.path, self.headers.get("Content-Type"),
             json.loads(body) if body else None))
        status, reply = self.server.answers[self.command, self.path]
        if not isinstance(reply, bytes):
            reply = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = do_DELETE = answer

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        """Silence: pytest shows what failed."""


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Master:
    def __init__(self, path):
        self.path = str(path)
        self.server = Server(self.path, Handler)
        self.server.asked = []
        self.server.answers = {
            ("GET", "/v1/status"): (200, STATUS),
            ("GET", "/v1/volumes"): (200, [VOLUME, UNBOUND]),
            ("GET", "/v1/volumes/v1"): (200, VOLUME),
            ("GET", "/v1/hosts"): (200, HOSTS),
            ("POST", "/v1/volumes"): (201, UNBOUND),
        }
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def will_answer(self, method, path, status, reply):
        self.server.answers[method, path] = (status, reply)

    def run(self, *words):
        return run(*words, "-s", self.path)


@pytest.fixture(name="master")
def fixture_master(tmp_path):
    master = Master(tmp_path / "m.sock")
    yield master
    master.server.shutdown()
    master.server.server_close()


def rows(text):
    return [line.split() for line in text.splitlines()]


# --- usage -------------------------------------------------------------------

@pytest.mark.parametrize("words, part", [
    ([], "a verb is missing"),
    (["frobnicate"], "frobnicate"),
    (["volume"], "no such verb: volume"),
    (["volume", "frobnicate"], "no such verb: volume"),
    (["show", "v1", "v2"], '"v2"'),
    (["show", "--wait"], "--wait"),
    (["show", "v1", "--host"], "--host"),
    (["attach", "v1", "r1", "vdb"], '"vdb"'),
    (["attach", "v1", "r1"], "too few words"),
    (["fence", "v1", "3"], '"3"'),
    (["fence", "v1", "0.1"], '"0.1"'),
    (["fence", "v1", "1.0"], '"1.0"'),
    (["fence", "v1", "1.1", "--drain-ms", "0"], '"0"'),
    (["fence", "v1", "1.1", "--nonsense"], "--nonsense"),
    (["open", "-v", "1.1"], "-v"),
    (["lease", "3600001"], '"3600001"'),
    (["lease", "-5"], "-5"),
    (["volume", "show", "../hosts"], '"../hosts"'),
    (["volume", "create", "v1", "h1", "h2"], "too few words"),
    (["volume", "create", "v1", "h1", "h2", "h3", "--guard", "x"], '"x"'),
    (["volume", "create", "v1", "h1", "h1", "h3"], '"h1"'),
    (["volume", "delete"], "too few words"),
    (["volume", "delete", "v1", "--expect", "4"], '"4"'),
    (["volume", "recover", "v1", "h1", "h2"], "too few words"),
    (["volume", "recover", "v1", "--force"], "--force"),
])
def test_a_wrong_command_line_is_exit_2_with_the_usage_on_stderr(words, part):
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, usage = done.stderr.splitlines()
    assert sentence.startswith("bfence: ")
    assert part in sentence
    assert usage.startswith("usage: bfence ")


def test_help_lists_every_verb_on_stdout():
    done = run("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for verb in ("show", "monitor", "attach", "detach", "fence", "open",
                 "close", "lease", "cluster status", "volume list",
                 "volume show", "volume create", "volume delete",
                 "volume recover", "volume reassign", "host list",
                 "host show", "host drain", "host undrain"):
        assert f"\n  {verb} " in done.stdout
        help_of_verb = run(*verb.split(), "--help")
        assert help_of_verb.returncode == 0
        assert help_of_verb.stdout.startswith(f"usage: bfence {verb}")


# --- local verbs without a module --------------------------------------------

def module_is_loaded():
    return pathlib.Path("/sys/module/bfence").exists()


@pytest.mark.skipif(module_is_loaded(), reason="bfence.ko is loaded here")
@pytest.mark.parametrize("words", [
    ["show"], ["show", "v1"], ["show", "--host", "-j"], ["monitor"],
    ["attach", "v1", "r1", "/dev/vdb", "--at", "3.1"], ["detach", "v1"],
    ["fence", "v1", "3.1"], ["fence", "v1", "3.1", "--wait"],
    ["open", "v1", "3.1"], ["close", "v1", "--wait"], ["lease", "6000"],
])
def test_without_the_module_a_local_verb_says_how_to_load_it(words):
    done = run(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"bfence: {words[0]}")
    assert "modprobe bfence" in done.stderr


# --- cluster verbs -----------------------------------------------------------

def test_volume_list_is_a_table(master):
    done = master.run("volume", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout) == [
        ["VOLUME", "STATE", "LINEAGE", "PRIMARY", "HOST", "GUARD", "DATA",
         "EVIDENCE"],
        ["v1", "open", "4.2", "r2", "h2", "lease", "10.0.0.2:9000",
         "SlotSilent"],
        ["v2", "unbound", "-", "-", "-", "quorum", "-", "-"],
    ]


def test_volume_show_has_fields_slots_and_evidence(master):
    done = master.run("volume", "show", "v1")
    assert done.returncode == 0
    got = rows(done.stdout)
    assert ["epoch", "4"] in got
    assert ["primary_host", "h2"] in got
    assert not [row for row in got if row[:1] == ["ctrl_addr"]]
    assert ["r1", "h1", "no", "-", "no", "3.1", "-", "yes"] in got
    assert ["r2", "h2", "yes", "open", "yes", "4.2", "4.2", "yes"] in got
    assert "SlotSilent  h1 was not heard for 12 s\n" in done.stdout


def test_host_list_is_a_table(master):
    done = master.run("host", "list")
    assert rows(done.stdout)[1:] == [
        ["h1", "no", "no", "yes", "0", "ms", "2", "0", "-", "-"],
        ["h2", "yes", "yes", "no", "5.210", "s", "2", "1", "740", "ms", "b-2"],
    ]


def test_a_reassign_says_only_what_was_given(master):
    path = "/v1/volumes/v1/reassign"
    master.will_answer("POST", path, 200, VOLUME)
    for words, body in (
            ([], {"force": False}),
            (["--to", "h2", "--expect", "4.2"],
             {"to": "h2", "expect": "4.2", "force": False}),
            (["--to", "h2", "--force"], {"to": "h2", "force": True})):
        done = master.run("volume", "reassign", "v1", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert ["primary_host", "h2"] in rows(done.stdout)
        assert master.server.asked[-1] == \
            ("POST", path, "application/json", body)


def test_a_reassign_that_is_refused_says_why(master):
    master.will_answer("POST", "/v1/volumes/v1/reassign", 409,
                       {"error": "volume v1: host h1 is drained"})
    done = master.run("volume", "reassign", "v1", "--to", "h1")
    assert done.returncode == 1
    assert done.stderr == \
        "bfence: volume reassign v1: volume v1: host h1 is drained\n"


@pytest.mark.parametrize("verb, method, path", [
    ("show", "GET", "/v1/hosts/h1"),
    ("drain", "POST", "/v1/hosts/h1/drain"),
    ("undrain", "POST", "/v1/hosts/h1/undrain"),
])
def test_a_host_is_shown_drained_and_undrained(master, verb, method, path):
    master.will_answer(method, path, 200, HOSTS[0])
    done = master.run("host", verb, "h1")
    assert (done.returncode, done.stderr) == (0, "")
    assert ["drained", "yes"] in rows(done.stdout)
    assert master.server.asked[-1][:2] == (method, path)
    assert master.server.asked[-1][3] is None
    assert json.loads(master.run("host", verb, "h1", "-j").stdout) == HOSTS[:1]


def test_cluster_status_shows_what_was_not_loaded(master):
    done = master.run("cluster", "status")
    got = rows(done.stdout)
    assert ["incarnation", "9"] in got
    assert ["uptime_ms", "1m01s"] in got
    assert ["skips", "1"] in got
    assert "v3      1536    AuthorityRecordCorrupt  body checksum differs\n" \
        in done.stdout


@pytest.mark.parametrize("words, expected", [
    (["cluster", "status"], [STATUS]),
    (["volume", "list"], [VOLUME, UNBOUND]),
    (["volume", "show", "v1"], [VOLUME]),
    (["host", "list"], HOSTS),
    (["volume", "create", "v2", "h1", "h2", "h3"], [UNBOUND]),
])
def test_json_is_the_masters_own_and_always_an_array(master, words, expected):
    done = master.run(*words, "-j")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("options, guard", [
    ([], {}),
    (["--guard", "quorum"], {"guard": "quorum"}),
])
def test_volume_create_posts_the_words_and_no_default(master, options, guard):
    done = master.run("volume", "create", "v2", "h1", "h2", "h3", *options)
    assert done.returncode == 0
    assert ["state", "unbound"] in rows(done.stdout)
    assert master.server.asked == [
        ("POST", "/v1/volumes", "application/json",
         {"volume": "v2", "hosts": ["h1", "h2", "h3"], **guard})]


@pytest.mark.parametrize("options, query", [
    ([], "?expect=none"),
    (["--expect", "4.2"], "?expect=4.2"),
    (["--force"], ""),
])
def test_volume_delete_names_the_line_that_is_meant(master, options, query):
    master.will_answer("DELETE", f"/v1/volumes/v1{query}", 200,
                       {"volume": "v1", "deleted": True})
    done = master.run("volume", "delete", "v1", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout) == [["volume", "v1"], ["deleted", "yes"]]
    assert master.server.asked[0][:2] == ("DELETE", f"/v1/volumes/v1{query}")
    done = master.run("volume", "delete", "v1", *options, "-j")
    assert json.loads(done.stdout) == [{"volume": "v1", "deleted": True}]


def test_volume_delete_does_not_guess_between_two_options(master):
    done = master.run("volume", "delete", "v1", "--force", "--expect", "4.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert master.server.asked == []


@pytest.mark.parametrize("words, body", [
    ([], {"expect": "none"}),
    (["--expect", "4.2"], {"expect": "4.2"}),
    (["h1", "h2", "h3", "--guard", "quorum"],
     {"expect": "none", "hosts": ["h1", "h2", "h3"], "guard": "quorum"}),
])
def test_volume_recover_posts_what_is_known(master, words, body):
    recovered = {**VOLUME, "recovery_write_seq": 17,
                 "recovery_line_epoch": 1, "recovery_line_endpoint_version": 2,
                 "recovery_unix_s": 1700000000, "recovery_uid": 7}
    master.will_answer("POST", "/v1/volumes/v1/recover", 200, recovered)
    done = master.run("volume", "recover", "v1", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert ["recovery_uid", "7"] in rows(done.stdout)
    assert ["recovery_line_epoch", "1"] in rows(done.stdout)
    assert master.server.asked == [
        ("POST", "/v1/volumes/v1/recover", "application/json", body)]


@pytest.mark.parametrize("status", [400, 404, 409, 503])
def test_the_masters_refusal_is_printed_and_exit_1(master, status):
    master.will_answer("POST", "/v1/volumes", status,
                       {"error": "volume v1 exists already"})
    done = master.run("volume", "create", "v1", "h1", "h2", "h3")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == ("bfence: volume create v1 h1 h2 h3: "
                           "volume v1 exists already\n")


@pytest.mark.parametrize("status, reply, part", [
    (500, b"<html>", "HTTP status 500"),
    (500, {"error": 5}, "HTTP status 500"),
    (200, b"", "not JSON"),
    (200, b'[{"volume":', "not JSON"),
    (200, {"volume": "v1"}, "not an array"),
    (200, b"[3]", "not an array of objects"),
])
def test_an_answer_that_makes_no_sense_is_a_refusal(master, status, reply,
                                                    part):
    master.will_answer("GET", "/v1/volumes", status, reply)
    done = master.run("volume", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_note_of_the_master_cannot_steer_the_terminal(master):
    evil = {**UNBOUND, "evidence": [{"code": "A\x1b[2J", "note": "b\nc"}]}
    master.will_answer("GET", "/v1/volumes/v2", 200, evil)
    done = master.run("volume", "show", "v2")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "A?[2J     b?c\n" in done.stdout


def test_a_missing_master_is_one_sentence_with_the_socket(tmp_path):
    path = str(tmp_path / "none.sock")
    done = run("volume", "list", "-s", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("bfence: volume list: ")
    assert path in done.stderr
    assert "No such file or directory" in done.stderr
    assert "bfenced" in done.stderr


def test_a_dead_masters_socket_is_one_sentence(tmp_path):
    path = str(tmp_path / "dead.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    done = run("host", "list", "-s", path)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr


def test_a_master_that_dies_in_the_middle_is_one_sentence(tmp_path):
    path = str(tmp_path / "m.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def hang_up():
            client, _ = listener.accept()
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[")
            client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        done = run("volume", "list", "-s", path)
        thread.join()
    assert (done.returncode, done.stdout) == (1, "")
    assert path in done.stderr


def test_a_socket_path_that_is_too_long_is_said():
    done = run("volume", "list", "-s", "/" + "s" * 200)
    assert done.returncode == 1
    assert "s" * 200 in done.stderr


def test_the_environment_names_the_socket_and_the_option_wins(master,
                                                              tmp_path):
    done = run("volume", "list", env={"BFENCE_SOCKET": master.path})
    assert done.returncode == 0
    none = str(tmp_path / "none.sock")
    done = run("volume", "list", "-s", master.path,
               env={"BFENCE_SOCKET": none})
    assert done.returncode == 0
    done = run("volume", "list", env={"BFENCE_SOCKET": none})
    assert done.returncode == 1
    assert none in done.stderr


def test_output_that_cannot_be_written_is_a_refusal(master):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BFENCE, "volume", "list", "-s", master.path],
                              stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=20, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


# --- completion --------------------------------------------------------------

@pytest.fixture(name="complete")
def fixture_complete(master, tmp_path):
    """What bash offers for the last word of a line."""
    os.symlink(os.path.abspath(BFENCE), tmp_path / "bfence")
    script = pathlib.Path(__file__).parents[2] / "tools/completion.bash"

    def complete(*words):
        done = subprocess.run(
            ["bash", "-c", f'source "{script}"; COMP_WORDS=(bfence "$@"); '
             'COMP_CWORD=$#; _bfence_complete; '
             'printf "%s\\n" "${COMPREPLY[@]}"', "bash", *words],
            capture_output=True, text=True, timeout=20, check=True,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}",
                 "BFENCE_SOCKET": master.path})
        assert done.stderr == ""
        return done.stdout.split()
    return complete


@pytest.mark.parametrize("words, offered", [
    (["sh"], ["show"]),
    (["vol"], ["volume"]),
    (["volume", ""], ["create", "delete", "list", "reassign", "recover",
                      "show"]),
    (["volume", "reassign", "v1", "--to", "h"], ["h1", "h2"]),
    (["host", ""], ["drain", "list", "show", "undrain"]),
    (["host", "drain", ""], ["h1", "h2"]),
    (["volume", "delete", ""], ["v1", "v2"]),
    (["volume", "recover", "v1", "h"], ["h1", "h2"]),
    (["fence", "v1", "1.1", "--dr"], ["--drain-ms"]),
    (["volume", "create", "--guard", ""], ["lease", "quorum"]),
    (["volume", "show", ""], ["v1", "v2"]),
    (["volume", "create", "v9", "h"], ["h1", "h2"]),
    (["attach", "v1", "r1", "/dev/nul"], ["/dev/null"]),
    (["lease", "--f"], []),
])
def test_completion_offers_what_fits(complete, words, offered):
    assert complete(*words) == offered

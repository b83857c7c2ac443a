# SPDX-License-Identifier: GPL-2.0
"""The runner, the sum and the evidence cannot call a failure a success."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import evidence
import results
from results import Result

HERE = Path(__file__).parent


def ring(folder: Path, name: str, cases: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")


PASS = '<testcase classname="tests.vm.test_gate" name="opens"/>'
FAIL = '<testcase classname="gate" name="drains"><failure message="it did not"/></testcase>'
ERROR = '<testcase classname="gate" name="starts"><error message="no guest"/></testcase>'
SKIP = '<testcase classname="gate" name="leases"><skipped message="no clock"/></testcase>'


def run(script: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", HERE / script, *args], text=True,
                          capture_output=True, env={**os.environ, **environment})


def sum_of(folder: Path, *rings: str) -> tuple[int, str]:
    done = run("results.py", str(folder), *rings)
    return done.returncode, done.stdout


def test_the_last_line_is_the_sum(tmp_path: Path) -> None:
    ring(tmp_path, "vm", PASS + FAIL + ERROR + SKIP)
    ring(tmp_path, "unit", PASS)
    status, text = sum_of(tmp_path, "unit", "vm")
    assert status == 1
    assert text.splitlines()[-1] == "2 passed, 2 failed, 1 skipped"
    assert "failed: vm:gate.drains: it did not" in text
    assert "failed: vm:gate.starts: no guest" in text
    assert "skipped: vm:gate.leases: no clock" in text


def test_only_passes_and_skips_are_a_success(tmp_path: Path) -> None:
    ring(tmp_path, "vm", PASS + SKIP)
    assert sum_of(tmp_path, "vm")[0] == 0


@pytest.mark.parametrize("content", [None, "", "<testsuite>", "<testsuite/>"])
def test_a_ring_without_a_sound_result_has_failed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "vm.xml").write_text(content)
    status, text = sum_of(tmp_path, "vm")
    assert status == 1
    assert text.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_a_ring_is_one_file_or_a_folder(tmp_path: Path) -> None:
    ring(tmp_path, "vm", PASS)
    ring(tmp_path / "unit", "gate", FAIL)
    ring(tmp_path / "unit", "loop", PASS)
    assert results.rings_of(tmp_path) == ["unit", "vm"]
    assert len(results.read_ring(tmp_path, "unit")) == 2


# --- the runner ---------------------------------------------------------------


@pytest.mark.parametrize("limit, command, sentence", [
    ("5", ["false"], "exit code 1"),
    ("5", ["sh", "-c", "kill -SEGV $$"], "killed by SIGSEGV"),
    ("0.2", ["sleep", "30"], "no end within the time limit"),
    ("5", ["no-such-tool-here"], "exit code 127"),
])
def test_a_step_that_does_not_end_well_has_failed(
        tmp_path: Path, limit: str, command: list[str], sentence: str) -> None:
    done = run("run.py", "step", "lint", "tool", limit, *command, RESULTS=str(tmp_path))
    assert done.returncode == 0 and "1 FAILED of 1" in done.stdout
    assert sentence in results.read_ring(tmp_path, "lint")[0].reason


def test_a_step_that_ends_well_has_passed(tmp_path: Path) -> None:
    run("run.py", "step", "lint", "tool", "5", "true", RESULTS=str(tmp_path))
    assert [r.verdict for r in results.read_ring(tmp_path, "lint")] == ["passed"]


XML = ('echo "<testsuites><testsuite><testcase name=\\"a\\">$1</testcase>'
       '</testsuite></testsuites>" >"$CMOCKA_XML_FILE"; ')


@pytest.mark.parametrize("script, verdicts", [
    (XML, ["passed"]),
    (XML + "exit 1", ["passed", "failed"]),  # a leak, found after the last test
    (XML.replace("$1", "<failure/>") + "exit 1", ["failed"]),
    (XML.replace("$1", "<failure/>") + "exit 23", ["failed", "failed"]),
    (XML + "kill -ABRT $$", ["passed", "failed"]),
    ("exit 0", ["failed"]),
    ("echo '<testsuites/>' >\"$CMOCKA_XML_FILE\"", ["failed"]),
    ("echo '<testsuites>' >\"$CMOCKA_XML_FILE\"", ["failed"]),
    ("sleep 30", ["failed"]),
])
def test_a_unit_test_program_cannot_hide(tmp_path: Path, script: str,
                                         verdicts: list[str]) -> None:
    program = tmp_path / "test_gate"
    program.write_text("#!/bin/sh\n" + script + "\n")
    program.chmod(0o755)
    run("run.py", "cmocka", "unit", "1", str(program), RESULTS=str(tmp_path / "results"))
    found = results.read_ring(tmp_path / "results", "unit")
    assert [result.verdict for result in found] == verdicts
    assert {result.suite for result in found} == {"gate"}


@pytest.mark.parametrize("script, verdicts", [
    ("def test_a(): pass\n", ["passed"]),
    ("def test_a(): assert 0\n", ["failed"]),
    ("import no_such_module\n", ["failed", "failed"]),
    ("", ["failed"]),
    ("import time\ndef test_a(): pass\ndef test_b(): time.sleep(30)\n",
     ["passed", "failed", "failed"]),
])
def test_pytest_cannot_hide(tmp_path: Path, script: str, verdicts: list[str]) -> None:
    (tmp_path / "test_x.py").write_text(script)
    run("run.py", "pytest", "vm", "3", str(tmp_path), RESULTS=str(tmp_path / "results"))
    found = results.read_ring(tmp_path / "results", "vm")
    assert [result.verdict for result in found] == verdicts


# --- the evidence -------------------------------------------------------------

RESULTS = [Result("unit", "gate", "drains", "passed"),
           Result("unit", "gate", "opens[1]", "passed"),
           Result("unit", "gate", "opens[2]", "failed"),
           Result("vm", "gate", "leases", "skipped")]


@pytest.mark.parametrize("patterns, state, names", [
    ([], "hole", []),
    (["unit:gate.drains"], "ok", ["unit:gate.drains"]),
    (["unit:gate.opens"], "FAIL", ["unit:gate.opens[1]", "unit:gate.opens[2]"]),
    (["unit:gate.opens[1]"], "ok", ["unit:gate.opens[1]"]),
    (["unit:gate.d*"], "ok", ["unit:gate.drains"]),
    (["vm:gate.leases"], "FAIL", ["vm:gate.leases"]),
    (["unit:gate.drain"], "FAIL", ["unit:gate.drain"]),
    (["unit:gate.drains", "vm:gate.gone"], "FAIL", ["unit:gate.drains", "vm:gate.gone"]),
])
def test_a_cell_is_what_its_tests_are(patterns: list[str], state: str,
                                      names: list[str]) -> None:
    cell = evidence.cell_of(patterns, RESULTS)
    assert (cell.state, list(cell.tests)) == (state, names)


def test_a_claim_finds_programs_and_steps_of_any_ring(tmp_path: Path) -> None:
    program = tmp_path / "test_log"
    program.write_text("#!/bin/sh\n" + XML + "\n")
    program.chmod(0o755)
    folder = tmp_path / "results"
    run("run.py", "cmocka", "crash", "5", str(program), RESULTS=str(folder))
    run("run.py", "step", "fuzz", "wire", "5", "true", RESULTS=str(folder))
    run("run.py", "step", "fuzz", "ask", "5", "false", RESULTS=str(folder))
    found = [result for name in results.rings_of(folder)
             for result in results.read_ring(folder, name)]
    assert evidence.cell_of(["crash:log.*"], found).tests == {"crash:log.a": "passed"}
    assert evidence.cell_of(["fuzz:fuzz.wire"], found).state == "ok"
    assert evidence.cell_of(["fuzz:fuzz.*"], found).state == "FAIL"


def test_every_claim_has_its_row() -> None:
    claims = evidence.read_claims(evidence.CLAIMS.read_text(), [])
    assert len({claim.title for claim in claims}) == len(evidence.IDS)


@pytest.mark.parametrize("change", [
    lambda text: text.replace('id = "3"', 'id = "33"'),
    lambda text: text.replace("L0 =", "L7 =", 1),
])
def test_a_bad_map_is_refused(change) -> None:
    with pytest.raises(evidence.BadMap):
        evidence.read_claims(change(evidence.CLAIMS.read_text()), [])

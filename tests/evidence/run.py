# SPDX-License-Identifier: GPL-2.0
"""Runs one step of a ring and writes down what came of it as JUnit XML.

    run.py step RING NAME SECONDS COMMAND...    one command, one test case
    run.py cmocka RING SECONDS BINARY...        unit test programs, side by side
    run.py pytest RING[/PART] SECONDS ARGS...   the tests of one folder

Results go to build/results/RING.xml or RING/NAME.xml, what was printed to a
.log beside it. The exit code is 0 whenever the result was written: the sum of
the results (results.py) is the verdict. A command that crashes, hangs, or ends
without a result of its own is a failed test case. It must never know what a
test proves.
"""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(os.environ.get("RESULTS", "build/results"))
GRACE_S = 15  # from the polite end of a command to the hard one
TEXT_MAX = 20000  # of a log, in a result


@dataclass(frozen=True)
class Outcome:
    status: int | None  # None: the time was over
    seconds: float
    text: str

    def sentence(self) -> str:
        if self.status is None:
            return f"no end within the time limit, stopped after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit code {self.status}"


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        pass


def run(command: list[str], log: Path, limit: float, env: dict[str, str] | None = None,
        polite: signal.Signals = signal.SIGTERM) -> Outcome:
    """In a process group of its own, which is gone when this returns."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(  # keeps make's job server open
                command, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, **(env or {})},
                process_group=0, close_fds=False)
        except OSError as error:
            return Outcome(127, 0, f"{command[0]}: {error.strerror}")
        status: int | None = None
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            end(process, polite)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                pass
        except BaseException:  # Ctrl-C does not reach the group by itself
            end(process, polite)
            process.wait(GRACE_S)
            raise
        finally:
            end(process, signal.SIGKILL)
            process.wait()
    return Outcome(status, time.monotonic() - begin,
                   log.read_text(errors="replace"))


def printable(text: str) -> str:
    """XML 1.0 has no way to say the other control characters."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)


def case(suite: str, name: str, seconds: float = 0, failure: str = "",
         text: str = "") -> ET.Element:
    element = ET.Element("testcase", classname=suite, name=name,
                         time=f"{seconds:.3f}")
    if failure:
        child = ET.SubElement(element, "failure", message=printable(failure))
        child.text = printable(text[-TEXT_MAX:])
    return element


def write(path: Path, suite: str, cases: list[ET.Element]) -> None:
    top = ET.Element("testsuite", name=suite)
    top.extend(cases)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)


def bad(element: ET.Element) -> bool:
    return element.find("failure") is not None or element.find("error") is not None


def tell(ring: str, name: str, cases: list[ET.Element], outcome: Outcome) -> None:
    """One line a step, and all of its output where it failed."""
    failed = sum(map(bad, cases))
    skipped = sum(element.find("skipped") is not None for element in cases)
    verdict = f"{failed} FAILED of {len(cases)}" if failed else f"{len(cases)} ok"
    if skipped:
        verdict += f", {skipped} of them skipped"
    if failed and outcome.text:
        print(outcome.text.rstrip())
    print(f"  {ring.upper():8} {name}: {verdict} ({outcome.seconds:.1f} s)", flush=True)


def step(ring: str, name: str, limit: float, command: list[str]) -> None:
    outcome = run(command, RESULTS / ring / f"{name}.log", limit)
    failure = "" if outcome.status == 0 else outcome.sentence()
    cases = [case(ring, name, outcome.seconds, failure, outcome.text)]
    write(RESULTS / ring / f"{name}.xml", name, cases)
    tell(ring, name, cases, outcome)


def read(path: Path) -> tuple[list[ET.Element], str]:
    """The test cases that a program wrote down, and what is wrong with them."""
    if not path.exists():
        return [], "it wrote no result"
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))
    except ET.ParseError as error:
        return [], f"its result is not XML: {error}"
    return cases, "" if cases else "it ran no test"


def settle(suite: str, cases: list[ET.Element], wrong: str, outcome: Outcome) -> None:
    """A failure that no test case tells becomes one of its own."""
    if not wrong and (outcome.status == 0 or
                      (any(map(bad, cases)) and outcome.status == 1)):
        return
    sentence = ", ".join(filter(None, [wrong, outcome.sentence()]))
    cases.append(case(suite, "the_program_itself", outcome.seconds, sentence,
                      outcome.text))


def cmocka(ring: str, limit: float, binary: Path) -> None:
    suite = binary.name.removeprefix("test_")
    path = RESULTS / ring / f"{suite}.xml"
    path.unlink(missing_ok=True)  # cmocka does not overwrite
    outcome = run([str(binary.absolute())], path.with_suffix(".log"), limit,
                  {"CMOCKA_MESSAGE_OUTPUT": "xml", "CMOCKA_XML_FILE": str(path)})
    cases, wrong = read(path)
    for element in cases:
        element.set("classname", suite)
    failed = sum(map(bad, cases))  # which is what such a program exits with
    if outcome.status is not None and 0 < outcome.status == failed:
        outcome = Outcome(1, outcome.seconds, outcome.text)
    settle(suite, cases, wrong, outcome)
    write(path, suite, cases)
    for element in cases:
        for child in element.findall("failure"):
            print(f"{suite}.{element.get('name')}: {child.get('message') or ''}\n"
                  f"{(child.text or '').strip()}", flush=True)
    tell(ring, suite, cases, Outcome(outcome.status, outcome.seconds, ""))


def cmocka_all(ring: str, limit: float, binaries: list[str]) -> None:
    (RESULTS / ring).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda name: cmocka(ring, limit, Path(name)), binaries):
            pass


def pytest(ring: str, limit: float, args: list[str]) -> None:
    path = RESULTS / f"{ring}.xml"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "--tb=short", f"--junitxml={path}", *args]
    outcome = run(command, path.with_suffix(".log"), limit, polite=signal.SIGINT)
    cases, wrong = read(path)
    if outcome.status is None and cases and not bad(cases[-1]):
        # pytest writes down the test that it was in as if it had passed.
        ET.SubElement(cases[-1], "failure", message="interrupted: the ring's time is over")
    settle(ring.replace("/", "."), cases, wrong, outcome)
    write(path, ring, cases)
    tell(ring.split("/")[0], ring.split("/")[-1], cases, outcome)


def main(argv: list[str]) -> int:
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    kind, ring, *rest = argv[1:]
    if kind == "step":
        step(ring, rest[0], float(rest[1]), rest[2:])
    elif kind == "cmocka":
        cmocka_all(ring, float(rest[0]), rest[1:])
    elif kind == "pytest":
        pytest(ring, float(rest[0]), rest[1:])
    else:
        print(f"run.py: {kind}: not step, cmocka or pytest", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

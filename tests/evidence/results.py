# SPDX-License-Identifier: GPL-2.0
"""Reads the rings' results and says the sum.

    results.py FOLDER RING...

prints a line for each ring, the names of what failed or was skipped, and last
`N passed, N failed, N skipped`; exit code 1 on a failure. A ring that left no
result counts as a failure. It must never know how a ring runs.
"""
from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

VERDICTS = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Result:
    ring: str
    suite: str  # the unit test program or the pytest file
    test: str
    verdict: str
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.ring}:{self.suite}.{self.test}"


def suite_of(classname: str) -> str:
    """pytest says tests.vm.test_gate.TestClass; the file's name is enough."""
    for part in reversed(classname.split(".")):
        if part.startswith("test_"):
            return part.removeprefix("test_")
    return classname


def result_of(ring: str, case: ET.Element) -> Result:
    verdict, reason = "passed", ""
    for child in case:
        if child.tag in ("failure", "error"):
            verdict = "failed"
        elif child.tag == "skipped" and verdict == "passed":
            verdict = "skipped"
        else:
            continue
        said = child.get("message") or (child.text or "").strip()
        reason = reason or (said.splitlines() or [""])[0]
    return Result(ring, suite_of(case.get("classname", "")), case.get("name", ""),
                  verdict, reason)


def read_ring(folder: Path, ring: str) -> list[Result]:
    results: list[Result] = []
    for path in [folder / f"{ring}.xml", *sorted((folder / ring).glob("*.xml"))]:
        if not path.exists():
            continue
        try:
            root = ET.parse(path).getroot()
        except ET.ParseError as error:
            results.append(Result(ring, path.stem, "result", "failed", str(error)))
            continue
        results += [result_of(ring, case) for case in root.iter("testcase")]
    return results or [Result(ring, ring, "result", "failed", "the ring left no result")]


def rings_of(folder: Path) -> list[str]:
    return sorted({path.relative_to(folder).with_suffix("").parts[0]
                   for path in folder.glob("**/*.xml")})


def line(results: list[Result]) -> str:
    count = Counter(result.verdict for result in results)
    return ", ".join(f"{count[verdict]} {verdict}" for verdict in VERDICTS)


def main(argv: list[str]) -> int:
    folder, rings = Path(argv[1]), argv[2:]
    results = []
    print()
    for ring in rings:
        found = read_ring(folder, ring)
        print(f"{ring:8} {line(found)}")
        results += found
    for verdict in ("failed", "skipped"):
        for result in results:
            if result.verdict == verdict:
                print(f"{verdict}: {result.name}: {result.reason}")
    print(line(results))
    return int(any(result.verdict == "failed" for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv))

# SPDX-License-Identifier: GPL-2.0
"""Which test proves which claim: claims.toml against the rings' results.

    evidence.py RESULTS_FOLDER JSON_FILE

prints a matrix of claims and levels, then the tests of each claim. A cell is
`ok` (all its tests passed), `FAIL` (one failed, was skipped, or is not in the
results) or `hole` (no test is named). Exit code 1 unless every cell is ok. It
must never know what a claim means.
"""
from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from results import Result, read_ring, rings_of

LEVELS = {"L0": "unit", "L1": "in-process route", "L2": "processes", "L3": "VM cluster"}
CLAIMS = Path(__file__).with_name("claims.toml")
IDS = [str(number) for number in range(1, 17)] + [f"I{number}" for number in range(1, 13)]


class BadMap(Exception):
    """claims.toml is not what it should be; the text says where."""


@dataclass
class Cell:
    tests: dict[str, str] = field(default_factory=dict)  # name: verdict

    @property
    def state(self) -> str:
        if not self.tests:
            return "hole"
        return "ok" if set(self.tests.values()) == {"passed"} else "FAIL"


@dataclass
class Claim:
    id: str
    title: str
    cells: dict[str, Cell]


def matches(pattern: str, results: list[Result]) -> list[Result]:
    """`*` stands for anything; a parametrised test is meant with all its cases."""
    wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))) + r"(\[.*\])?",
                        re.DOTALL)
    return [result for result in results if wanted.fullmatch(result.name)]


def cell_of(patterns: list[str], results: list[Result]) -> Cell:
    cell = Cell()
    for pattern in patterns:
        found = matches(pattern, results)
        cell.tests |= {result.name: result.verdict for result in found} or \
            {pattern: "not in the results"}
    return cell


def read_claims(text: str, results: list[Result]) -> list[Claim]:
    claims = []
    for entry in tomllib.loads(text)["claim"]:
        extra = set(entry) - {"id", "title", *LEVELS}
        if extra:
            raise BadMap(f"claim {entry['id']}: unknown key {', '.join(sorted(extra))}")
        cells = {level: cell_of(entry.get(level, []), results) for level in LEVELS}
        claims.append(Claim(entry["id"], entry["title"], cells))
    if [claim.id for claim in claims] != IDS:
        raise BadMap(f"the claims are not {IDS[0]} to {IDS[-1]}, each once, in order")
    return claims


def print_matrix(claims: list[Claim]) -> None:
    width = max(len(claim.title) for claim in claims)
    print(f"{'claim':5}  {'title':{width}}  " + "  ".join(f"{level:4}" for level in LEVELS))
    for claim in claims:
        states = "  ".join(f"{cell.state:4}" for cell in claim.cells.values())
        print(f"{claim.id:>5}  {claim.title:{width}}  {states}".rstrip())
    print("\n" + ", ".join(f"{level} {what}" for level, what in LEVELS.items()))


def print_tests(claims: list[Claim]) -> None:
    for claim in claims:
        print(f"\n{claim.id}. {claim.title}")
        for level, cell in claim.cells.items():
            for name, verdict in cell.tests.items():
                mark = "" if verdict == "passed" else f"  <- {verdict}"
                print(f"  {level}  {name}{mark}")
            if not cell.tests:
                print(f"  {level}  hole")


def as_json(claims: list[Claim]) -> str:
    return json.dumps([
        {"id": claim.id, "title": claim.title} |
        {level: {"state": cell.state, "tests": cell.tests}
         for level, cell in claim.cells.items()} for claim in claims], indent=1) + "\n"


def main(argv: list[str]) -> int:
    folder, target = Path(argv[1]), Path(argv[2])
    results = [result for ring in rings_of(folder) for result in read_ring(folder, ring)]
    try:
        claims = read_claims(CLAIMS.read_text(encoding="utf-8"), results)
    except (BadMap, KeyError, tomllib.TOMLDecodeError) as error:
        print(f"{CLAIMS.name}: {error}", file=sys.stderr)
        return 1
    print_matrix(claims)
    print_tests(claims)
    target.write_text(as_json(claims), encoding="utf-8")
    states = [cell.state for claim in claims for cell in claim.cells.values()]
    print(f"\n{states.count('ok')} ok, {states.count('FAIL')} failed, "
          f"{states.count('hole')} holes of {len(states)}")
    return int(states.count("ok") != len(states))


if __name__ == "__main__":
    sys.exit(main(sys.argv))

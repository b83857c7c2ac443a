# SPDX-License-Identifier: GPL-2.0
"""Plants each fault of mutants.toml in a copy of the code and lets the
simulator look for it.

    mutants.py BUILD SEEDS [NAME...]

A mutant that no seed finds survives, one that does not apply or compile is
out of date: both fail. It must never touch the tree that it is run from.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOMS = ["agent", "kmod", "uapi", "tests/sim", "Makefile"]


def copy_tree(tree: Path) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    for room in ROOMS:
        to = tree / room
        to.parent.mkdir(parents=True, exist_ok=True)
        if Path(room).is_dir():
            shutil.copytree(room, to)
        else:
            shutil.copy2(room, to)


def make(tree: Path) -> str:
    """What went wrong, or nothing."""
    done = subprocess.run(
        ["make", "-s", f"-j{os.cpu_count()}", "WERROR=", "BUILD=build", "build/sim/sim"],
        cwd=tree, capture_output=True, text=True, env=clean())
    return "" if done.returncode == 0 else (done.stderr or done.stdout)[-1500:]


def clean() -> dict[str, str]:
    """Not the caller's make: it knows other folders."""
    return {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "RESULTS")}


def plant(tree: Path, edits: list[dict[str, str]]) -> str:
    for edit in edits:
        path = tree / edit["file"]
        text = path.read_text()
        found = text.count(edit["from"])
        if found != 1:
            return f"{edit['file']}: is there {found} times, not once: {edit['from']!r}"
        path.write_text(text.replace(edit["from"], edit["to"]))
    return ""


def uproot(tree: Path, edits: list[dict[str, str]]) -> None:
    for name in {edit["file"] for edit in edits}:
        shutil.copyfile(name, tree / name)  # a new time: it is compiled again


def hunt(tree: Path, seeds: int) -> tuple[int | None, str]:
    """The seed that found it and how it was seen."""
    done = subprocess.run(["build/sim/sim", "--seeds", str(seeds), "--brief"],
                          cwd=tree, capture_output=True, text=True)
    seen = re.search(r"^seed (\d+): (.*)$", done.stdout, re.MULTILINE)
    return (int(seen[1]), seen[2]) if seen else (None, done.stdout[-300:])


def judge(tree: Path, mutant: dict[str, object], seeds: int) -> bool:
    name, edits = str(mutant["name"]), mutant["edits"]
    wrong = plant(tree, edits) or make(tree)
    seed, seen = (None, wrong) if wrong else hunt(tree, seeds)
    uproot(tree, edits)
    if wrong:
        print(f"OUT OF DATE {name}: {wrong}", flush=True)
    elif seed is None:
        print(f"SURVIVES {name}: {mutant['breaks']}", flush=True)
    else:
        print(f"{name:38} seed {seed:5}  {seen[:100]}", flush=True)
    return seed is not None


def main(argv: list[str]) -> int:
    if len(argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    tree, seeds, wanted = Path(argv[1]) / "mutants", int(argv[2]), argv[3:]
    mutants = tomllib.loads(Path("tests/sim/mutants.toml").read_text())["mutant"]
    if wanted:
        mutants = [m for m in mutants if m["name"] in wanted]
    copy_tree(tree)
    wrong = make(tree)
    if wrong:
        print(f"the code without a mutant: {wrong}")
        return 1
    caught = sum([judge(tree, mutant, seeds) for mutant in mutants])
    print(f"mutants: {caught} of {len(mutants)} caught within {seeds} seeds")
    return 0 if caught == len(mutants) and mutants else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))

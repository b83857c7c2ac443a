# SPDX-License-Identifier: GPL-2.0
"""Runs the groups of `make bench`, collects their entries, prints the table.

    bench.py [GROUP...]     all groups when none is named

A group is an executable of this folder (see frame.py). Environment: BUILD,
QUICK=1 for few samples, RECORD=1 to rewrite the results in docs/benchmarks.md.
Writes BUILD/bench/bench.json. Exits with 1 if a group could not be measured; a
missed target is shown, not a failure. It must never know what a group measures.
"""
from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from frame import OUT, QUICK

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
LIMIT_S = 1800  # for one group
GRACE_S = 15  # from the polite end of a group to the hard one
MET = {None: "", True: "met", False: "MISSED"}

Fields = dict[str, object]


def groups() -> dict[str, Path]:
    return {path.stem: path for path in sorted(HERE.iterdir())
            if path.is_file() and os.access(path, os.X_OK)}


def end(process: subprocess.Popen[str]) -> None:
    """All of its process group: politely, so that it tidies up, then not."""
    for how in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(GRACE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass


def run(name: str, path: Path) -> dict[str, list[object]] | None:
    """What the group found; None, and why on stderr, if it could not measure."""
    print(f"  BENCH    {name}", file=sys.stderr, flush=True)
    for old in OUT.glob(f"{name}-*.png"):
        old.unlink()
    process = subprocess.Popen([str(path)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
        if process.returncode:
            print(f"{name}: not measured: exit code {process.returncode}", file=sys.stderr)
            return None
        found = json.loads(output)
    except subprocess.TimeoutExpired:
        print(f"{name}: not measured: no end within {LIMIT_S} s", file=sys.stderr)
        return None
    except json.JSONDecodeError as error:
        print(f"{name}: not measured: its answer is not JSON: {error}", file=sys.stderr)
        return None
    finally:  # what it started ends with it, also at Ctrl-C
        end(process)
    if not found.get("entries"):
        print(f"{name}: not measured: it gave no entry", file=sys.stderr)
        return None
    return found


# --- the table --------------------------------------------------------------

def amount(value: object) -> str:
    """Three digits that count, and no exponent."""
    if not isinstance(value, (int, float)):
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


HEAD = ["what", "bfence", "peer", "peer is", "unit", "ratio", "n", "target", ""]


def cells(entry: Fields) -> list[str]:
    met = entry["met"]
    assert met is None or isinstance(met, bool)
    return [str(entry["name"]), amount(entry["ours"]), amount(entry["peer"]),
            str(entry["peer_name"]), str(entry["unit"]), amount(entry["ratio"]),
            f"{entry['n']:,}", str(entry["target"] or ""), MET[met]]


def table(entries: list[Fields]) -> list[str]:
    """Reads as text, and is a table in Markdown too."""
    rows = [HEAD, *map(cells, entries)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
             for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


# --- the machine ------------------------------------------------------------

BUSY_PERCENT = 10


def cpu_pressure() -> float:
    """Percent of the last ten seconds in which some program waited for a CPU."""
    found = re.search(r"some avg10=([\d.]+)", Path("/proc/pressure/cpu").read_text())
    return float(found[1]) if found else 0


def machine() -> list[str]:
    """What matters for a time, and nothing that names this machine."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = cpu[1] if cpu else platform.machine()
    system = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", str(OUT)],
                            stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    kernel = re.match(r"\d+\.\d+", platform.release())
    facts = [f"{os.cpu_count()} CPUs ({model}), Linux {kernel[0] if kernel else '?'}, {system}."]
    if cpu_pressure() > BUSY_PERCENT:
        facts.append(f"The machine was busy before the start: in {cpu_pressure():.0f}% of the time "
                     "a program waited for a CPU.")
    return facts


def record(name: str, found: dict[str, list[Fields]], facts: list[str]) -> None:
    """Between the group's two markers; the rest of the page is written by people."""
    page = PAGE.read_text()
    marks = f"<!-- results: {name} -->", f"<!-- end: {name} -->"
    if any(page.count(mark) != 1 for mark in marks):
        sys.exit(f"{PAGE.name}: has no place for the results of {name}: {' ... '.join(marks)}")
    before, rest = page.split(marks[0])
    after = rest.split(marks[1])[1]
    body = [marks[0], *facts, "", *table(found["entries"]), marks[1]]
    PAGE.write_text(before + "\n".join(body) + after)


def main(argv: list[str]) -> int:
    known = groups()
    wanted = argv[1:] or list(known)
    for name in wanted:
        if name not in known:
            print(f"bench: {name}: no such group; there are: {' '.join(known)}", file=sys.stderr)
            return 2
    OUT.mkdir(parents=True, exist_ok=True)
    where = machine()
    collected: list[Fields] = []
    failed = 0
    for name in wanted:
        begin = time.monotonic()
        found = run(name, known[name])
        if not found:
            failed += 1
            continue
        size = "quick" if QUICK else "full"
        facts = [*where, *found["notes"], f"A {size} run of {time.monotonic() - begin:.0f} s."]
        notes = [f"- {fact}" for fact in facts]
        print("\n".join([f"\n{name}", *notes, "", *table(found["entries"]), ""]), flush=True)
        if os.environ.get("RECORD", "") not in ("", "0"):
            record(name, found, notes)
        collected += found["entries"]
    (OUT / "bench.json").write_text(json.dumps(collected, indent=1) + "\n")
    missed = sum(entry["met"] is False for entry in collected)
    print(f"{len(collected)} entries, {missed} targets missed, {failed} groups not measured; "
          f"{OUT / 'bench.json'}, plots beside it")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

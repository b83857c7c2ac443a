# SPDX-License-Identifier: GPL-2.0
"""What every group of `make bench` uses: entries with their targets, programs
that answer lines of numbers, order statistics, plots. It must never know what
a group measures.

A group is an executable of this folder. It runs with BUILD and QUICK in its
environment, leaves its plots as BUILD/bench/GROUP-*.png, talks on stderr, and
prints one JSON object on stdout: {"entries": [...], "notes": [...]}, as
report() does. If anything could not be measured it exits with another code
than 0; a speed is never a reason to.
"""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

BUILD = Path(os.environ.get("BUILD", "build"))
OUT = BUILD / "bench"
QUICK = os.environ.get("QUICK", "") not in ("", "0")

END_S = 60  # for a program to close its store


def die(sentence: str) -> None:
    sys.exit(f"{Path(sys.argv[0]).name}: {sentence}")


# --- entries ----------------------------------------------------------------

@dataclass(frozen=True)
class Target:
    """What an entry should reach: `of` is "ours" or "ratio"."""
    of: str
    sign: str  # "<=" or ">="
    value: float

    def is_met(self, found: float) -> bool:
        return found <= self.value if self.sign == "<=" else found >= self.value


@dataclass
class Entry:
    """One line of the table. The ratio is ours to the peer's; where rounds
    were paired it is given, the median of theirs (paired_ratio())."""
    group: str
    name: str
    unit: str
    ours: float
    n: int  # samples behind `ours`, and as many behind `peer`
    method: str
    peer_name: str = ""
    peer: float | None = None
    aim: Target | None = None
    ratio: float | None = None
    target: str | None = field(init=False)
    met: bool | None = field(init=False)

    def __post_init__(self) -> None:
        if self.ratio is None and self.peer is not None:
            self.ratio = self.ours / self.peer
        self.target = self.met = None
        if self.aim:
            found = self.ratio if self.aim.of == "ratio" else self.ours
            if found is None:
                raise ValueError(f"{self.name}: a target of a ratio without a peer")
            of = "" if self.aim.of == "ratio" else f" {self.unit}"
            self.target = f"{self.aim.sign} {self.aim.value:g}{of or 'x'}"
            self.met = self.aim.is_met(found)

    def as_json(self) -> dict[str, object]:
        fields = asdict(self)
        del fields["aim"]
        return fields


def report(entries: list[Entry], notes: list[str]) -> None:
    json.dump({"entries": [entry.as_json() for entry in entries], "notes": notes},
              sys.stdout)


# --- statistics -------------------------------------------------------------

def percentile(samples: list[float], percent: float) -> float:
    """The smallest sample that so many of a hundred do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(samples: list[float]) -> float:
    return percentile(samples, 50)


def paired_ratio(ours: list[float], peers: list[float]) -> float:
    """Ours to the peer's of the same round: a slow moment of the machine
    weighs on both."""
    return median([mine / other for mine, other in zip(ours, peers, strict=True)])


SLOPE_POINTS = 3  # the last ones: below them what is fixed hides the growth


def slope(points: list[tuple[float, float]]) -> float:
    """Of the straight line through the last points on log axes: 1 is linear."""
    logs = [(math.log(x), math.log(y)) for x, y in points[-SLOPE_POINTS:]]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    return (sum((x - mean_x) * (y - mean_y) for x, y in logs)
            / sum((x - mean_x) ** 2 for x, _ in logs))


# --- programs ---------------------------------------------------------------

def go_first() -> str:
    """This process and all that it starts: other programs do not enter the
    times. Gives what to say about it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return "Without real-time priority (not root): other programs may be in the times."
    return "All engines at real-time priority (SCHED_FIFO 1)."


class Program:
    """A program of build/bench/bin that answers each line with one of numbers.
    Pinned ones share one CPU, so that a wake-up costs each of them the same."""

    def __init__(self, name: str, *args: object, pinned: bool = False) -> None:
        command = [str(OUT / "bin" / name), *map(str, args)]
        if pinned:
            command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def numbers(self) -> list[int]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            die(f"{self.name} ended with exit code {self.process.wait(END_S)}")
        return [int(word) for word in line.split()]

    def ask(self, command: str) -> list[int]:
        assert self.process.stdin
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # numbers() tells how it ended
        return self.numbers()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        status = self.process.wait(END_S)
        if status:
            die(f"{self.name} ended with exit code {status}")

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind:
            self.process.kill()
            self.process.wait()
        else:
            self.end()


# --- plots ------------------------------------------------------------------

Line = list[tuple[float, float]]

STYLE = """
set terminal pngcairo size 1000,620 font "sans,11" linewidth 1.5
set grid xtics ytics linecolor rgb "#dddddd"
set border 3 linecolor rgb "#888888"
set tics nomirror
set key outside right top
"""


def plot(name: str, lines: dict[str, Line], setup: str, style: str) -> None:
    """build/bench/NAME.png; setup is gnuplot's, style is how a line is drawn."""
    script = [STYLE, f'set output "{OUT / name}.png"', setup]
    for at, (title, points) in enumerate(lines.items()):
        script += [f"$line{at} << END", *(f"{x} {y}" for x, y in points), "END"]
    script.append("plot " + ", ".join(f'$line{at} using 1:2 with {style} title "{title}"'
                                      for at, title in enumerate(lines)))
    done = subprocess.run(["gnuplot"], input="\n".join(script), text=True,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode or not (OUT / f"{name}.png").exists():
        die(f"gnuplot: {name}: {done.stderr.strip()}")


def plot_distributions(name: str, title: str, x_label: str,
                       samples: dict[str, list[float]]) -> None:
    """One cumulative curve each, on a logarithmic axis of time."""
    lines: dict[str, Line] = {}
    for key, values in samples.items():
        ordered = sorted(values)
        lines[key] = [(ordered[0], 0.0),
                      *((x, (at + 1) / len(ordered)) for at, x in enumerate(ordered))]
    plot(name, lines, f'set title "{title}"\nset logscale x\nset xlabel "{x_label}"\n'
         'set ylabel "share of all"\nset yrange [0:1.02]', "steps")


def plot_growth(name: str, title: str, labels: tuple[str, str], lines: dict[str, Line]) -> None:
    """Straight on log axes when it grows by a power, which the key prints."""
    titled = {f"{key}  (slope {slope(points):.2f} at the end)": points
              for key, points in lines.items()}
    plot(name, titled, f'set title "{title}"\nset logscale xy\nset xlabel "{labels[0]}"\n'
         f'set ylabel "{labels[1]}"', "linespoints pointtype 7")

# SPDX-License-Identifier: GPL-2.0
"""clang-format over our C files, with the author's tabs left alone.

    format.py [--write] FILE...

clang-format knows no tab stops: it would squeeze the columns of trailing
comments and of #define values. So a line that differs from its formatted self
only by the blanks inside it stays as it was written. Without --write it prints
the difference and fails if there is one. It must never know what is lint.
"""
from __future__ import annotations

import difflib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def squeezed(line: str) -> str:
    return re.sub(r"(?<=[^ \t])[ \t]+", " ", line)


def merge(written: list[str], formatted: list[str]) -> list[str]:
    """The formatted lines, but the written ones where the two say the same."""
    pairs = difflib.SequenceMatcher(None, [squeezed(line) for line in written],
                                    [squeezed(line) for line in formatted], autojunk=False)
    lines: list[str] = []
    for kind, a, a_end, b, b_end in pairs.get_opcodes():
        lines += written[a:a_end] if kind == "equal" else formatted[b:b_end]
    return lines


def formatted(path: Path) -> tuple[Path, list[str], list[str]]:
    written = path.read_text(encoding="utf-8").splitlines(keepends=True)
    done = subprocess.run(["clang-format", "--style=file", str(path)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return path, written, merge(written, done.stdout.splitlines(keepends=True))


def main(argv: list[str]) -> int:
    write = "--write" in argv
    paths = [Path(name) for name in argv[1:] if name != "--write"]
    differ = changed = 0
    with ThreadPoolExecutor() as pool:
        for path, before, after in pool.map(formatted, paths):
            if before == after:
                continue
            differ += 1
            changed += sum(line not in after for line in before)
            if write:
                path.write_text("".join(after), encoding="utf-8")
            else:
                sys.stdout.writelines(difflib.unified_diff(
                    before, after, str(path), f"{path}, formatted"))
    if differ:
        print(f"{differ} of {len(paths)} files {'were changed' if write else 'differ'}, "
              f"about {changed} lines")
    return int(differ > 0 and not write)


if __name__ == "__main__":
    sys.exit(main(sys.argv))

# SPDX-License-Identifier: GPL-2.0
"""The source tree as the rules see it: paths, text, code, functions.

It must never judge what it reads.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache
from pathlib import Path

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


@dataclass(frozen=True)
class Function:
    name: str
    path: str
    line: int
    end: int
    static: bool
    params: int

    @property
    def lines(self) -> int:
        return self.end - self.line + 1


def without_words(text: str) -> str:
    """The code of a C file: comments blank, strings empty, lines where they were."""
    def blank(match: re.Match[str]) -> str:
        word = match[0]
        if word.startswith("/"):
            return re.sub(r"[^\n]", " ", word)
        return word[0] + word[0]
    return TOKEN.sub(blank, text)


def count_params(signature: str) -> int:
    """In "(int a, void (*b)(int, int))" there are two."""
    depth, count = 0, 1
    for char in signature:
        depth += {"(": 1, ")": -1}.get(char, 0)
        count += char == "," and depth == 1
    return 0 if signature in ("()", "(void)") else count


# Inputs of the fuzz targets: bytes, not words.
INPUTS = "tests/fuzz/corpus/"


class Tree:
    def __init__(self, root: Path, paths: list[str]):
        self.root = root
        self.paths = sorted(paths)
        self.text = lru_cache(None)(self._text)
        self.code = lru_cache(None)(lambda path: without_words(self.text(path)))

    def _text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def match(self, *patterns: str) -> list[str]:
        return [path for path in self.paths
                if any(fnmatch(path, pattern) for pattern in patterns)]

    @cached_property
    def _tags(self) -> list[dict]:
        sources = self.match("*.c", "*.h")
        if not sources:
            return []
        done = subprocess.run(
            ["ctags", "--options=NONE", "--output-format=json", "--sort=no",
             "--language-force=C", "--fields=+neSK", "--kinds-C=fp", "-f", "-", "-L", "-"],
            input="\n".join(sources), capture_output=True, text=True, check=True,
            cwd=self.root)
        return [json.loads(line) for line in done.stdout.splitlines()]

    @cached_property
    def functions(self) -> list[Function]:
        return [Function(tag["name"], tag["path"], tag["line"], tag["end"],
                         tag.get("file", False) or "static" in tag["pattern"],
                         count_params(tag.get("signature", "()")))
                for tag in self._tags if tag["kind"] == "function" and "end" in tag]

    @cached_property
    def prototypes(self) -> set[tuple[str, str]]:
        return {(tag["path"], tag["name"]) for tag in self._tags
                if tag["kind"] == "prototype"}


def of_git(root: Path) -> Tree:
    """What is committed or could be: not what .gitignore names."""
    done = subprocess.run(
        ["git", "-c", f"safe.directory={root}", "ls-files", "-z", "--cached",
         "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name]
    return Tree(root, [name for name in names if not name.startswith(INPUTS)
                       and os.path.isfile(root / name)])

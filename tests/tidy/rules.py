# SPDX-License-Identifier: GPL-2.0
"""What a machine can check of the house's style, one function a rule.

A rule takes a Tree and gives one sentence for each fault. test_rules.py shows
that each can fail.
"""
from __future__ import annotations

import re
from collections import Counter, defaultdict
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Callable, Iterator

import arrows
from tree import Tree

Rule = Callable[[Tree], Iterator[str]]
RULES: list[Rule] = []

PRODUCT = ("agent/*.[ch]", "kmod/*.[ch]", "tools/*.[ch]", "uapi/*.h")
C_CODE = (*PRODUCT, "tests/*.[ch]")
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
PARAMS_MAX = 5
FOREIGN_SHAPES = {"api_handle"}  # callbacks whose parameters a library fixes
OPENING_WORDS_MIN = 4


def rule(check: Rule) -> Rule:
    RULES.append(check)
    return check


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


# --- includes ---------------------------------------------------------------

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def module_of(path: str) -> str:
    if path in arrows.DOORS:
        return arrows.DOORS[path]
    for folder, module in arrows.WHOLE.items():
        if path.startswith(folder):
            return module
    for folder, room in arrows.FOLDERS.items():
        if not path.startswith(folder):
            continue
        stem = room + PurePosixPath(path).stem
        part = stem
        while part not in arrows.ROWS and "_" in part:
            part = part.rpartition("_")[0]
        return part if part in arrows.ROWS else stem
    return path


def target_of(tree: Tree, path: str, mark: str, name: str) -> str | None:
    """The file of ours that is meant, None for a system header."""
    if name == arrows.GENERATED:
        return "generated"
    beside = [str(PurePosixPath(path).parent) + "/"] if mark == '"' else []
    for folder in beside + arrows.SEARCH:
        parts: list[str] = []
        for part in (folder + name).split("/"):
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        if "/".join(parts) in tree.paths:
            return "/".join(parts)
    return None


def includes(tree: Tree, *patterns: str) -> Iterator[tuple[str, int, str, str | None]]:
    """(file, line, name, file of ours or None), for each #include."""
    for path in tree.match(*patterns):
        text = tree.text(path)
        for match in INCLUDE.finditer(text):
            yield (path, line_of(text, match.start()), match[2],
                   target_of(tree, path, match[1], match[2]))


def module_of_target(target: str) -> str:
    return target if target == "generated" else module_of(target)


@rule
def includes_follow_the_arrows(tree: Tree) -> Iterator[str]:
    for path, line, name, target in includes(tree, *C_CODE):
        module = module_of(path)
        if target is None or module_of_target(target) == module:
            continue
        allowed = arrows.ROWS.get(module, [])
        if not any(fnmatch(module_of_target(target), row) for row in allowed):
            yield (f"{path}:{line}: includes {name}, but {module} may see only: "
                   f"{' '.join(allowed) or 'nothing'} (tests/tidy/arrows.py)")


@rule
def each_module_has_its_row(tree: Tree) -> Iterator[str]:
    for path in tree.match("kmod/*.[ch]", "agent/*.[ch]"):
        if module_of(path) not in arrows.ROWS:
            yield f"{path}: {module_of(path)} has no row in tests/tidy/arrows.py"


@rule
def quoted_headers_exist(tree: Tree) -> Iterator[str]:
    """A header of ours that is not found would not be judged either."""
    for path, line, name, target in includes(tree, *C_CODE):
        if target is None and f'"{name}"' in tree.text(path):
            yield f'{path}:{line}: "{name}" is no header of this tree'


@rule
def core_stays_pure(tree: Tree) -> Iterator[str]:
    for path, line, name, target in includes(tree, "agent/core/*.[ch]"):
        if target is None and name not in arrows.CORE_LIBC:
            yield (f"{path}:{line}: includes <{name}>: the core makes no system call; "
                   f"allowed are {' '.join(sorted(arrows.CORE_LIBC))}")


@rule
def kmod_includes_the_kernel_alone(tree: Tree) -> Iterator[str]:
    for path, line, name, target in includes(tree, "kmod/*.[ch]"):
        if target is not None or name.startswith(arrows.KMOD_PREFIXES):
            continue
        if name not in arrows.KMOD_LIBC.get(module_of(path), ()):
            yield f"{path}:{line}: includes <{name}>, which is no kernel header"


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """The first circle met, its first node repeated at the end."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return way[way.index(node):] + [node]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            circle = walk(target, way + [node])
            if circle:
                return circle
        done.add(node)
        return []

    for node in sorted(graph):
        circle = walk(node, [])
        if circle:
            return circle
    return []


def stem(path: str) -> str:
    """A .c file and its header are one thing here."""
    module = module_of(path)
    return path.rpartition(".")[0] if module in arrows.WHOLE.values() else module


@rule
def no_include_circles(tree: Tree) -> Iterator[str]:
    files: dict[str, set[str]] = defaultdict(set)
    modules: dict[str, set[str]] = defaultdict(set)
    for path, _, _, target in includes(tree, *C_CODE):
        if target is None or target == "generated":
            continue
        files[path].add(target)
        if stem(path) != stem(target):
            modules[stem(path)].add(stem(target))
    for kind, graph in (("files", files), ("modules", modules)):
        circle = find_circle(graph)
        if circle:
            yield f"{kind} include each other in a circle: {' -> '.join(circle)}"


# --- size -------------------------------------------------------------------

SIZED = (*PRODUCT, "tests/vm/*.[ch]")


@rule
def functions_are_short(tree: Tree) -> Iterator[str]:
    sized = set(tree.match(*SIZED))
    for function in tree.functions:
        if function.path in sized and function.lines > FUNCTION_LINES_MAX:
            yield (f"{function.path}:{function.line}: {function.name} has "
                   f"{function.lines} lines, {FUNCTION_LINES_MAX} is the limit")


@rule
def functions_take_few_parameters(tree: Tree) -> Iterator[str]:
    sized = set(tree.match(*SIZED))
    for function in tree.functions:
        if (function.path in sized and function.params > PARAMS_MAX
                and function.name not in FOREIGN_SHAPES):
            yield (f"{function.path}:{function.line}: {function.name} takes "
                   f"{function.params} parameters, {PARAMS_MAX} is the limit")


@rule
def files_are_short(tree: Tree) -> Iterator[str]:
    for path in tree.match(*SIZED):
        lines = tree.text(path).count("\n")
        if path.endswith(".c") and lines > FILE_LINES_MAX:
            yield f"{path}: {lines} lines, {FILE_LINES_MAX} is the limit"


# --- words ------------------------------------------------------------------

# name: what to use instead
BANNED = {
    "time": "an argument; agent/edge/clock.c reads the clock",
    "gettimeofday": "an argument; agent/edge/clock.c reads the clock",
    "rand": "an argument: ids and jitter are given",
    "random": "an argument: ids and jitter are given",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "strcpy": "a copy that knows the size of its target",
    "strcat": "snprintf",
    "atoi": "a parser that reports what is wrong",
    "atol": "a parser that reports what is wrong",
    "system": "posix_spawn with an argument vector",
    "usleep": "a timer or a poll with a deadline",
}
# A unit test may trust its own strings, but not a clock, nor chance.
UNSTEADY = {"time", "gettimeofday", "rand", "random", "usleep"}
CALL = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(BANNED) + r")\s*\(")


@rule
def banned_calls_are_not_made(tree: Tree) -> Iterator[str]:
    for path in tree.match(*C_CODE):
        code = tree.code(path)
        for match in CALL.finditer(code):
            if path.startswith("tests/unit/") and match[1] not in UNSTEADY:
                continue
            yield (f"{path}:{line_of(code, match.start())}: calls {match[1]}(); "
                   f"use {BANNED[match[1]]}")


ALLOCATION = re.compile(r"\b(malloc|calloc|realloc|reallocarray|strdup|aligned_alloc)\s*\(")


@rule
def core_allocates_at_start_only(tree: Tree) -> Iterator[str]:
    for path in tree.match("agent/core/*.[ch]"):
        start = [range(f.line, f.end + 1) for f in tree.functions
                 if f.path == path and f.name.endswith(("_new", "_init"))]
        code = tree.code(path)
        for match in ALLOCATION.finditer(code):
            line = line_of(code, match.start())
            if not any(line in lines for lines in start):
                yield (f"{path}:{line}: calls {match[1]}() outside *_new and *_init; "
                       "size it at start")


@rule
def kernel_versions_are_asked_in_compat_only(tree: Tree) -> Iterator[str]:
    for path in tree.match("kmod/*.[ch]"):
        if path != "kmod/compat.h" and "LINUX_VERSION_CODE" in tree.code(path):
            yield f"{path}: LINUX_VERSION_CODE; give kmod/compat.h a wrapper"


# Written apart, so that this file does not find itself.
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


@rule
def nothing_is_left_for_later(tree: Tree) -> Iterator[str]:
    for path in tree.paths:
        for match in LATER.finditer(tree.text(path)):
            yield f"{path}:{line_of(tree.text(path), match.start())}: says {match[1]}"


MACHINE = re.compile(r"(?<![\w$}.)\"*-])/(?:wo" r"rk|ro" r"ot|ho" r"me)/[\w.]")
HOST = re.compile(r"\b(?:https?|ftp|rsync)://(?:[^/@\s]*@)?([\w.-]+)")
HOSTS = {"docs.kernel.org", "www.kernel.org", "git.kernel.org", "spdx.org",
         "www.gnu.org", "www.debian.org", "www.isthe.com", "localhost", "127.0.0.1"}
MIRROR = re.compile(r"\b(?:[\w-]+\.)*(?:mirror|deb\.debian|snapshot\.debian|security\.debian)"
                    r"[\w-]*(?:\.[\w-]+)*\.(?:org|net|com|de|io|internal|local)\b")


@rule
def no_machine_is_named(tree: Tree) -> Iterator[str]:
    """Neither a developer's folder nor a mirror: others have neither."""
    for path in tree.paths:
        if path.startswith("LICENSES/"):
            continue
        text = tree.text(path)
        faults = [*MACHINE.finditer(text), *MIRROR.finditer(text),
                  *(match for match in HOST.finditer(text)
                    if match[1] not in HOSTS and not match[1].startswith("10."))]
        for match in faults:
            yield f"{path}:{line_of(text, match.start())}: names {match[0]}"


# --- minting ----------------------------------------------------------------

MINT = re.compile(r"\b(?:epoch|endpoint_version)\s*(?:\+\+|--|[-+]=|[-+]\s*\d)"
                  r"|(?:\+\+|--)\s*[\w.>-]*\b(?:epoch|endpoint_version)\b")
SET = re.compile(r"(?:\.|->)(?:epoch|endpoint_version)\s*=[^=]")
PUBLISHER = "agent/core/publisher.c"
# These only turn bytes into a lineage that was minted before.
DECODERS = ("agent/core/record.c", "agent/edge/wire_*.c", "agent/edge/genl*.c")


@rule
def only_the_publisher_makes_a_lineage(tree: Tree) -> Iterator[str]:
    decoders = tree.match(*DECODERS)
    for path in tree.match("agent/*.[ch]", "kmod/*.[ch]"):
        if path == PUBLISHER:
            continue
        code = tree.code(path)
        faults = [*MINT.finditer(code)]
        if path.startswith("agent/") and path not in decoders:
            faults += SET.finditer(code)
        for match in faults:
            yield (f"{path}:{line_of(code, match.start())}: \"{match[0].strip()}\": "
                   f"only {PUBLISHER} makes an epoch or an endpoint version")


# --- openings ---------------------------------------------------------------

NO_COMMENT = ("*.md", "LICENSES/*", "*.json", ".gitignore")
UAPI_LICENCE = "GPL-2.0 WITH Linux-syscall-note"


def opening(text: str) -> tuple[str, str]:
    """The licence and the comment that a file opens with."""
    lines = text.splitlines()
    if lines and re.match(r"#!|<\?xml|\w+\(\d\)$", lines[0]):  # as fixed: scdoc's title
        lines = lines[1:]
    licence = re.search(r"SPDX-License-Identifier:\s*([\w. -]+?)\s*(\*/|-->)?$",
                        lines[0] if lines else "")
    rest = "\n".join(lines[1:]).lstrip()
    comment = re.match(r'/\*.*?\*/|<!--.*?-->|""".*?"""|(?:(?:#|;|\.\\"|//)[^\n]*(?:\n|$))+',
                       rest, re.DOTALL)
    return licence[1] if licence else "", comment[0] if comment else ""


@rule
def files_open_with_licence_and_purpose(tree: Tree) -> Iterator[str]:
    silent = set(tree.match(*NO_COMMENT))
    for path in tree.paths:
        if path in silent or not tree.text(path):
            continue
        licence, comment = opening(tree.text(path))
        wanted = UAPI_LICENCE if path.startswith("uapi/") else "GPL-2.0"
        if licence != wanted:
            yield f"{path}: the first line is no SPDX line that says {wanted}"
        elif len(re.findall(r"[A-Za-z]+", comment)) < OPENING_WORDS_MIN:
            yield f"{path}: no opening comment says what the file holds"


# --- dead code --------------------------------------------------------------


# Extern for a test alone, and why that is right.
FOR_TESTS = {
    "link_server_port": "a test listens on port 0 and dials what it was given",
}


def users_of(tree: Tree) -> dict[str, Counter[str]]:
    """How often each file speaks each name, prototypes apart."""
    users: dict[str, Counter[str]] = defaultdict(Counter)
    for path in tree.match(*C_CODE):
        for name, times in Counter(re.findall(r"\b[A-Za-z_]\w*", tree.code(path))).items():
            if (path, name) not in tree.prototypes:
                users[name][path] = times
    return users


@rule
def extern_functions_are_used_elsewhere(tree: Tree) -> Iterator[str]:
    """By the product: what only a test calls is dead, unless its own file
    uses it too and it is extern for the test's sake."""
    product = set(tree.match(*PRODUCT))
    users = users_of(tree)
    for function in tree.functions:
        if function.static or function.name == "main" or function.path not in product \
                or not function.path.endswith(".c"):
            continue
        others = set(users[function.name]) - {function.path}
        if others and function.name in FOR_TESTS:
            continue
        if others & product or (others and users[function.name][function.path] > 1):
            continue
        yield (f"{function.path}:{function.line}: {function.name} is used in no "
               "other file of the product; make it static or remove it")

# SPDX-License-Identifier: GPL-2.0
"""Nothing but the publisher can write an epoch: by the text of the agent, by
the symbols of its objects, and by planted ways around it that must be found.

What only turns bytes or words into a lineage that was minted before is named
here, function by function.
"""
from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest

from rules import includes, line_of
from tree import Tree, of_git

ROOT = Path(__file__).resolve().parents[2]
AGENT = ("agent/*.[ch]",)
PUBLISHER = "agent/core/publisher.c"
MAKERS = ("record_of_volume", "record_of_tombstone")
RECORDS = re.compile(r"agent/core/record(_\w+)?\.[ch]")

# Bytes of a frame or of a message, attributes of the kernel, an operator's
# words: each lineage of them is compared or obeyed, none is minted.
DECODERS = {
    ("agent/core/record.c", "get_lineage"),
    ("agent/edge/wire_decode.c", "lineage_get"),
    ("agent/edge/wire_encode.c", "lineage_of"),
    ("agent/edge/genl_gate.c", "genl_gate_read"),
    ("agent/edge/api_ask.c", "api_ask_parse_line"),
}
# Says whether two records differ, and no more.
COMPARERS = {("agent/storetool/salvage.c", "says_another")}

WORD = r"(?:epoch|endpoint_version)"
PATH = r"[\w\[\].>*-]*?"
WAYS = {
    "sets it": rf"(?:\.|->)\s*{WORD}\s*(?:[-+*/|&^%]|<<|>>)?=(?!=)",
    "counts it": rf"\b{WORD}\s*(?:\+\+|--)|(?:\+\+|--)\s*[\w.>()\[\]*-]*\b{WORD}\b",
    "reckons with it": rf"\b{WORD}\s*[-+]\s*\d",
    "points at it": rf"(?<!&)&(?!&)\s*\(?\s*[\w\[\].>()-]*(?:\.|->)\s*{WORD}\b(?!\s*[,)]\s*[<>=])",
    "makes one": r"\(\s*(?:const\s+)?struct\s+lineage\s*\)\s*\{(?!\s*0?\s*\})",
    "begins with one": r"\bstruct\s+lineage\s+\w+(?:\s*\[\w*\])?\s*=\s*\{(?!\s*(?:0\s*)?\})",
    "begins a line with one": r"\.lineage\s*=\s*\{(?!\s*(?:0\s*)?\})",
    "copies bytes over it": rf"\bmem(?:cpy|move)\s*\(\s*&?{PATH}(?:\.|->)?\b(?:lineage|line|floor)\s*,",
    "looks at it as numbers": r"\(\s*(?:u?int64_t|unsigned\s+long(?:\s+long)?|u64)\s*\*\s*\)",
}


def function_at(tree: Tree, path: str, line: int) -> str:
    for function in tree.functions:
        if function.path == path and function.line <= line <= function.end:
            return function.name
    return ""


def ways_to_a_lineage(tree: Tree) -> Iterator[str]:
    for path in tree.match(*AGENT):
        if path == PUBLISHER:
            continue
        code = tree.code(path)
        for what, way in WAYS.items():
            for match in re.finditer(way, code):
                line = line_of(code, match.start())
                if (path, function_at(tree, path, line)) not in DECODERS:
                    yield f"{path}:{line}: {what}: \"{' '.join(match[0].split())}\""


def ways_to_a_record(tree: Tree) -> Iterator[str]:
    """Who may make a record of a line, or look under its seal."""
    for path, line, name, _ in includes(tree, *AGENT):
        own = RECORDS.fullmatch(path)
        if name.endswith("record_mint.h") and not own and path != PUBLISHER:
            yield f"{path}:{line}: includes {name}: that is {PUBLISHER}'s alone"
        if name.endswith("record_body.h") and not own:
            yield f"{path}:{line}: includes {name}: that is the record's own"
    for path in tree.match(*AGENT):
        if RECORDS.fullmatch(path):
            continue
        code = tree.code(path)
        hidden = [*re.finditer(r"\bsealed\b|\brecord_(?:open|seal)\b|\bunion\s+record_body\b", code)]
        if path != PUBLISHER:
            hidden += re.finditer(rf"\b(?:{'|'.join(MAKERS)}|record_volume)\b", code)
        for match in hidden:
            line = line_of(code, match.start())
            if (path, function_at(tree, path, line)) not in COMPARERS:
                yield f"{path}:{line}: names {match[0]}"


def faults_of(tree: Tree) -> list[str]:
    return [*ways_to_a_lineage(tree), *ways_to_a_record(tree)]


def test_no_text_of_the_agent_can_write_an_epoch() -> None:
    faults = faults_of(of_git(ROOT))
    if faults:
        pytest.fail("\n".join([f"{len(faults)} faults", *faults]), pytrace=False)


def test_each_function_that_is_excused_is_there() -> None:
    """A name that no longer stands for a decoder would excuse another."""
    tree = of_git(ROOT)
    for path, name in DECODERS | COMPARERS:
        (function,) = [f for f in tree.functions
                       if f.path == path and f.name == name]
        body = tree.code(path).splitlines()[function.line - 1:function.end]
        assert re.search("epoch|lineage|sealed", "\n".join(body))


# --- symbols ----------------------------------------------------------------

def compile_all(root: Path, sources: list[str], to: Path) -> dict[str, set[str]]:
    """Which symbols each object needs of others."""
    generated = to / "gen"
    generated.mkdir()
    if (root / "agent/wire.proto").exists():
        subprocess.run(["protoc-c", f"--c_out={generated}", "-I", root / "agent",
                        root / "agent/wire.proto"], check=True)

    def needs(source: str) -> set[str]:
        made = to / (source.replace("/", "_") + ".o")
        subprocess.run(
            ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O0", f"-I{root}/agent",
             f"-I{root}/uapi", f"-I{generated}", "-I/usr/include/libnl3", "-c",
             "-o", made, root / source], check=True)
        done = subprocess.run(["nm", "-u", made], check=True, text=True,
                              capture_output=True)
        return {line.split()[-1] for line in done.stdout.splitlines()}

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(sources, pool.map(needs, sources)))


def who_needs_a_maker(root: Path, sources: list[str], to: Path) -> set[str]:
    return {source for source, needed in compile_all(root, sources, to).items()
            if needed & set(MAKERS)}


def test_no_object_but_the_publishers_can_reach_a_maker(tmp_path: Path) -> None:
    sources = of_git(ROOT).match("agent/*.c")
    assert who_needs_a_maker(ROOT, sources, tmp_path) == {PUBLISHER}


def test_an_object_that_hides_its_call_is_found(tmp_path: Path) -> None:
    """By pasting, so that no text names what it calls."""
    root = tmp_path / "tree"
    (root / "agent/core").mkdir(parents=True)
    (root / "agent/core/bridge.c").write_text(
        "#define MAKE(what) record_of_##what\n"
        "extern int MAKE(volume)(void);\n"
        "int f(void);\nint f(void)\n{\n\treturn MAKE(volume)();\n}\n")
    (root / "agent/core/types.c").write_text("int g(void);\nint g(void)\n{\n\treturn 0;\n}\n")
    made = tmp_path / "made"
    made.mkdir()
    sources = ["agent/core/bridge.c", "agent/core/types.c"]
    assert who_needs_a_maker(root, sources, made) == {"agent/core/bridge.c"}


# --- ways around ------------------------------------------------------------

IN_A_FUNCTION = [
    "line.lineage.epoch++;",
    "++line->lineage.epoch;",
    "l.endpoint_version++;",
    "line->lineage.epoch = 7;",
    "line->lineage.epoch += 1;",
    "line->lineage . epoch = have + 1;",
    "next = have.epoch + 1;",
    "struct lineage l = { 7, 1 };",
    "struct lineage l = { .epoch = have, .endpoint_version = 1 };",
    "struct lineage many[] = { { 7, 1 } };",
    "line->lineage = (struct lineage){ have, 1 };",
    "struct line line = { .lineage = { 7, 1 } };",
    "uint64_t *e = &line->lineage.epoch; *e = 7;",
    "uint64_t *e = (uint64_t *)&line->lineage; e[0] = 7;",
    "memcpy(&line->lineage, bytes, 16);",
    "memcpy(line, bytes, sizeof(*line));",
    "memmove(&a->line, bytes, sizeof(a->line));",
    "memcpy(record->sealed, bytes, 8);",
    "record.sealed[3] = 7;",
    "union record_body body = record_open(&record);",
    "record_seal(&record, &body);",
    "record = record_of_volume(&id, 7, &state);",
    "record = record_of_tombstone(&id, 7, 7);",
    "struct record (*make)() = record_of_volume;",
    "struct record_volume state = { 0 };",
]
IN_A_FILE = [
    ("agent/core/bridge.c", '#include "record_mint.h"'),
    ("agent/edge/store.c", '#include "core/record_mint.h"'),
    ("agent/core/publisher_group.c", '#include "record_mint.h"'),
    ("agent/core/publisher.c", '#include "record_body.h"'),
    ("agent/core/master.c", '#include "record_body.h"'),
    ("agent/core/master.c", "static const struct lineage first = { 1, 1 };"),
]


def planted(root: Path, path: str, text: str) -> Tree:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return Tree(root, [path])


@pytest.mark.parametrize("statement", IN_A_FUNCTION)
@pytest.mark.parametrize("path", ["agent/core/bridge.c", "agent/edge/wire_decode.c",
                                  "agent/core/publisher_group.c"])
def test_a_planted_way_around_is_found(tmp_path: Path, path: str,
                                       statement: str) -> None:
    text = f"static void f(struct line *line)\n{{\n\t{statement}\n}}\n"
    assert faults_of(planted(tmp_path, path, text)), statement


@pytest.mark.parametrize("path, line", IN_A_FILE)
def test_a_planted_include_or_constant_is_found(tmp_path: Path, path: str,
                                                line: str) -> None:
    assert faults_of(planted(tmp_path, path, line + "\n"))


@pytest.mark.parametrize("statement", [
    "return lineage_cmp(a.lineage, b.lineage) > 0;",
    "if (line->lineage.epoch == 7 || have.epoch >= least)",
    "struct lineage l = { 0 };",
    "struct lineage none = {};",
    "plan->lineage = line->lineage;",
    "note(line->lineage.epoch, line->lineage.endpoint_version);",
    "/* line.lineage.epoch++; is the publisher's */",
    'note("epoch = %d");',
])
def test_what_only_reads_or_copies_is_no_fault(tmp_path: Path,
                                               statement: str) -> None:
    text = f"static void f(struct line *line)\n{{\n\t{statement}\n}}\n"
    assert faults_of(planted(tmp_path, "agent/core/bridge.c", text)) == []


def test_a_decoder_is_excused_in_its_own_function_alone(tmp_path: Path) -> None:
    body = "(struct lineage *l)\n{\n\tl->epoch = 7;\n}\n"
    path = "agent/edge/wire_decode.c"
    assert faults_of(planted(tmp_path, path, f"static void lineage_get{body}")) == []
    assert faults_of(planted(tmp_path, path, f"static void get_line{body}"))
    assert faults_of(planted(tmp_path, "agent/core/bridge.c",
                             f"static void lineage_get{body}"))

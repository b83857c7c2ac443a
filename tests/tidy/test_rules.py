# SPDX-License-Identifier: GPL-2.0
"""Each rule of rules.py bites: a small sound tree, and one fault at a time."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import arrows
import rules
from tree import Tree, count_params, of_git, without_words

C = "// SPDX-License-Identifier: GPL-2.0\n/* One file of a small tree for tests. */\n"
H = C.replace("// SPDX-License-Identifier: GPL-2.0", "/* SPDX-License-Identifier: GPL-2.0 */")
UAPI = H.replace("GPL-2.0 */", "GPL-2.0 WITH Linux-syscall-note */")

SOUND = {
    "uapi/linux/bfence.h": UAPI,
    "kmod/verdict.h": H + "#include <linux/bfence.h>\n",
    "kmod/host.h": H + '#include <linux/kref.h>\n#include "verdict.h"\n',
    "kmod/compat.h": H + "#if LINUX_VERSION_CODE\n#endif\n",
    "agent/core/types.h": H,
    "agent/core/observation.h": H + '#include "types.h"\nint observe(void);\n',
    "agent/core/observation.c": C + '#include "observation.h"\nint observe(void)\n{\n}\n',
    "agent/core/snapshot.h": H + '#include "observation.h"\n',
    "agent/core/snapshot.c": C + '#include "snapshot.h"\n'
                                 "void *snapshot_new(int n)\n{\n\treturn calloc(n, 1);\n}\n"
                                 "static int look(void)\n{\n\treturn observe();\n}\n",
    "agent/edge/loop.h": H,
    "agent/main.h": H,
    "agent/main.c": C + '#include "core/snapshot.h"\n#include "edge/loop.h"\n'
                        "int main(void)\n{\n\tsnapshot_new(1);\n}\n",
    "tools/bfence.c": C + "#include <linux/bfence.h>\nint main(void)\n{\n}\n",
    "tools/bfence.8.scd": "bfence(8)\n; SPDX-License-Identifier: GPL-2.0\n"
                          "; The manual page of the small tree.\n",
    "tests/vm/init": "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\n"
                     "# What the small tree starts first.\n",
    "README.md": "See https://docs.kernel.org/ and build/root.img under /tmp.\n",
}


def make(folder: Path, changes: dict[str, str]) -> Tree:
    files = SOUND | changes
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Tree(folder, list(files))


def lines(count: int) -> str:
    return "\tx++;\n" * count


# rule, file, what is added to it (or the whole file, if it is new)
BAD = [
    ("includes_follow_the_arrows", "uapi/linux/bfence.h", '#include "../../kmod/host.h"'),
    ("includes_follow_the_arrows", "kmod/verdict.h", '#include "host.h"'),
    ("includes_follow_the_arrows", "kmod/host.h", '#include "compat.h"'),
    ("includes_follow_the_arrows", "agent/core/snapshot.h", '#include "edge/loop.h"'),
    ("includes_follow_the_arrows", "agent/core/snapshot.h", "#include <linux/bfence.h>"),
    ("includes_follow_the_arrows", "agent/core/observation.h", '#include "snapshot.h"'),
    ("includes_follow_the_arrows", "agent/core/snapshot_x.c", C + '#include "../main.h"'),
    ("includes_follow_the_arrows", "agent/edge/loop.h", '#include "core/snapshot.h"'),
    ("includes_follow_the_arrows", "agent/err.c", C + '#include "edge/loop.h"'),
    ("includes_follow_the_arrows", "tools/bfence.c", '#include "../kmod/verdict.h"'),
    ("includes_follow_the_arrows", "tools/bfence.c", '#include "../agent/core/types.h"'),
    ("includes_follow_the_arrows", "tests/unit/test_x.c", C + '#include "../../kmod/host.h"'),
    ("each_module_has_its_row", "kmod/novel.c", C),
    ("each_module_has_its_row", "agent/edge/novel.c", C),
    ("quoted_headers_exist", "tools/bfence.c", '#include "not_there.h"'),
    ("core_stays_pure", "agent/core/types.h", "#include <time.h>"),
    ("core_stays_pure", "agent/core/types.h", "#include <unistd.h>"),
    ("kmod_includes_the_kernel_alone", "kmod/host.h", "#include <errno.h>"),
    ("no_include_circles", "agent/core/types.h", '#include "observation.h"'),
    ("no_include_circles", "kmod/verdict.h", '#include "host.h"'),
    ("functions_are_short", "kmod/host.c", C + "void f(void)\n{\n" + lines(58) + "}\n"),
    ("functions_take_few_parameters", "kmod/host.c",
     C + "void f(int a, int b, int c, int d, int e, int f)\n{\n}\n"),
    ("files_are_short", "agent/core/types.c", C + "int x;\n" * 399),
    ("banned_calls_are_not_made", "agent/main.c", "static int f(void) { return time (0); }"),
    ("banned_calls_are_not_made", "tests/unit/x.c", C + "static int f(void) { return rand(); }"),
    ("banned_calls_are_not_made", "tests/vm/x.c", C + "static void f(void) { usleep(1); }"),
    ("core_allocates_at_start_only", "agent/core/snapshot.c",
     "static void *grow(void)\n{\n\treturn malloc(1);\n}"),
    ("kernel_versions_are_asked_in_compat_only", "kmod/host.h",
     "#if LINUX_VERSION_CODE\n#endif"),
    ("nothing_is_left_for_later", "README.md", "TO" "DO: the rest"),
    ("nothing_is_left_for_later", "tests/vm/init", "# FIX" "ME"),
    ("no_machine_is_named", "README.md", "cd /ro" "ot/bfence"),
    ("no_machine_is_named", "tests/vm/init", "exec /ho" "me/me/bfenced"),
    ("no_machine_is_named", "README.md", "from http" "://deb.example.internal/debian"),
    ("no_machine_is_named", "README.md", "apt from mirr" "or.example.org"),
    ("only_the_publisher_makes_a_lineage", "agent/core/snapshot.c",
     "static void f(struct lineage *l)\n{\n\tl->epoch++;\n}"),
    ("only_the_publisher_makes_a_lineage", "agent/core/snapshot.c",
     "static void f(struct lineage *l)\n{\n\tl->epoch = 7;\n}"),
    ("only_the_publisher_makes_a_lineage", "kmod/host.h", "int x = l.endpoint_version + 1;"),
    ("only_the_publisher_makes_a_lineage", "agent/edge/wire_decode.c",
     C + "static void f(struct lineage *l)\n{\n\t++l->epoch;\n}"),
    ("files_open_with_licence_and_purpose", "tests/vm/x.py", '"""No licence at all here."""\n'),
    ("files_open_with_licence_and_purpose", "kmod/host.c",
     "// SPDX-License-Identifier: MIT\n/* The wrong licence for this. */\n"),
    ("files_open_with_licence_and_purpose", "uapi/linux/more.h", H),
    ("files_open_with_licence_and_purpose", "agent/err.c",
     "// SPDX-License-Identifier: GPL-2.0\nint x;\n"),
    ("extern_functions_are_used_elsewhere", "agent/core/types.c",
     C + "int nobody_calls(void)\n{\n}\n"),
    ("extern_functions_are_used_elsewhere", "agent/core/types.h", None),
]


def check_of(name: str) -> rules.Rule:
    return next(check for check in rules.RULES if check.__name__ == name)


@pytest.mark.parametrize("check", rules.RULES, ids=lambda check: check.__name__)
def test_sound_tree_has_no_fault(tmp_path: Path, check: rules.Rule) -> None:
    assert not list(check(make(tmp_path, {})))


@pytest.mark.parametrize("name, path, added", BAD, ids=[
    f"{name}-{number}" for number, (name, *_) in enumerate(BAD)])
def test_fault_is_found(tmp_path: Path, name: str, path: str, added: str | None) -> None:
    if added is None:  # a function that a test alone knows
        changes = {"agent/err.c": C + "int for_a_test(void)\n{\n}\n",
                   "agent/err.h": H + "int for_a_test(void);\n",
                   "tests/unit/test_err.c": C + "int x = for_a_test();\n"}
    else:
        changes = {path: SOUND.get(path, "") + added + "\n"}
    assert list(check_of(name)(make(tmp_path, changes)))


def test_each_rule_has_a_fault_to_find() -> None:
    assert {name for name, *_ in BAD} == {check.__name__ for check in rules.RULES}


@pytest.mark.parametrize("name, changes", [
    ("functions_are_short",
     {"kmod/host.c": C + "static void f(void)\n{\n" + lines(57) + "}\n"}),
    ("files_are_short", {"agent/core/types.c": C + "int x;\n" * 398}),
    ("functions_take_few_parameters",
     {"kmod/host.c": C + "static void f(int a, int b, int c, int d, int (*e)(int, int))\n{\n}\n"}),
    ("banned_calls_are_not_made",
     {"tests/unit/test_x.c": C + "static void f(char *to)\n{\n\tstrcpy(to, \"a\");\n}\n",
      "agent/err.c": C + '/* time( */ char *s = "time(";\nint x = snprintf(a.time(b));\n'}),
    ("only_the_publisher_makes_a_lineage",
     {"agent/core/publisher.c": C + "static int f(struct lineage *l)\n{\n\treturn l->epoch + 1;\n}",
      "agent/edge/wire_decode.c": C + "static void f(struct lineage *l)\n{\n\tl->epoch = 7;\n}",
      "agent/core/types.c": C + "static int f(struct lineage *l)\n{\n\treturn l->epoch == 7;\n}"}),
    ("includes_follow_the_arrows",
     {"agent/run_x.c": C, "agent/run_master.c": C + '#include "edge/loop.h"\n'}),
    ("extern_functions_are_used_elsewhere",
     {"agent/err.c": C + "int half(void)\n{\n}\n"
                         "static int all(void)\n{\n\treturn half();\n}\n",
      "tests/unit/test_err.c": C + "static int f(void)\n{\n\treturn half();\n}\n"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_allowed_is_no_fault(tmp_path: Path, name: str,
                                     changes: dict[str, str]) -> None:
    assert not list(check_of(name)(make(tmp_path, changes)))


def test_the_table_itself_has_no_circle() -> None:
    graph = {module: {name for name in arrows.ROWS
                      if any(rules.fnmatch(name, row) for row in allowed)} - {module}
             for module, allowed in arrows.ROWS.items()
             if not any("*" in row for row in allowed)}
    assert rules.find_circle(graph) == []
    assert rules.find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_each_name_in_the_table_is_a_module() -> None:
    named = {row for allowed in arrows.ROWS.values() for row in allowed if "*" not in row}
    assert named <= set(arrows.ROWS)


def test_code_keeps_its_lines_and_loses_its_words() -> None:
    text = 'a("/* b */"); /* c\n"d */ e(\'"\'); // f\ng();'
    assert without_words(text).split() == ['a("");', "e('');", "g();"]
    assert without_words(text).count("\n") == text.count("\n")


@pytest.mark.parametrize("signature, count", [
    ("(void)", 0), ("()", 0), ("(int a)", 1), ("(int a, int b)", 2),
    ("(int a, void (*f)(int, int), int c)", 3)])
def test_parameters_are_counted(signature: str, count: int) -> None:
    assert count_params(signature) == count


def test_ignored_files_are_not_of_the_tree(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "made.c").write_text("")
    (tmp_path / "written.c").write_text("")
    assert of_git(tmp_path).paths == [".gitignore", "written.c"]

# SPDX-License-Identifier: GPL-2.0
"""The tree keeps the house rules: one test a rule of rules.py."""
from __future__ import annotations

from pathlib import Path

import pytest

from rules import RULES, Rule
from tree import Tree, of_git

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tree() -> Tree:
    return of_git(ROOT)


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.__name__)
def test_tree(tree: Tree, check: Rule) -> None:
    faults = list(check(tree))
    if faults:
        pytest.fail("\n".join([f"{len(faults)} faults", *faults]), pytrace=False)

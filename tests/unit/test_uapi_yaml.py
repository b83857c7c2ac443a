# SPDX-License-Identifier: GPL-2.0
"""uapi/linux/bfence.h and uapi/bfence.yaml say the same, by name, number and type.

The header's numbers come from the compiler, its types and its commands'
attributes from its prose; kmod/policy.h must accept exactly what both promise.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = ROOT / "uapi/linux/bfence.h"
SPEC = yaml.safe_load((ROOT / "uapi/bfence.yaml").read_text())
POLICY = ROOT / "kmod/policy.h"
STRINGS = {"BFENCE_GENL_NAME", "BFENCE_GENL_MONITOR"}


def compiled(*arguments: str, program: str) -> str:
    return subprocess.run(
        ["gcc", f"-I{ROOT}/uapi", "-x", "c", *arguments, "-"],
        input=f"#include <linux/bfence.h>\n{program}", text=True, check=True,
        capture_output=True).stdout


@pytest.fixture(scope="module")
def header(tmp_path_factory) -> dict[str, int]:
    """Every public number of the header, as the compiler sees it."""
    macros = re.findall(r"^#define (BFENCE_\w+) \S", compiled("-E", "-dM", program=""),
                        re.M)
    enums = re.findall(r"\b(BFENCE_\w+)\b", compiled("-E", "-P", program=""))
    names = sorted((set(macros) | set(enums)) - STRINGS)
    prints = "".join(f'printf("{name} %lld\\n", (long long){name});' for name in names)
    binary = tmp_path_factory.mktemp("uapi") / "numbers"
    compiled("-o", str(binary),
             program=f"#include <stdio.h>\nint main(void) {{ {prints} return 0; }}\n")
    lines = subprocess.run([binary], text=True, check=True, capture_output=True).stdout
    return {name: int(value) for name, value in map(str.split, lines.splitlines())}


def c_name(*words: str) -> str:
    return "-".join(words).replace("-", "_").upper()


def spec_numbers() -> dict[str, int]:
    """Every number that the specification stands for, under its C name."""
    numbers = {"BFENCE_GENL_VERSION": SPEC["version"], "BFENCE_A_UNSPEC": 0,
               "BFENCE_CMD_UNSPEC": 0}
    for definition in SPEC["definitions"]:
        name = definition["name"]
        if definition["type"] == "const":
            numbers[c_name("bfence", name)] = definition["value"]
            continue
        for number, entry in enumerate(definition["entries"]):
            is_flag = definition["type"] == "flags"
            numbers[c_name("bfence", name, entry)] = 1 << number if is_flag else number
        if definition["type"] == "enum":
            numbers[c_name("bfence", name, "max")] = len(definition["entries"]) - 1
    attributes = SPEC["attribute-sets"][0]["attributes"]
    for number, attribute in enumerate(attributes, 1):
        numbers[c_name("bfence-a", attribute["name"])] = number
    numbers["BFENCE_A_MAX"] = len(attributes)
    operations = SPEC["operations"]["list"]
    for number, operation in enumerate(operations, 1):
        numbers[c_name("bfence-cmd", operation["name"])] = number
    numbers["BFENCE_CMD_MAX"] = len(operations)
    return numbers


def test_names_and_numbers_are_the_same(header):
    assert header == spec_numbers()


def test_family_and_group_names_are_the_same():
    macros = dict(re.findall(r'^#define (BFENCE_\w+)\s+"(.*)"$', HEADER.read_text(), re.M))
    assert macros == {
        "BFENCE_GENL_NAME": SPEC["name"],
        "BFENCE_GENL_MONITOR": SPEC["mcast-groups"]["list"][0]["name"],
    }


def test_attribute_types_are_the_same():
    said = dict(re.findall(r"^\tBFENCE_A_(\w+),\s+/\* (\w+)", HEADER.read_text(), re.M))
    spec = {c_name(attribute["name"]): attribute["type"]
            for attribute in SPEC["attribute-sets"][0]["attributes"]
            if attribute["type"] != "pad"}
    assert said == spec


def spec_requests() -> dict[str, set[str]]:
    return {c_name(operation["name"]):
            {c_name(name) for name in
             operation["do"].get("request", {}).get("attributes", [])}
            for operation in SPEC["operations"]["list"] if "do" in operation}


def test_each_command_takes_the_same_attributes():
    said = re.findall(r"^ \*   (\w+_\w+)\s+do\b(.*?)->", HEADER.read_text(), re.M | re.S)
    requests = {command: set(re.findall(r"[A-Z_]{5,}", re.sub(r"\(.*?\)", "", text,
                                                              flags=re.S)))
                for command, text in said}
    assert requests == spec_requests()


def test_the_module_accepts_what_the_specification_says():
    tables = re.findall(r"nla_policy (\w+)_policy\[[^]]*\] = \{\n(.*?)^\};",
                        POLICY.read_text(), re.M | re.S)
    accepted = {name: set(re.findall(r"\[BFENCE_A_(\w+)\]", body)) for name, body in tables}
    command_of = {"get": "GATE_GET", "attach": "GATE_ATTACH", "detach": "GATE_DETACH",
                  "fence": "GATE_FENCE", "open": "GATE_OPEN", "close": "GATE_CLOSE",
                  "lease": "LEASE_SET"}
    spec = spec_requests()
    assert {command: accepted[name] for name, command in command_of.items()} == \
        {command: spec[command] for command in command_of.values()}


def test_a_proof_and_a_notification_hold_the_same_attributes():
    operations = {operation["name"]: operation for operation in SPEC["operations"]["list"]}
    gate = operations["gate-get"]["do"]["reply"]["attributes"]
    assert operations["ntf"]["event"]["attributes"] == ["event", *gate]
    text = HEADER.read_text()
    prose = text[text.index("which is also the *proof*:"):text.index("EPOCH and ENDPOINT_VERSION are")]
    assert {c_name(name) for name in gate} == set(re.findall(r"[A-Z_]{4,}", prose))

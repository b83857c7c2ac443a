# SPDX-License-Identifier: GPL-2.0
"""docs/openapi.yaml against the master that it describes: the same paths, the
same objects, key by key."""

import json
import pathlib
import re

import pytest
import yaml

from daemon import HOSTS
from frames import BODY, KIND_VOLUME, AuthorityLog

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "openapi.yaml"
TYPES = {"object": dict, "array": list, "string": str, "integer": int,
         "boolean": bool}
KNOWN_WORDS = {"type", "enum", "pattern", "minimum", "minLength", "minItems",
               "maxItems", "items", "properties", "required",
               "additionalProperties", "description"}


@pytest.fixture(name="document", scope="module")
def fixture_document():
    return yaml.safe_load(DOCUMENT.read_text())


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def faults(document, schema, value, where="it"):
    """What of value is not as the schema says; every word of it counts."""
    schema = resolve(document, schema)
    assert schema.keys() <= KNOWN_WORDS, f"{where}: {schema.keys()}"
    kind = TYPES[schema["type"]]
    if not isinstance(value, kind) or (kind is int and value is True):
        return [f"{where} is no {schema['type']}: {value!r}"]
    if isinstance(value, dict):
        return object_faults(document, schema, value, where)
    found = []
    if isinstance(value, list):
        low, high = schema.get("minItems", 0), schema.get("maxItems", 1 << 60)
        if not low <= len(value) <= high:
            found.append(f"{where} has {len(value)} items")
        for i, item in enumerate(value):
            found += faults(document, schema["items"], item, f"{where}[{i}]")
    if value not in schema.get("enum", [value]):
        found.append(f"{where} is {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} is {value!r}")
    if kind is int and value < schema.get("minimum", value):
        found.append(f"{where} is {value}")
    if kind is str and len(value) < schema.get("minLength", 0):
        found.append(f"{where} is empty")
    return found


def object_faults(document, schema, value, where):
    known = schema["properties"]
    found = [f"{where}.{key} is missing"
             for key in schema["required"] if key not in value]
    for key, member in value.items():
        if key in known:
            found += faults(document, known[key], member, f"{where}.{key}")
        else:
            found.append(f"{where}.{key} is not described")
    return found


def schema_of(document, method, path, status):
    operation = document["paths"][path][method.lower()]
    response = resolve(document, operation["responses"][str(status)])
    return response["content"]["application/json"]["schema"]


def check(document, master, method, path, body=None, *, template=None):
    status, answer = master.request(method, path, body)
    schema = schema_of(document, method, template or path, status)
    assert faults(document, schema, answer) == []
    return status, answer


def new_volume(document, name, *hosts):
    body = {"volume": name, "hosts": list(hosts)}
    schema = document["components"]["schemas"]["NewVolume"]
    return body, faults(document, schema, body)


def test_every_answer_is_as_described(document, stopped):
    stopped.start()
    body, wrong = new_volume(document, "v1", *HOSTS[:3])
    assert wrong == []
    ask = ("POST", "/v1/volumes", json.dumps(body))
    assert check(document, stopped, *ask)[0] == 201
    assert check(document, stopped, *ask)[0] == 409
    stopped.create("v2")
    stopped.stop()
    log = AuthorityLog(stopped.store)
    log.flip(log.offset(KIND_VOLUME, "v2") + BODY)
    stopped.start()
    assert check(document, stopped, "GET", "/v1/status")[1]["skips"]
    assert len(check(document, stopped, "GET", "/v1/volumes")[1]) == 2
    assert len(check(document, stopped, "GET", "/v1/hosts")[1]) == 4
    one = "/v1/volumes/{volume}"
    for name, status in (("v1", 200), ("v2", 200), ("v3", 404), ("-", 400)):
        got, _ = check(document, stopped, "GET", f"/v1/volumes/{name}",
                       template=one)
        assert got == status
    for name, status in (("v1?expect=4.2", 409), ("v1?expect=4", 400),
                         ("v1?expect=none", 200), ("v1", 404)):
        got, _ = check(document, stopped, "DELETE", f"/v1/volumes/{name}",
                       template=one)
        assert got == status
    for name, body, status in (("v2", {"hosts": HOSTS[:2]}, 400),
                               ("v2", {}, 400), ("v3", {}, 404),
                               ("v2", {"hosts": ["h1", "h2", "h9"]}, 404)):
        got, _ = check(document, stopped, "POST",
                       f"/v1/volumes/{name}/recover", json.dumps(body),
                       template=one + "/recover")
        assert got == status
    for name, body, status in (("v2", {"to": 4}, 400), ("v3", {}, 404),
                               ("v2", {"force": True}, 409)):
        got, _ = check(document, stopped, "POST",
                       f"/v1/volumes/{name}/reassign", json.dumps(body),
                       template=one + "/reassign")
        assert got == status
    check_hosts(document, stopped)


def check_hosts(document, master):
    one = "/v1/hosts/{host}"
    for name, status in (("h1", 200), ("h9", 404), ("-", 400)):
        for method, verb in (("GET", ""), ("POST", "/drain"),
                             ("POST", "/undrain")):
            got, _ = check(document, master, method, f"/v1/hosts/{name}{verb}",
                           template=one + verb)
            assert got == status


@pytest.mark.parametrize("name, hosts, status", [
    ("v/1", HOSTS[:3], 400),
    ("v1", HOSTS[:2], 400),
    ("v1", HOSTS, 400),
    ("v1", ["h1", "h2", "h" * 32], 400),
    ("v" * 64, HOSTS[:3], 400),
    ("v" * 63, ["h1", "h2", "h" * 31], 404),
])
def test_what_is_not_as_described_is_refused(document, running, name, hosts,
                                             status):
    body, wrong = new_volume(document, name, *hosts)
    assert bool(wrong) == (status == 400)
    got, _ = check(document, running, "POST", "/v1/volumes", json.dumps(body))
    assert got == status


def test_each_path_has_these_methods_and_no_other(document, running):
    for path, operations in document["paths"].items():
        path = path.format(volume="v1", host="h1")
        for method in ("PUT", "DELETE", "PATCH", "POST"):
            if method.lower() in operations:
                continue
            status, answer = running.request(method, path)
            assert status == 405
            assert method in answer["error"]
    assert running.request("GET", "/v1/nothing")[0] == 404


def test_every_evidence_and_state_of_the_code_is_described(document):
    core = DOCUMENT.parents[1] / "agent" / "core"
    names = re.search(r"evidence_name\(.*?\n}", (core / "snapshot.c")
                      .read_text(), re.DOTALL).group()
    schemas = document["components"]["schemas"]
    assert re.findall(r'"(\w+)"', names) == \
        schemas["Evidence"]["properties"]["code"]["enum"]
    states = re.search(r"\*state_name\(.*?\n}", (core / "master_status.c")
                       .read_text(), re.DOTALL).group()
    assert set(re.findall(r'"(\w+)"', states)) == \
        set(schemas["Volume"]["properties"]["state"]["enum"])

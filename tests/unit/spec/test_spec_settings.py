"""The one table drives everything: parser, schema and page agree with it and with each other."""

from __future__ import annotations

import json
import os
import tomllib

import jsonschema
import pytest

from shipway.core.errors import SpecError
from shipway.spec.parse import parse_spec
from shipway.spec.readers import READERS
from shipway.spec.reference import render_reference
from shipway.spec.render import render_spec
from shipway.spec.schema import render_schema
from shipway.spec.settings import BY_PLACE, SETTINGS, Kind, Where

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FILES = {
    "requirements.txt": "",
    "constraints.txt": "",
    "pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\nplot = []\n[dependency-groups]\ndev = []\ntest = []\n',
    "libs/tool/pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\nfast = []\n',
}


def schema():
    with open(os.path.join(ROOT, "src/shipway/spec/schema.json"), encoding="utf-8") as file:
        return json.load(file)


def _other_keys_of_data(key):
    """What makes a whole table of the one with `key`."""
    beside = {"sha256": "url", "unpack": "url", "revision": "hub", "files": "hub"}
    kind = key if key in ("folder", "volume", "url", "hub") else beside.get(key, "folder")
    needs = {"url": "sha256", "hub": "revision"}
    wanted = ["target", kind, *([needs[kind]] if kind in needs else [])]
    known = BY_PLACE[Where.DATA]
    return "".join(f"{name} = {known[name].example}\n" for name in wanted if name != key)


def spec_with(setting):
    """A spec whose only content is the setting's example."""
    line = f"{setting.key} = {setting.example}\n"
    heads = {
        Where.TOP: "",
        Where.SHARED: "",
        Where.FILES: "[files]\n",
        Where.RUN: "[run]\n",
        Where.BUILD: "[[build]]\n" + ('run = ["x"]\n' if setting.key != "run" else ""),
        Where.DATA: "[data.x]\n" + _other_keys_of_data(setting.key),
        Where.INDEX: "[indexes.x]\n",
        Where.PUSH: "[push]\n",
        Where.TARGET: 'pip = ["jaxlib"]\nenv = { DEBUG = "1" }\n[targets.cpu]\n[targets.gpu]\n',
    }
    if setting.where is Where.PROJECT:
        path = "" if setting.key == "path" else 'path = ".", '
        return f"projects = [{{ {path}{line.strip()} }}]\n"
    return heads[setting.where] + line + ("[targets.gpu]\n" if setting.key == "default-target" else "")


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda it: f"{it.where}.{it.key}")
def test_every_example_parses_and_satisfies_the_schema(setting):
    text = spec_with(setting)
    parsed = parse_spec(text, FILES)
    assert parsed.spec != parse_spec("", FILES).spec or setting.kind in (Kind.FLAG, Kind.PATHS, Kind.NAMES)
    jsonschema.validate(tomllib.loads(text), schema())


def test_every_kind_has_a_reader():
    assert READERS.keys() == set(Kind)


def test_generated_files_are_current():
    for name, render in (
        ("docs/reference/spec.md", render_reference),
        ("src/shipway/spec/schema.json", render_schema),
    ):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            assert file.read() == render(), f"{name}: run scripts/generate_spec_reference.py"


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "text",
    [
        "nme = 'x'", "apt = 'git'", "apt = ['Git']", "python = 3.11", "base = 'alpine'", "layer-budget = 1", "env = { 'a-b' = '1' }",
        "workdir = 'x'", "[run]\nnetwork = 'x'", "[run]\nmemory = 'x'", "[run]\nmounts = ['x']", "[[build]]\ninputs = ['x']",
        "[indexes.x]\nurl = 'https://a:b@c.invalid'", "[targets.x]\nname = 'x'", "requirements = ['/x']", "projects = [{}]",
        "platforms = ['x']", "command = []", "recommends = 1", "[files]\ninclude = 1", "[targets.'A B']",
    ],
)  # fmt: skip
def test_what_the_schema_refuses_the_parser_refuses(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema())
    with pytest.raises(SpecError):
        parse_spec(text)


def test_a_push_policy_is_read_and_written_back():
    spec = parse_spec('name = "x"\n[push]\nallow = ["hub.example.org/team"]\n', {}).spec
    assert spec.push_allow == ("hub.example.org/team",)
    assert parse_spec(render_spec(spec), {}).spec == spec
    assert parse_spec('name = "x"\n[push]\nallow = []\n', {}).spec.push_allow == ()
    assert parse_spec('name = "x"\n', {}).spec.push_allow is None
    for wrong in ("push = 1", "[push]\nallow = 'x'", "[push]\ndeny = []", "[targets.a.push]\nallow = []"):
        with pytest.raises(SpecError):
            parse_spec(wrong, {})

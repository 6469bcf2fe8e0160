"""Labels: from the spec, and from a Dockerfile, to the lock, the image and what is exported."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "export"))
sys.path.append(str(Path(__file__).parents[1] / "lock"))
from export_examples import LOCK, contents
from lock_examples import full_lock

from shipway.core.digest import DiffId
from shipway.core.errors import SpecError
from shipway.core.labels import STANDARD, find_label_fault
from shipway.export.apptainer import render_apptainer
from shipway.export.dockerfile import render_dockerfile
from shipway.image.oci import ImageConfig, ImageLayer, render_image
from shipway.lock.check import find_faults
from shipway.lock.parse import parse_lock
from shipway.lock.render import render_lock
from shipway.plan.diff import read_config
from shipway.plan.target import plan_target
from shipway.spec.dockerfile.convert import Around, import_dockerfile
from shipway.spec.dockerfile.parse import parse_dockerfile
from shipway.spec.dockerfile.report import Outcome
from shipway.spec.parse import parse_spec
from shipway.spec.render import render_spec

SOURCE = "org.opencontainers.image.source"
LABELS = (("org.example.team", "ai"), (SOURCE, 'https://git.example/x?a=$b&c="d"\\e'))
SPEC = f"""
name = "x"
labels = {{ "{SOURCE}" = "https://git.example/x", "org.example.team" = "ai" }}
[targets.cpu]
[targets.gpu]
without = ["labels:org.example.team"]
labels = {{ "{SOURCE}" = "https://git.example/y" }}
"""


def test_targets_inherit_labels_and_replace_them_by_name():
    spec = parse_spec(SPEC, {}).spec
    assert spec.target("cpu").labels == (("org.example.team", "ai"), (SOURCE, "https://git.example/x"))
    assert spec.target("gpu").labels == ((SOURCE, "https://git.example/y"),)
    assert parse_spec(render_spec(spec), {}).spec == spec


@pytest.mark.parametrize("name", [*STANDARD, "maintainer", "org.example.a-b_c/d", "a", "A" * 255])
def test_names_that_may_be(name):
    assert find_label_fault(name, "ä value") is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("", "x", "no name"), ("a b", "x", "no name"), ("-a", "x", "no name"), ("a.", "x", "no name"), ("ä", "x", "no name"),
        ("a=b", "x", "no name"), ("A" * 256, "x", "no name"), ("a\n", "x", "no name"),
        ("org.opencontainers.image.created", "x", "cannot be set"), ("org.opencontainers.image.base.name", "x", "cannot be set"),
        ("org.opencontainers.image.base.digest", "x", "cannot be set"), ("org.opencontainers.image.ref.name", "x", "cannot be set"),
        ("org.opencontainers.image.licence", "x", "reserved"), ("com.docker.x", "x", "reserved"),
        ("a", "x\ny", "one line"), ("a", "\x1b[1m", "one line"), ("a", "x" * 4097, "one line"),
    ],
)  # fmt: skip
def test_labels_that_may_not_be(name, value, said):
    why, remedy = find_label_fault(name, value)
    assert said in why
    assert remedy
    text = f"name = 'x'\nlabels = {{ {json.dumps(name)} = {json.dumps(value)} }}\n"
    with pytest.raises(SpecError):
        parse_spec(text, {})


def test_a_number_is_no_label():
    with pytest.raises(SpecError, match="must be a text"):
        parse_spec('name = "x"\nlabels = { a = 1 }\n', {})


def test_a_lock_with_a_label_that_may_not_be_is_refused():
    target = replace(LOCK.targets[0], labels=(("org.opencontainers.image.created", "x"),))
    assert any("cannot be set" in fault for fault in find_faults(replace(LOCK, targets=(target,))))


def test_the_lock_brings_them_into_the_image():
    full = full_lock()
    first = replace(full.targets[0], labels=LABELS)
    lock = parse_lock(render_lock(replace(full, targets=(first, *full.targets[1:]))))
    target = lock.target(first.name, first.platform)
    assert target.labels == LABELS
    settings = plan_target(lock, target.name, target.platform).settings
    assert settings.labels == LABELS
    config = ImageConfig(
        platform=target.platform,
        env=settings.env,
        workdir=settings.workdir,
        command=(),
        epoch=0,
        labels=settings.labels,
    )
    layer = ImageLayer(name="os", diff_id=DiffId.of(b"1"), size=1, packages=(), reason="because")
    assert json.loads(render_image(config, (layer,)).config)["config"]["Labels"] == dict(LABELS)
    assert read_config(lock, target)["labels.org.example.team"] == "ai"


def test_exports_have_them():
    said = contents("cpu", labels=LABELS)
    text = render_dockerfile(said)
    lines = text.partition("\nLABEL ")[2].splitlines()
    assert lines[:2] == [
        'org.example.team="ai"',
        f'LABEL {SOURCE}="https://git.example/x?a=\\$b&c=\\"d\\"\\\\e"',
    ]
    labels = render_apptainer(said).partition("%labels\n")[2].splitlines()
    assert labels[:2] == [f"    {name} {value}" for name, value in LABELS]
    assert "%labels" not in render_apptainer(contents("cpu"))


def test_a_dockerfile_brings_its_own():
    text = (
        'FROM debian:bookworm\nARG WHO=ada\nLABEL org.example.a="1 2" maintainer=$WHO\nLABEL description old form\n'
        "LABEL org.opencontainers.image.created=now org.example.b=$NOBODY\n"
    )
    imported = import_dockerfile(parse_dockerfile(text), Around(name="demo", names=None))
    spec = parse_spec(imported.text, {}, folder="demo").spec
    assert dict(spec.targets[0].labels) == {
        "org.example.a": "1 2",
        "maintainer": "ada",
        "description": "old form",
    }
    left = [
        finding for line in imported.lines for finding in line.findings if finding.outcome is Outcome.LEFT
    ]
    assert [finding.what.partition("`")[2].partition("`")[0] for finding in left] == [
        "org.opencontainers.image.created", "org.example.b"
    ]  # fmt: skip

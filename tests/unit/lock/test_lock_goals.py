"""The written goals of the lock file, a test each; two of them, the freshness check and the checksum, live in `resolve`."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import subprocess
import sys

import pytest
from lock_examples import big_lock, deb, full_lock, wheel

from shipway.core.errors import ExitCode, LockFormatError
from shipway.lock import shapes
from shipway.lock.model import FORMAT
from shipway.lock.order import in_order
from shipway.lock.parse import parse_lock
from shipway.lock.render import render_lock

HERE = os.path.dirname(__file__)


def test_complete_every_field_of_the_model_is_written_and_read_back():
    lock = full_lock()
    again = parse_lock(render_lock(lock))
    assert again == in_order(lock)
    assert again.targets[0].layers[0].reason == "essential"


def shapes_of_the_format():
    return [value for value in vars(shapes).values() if isinstance(value, shapes.Shape)]


@pytest.mark.parametrize("shape", shapes_of_the_format(), ids=lambda shape: shape.make.__name__)
def test_complete_the_tables_hold_every_field_with_its_default(shape):
    fields = {field.name: field for field in dataclasses.fields(shape.make)}
    written = {field.attribute: field for field in shape.fields.values()}
    assert written.keys() == fields.keys()
    for name, field in fields.items():
        if written[name].optional and field.default is not dataclasses.MISSING:
            assert written[name].absent == field.default, name


def test_readable_is_json_with_one_artifact_a_line_and_says_what_it_is_first():
    text = render_lock(full_lock())
    lines = text.splitlines()
    assert lines[1] == f'"shipway-lock": {FORMAT},'
    assert "do not edit" in lines[2]
    assert lines[3] == '"name": "digits",'
    assert json.loads(text)["debs"][1]["name"] == "git"
    starts = [line for line in lines if line.startswith('{"name": "git"')]
    assert len(starts) == 1
    assert json.loads(starts[0].rstrip(","))["size"] == 1003
    assert text.endswith("}\n")
    assert "https://" not in render_lock(big_lock(4))


def test_readable_what_says_nothing_is_left_out():
    text = render_lock(big_lock(2))
    for absent in ("essential", "null", "[]", "build", "bytecode", '""', "conda"):
        assert absent not in text


def test_diff_friendly_one_added_package_changes_few_lines():
    before, after = (render_lock(big_lock(400, extra=extra)).splitlines() for extra in ("", "equinox"))
    changed = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert len(changed) <= 8, changed
    assert len(before) > 400


def test_reproducible_byte_for_byte_whatever_the_order_and_the_process():
    lock = full_lock()
    shuffled = dataclasses.replace(
        lock,
        debs=lock.debs[::-1],
        wheels=lock.wheels[::-1],
        sources=lock.sources[::-1],
        indexes=lock.indexes[::-1],
    )
    text = render_lock(lock)
    assert render_lock(shuffled) == text
    assert render_lock(parse_lock(text)) == text
    code = "import sys; sys.path.insert(0, sys.argv[1]); import lock_examples as e; from shipway.lock.render import render_lock; sys.stdout.buffer.write(render_lock(e.full_lock()).encode())"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"}
        done = subprocess.run(
            [sys.executable, "-c", code, HERE], env=environment, capture_output=True, check=True
        )
        assert done.stdout == text.encode()


def test_readable_by_newer_versions_the_first_format_as_it_was_written():
    with open(os.path.join(HERE, "golden-format-1.lock"), encoding="utf-8") as file:
        text = file.read()
    full = full_lock()
    (target,) = full.targets
    # Data came to the format later; a lock without them is the same text in both.
    then = dataclasses.replace(
        full, data=(), targets=(dataclasses.replace(target, data=(), layers=target.layers[:-1]),)
    )
    assert parse_lock(text) == in_order(then)


def test_a_newer_format_is_refused_and_says_who_reads_it():
    text = render_lock(full_lock())
    newer = text.replace(f'"shipway-lock": {FORMAT}', '"shipway-lock": 99').replace(
        "since shipway 0.1.0", "since shipway 7.2.0"
    )
    newer = newer.replace('"epoch"', '"something-new": 1, "epoch"')
    with pytest.raises(LockFormatError, match=r"format 99.*since shipway 7\.2\.0") as caught:
        parse_lock(newer)
    assert caught.value.code == ExitCode.LOCK_FORMAT
    assert caught.value.hints


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"shipway-lock": 1', '"shipway-lock": true', "does not start with"),
        ('"shipway-lock": 1', '"shipway-lock": 0', "format 0"),
        ('"epoch": 17', '"colour": 1, "epoch": 17', "unknown field `colour`"),
        (
            '"essential": true',
            '"essential": 1',
            r"`debs`: entry 1 \(`bash`\): `essential`: must be true or false",
        ),
        ('"essential": true', '"esential": true', "unknown field `esential`"),
        ('"epoch": 1700000000', '"epoch": -1', "`epoch` must be a whole number"),
        ('"size": 1004', '"size": "1004"', "`size`: must be a whole number"),
        ('"index": "default"', '"index": "elsewhere"', "index `elsewhere` is not locked"),
        ("pool/main/b", "../../etc", "path leaves the archive"),
        ("pool/main/b", "/etc", "path leaves the archive"),
        ('"filename": "jax-1.0-py3-none-any.whl"', '"filename": "../jax.whl"', "no wheel file name"),
        ('"folder": "wheels"', '"folder": "../wheels"', "folder outside the project"),
        ('"workdir": "/project"', '"workdir": "/a/../.."', "no absolute path"),
        ('"commit": "0', '"commit": "-', "is no commit"),
        ("https://git.invalid", "https://me:secret@git.invalid", "credentials"),
        ('"name": "cpu"', '"name": "CPU/../x"', "no target name"),
        ('"platform": "linux/amd64"', '"platform": "plan9/mips"', "is none of"),
        ('"members": ["system"]', '"members": ["nothing"]', "which the target does not have"),
        ("sha256:", "sha512:", "not a sha256 digest"),
        ('"targets": [', '"conda": ["x"], "targets": [', "`conda` must be empty"),
        ('"name": "digits",\n"inputs"', '"inputs"', "`name` is missing"),
        ("{\n", "<<<<<<< ours\n{\n", "merge conflict"),
        ('"epoch"', "epoch", "no lock file"),
    ],
)
def test_anything_else_is_refused_with_the_place(old, new, said):
    text = render_lock(full_lock())
    assert old in text
    with pytest.raises(LockFormatError, match=said):
        parse_lock(text.replace(old, new, 1))


def test_deep_nesting_is_no_crash():
    with pytest.raises(LockFormatError):
        parse_lock("[" * 100_000)


def test_names_twice_and_members_in_no_layer_are_faults():
    lock = big_lock(4)
    with pytest.raises(LockFormatError, match=r"deb `package-0000=.*` is there 2 times"):
        parse_lock(render_lock(dataclasses.replace(lock, debs=(*lock.debs, lock.debs[0]))))
    target = dataclasses.replace(lock.targets[0], layers=lock.targets[0].layers[:-1])
    with pytest.raises(LockFormatError, match="is in no layer"):
        parse_lock(render_lock(dataclasses.replace(lock, targets=(target,))))
    lonely = dataclasses.replace(
        lock, debs=(deb("bash", archive="nowhere"), *lock.debs), wheels=(*lock.wheels, wheel("zz", index=""))
    )
    with pytest.raises(LockFormatError, match="archive `nowhere`"):
        parse_lock(render_lock(lonely))

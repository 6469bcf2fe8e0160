import json
import os

import pytest
from run_values import ENVIRONMENT

from shipway.run import ready
from shipway.run.model import ImageIds, Limits, Mount, Network, RunOptions
from shipway.run.places import ready_file
from shipway.run.ready import Ready, holds, read_inputs, read_ready, write_ready


@pytest.fixture
def record(tmp_path):
    """A record over two files, one absent file and two trees; and where it is written."""
    for name in ("shipway.toml", "shipway.lock"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(10**18, 10**18))
    for name in ("tree1", "tree2"):
        (tmp_path / name).mkdir()
    options = RunOptions(
        mounts=(Mount("/a", "/b", read_only=True),),
        limits=Limits(memory=5, cpus=1.5),
        network=Network.NONE,
        pass_env=("X",),
    )
    environment = ENVIRONMENT._replace(lowers=(f"{tmp_path}/tree1", f"{tmp_path}/tree2"), options=options)
    inputs = read_inputs([f"{tmp_path}/{name}" for name in ("shipway.toml", "shipway.lock", ".dockerignore")])
    value = Ready(environment, inputs, "store")
    file = ready_file(f"{tmp_path}/state", str(tmp_path), "cpu")
    write_ready(file, value)
    return value, file


def test_a_record_comes_back_equal(record):
    value, file = record
    back = read_ready(file)
    assert back == value
    assert type(back.environment.options.network) is Network
    assert holds(back, context="store")


def test_the_image_comes_back_too(record):
    value, file = record
    image = ImageIds("sha256:" + "a" * 64, "sha256:" + "b" * 64)
    write_ready(file, value._replace(environment=value.environment._replace(image=image)))
    assert read_ready(file).environment.image == image


def test_nothing_is_not_a_record(tmp_path):
    assert read_ready(f"{tmp_path}/absent.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"format":1}', "null", "\x00\xff"])
def test_a_damaged_record_is_none(record, text):
    _, file = record
    with open(file, "w") as stream:
        stream.write(text)
    assert read_ready(file) is None


@pytest.mark.parametrize(
    ("key", "value"), [("format", 99), ("version", "0.0.0"), ("environment", {}), ("inputs", [[1]])]
)
def test_a_record_of_another_version_or_shape_is_none(record, key, value):
    _, file = record
    with open(file) as stream:
        content = json.load(stream)
    content[key] = value
    with open(file, "w") as stream:
        json.dump(content, stream)
    assert read_ready(file) is None


def test_a_changed_file_ends_it_even_with_its_time_set_back(record, tmp_path):
    value, _ = record
    (tmp_path / "shipway.toml").write_text("shipway.tomL")
    os.utime(tmp_path / "shipway.toml", ns=(10**18, 10**18))
    assert not holds(value, context="store")


def test_nothing_is_read_while_nothing_changes(record, monkeypatch):
    value, _ = record
    later = max(os.stat(entry.path).st_ctime_ns for entry in value.inputs if entry.size >= 0) + 10**9
    monkeypatch.setattr(ready.time, "time_ns", lambda: later)
    value = value._replace(inputs=read_inputs([entry.path for entry in value.inputs]))
    monkeypatch.setattr(ready, "_read_input", None)
    assert holds(value, context="store")


def test_a_touched_file_with_the_same_text_does_not(record, tmp_path):
    value, _ = record
    os.utime(tmp_path / "shipway.toml")
    assert holds(value, context="store")


def test_a_replaced_file_with_the_same_text_does_not(record, tmp_path):
    value, _ = record
    (tmp_path / "new").write_text("shipway.lock")
    (tmp_path / "new").rename(tmp_path / "shipway.lock")
    assert holds(value, context="store")


def test_a_vanished_file_ends_it(record, tmp_path):
    (tmp_path / "shipway.lock").unlink()
    assert not holds(record[0], context="store")


def test_a_file_that_appears_ends_it(record, tmp_path):
    (tmp_path / ".dockerignore").write_text("")
    assert not holds(record[0], context="store")


def test_a_vanished_tree_ends_it(record, tmp_path):
    (tmp_path / "tree1").rmdir()
    assert not holds(record[0], context="store")


def test_another_store_or_platform_ends_it(record):
    assert not holds(record[0], context="another")


def test_a_file_changed_just_now_is_told_by_its_text(tmp_path, monkeypatch):
    path = tmp_path / "spec"
    path.write_text("one")
    status = path.stat()
    monkeypatch.setattr(ready.time, "time_ns", lambda: status.st_ctime_ns + 1000)
    (recorded,) = read_inputs([str(path)])
    assert recorded.changed == 0
    value = Ready(ENVIRONMENT._replace(lowers=()), (recorded,), "")
    assert holds(value, context="")
    path.write_text("two")
    assert not holds(value, context="")


def test_records_of_targets_are_apart(tmp_path):
    files = {
        ready_file("/s", "/p", "cpu"),
        ready_file("/s", "/p", "gpu"),
        ready_file("/s", "/p", ""),
        ready_file("/s", "/pc", "pu"),
    }
    assert len(files) == 4
    assert "/" not in os.path.basename(ready_file("/s", "/p", "../../x"))


def test_paths_that_are_no_text_survive(tmp_path):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(strange)
    value = Ready(ENVIRONMENT._replace(project=strange, lowers=(strange,)), (), "")
    write_ready(f"{tmp_path}/r.json", value)
    assert read_ready(f"{tmp_path}/r.json") == value

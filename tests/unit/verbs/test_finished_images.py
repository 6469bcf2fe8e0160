"""`size` and `diff` of images that no lock is behind: stored ones, files, folders."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from shipway.cli.app import execute
from shipway.core.digest import TreeKey
from shipway.core.errors import ExitCode
from shipway.core.events import silent
from shipway.image.load import load_images
from shipway.image.names import put_name
from shipway.lock.model import Lock, TargetLock
from shipway.lock.render import render_lock
from shipway.store.store import Store
from shipway.verbs.context import host_platform

sys.path.append(str(Path(__file__).parents[1] / "image"))
from image_samples import config_of, layer, own_image, write_layout

MIB = b"x" * (1 << 20)
STATUS = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
SITE = "usr/lib/python3.11/site-packages"
LAYERS = (
    layer(
        ("var/lib/dpkg/status", (STATUS.format("gcc-12", "12.2") + STATUS.format("libcudart12", "12.4")).encode()),
        ("var/lib/dpkg/info/gcc-12.list", b"/usr/bin/gcc\n"),
        ("var/lib/dpkg/info/libcudart12.list", b"/usr/lib/libcudart.so.12\n"),
        ("usr/bin/gcc", b"compiler"), ("usr/lib/libcudart.so.12", b"c" * 500),
        ("var/cache/apk/index", b"i" * 70), ("root/.cache/pip/http/a", b"p" * 80), ("opt/conda/pkgs/a.conda", b"q" * 90),
    ),
    layer(("opt/weights.pt", MIB * 11), ("usr/bin/tool", b"t" * 1000)),
    layer(("usr/bin/tool", b"t" * 1000), (".wh.opt", b"")),
    layer(
        (f"{SITE}/nvidia_cudart-12.1.dist-info/RECORD", b"nvidia/libcudart.so.12,,\n"),
        (f"{SITE}/nvidia/libcudart.so.12", b"d" * 400), ("usr/lib/copy.so", b"d" * 400),
    ),
)  # fmt: skip
HISTORY = [{"created_by": f"RUN step {number}"} for number in range(3)]


def config(layers=LAYERS, **more):
    history = [{"created_by": "ENV A=1", "empty_layer": True}, *HISTORY, {"created_by": "COPY \x1b[31m b"}]
    return config_of(*layers, history=history, **more)


@pytest.fixture(autouse=True)
def outside(tmp_path, monkeypatch):
    """A folder without a project."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def layout(tmp_path):
    write_layout(tmp_path / "layout", *LAYERS, config=config())
    return str(tmp_path / "layout")


@pytest.fixture
def run(capsys):
    """A command line that must end with `code`; what it wrote to standard output, or error."""

    def run(*words, code=0):
        assert execute(words) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return err if code else out

    return run


def load(layout):
    store = Store.open()
    for one in load_images(store, layout, platform="linux/amd64", emit=silent):
        put_name(store, one.names[0], one.image)


def in_store():
    store = Store.open().path
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(store)
        for name in names
        if "/locks" not in folder
    )


def test_sizes_of_a_layout_which_is_not_kept(layout, run):
    run("images")
    before = in_store()
    found = json.loads(run("size", layout, "--json"))
    assert in_store() == before
    assert found["name"] == layout
    assert found["target"] is None
    assert [one["reason"] for one in found["layers"]] == [
        "RUN step 0", "RUN step 1", "RUN step 2", "COPY \\x1b[31m b",
    ]  # fmt: skip
    assert (found["layers"][0]["name"], found["layers"][0]["packages"]) == ("layer-1", 2)
    sizes = {(one["kind"], one["name"]): one["size"] for one in found["packages"] if one["kind"] != "other"}
    assert sizes == {
        ("deb", "libcudart12 12.4"): 500, ("wheel", "nvidia-cudart 12.1"): 400, ("deb", "gcc-12 12.2"): 8,
    }  # fmt: skip
    assert found["causes"] == []


def test_findings_of_an_image_of_others(layout, run):
    found = {one["kind"]: one for one in json.loads(run("size", layout, "--json"))["findings"]}
    assert (found["deleted"]["size"], found["deleted"]["files"]) == (len(MIB) * 11 + 90, 2)
    assert found["deleted"]["examples"][0] == "opt/weights.pt"
    assert (found["copied-again"]["size"], found["copied-again"]["examples"]) == (1000, ["usr/bin/tool"])
    assert "COPY --chmod" in found["copied-again"]["remedy"]
    assert found["data"]["examples"] == ["opt/weights.pt"]
    assert found["build-tools"]["packages"] == ["gcc-12 12.2"]
    assert (found["cuda-twice"]["size"], found["cuda-twice"]["packages"]) == (400, ["nvidia-cudart 12.1"])
    assert found["caches"]["files"] == 3
    assert "--mount=type=cache" in found["caches"]["remedy"]
    assert found["duplicates"]["examples"] == [f"{SITE}/nvidia/libcudart.so.12"]
    assert not [one["remedy"] for one in found.values() if "slim" in one["remedy"]]


def test_sizes_of_a_stored_image_as_text(layout, run):
    load(layout)
    text = run("size", "team/base:1")
    assert "image    team/base:1 on linux/amd64" in text
    assert "ASKED FOR BY" not in text
    assert "CAUSE" not in text
    assert "\x1b" not in text


def test_sizes_of_our_own_stored_image(run):
    store = Store.open()
    put_name(store, "mine:1", own_image(store))
    found = json.loads(run("size", "mine:1", "--json"))
    assert [(one["name"], one["reason"]) for one in found["layers"]] == [
        ("os", "because"),
        ("files", "source"),
    ]
    assert [(one["kind"], one["layer"]) for one in found["packages"]] == [("other", "files"), ("other", "os")]


def test_what_is_no_image(outside, tmp_path, run):
    (outside / "text").write_text("no archive")
    (outside / "folder").mkdir()
    assert "there is no image `text`" in run("size", "text", code=ExitCode.NOT_FOUND)
    run("size", "folder", code=ExitCode.NOT_FOUND)
    run("size", "./folder", code=ExitCode.USAGE)
    write_layout(tmp_path / "two", layer(("a", b"a")), names=("x:1", "y:1"))
    assert "holds 2 images: x:1, y:1" in run("size", str(tmp_path / "two"), code=ExitCode.USAGE)


def test_a_hostile_archive_is_refused(tmp_path, run):
    write_layout(tmp_path / "bad", layer(("../x", b"a")))
    run("size", str(tmp_path / "bad"), code=ExitCode.HOSTILE)
    run("diff", f"image:{tmp_path}/bad", f"image:{tmp_path}/bad", code=ExitCode.HOSTILE)


def test_two_images_outside_of_any_project(layout, tmp_path, run):
    more = layer(
        ("etc/os-release", b'ID=debian\nVERSION_ID="12"\n'),
        ("var/lib/dpkg/info/gcc-12.list", b"/usr/bin/gcc\n"),
        ("usr/bin/gcc", b"another"), ("var/lib/dpkg/status", STATUS.format("gcc-12", "12.3").encode()),
        ("usr/lib/.wh.libcudart.so.12", b""), ("var/lib/dpkg/info/.wh.libcudart12.list", b""),
    )  # fmt: skip
    layers = (*LAYERS, more)
    inner = {"Env": ["A=2"], "Cmd": ["sh"], "Entrypoint": ["tini"], "User": "7", "Labels": {"x": "y"}}
    write_layout(tmp_path / "new", *layers, config=config_of(*layers, config=inner), names=("team/base:2",))
    load(layout)
    found = json.loads(run("diff", "team/base:1", str(tmp_path / "new"), "--json"))
    assert [(one["kind"], one["name"], one["before"], one["after"]) for one in found["packages"]] == [
        ("deb", "gcc-12", "12.2", "12.3"),
        ("deb", "libcudart12", "12.4", None),
    ]
    assert {one["key"]: one["after"] for one in found["config"]} == {
        "system": "debian 12", "cuda": None, "env.A": "2", "entrypoint": "tini", "user": "7", "label.x": "y",
    }  # fmt: skip
    assert [(one["path"], one["what"], one["owner"]) for one in found["files"]] == [
        ("/etc", "added", "layer-5"),
        ("/etc/os-release", "added", "layer-5"),
        ("/usr/bin/gcc", "changed", "gcc-12 12.3"),
        ("/usr/lib/libcudart.so.12", "removed", "libcudart12 12.4"),
        ("/var/lib/dpkg/info/libcudart12.list", "removed", "layer-1"),
        ("/var/lib/dpkg/status", "changed", "layer-5"),
    ]
    assert "nothing differs" in run("diff", "image:team/base:1", layout)


def test_a_word_that_names_nothing_says_that_there_is_no_project(run):
    said = run("diff", "nothing", "nowhere", code=ExitCode.USAGE)
    assert "there is no project" in said
    run("diff", "image:nothing", "image:nowhere", code=ExitCode.NOT_FOUND)


@pytest.fixture
def project(outside):
    target = TargetLock(
        name="one", platform=host_platform(), base="debian:bookworm", command=("a", "b"), env=(("A", "1"),)
    )
    lock = Lock(name="x", inputs=TreeKey.of(b""), epoch=0, targets=(target,))
    (outside / "shipway.toml").write_text('name = "x"\nbase = "debian:bookworm"\n[targets.one]\n')
    (outside / "shipway.lock").write_text(render_lock(lock))
    return outside


def test_an_image_with_the_target_now_in_the_words_that_both_have(project, layout, run):
    load(layout)
    found = json.loads(run("diff", "team/base:1", "--json"))
    assert (found["before"], found["after"]) == ("image:team/base:1", "one")
    keys = {one["key"] for one in found["config"]}
    assert "command" in keys
    assert not keys & {"base", "name", "entrypoint"}
    assert "env.A" not in keys
    assert {one["name"] for one in found["packages"]} == {"gcc-12", "libcudart12", "nvidia-cudart"}


def test_a_target_goes_before_an_image_of_its_name(project, layout, run):
    store = Store.open()
    put_name(store, "one:latest", own_image(store))
    assert json.loads(run("diff", "one", "--json"))["before"] == "one"
    assert json.loads(run("diff", "image:one", "--json"))["before"] == "image:one"

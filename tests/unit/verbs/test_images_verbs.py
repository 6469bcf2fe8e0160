"""The verbs of stored images, from the command line."""

import json
import os
import sys
from pathlib import Path

import pytest

from shipway.cli.app import execute
from shipway.core.errors import ExitCode
from shipway.image.names import list_names, put_name
from shipway.store.store import Store

sys.path.append(str(Path(__file__).parents[1] / "image"))
from image_samples import layer, own_image, write_layout


@pytest.fixture
def image():
    store = Store.open()
    made = own_image(store)
    put_name(store, "mine:1", made)
    return made


@pytest.fixture
def said(capsys):
    """Run a command line that must end with `code`; what it wrote to standard output."""

    def run(*words, code=0):
        assert execute(words) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def names():
    return [one.name for one in list_names(Store.open())]


def test_images_tag_and_rmi(image, said):
    assert said("tag", "team/x", "--image", "mine:1").strip() == image.digest
    assert names() == ["mine:1", "team/x:latest"]
    table = said("images")
    assert "team/x:latest" in table
    assert image.digest[7:19] in table
    listed = json.loads(said("images", "--json", "team/x"))["images"]
    assert [(one["name"], one["digest"], one["platform"], one["layers"]) for one in listed] == [
        ("team/x:latest", image.digest, "linux/amd64", 2)
    ]
    assert said("rmi", "--dry-run", "mine:1", "team/x") == "mine:1\nteam/x:latest\n"
    assert names() == ["mine:1", "team/x:latest"]
    said("rmi", "mine:1", "nothing:1", code=ExitCode.NOT_FOUND)
    assert names() == ["mine:1", "team/x:latest"]
    said("rmi", image.digest, code=ExitCode.USAGE)
    said("rmi", "mine:1")
    said("rmi", image.digest.removeprefix("sha256:")[:9])
    assert names() == []


def test_a_dry_tag_gives_no_name(image, said):
    said("tag", "other:1", "--image", "mine:1", "--dry-run")
    assert names() == ["mine:1"]
    said("tag", f"other@{image.digest}", "--image", "mine:1", code=ExitCode.USAGE)
    said("tag", "NOT A NAME", "--image", "mine:1", code=ExitCode.USAGE)


def test_digests_stand_for_images(image, said):
    for text in (image.digest, image.config_digest, image.digest[7:14], "mine:1", f"{image.digest[:20]}"):
        assert json.loads(said("inspect", "--json", text))["config_digest"] == image.config_digest
    said("inspect", "1234567", code=ExitCode.NOT_FOUND)


def test_a_short_word_that_could_be_a_digest_is_a_name_first(image, said):
    put_name(Store.open(), "deadbeef:latest", image)
    assert json.loads(said("inspect", "--json", "deadbeef"))["digest"] == image.digest


def test_inspect_and_history_of_a_stored_image(image, said):
    text = said("inspect", "mine:1")
    assert "mine:1 on linux/amd64" in text
    assert image.layers[0].diff_id[7:19] in text
    lines = json.loads(said("history", "mine:1", "--json"))["history"]
    assert [line["diff_id"] for line in lines] == [one.diff_id for one in reversed(image.layers)]
    assert "shipway layer os" in said("history", "mine:1")


def test_save_and_load(image, said, tmp_path):
    path = str(tmp_path / "a.tar")
    assert said("save", path, "--image", "mine:1", "--dry-run") == ""
    assert not (tmp_path / "a.tar").exists()
    assert said("save", path, "--image", "mine:1", "--name", "team/x:2").strip() == image.digest
    rows = json.loads(said("load", path, "--dry-run", "--json"))["images"]
    assert [(row["name"], row["digest"]) for row in rows] == [("team/x:2", image.digest)]
    assert names() == ["mine:1"]
    assert said("load", path) == "team/x:2\n"
    assert said("load", path, "--name", "other:3") == "other:3\n"
    assert names() == ["mine:1", "other:3", "team/x:2"]
    result = json.loads(said("save", f"{tmp_path}/layout/", "--image", "mine:1", "--json"))
    assert (result["format"], result["name"]) == ("oci-layout", "mine:1")
    docker = said("save", f"{tmp_path}/d.tar", "--image", "mine:1", "--format", "docker")
    assert docker.strip() == image.config_digest


def test_save_as_a_file_system(image, said, tmp_path):
    assert said("save", f"{tmp_path}/a", "--image", "mine:1", "--format", "sif", "--dry-run") == ""
    assert os.listdir(tmp_path) == []
    for form in ("sif", "squashfs"):
        path = tmp_path / f"a.{form}"
        words = ("save", str(path), "--image", "mine:1", "--format", form, "--compression", "zstd", "--json")
        result = json.loads(said(*words))
        assert (result["format"], result["size"]) == (form, path.stat().st_size)
        assert result["digest"] == image.config_digest


def test_options_that_contradict_each_other(image, said, tmp_path):
    said("save", f"{tmp_path}/x/", "--image", "mine:1", "--format", "docker", code=ExitCode.USAGE)
    docker = ("save", f"{tmp_path}/x", "--image", "mine:1", "--format", "docker")
    said(*docker, "--compression", "zstd", code=ExitCode.USAGE)
    said("save", f"{tmp_path}/x/", "--image", "mine:1", "--format", "sif", code=ExitCode.USAGE)
    flat = ("save", f"{tmp_path}/x", "--image", "mine:1", "--format", "squashfs")
    said(*flat, "--compression", "none", code=ExitCode.USAGE)
    assert os.listdir(tmp_path) == []


def test_an_archive_without_a_name_needs_one(said, tmp_path):
    write_layout(tmp_path / "in", layer(("a", b"a")), names=())
    said("load", str(tmp_path / "in"), code=ExitCode.USAGE)
    assert said("load", str(tmp_path / "in"), "--name", "base:1") == "base:1\n"


def test_the_digests_of_others_are_kept(said, tmp_path):
    digest = write_layout(tmp_path / "in", layer(("a", b"a")), names=("x:1", "y:1"))
    said("load", str(tmp_path / "in"), "--name", "z:1", code=ExitCode.USAGE)
    said("load", str(tmp_path / "in"))
    assert {one.image.digest for one in list_names(Store.open())} == {digest}
    assert names() == ["x:1", "y:1"]


def test_a_dry_load_checks_everything_and_leaves_nothing(said, tmp_path):
    bottom, top = layer(("a", b"data")), layer(("b", b"data"))
    write_layout(tmp_path / "layout", bottom, top, names=("team/x:1",), packed=False)
    before = contents(Store.open().path)
    assert said("load", str(tmp_path / "layout"), "--dry-run") == "team/x:1\n"
    assert contents(Store.open().path) == before
    [blob] = [path for path in (tmp_path / "layout/blobs/sha256").iterdir() if path.read_bytes() == top]
    blob.write_bytes(top[:-1] + b"x")
    said("load", str(tmp_path / "layout"), "--dry-run", code=ExitCode.HASH_MISMATCH)
    assert contents(Store.open().path) == before


def contents(store):
    """Every finished thing: what is only a lock or a folder does not count."""
    return sorted(str(path) for path in Path(store).rglob("*") if path.is_file() and "lock" not in str(path))


def test_what_an_image_needs_is_kept_by_its_name(image, said):
    kept = json.loads(said("gc", "--json", "--dry-run"))["kept"]
    assert {one["reason"] for one in kept} == {"needed by the image `mine:1`"}


def test_a_file_in_the_project_is_said_to_become_part_of_its_image(image, tmp_path, capsys, monkeypatch):
    (tmp_path / "shipway.toml").write_text('name = "x"\nbase = "debian:bookworm"\nfiles.ignore = ["*.out"]\n')
    monkeypatch.chdir(tmp_path)

    def warned(path):
        assert execute(["save", path, "--image", "mine:1"]) == 0
        return "would go into its image" in capsys.readouterr().err

    assert warned("a.tar")
    assert warned("layout/")
    assert not warned("a.out")
    assert not warned(str(tmp_path.parent / "outside.tar"))
    (tmp_path / "shipway.toml").write_text("name = \n")
    assert not warned("b.tar")
    (tmp_path / "shipway.toml").unlink()
    assert not warned("c.tar")

"""Images as one file for Apptainer: which paths, which bytes, and a SIF's parts at their places."""

import hashlib
import os
import struct
import subprocess

import pytest
from image_samples import add_tree, config_of, layer, own_image, special, write_layout

from shipway.archive.sif import DataObject, Kind, write_sif
from shipway.core.errors import NotFound, StoreError, ToolError
from shipway.core.events import silent
from shipway.core.manifest import Entry
from shipway.image.apptainer import render_files, save_sif, save_squashfs
from shipway.image.document import parse_config
from shipway.image.flat import flat_members, made_part
from shipway.image.load import load_images
from shipway.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def loaded(store, folder, *layers, **more):
    write_layout(str(folder), *layers, **more)
    [one] = load_images(store, str(folder), platform="linux/amd64", emit=silent)
    return one.image


def facts(**inner):
    more = {"config": inner} if inner else {}
    return parse_config(config_of(**more), "test", layers=0)


def flat(*trees, latest=1 << 31):
    parts = [made_part(entries, {}, latest) for entries in trees]
    return [entry for entry, _ in flat_members(parts)]


def test_a_stack_is_one_tree_and_hidden_names_of_a_file_are_no_links():
    below = (
        Entry("a", "f", 0o644, size=1, digest="1"),
        Entry("b", "h", 0o644, target="a"),
        Entry("c", "h", 0o644, target="a"),
        Entry("gone", "f", 0o644),
        Entry("deep/er/file", "f", 0o600, uid=4),
    )
    above = (Entry("a", "l", 0o777, target="x"), Entry("gone", "w", 0))
    assert flat(below, above) == [
        Entry("a", "l", 0o777, target="x"),
        Entry("b", "f", 0o644, size=1, digest="1"),
        Entry("c", "h", 0, target="b"),
        Entry("deep", "d", 0o755),
        Entry("deep/er", "d", 0o755),
        Entry("deep/er/file", "f", 0o600, uid=4),
    ]


def test_no_time_is_later_than_that_of_its_tree():
    tree = (Entry("a", "f", 0o644, mtime=9), Entry("b", "f", 0o644, mtime=3))
    assert [entry.mtime for entry in flat(tree, latest=5)] == [5, 3]


def shown_of(path):
    """What a squashfs holds: mode and size of each path, and where links lead."""
    words = ["unsquashfs", "-lln", path]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return {
        line.split("squashfs-root/", 1)[1]: line.split()[:3] for line in lines if "squashfs-root/" in line
    }


@pytest.mark.needs_tool("unsquashfs")
def test_an_image_that_holds_what_apptainer_needs_already(store, tmp_path):
    """Its folders and links stay, and what it says to Apptainer counts no more, under whatever other name it lies."""
    image = loaded(
        store, tmp_path / "layout",
        layer((special("tmp", b"2", linkname="var/tmp"), None), (special("proc", b"5", mode=0o555), None),
              ("aaa", b"theirs"), special(".singularity.d/runscript", b"1", linkname="aaa"),
              special("zzz", b"1", linkname=".singularity.d/runscript"), ("environment", b"x")),
    )  # fmt: skip
    save_squashfs(f"{tmp_path}/x", store, image, silent, compression="gzip")
    found = shown_of(f"{tmp_path}/x")
    assert "tmp -> var/tmp" in found
    assert found["proc"][0] == "dr-xr-xr-x"
    assert [found[path][2] for path in ("aaa", "zzz", "environment")] == ["6", "6", "1"]
    assert found[".singularity.d/runscript"][2] == str(
        len(render_files(image.facts())[".singularity.d/runscript"])
    )


def test_the_runscript_does_what_docker_run_would(tmp_path):
    said = tmp_path / "said"
    for words, command, argv, expected in (
        (["echo", "a b"], ["c $HOME"], [], "a b c $HOME\n"),
        (["echo", "a b"], ["c"], ["x", "y z"], "a b x y z\n"),
        ([], ["echo", "only"], [], "only\n"),
        ([], ["echo", "only"], ["echo", "other"], "other\n"),
    ):
        wanted = facts(Entrypoint=words, Cmd=command, WorkingDir=str(tmp_path))
        said.write_text(render_files(wanted)[".singularity.d/runscript"])
        done = subprocess.run(["sh", said, *argv], capture_output=True, text=True, check=True, cwd="/")
        assert done.stdout == expected
    assert b"cd " + str(tmp_path).encode() in said.read_bytes()


def test_variables_are_values_and_never_shell(tmp_path):
    odd = {"PLAIN": "a", "TEXT": "$(touch x) `id` \"'\nnext", "not a name": "x"}
    texts = render_files(facts(Env=[f"{name}={value}" for name, value in odd.items()]))
    script = tmp_path / "script"
    script.write_text(texts[".singularity.d/env/90-environment.sh"])
    done = subprocess.run(
        ["sh", "-c", f'. {script}; printf "%s|" "$PLAIN" "$TEXT"'],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == f"a|{odd['TEXT']}|"
    assert os.listdir(tmp_path) == ["script"]


@pytest.mark.needs_tool("unsquashfs")
def test_a_saved_image_holds_what_its_layers_show(store, tmp_path):
    image = own_image(store, big=200_000)
    size = save_squashfs(str(tmp_path / "x.sqfs"), store, image, silent, compression="zstd")
    assert (tmp_path / "x.sqfs").stat().st_size == size
    lines = shown_of(f"{tmp_path}/x.sqfs")
    assert lines["bin/tool"] == ["-rwxr-xr-x", "7/8", "3"]
    assert lines["etc/a"] == ["-rwxr-xr-x", "7/8", "200000"]
    assert lines["link -> tool"][0] == "lrwxrwxrwx"
    assert lines["tmp"][0] == "drwxrwxrwt"
    assert {"bin/other", "work/ä", ".singularity.d/runscript", "proc"} <= lines.keys()


@pytest.mark.needs_root
@pytest.mark.needs_tool("unsquashfs")
def test_an_image_of_others_keeps_its_times_owners_and_links(store, tmp_path):
    image = loaded(
        store, tmp_path / "layout",
        layer(("etc/", None), (special("etc/a", b"0", mode=0o4755, uid=12, gid=13, mtime=1_650_000_000), b"abc"),
              special("etc/b", b"1", linkname="etc/a"), ("etc/old", b"x"), ("etc/.hidden", b"y")),
        layer(("etc/.wh.old", b""), ("opt/new", b"z")),
    )  # fmt: skip
    save_squashfs(str(tmp_path / "x.sqfs"), store, image, silent, compression="gzip")
    out = tmp_path / "out"
    subprocess.run(["unsquashfs", "-d", out, tmp_path / "x.sqfs"], check=True, capture_output=True)
    one, other = os.stat(out / "etc/a"), os.stat(out / "etc/b")
    assert (one.st_mode & 0o7777, one.st_uid, one.st_gid, one.st_mtime) == (0o4755, 12, 13, 1_650_000_000)
    assert (one.st_ino, one.st_nlink) == (other.st_ino, 2)
    assert sorted(os.listdir(out / "etc")) == [".hidden", "a", "b"]
    assert (out / "opt/new").read_bytes() == b"z"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_sif_has_its_parts_where_it_says(store, tmp_path, compression):
    image = own_image(store)
    path = tmp_path / "x.sif"
    size = save_sif(str(path), store, image, silent, compression=compression)
    save_squashfs(str(tmp_path / "x.sqfs"), store, image, silent, compression=compression)
    data = path.read_bytes()
    assert len(data) == size
    launch, magic, version, arch, _, *numbers = struct.unpack_from("<32s10s3s3s16s8q", data)
    assert (launch.rstrip(b"\0"), magic, version, arch) == (
        b"#!/usr/bin/env run-singularity\n", b"SIF_MAGIC\0", b"01\0", b"02\0",
    )  # fmt: skip
    created, modified, free, total, table, table_size, start, length = numbers
    assert (created, modified, free, total, table, table_size) == (
        image.epoch,
        image.epoch,
        46,
        48,
        4096,
        48 * 585,
    )
    assert start + length == size
    found = [struct.unpack_from("<i?IIIqqqqqqq128s384s", data, table + number * 585) for number in range(3)]
    assert [one[:5] for one in found] == [
        (0x4006, True, 1, 0xF0000001, 0),
        (0x4004, True, 2, 0xF0000001, 0),
        (0,) * 5,
    ]
    assert [one[12].rstrip(b"\0") for one in found] == [b"oci-config.json", b"root", b""]
    (config, partition) = (data[one[5] : one[5] + one[6]] for one in found[:2])
    assert config == image.config
    assert partition == (tmp_path / "x.sqfs").read_bytes()
    assert found[1][5] % 4096 == 0
    assert found[1][13][:11] == struct.pack("<ii3s", 1, 2, b"02\0")


def test_the_same_image_is_the_same_sif_and_another_one_has_another_name(store, tmp_path):
    image = own_image(store)
    digests = set()
    for number in range(2):
        save_sif(str(tmp_path / f"{number}.sif"), store, image, silent, compression="gzip")
        digests.add(hashlib.sha256((tmp_path / f"{number}.sif").read_bytes()).hexdigest())
    assert len(digests) == 1
    other = loaded(store, tmp_path / "layout", layer(("a", b"b")))
    save_sif(str(tmp_path / "other.sif"), store, other, silent, compression="gzip")
    identities = {(tmp_path / name).read_bytes()[48:64] for name in ("0.sif", "other.sif")}
    assert len(identities) == 2


def test_no_sif_for_a_platform_that_has_none(store, tmp_path):
    body = layer(("a", b"b"))
    image = loaded(store, tmp_path / "layout", body, config=config_of(body, architecture="amd64"))
    odd = type(image)(
        config=config_of(body, architecture="mips"), layers=image.layers, epoch=0, manifest=image.manifest
    )
    with pytest.raises(ToolError, match="no SIF can be for linux/mips"):
        save_sif(str(tmp_path / "x.sif"), store, odd, silent, compression="gzip")


def test_a_failed_save_leaves_what_was_there(store, tmp_path):
    image = own_image(store)
    tree = add_tree(store, 1, {"bin/tool": b"#!x", "etc/a": b""})
    path = tmp_path / "x.sif"
    path.write_bytes(b"before")
    os.chmod(f"{tree.root}/bin", 0o755)
    os.unlink(f"{tree.root}/bin/tool")
    with pytest.raises(StoreError, match="bin/tool` cannot be read"):
        save_sif(str(path), store, image, silent, compression="gzip")
    assert path.read_bytes() == b"before"
    assert [name for name in os.listdir(tmp_path) if name != "store"] == ["x.sif"]


def test_an_image_whose_trees_are_gone_is_named(store, tmp_path):
    image = own_image(Store.open(str(tmp_path / "elsewhere")))
    with pytest.raises(NotFound, match="no longer in the store"):
        save_squashfs(str(tmp_path / "x"), store, image, silent, compression="gzip")


def test_objects_begin_on_pages(tmp_path):
    objects = [
        DataObject(Kind.JSON, "one", lambda out: out.write(b"x")),
        DataObject(Kind.JSON, "two", lambda out: out.write(b"y")),
    ]
    with open(tmp_path / "x", "w+b") as file:
        write_sif(file, objects, platform="linux/arm64", identity=bytes(16), epoch=7)
    data = (tmp_path / "x").read_bytes()
    assert data[45:47] == b"04"
    assert (data[32768], data[36864]) == (ord("x"), ord("y"))

"""Round trips through other people's tools, compared path by path and digest by digest."""

import json
import os
import stat
import subprocess

import pytest
from image_samples import own_image

from shipway.core.digest import Digest
from shipway.core.events import silent
from shipway.core.reference import parse_reference
from shipway.image.encode import Encoding
from shipway.image.foreign import visible
from shipway.image.load import load_images
from shipway.image.save import pack_image, save_archive, save_docker, save_layout
from shipway.store.store import Store

NAME = parse_reference("team/model:1")


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def other(tmp_path):
    return Store.open(str(tmp_path / "other"))


def tool(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def packed(store, encoding):
    image = own_image(store, big=200_000)
    return image, pack_image(store, image, Encoding(encoding), silent, oci=True)


@pytest.mark.needs_tool("skopeo")
@pytest.mark.parametrize("encoding", ["none", "gzip", "zstd"])
def test_skopeo_copies_what_we_save_with_its_digest(store, other, tmp_path, encoding):
    image, parts = packed(store, encoding)
    digest = save_archive(str(tmp_path / "image.tar"), NAME, parts)
    target = tmp_path / "copy"
    tool(
        "skopeo", "--insecure-policy", "copy", "--preserve-digests",
        f"oci-archive:{tmp_path}/image.tar", f"oci:{target}:1",
    )  # fmt: skip
    [loaded] = load_images(other, str(target), platform="linux/amd64", emit=silent)
    assert loaded.image.digest == digest
    assert loaded.image.config_digest == image.config_digest
    assert loaded.names == ("copy:1",)


@pytest.mark.needs_tool("skopeo")
def test_skopeo_reads_our_docker_archive_and_we_read_its(store, other, tmp_path):
    image, parts = packed(store, "none")
    save_docker(str(tmp_path / "image.tar"), NAME, parts)
    source = f"docker-archive:{tmp_path}/image.tar:team/model:1"
    assert Digest.of(tool("skopeo", "inspect", "--raw", "--config", source).encode()) == image.config_digest
    target = f"docker-archive:{tmp_path}/theirs.tar:their/name:2"
    tool("skopeo", "--insecure-policy", "copy", source, target)
    [loaded] = load_images(other, f"{tmp_path}/theirs.tar", platform="linux/amd64", emit=silent)
    assert loaded.image.config_digest == image.config_digest
    assert [one.diff_id for one in loaded.image.layers] == [one.diff_id for one in image.layers]
    assert [name.rpartition("/")[2] for name in loaded.names] == ["name:2"]


@pytest.mark.needs_root
@pytest.mark.needs_tool("umoci")
@pytest.mark.parametrize("encoding", ["none", "gzip"])
def test_umoci_unpacks_the_same_paths(store, tmp_path, encoding):
    image, parts = packed(store, encoding)
    save_layout(str(tmp_path / "layout"), NAME, parts)
    tool("umoci", "unpack", "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle"))
    root = tmp_path / "bundle" / "rootfs"
    trees = [store.find_tree(key) for layer in image.layers for key in layer.trees]
    expected = visible([tree.manifest() for tree in trees])
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == set(expected)
    for path, entry in expected.items():
        status = os.lstat(root / path)
        kind = {"d": stat.S_ISDIR, "f": stat.S_ISREG, "l": stat.S_ISLNK}[entry.kind]
        assert kind(status.st_mode), path
        if entry.kind == "f":
            assert (status.st_uid, status.st_gid, int(status.st_mtime)) == (7, 8, entry.mtime)
            assert stat.S_IMODE(status.st_mode) == entry.mode
            assert Digest.of((root / path).read_bytes()).hex == entry.digest


@pytest.mark.needs_root
@pytest.mark.needs_tool("umoci")
def test_what_umoci_repacks_loads_with_its_whiteouts(store, other, tmp_path):
    _, parts = packed(store, "gzip")
    layout, bundle = str(tmp_path / "layout"), tmp_path / "bundle"
    save_layout(layout, NAME, parts)
    tool("umoci", "unpack", "--image", f"{layout}:1", str(bundle))
    (bundle / "rootfs" / "etc" / "a").unlink()
    (bundle / "rootfs" / "bin" / "new").write_bytes(b"new")
    tool("umoci", "repack", "--image", f"{layout}:2", str(bundle))
    with open(f"{layout}/index.json", encoding="utf-8") as file:
        assert len(json.load(file)["manifests"]) == 2
    loaded = {
        name: one.image
        for one in load_images(other, layout, platform="linux/amd64", emit=silent)
        for name in one.names
    }
    image = loaded["layout:2"]
    trees = [other.find_tree(key) for layer in image.layers for key in layer.trees]
    there = visible([tree.manifest() for tree in trees])
    assert "etc/a" not in there
    assert "bin/new" in there
    assert "bin/tool" in there
    assert stat.S_ISCHR(os.lstat(f"{trees[-1].root}/etc/a").st_mode)

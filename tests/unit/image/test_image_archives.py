import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from dataclasses import replace

import pytest
from image_samples import config_of, descriptor, layer, own_image, write_blobs, write_layout

from shipway.core.errors import HashMismatch, HostileInput, NotFound, ToolError
from shipway.core.events import silent
from shipway.core.reference import parse_reference
from shipway.image.encode import Encoding, layer_chunks
from shipway.image.load import load_images
from shipway.image.oci import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from shipway.image.save import pack_image, save_archive, save_docker, save_layout
from shipway.store.store import Store

NAME = parse_reference("team/model:1")


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


@pytest.fixture
def other(tmp_path):
    return Store.open(str(tmp_path / "other"))


def load(store, path):
    return load_images(store, str(path), platform="linux/amd64", emit=silent)


def save(store, image, path, form, encoding):
    packed = pack_image(store, image, Encoding(encoding), silent, oci=True)
    write = {"layout": save_layout, "oci": save_archive, "docker": save_docker}[form]
    return write(str(path), NAME, packed)


@pytest.mark.parametrize(
    ("form", "encoding"),
    [
        ("oci", "keep"),
        ("oci", "gzip"),
        ("oci", "zstd"),
        ("layout", "keep"),
        ("layout", "zstd"),
        ("docker", "none"),
    ],
)
def test_what_is_saved_loads_as_the_same_image(store, other, tmp_path, form, encoding):
    image = own_image(store, big=3_000_000)
    path = tmp_path / "saved"
    digest = save(store, image, path, form, encoding)
    [loaded] = load(other, path)
    assert loaded.names == ("team/model:1",)
    assert loaded.image.config_digest == image.config_digest
    assert [one.diff_id for one in loaded.image.layers] == [one.diff_id for one in image.layers]
    assert [one.size for one in loaded.image.layers] == [one.size for one in image.layers]
    if form == "docker":
        assert digest == image.config_digest
    else:
        assert digest == loaded.image.digest
    if encoding in ("keep", "none"):
        assert loaded.image.digest == image.digest
    manifests = [other.find_tree(key).manifest() for one in loaded.image.layers for key in one.trees]
    paths = {entry.path: entry for entry in manifests[0].entries}
    assert (paths["bin/tool"].uid, paths["bin/tool"].gid, paths["bin/tool"].mode) == (7, 8, 0o755)
    assert {entry.path for entry in manifests[1].entries} >= {"work/ä", "link", "bin/other"}


def test_saving_twice_gives_the_same_bytes(store, tmp_path):
    image = own_image(store)
    for encoding in ("none", "gzip", "zstd"):
        texts = []
        for number in (1, 2):
            path = tmp_path / f"{encoding}{number}"
            save(store, image, path, "oci", encoding)
            texts.append(path.read_bytes())
        assert texts[0] == texts[1]


def test_an_image_of_others_leaves_as_it_came(store, other, tmp_path):
    digest = write_layout(tmp_path / "in", layer("etc/", ("etc/a", b"a")), layer(("etc/b", b"b")))
    [loaded] = load(store, tmp_path / "in")
    assert loaded.image.digest == digest
    assert save(store, loaded.image, tmp_path / "out", "layout", "keep") == digest
    for blob in (tmp_path / "in" / "blobs" / "sha256").iterdir():
        assert (tmp_path / "out" / "blobs" / "sha256" / blob.name).read_bytes() == blob.read_bytes()
    [again] = load(other, tmp_path / "out")
    assert again.image == loaded.image


def test_a_layout_takes_a_second_image_and_replaces_a_tag(store, other, tmp_path):
    image = own_image(store)
    save(store, image, tmp_path / "out", "layout", "keep")
    packed = pack_image(store, image, Encoding.GZIP, silent, oci=True)
    save_layout(str(tmp_path / "out"), parse_reference("team/model:2"), packed)
    save_layout(str(tmp_path / "out"), NAME, packed)
    loaded = load(other, tmp_path / "out")
    assert sorted(name for one in loaded for name in one.names) == ["team/model:1", "team/model:2"]
    assert len({one.image.digest for one in loaded}) == 1
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "mine").write_text("")
    with pytest.raises(ToolError, match="no OCI layout and not empty"):
        save_layout(str(tmp_path / "busy"), NAME, packed)


def test_an_interrupted_save_leaves_what_was_there(store, tmp_path, monkeypatch):
    image = own_image(store)
    path = tmp_path / "image.tar"
    path.write_bytes(b"before")
    packed = pack_image(store, image, Encoding.KEEP, silent, oci=True)

    def broken():
        yield b"half"
        raise OSError(28, "No space left on device")

    bad = packed._replace(layers=(replace(packed.layers[0], chunks=broken), packed.layers[1]))
    with pytest.raises(ToolError):
        save_archive(str(path), NAME, bad)
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["image.tar"]


def test_the_encode_cache_answers_the_second_time(store, monkeypatch):
    image = own_image(store)
    first = pack_image(store, image, Encoding.ZSTD, silent, oci=True)
    monkeypatch.setattr("shipway.image.encode._encoder", None)
    second = pack_image(store, image, Encoding.ZSTD, silent, oci=True)
    assert [one.digest for one in first.layers] == [one.digest for one in second.layers]
    for one in second.layers:
        assert hashlib.sha256(b"".join(one.chunks())).hexdigest() == one.digest.hex


def test_a_changed_tree_is_never_packed(store):
    image = own_image(store)
    tree = store.find_tree(image.layers[0].trees[0])
    os.chmod(f"{tree.root}/bin/tool", 0o600)
    with open(f"{tree.root}/bin/tool", "r+b") as file:
        file.write(b"EVI")
    with pytest.raises(ToolError, match="not what its diffID says"):
        pack_image(store, image, Encoding.GZIP, silent, oci=True)


def test_a_stream_that_is_left_early_leaves_no_thread(store):
    image = own_image(store, big=30_000_000)
    tree = store.find_tree(image.layers[0].trees[0])
    stream = layer_chunks([tree], image.epoch)
    next(stream)
    stream.close()
    assert not [one for one in threading.enumerate() if one.name == "layer"]


def test_compressed_archives_load_too(store, other, tmp_path):
    image = own_image(store)
    save(store, image, tmp_path / "a.tar", "docker", "none")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
    [loaded] = load(other, tmp_path / "a.tar.gz")
    assert loaded.image.digest == image.digest


def test_links_in_old_docker_archives_are_followed_by_name(store, tmp_path):
    body = layer(("a", b"a"))
    config = config_of(body, body)
    listing = [{"Config": "c.json", "RepoTags": ["old:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
    link = tarfile.TarInfo("2/layer.tar")
    link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
    path = tmp_path / "old.tar"
    path.write_bytes(
        layer(
            ("1/layer.tar", body), link, ("c.json", config), ("manifest.json", json.dumps(listing).encode())
        )
    )
    [loaded] = load(store, path)
    assert loaded.names == ("old:1",)
    assert loaded.image.layers[0].diff_id == loaded.image.layers[1].diff_id


def test_a_damaged_blob_is_refused_and_nothing_stays(store, tmp_path):
    write_layout(tmp_path / "in", layer(("a", b"a")))
    folder = tmp_path / "in" / "blobs" / "sha256"
    for blob in folder.iterdir():
        data = blob.read_bytes()
        if data[:2] == b"\x1f\x8b":
            blob.write_bytes(data[:-1] + b"\1")
    with pytest.raises(HashMismatch):
        load(store, tmp_path / "in")
    assert not os.listdir(f"{store.path}/blobs-v1")
    assert not os.listdir(f"{store.path}/staging")


def test_a_diff_id_that_lies_is_refused(store, tmp_path):
    write_layout(tmp_path / "in", layer(("a", b"a")), config=config_of(layer(("a", b"b"))))
    with pytest.raises(HashMismatch, match="but its configuration says"):
        load(store, tmp_path / "in")
    assert not os.listdir(f"{store.path}/keys-v1")


def test_other_bytes_cannot_claim_a_layer_that_is_there(store, tmp_path):
    good, evil = layer(("a", b"a")), layer(("a", b"evil"))
    write_layout(tmp_path / "good", good)
    load(store, tmp_path / "good")
    write_layout(tmp_path / "evil", evil, config=config_of(good))
    with pytest.raises(HashMismatch):
        load(store, tmp_path / "evil")


def test_bytes_behind_the_layer_count(store, tmp_path):
    plain = layer(("a", b"a"))
    write_layout(tmp_path / "in", plain + b"\0" * 512, config=config_of(plain))
    with pytest.raises(HashMismatch):
        load(store, tmp_path / "in")


@pytest.mark.parametrize("size", [-1, 0, 5, 10**9])
def test_a_size_that_lies_is_refused(store, tmp_path, size):
    def change(document):
        document["layers"][0]["size"] = size

    write_layout(tmp_path / "in", layer(("a", b"a")), change=change)
    with pytest.raises((HashMismatch, HostileInput)):
        load(store, tmp_path / "in")


def test_links_and_pipes_in_a_layout_are_nothing(store, tmp_path):
    write_layout(tmp_path / "in", layer(("a", b"a")))
    folder = tmp_path / "in" / "blobs" / "sha256"
    victim = next(iter(folder.iterdir()))
    data = victim.read_bytes()
    victim.unlink()
    (tmp_path / "elsewhere").write_bytes(data)
    victim.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotFound):
        load(store, tmp_path / "in")
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(NotFound):
        load(store, tmp_path / "in")


def test_docker_names_in_a_folder_reach_nothing(store, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.json").write_bytes(config_of())
    listing = [{"Config": "../secret.json", "RepoTags": ["x:1"], "Layers": []}]
    (tmp_path / "in" / "manifest.json").write_text(json.dumps(listing))
    with pytest.raises(NotFound):
        load(store, tmp_path / "in")


def test_an_archive_that_is_no_image(store, tmp_path):
    (tmp_path / "a.tar").write_bytes(layer(("readme", b"hello")))
    with pytest.raises(NotFound):
        load(store, tmp_path / "a.tar")
    with pytest.raises(NotFound, match="no file or folder"):
        load(store, tmp_path / "missing")
    (tmp_path / "text").write_bytes(b"hello " * 300)
    with pytest.raises(HostileInput):
        load(store, tmp_path / "text")


def test_a_gzip_of_several_members_is_one_layer(store, tmp_path):
    plain = layer(("a", b"a" * 3000), ("b", b"b"))
    packed = io.BytesIO()
    for at in range(0, len(plain), 1000):
        packed.write(gzip.compress(plain[at : at + 1000], mtime=0))
    config = config_of(plain)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": descriptor(config, CONFIG_TYPE),
            "layers": [descriptor(packed.getvalue(), f"{LAYER_TYPE}+gzip")],
        }
    ).encode()
    write_blobs(tmp_path / "in", [packed.getvalue(), config, manifest], [descriptor(manifest, MANIFEST_TYPE)])
    [loaded] = load(store, tmp_path / "in")
    assert loaded.names == ()
    assert loaded.image.layers[0].size == len(plain)

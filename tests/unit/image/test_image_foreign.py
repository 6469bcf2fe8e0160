"""Layers of others, honest and hostile: every class of attack is refused or does nothing."""

import os
import stat
import tarfile
import time

import pytest
from image_samples import layer, special, write_layout

from shipway.core.errors import HostileInput
from shipway.core.events import Note, silent
from shipway.core.manifest import DIRECTORY, Entry, Manifest
from shipway.image.foreign import visible
from shipway.image.load import load_images
from shipway.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"))


def trees_of(store, tmp_path, *layers, emit=silent):
    write_layout(tmp_path / "in", *layers)
    [loaded] = load_images(store, str(tmp_path / "in"), platform="linux/amd64", emit=emit)
    return [store.find_tree(one.trees[0]) for one in loaded.image.layers]


def seen(trees):
    return visible([tree.manifest() for tree in trees])


def folder(path, mode=0o755, uid=0, mtime=0):
    return special(path, tarfile.DIRTYPE, mode=mode, uid=uid, mtime=mtime)


def test_a_whiteout_hides_only_lower_layers(store, tmp_path):
    trees = trees_of(
        store,
        tmp_path,
        layer("etc/", ("etc/a", b"1"), ("etc/b", b"1"), ("etc/c", b"1")),
        layer("etc/", ("etc/.wh.a", b""), ("etc/.wh.b", b""), ("etc/b", b"2"), ("etc/.wh.nothing", b"")),
    )
    there = seen(trees)
    assert set(there) == {"etc", "etc/b", "etc/c"}
    assert sorted(os.listdir(f"{trees[1].root}/etc")) == ["a", "b"]
    assert stat.S_ISCHR(os.lstat(f"{trees[1].root}/etc/a").st_mode)
    assert os.lstat(f"{trees[1].root}/etc/a").st_rdev == 0


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_directory_hides_lower_siblings_wherever_its_mark_stands(store, tmp_path, first):
    mark, rest = ("d/.wh..wh..opq", b""), [("d/new", b"n"), "d/sub/", ("d/sub/new", b"n")]
    trees = trees_of(
        store,
        tmp_path,
        layer("d/", ("d/old", b"o"), "d/sub/", ("d/sub/old", b"o"), "d/gone/", ("d/gone/x", b"x")),
        layer("d/", *([mark, *rest] if first else [*rest, mark])),
    )
    assert set(seen(trees)) == {"d", "d/new", "d/sub", "d/sub/new"}
    kinds = {entry.path: entry.kind for entry in trees[1].manifest().entries}
    assert {path for path, kind in kinds.items() if kind == "w"} == {"d/old", "d/sub/old", "d/gone"}


def test_whiteouts_that_share_an_inode_have_a_link_target_in_archives_of_docker(store, tmp_path):
    # Docker 20.10 to 28 on kernels since 5.8: overlayfs makes one whiteout and links it, and the writer changes the type alone.
    linked = special("d/.wh.b", tarfile.REGTYPE, linkname="d/.wh.a")
    trees = trees_of(
        store,
        tmp_path,
        layer(("d/a", b"a"), ("d/b", b"b"), ("d/c", b"c")),
        layer("d/", ("d/.wh.a", b""), (linked, b"")),
    )
    assert set(seen(trees)) == {"d", "d/c"}


@pytest.mark.parametrize(
    ("name", "content"), [("d/.wh.b", b"x"), ("d/file", b""), ("d/file.wh.", b""), ("d/.wh.d/x", b"")]
)
def test_a_link_target_of_anything_else_that_is_no_link(store, tmp_path, name, content):
    linked = special(name, tarfile.REGTYPE, linkname="d/a")
    with pytest.raises(HostileInput, match="has a link target"):
        trees_of(store, tmp_path, layer("d/", ("d/a", b""), (linked, content)))


def test_a_directory_that_is_removed_and_made_again_is_empty(store, tmp_path):
    trees = trees_of(
        store, tmp_path, layer("d/", ("d/old", b"o")), layer((".wh.d", b""), "d/", ("d/new", b"n"))
    )
    assert set(seen(trees)) == {"d", "d/new"}


def test_directories_that_a_layer_leaves_out_keep_their_attributes(store, tmp_path):
    trees = trees_of(
        store,
        tmp_path,
        layer(folder("tmp", 0o1777, uid=5, mtime=77)),
        layer(("tmp/file", b"x"), ("n/new", b"")),
    )
    there = seen(trees)
    assert (there["tmp"].mode, there["tmp"].uid, there["tmp"].mtime) == (0o1777, 5, 77)
    assert there["n"].kind == DIRECTORY


def test_owners_modes_links_and_names_survive(store, tmp_path):
    info = special("a", tarfile.REGTYPE, mode=0o4755, uid=1234, gid=5678, mtime=99)
    hard = special("z", tarfile.LNKTYPE, linkname="a")
    soft = special("l", tarfile.SYMTYPE, linkname="/etc/../../x")
    long = "d" * 100 + "/" + "é" * 60
    [tree] = trees_of(store, tmp_path, layer((info, b"abc"), hard, soft, (long, b"")))
    entries = {entry.path: entry for entry in tree.manifest().entries}
    assert (entries["a"].mode, entries["a"].uid, entries["a"].gid) == (0o4755, 1234, 5678)
    assert (entries["z"].kind, entries["z"].target) == ("h", "a")
    assert entries["l"].target == "/etc/../../x"
    assert long in entries
    assert stat.S_IMODE(os.lstat(f"{tree.root}/a").st_mode) == 0o755


@pytest.mark.parametrize(
    "member",
    [
        ("../escape", b"x"),
        ("/absolute", b"x"),
        ("a/../../escape", b"x"),
        ("a//b", b"x"),
        (".wh.", b""),
        (".wh..", b""),
        (".wh...", b""),
        (".wh..wh.plnk", b""),
        (".wh.d/file", b"x"),
        ("d/.wh.x/y", b"x"),
        (".wh.full", b"content"),
        special(".wh.link", tarfile.SYMTYPE, linkname="/etc/passwd"),
        special("hard", tarfile.LNKTYPE, linkname="/etc/passwd"),
        special("hard", tarfile.LNKTYPE, linkname="../../etc/passwd"),
        special(".", tarfile.SYMTYPE, linkname="/"),
        special("sparse", b"S"),
    ],
)
def test_members_that_are_refused(store, tmp_path, member):
    with pytest.raises(HostileInput):
        trees_of(store, tmp_path, layer(member))
    assert not os.path.exists(tmp_path / "escape")
    assert not os.listdir(f"{store.path}/trees-v1")


def test_a_link_and_then_a_file_through_it(store, tmp_path):
    link = special("d", tarfile.SYMTYPE, linkname=str(tmp_path))
    with pytest.raises(HostileInput):
        trees_of(store, tmp_path, layer(link, ("d/escape", b"x")))
    assert not (tmp_path / "escape").exists()


def test_a_link_in_a_lower_layer_and_a_file_through_it(store, tmp_path):
    link = special("d", tarfile.SYMTYPE, linkname=str(tmp_path))
    with pytest.raises(HostileInput, match="is a link in a lower layer"):
        trees_of(store, tmp_path, layer(link), layer(("d/escape", b"x")))
    assert not (tmp_path / "escape").exists()


def test_a_whiteout_below_a_lower_link_hides_nothing(store, tmp_path):
    link = special("d", tarfile.SYMTYPE, linkname="e")
    trees = trees_of(store, tmp_path, layer(link, "e/", ("e/x", b"x")), layer(("d/.wh.x", b"")))
    assert set(seen(trees)) == {"d", "e", "e/x"}


def test_a_hard_link_to_a_file_of_a_lower_layer_is_refused(store, tmp_path):
    with pytest.raises(HostileInput, match="no earlier file"):
        trees_of(store, tmp_path, layer(("a", b"x")), layer(special("b", tarfile.LNKTYPE, linkname="a")))


def test_overlay_attributes_never_pass(store, tmp_path):
    names = ("user.overlay.opaque", "user.overlay.whiteout", "trusted.overlay.redirect", "security.selinux")
    info = folder("d")
    info.pax_headers = {f"SCHILY.xattr.{name}": "y" for name in (*names, "user.mine")}
    [_, tree] = trees_of(store, tmp_path, layer("d/", ("d/a", b"")), layer(info))
    [entry] = tree.manifest().entries
    assert [name for name, _ in entry.xattrs] == ["user.mine"]
    assert not [name for name in os.listxattr(f"{tree.root}/d") if "overlay" in name]


def test_special_files_are_left_out_and_said(store, tmp_path):
    notes = []
    members = [
        special("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        special("hidden", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE, devmajor=8),
        special("pipe", tarfile.FIFOTYPE),
    ]
    trees = trees_of(
        store, tmp_path, layer(("hidden", b"x")), layer(*members),
        emit=lambda event: notes.append(event.text) if isinstance(event, Note) else None,
    )  # fmt: skip
    assert set(seen(trees)) == {"hidden"}
    assert os.listdir(trees[1].root) == []
    assert any("4 devices, pipes or sockets were left out" in note for note in notes)


def test_a_name_twice_is_refused(store, tmp_path):
    with pytest.raises(HostileInput, match="occurs twice"):
        trees_of(store, tmp_path, layer(("a", b"1"), ("a", b"2")))


def test_a_bomb_stops_early(store, tmp_path):
    with pytest.raises(HostileInput, match="unpacks to"):
        trees_of(store, tmp_path, layer(("zeros", bytes(360 << 20))))


def test_a_layer_over_others_is_another_tree(store, tmp_path):
    one, two = layer("d/", ("d/a", b"")), layer("d/", ("d/b", b""))
    opaque = layer("d/", ("d/.wh..wh..opq", b""))
    write_layout(tmp_path / "x", one, opaque)
    write_layout(tmp_path / "y", two, opaque)
    tops = []
    for name in ("x", "y"):
        [loaded] = load_images(store, str(tmp_path / name), platform="linux/amd64", emit=silent)
        tops.append(store.find_tree(loaded.image.layers[1].trees[0]))
    assert [{e.path for e in top.manifest().entries if e.kind == "w"} for top in tops] == [{"d/a"}, {"d/b"}]


def test_the_stack_is_seen_as_overlayfs_shows_it():
    def manifest(*entries):
        return Manifest([Entry(path, kind, 0o755) for path, kind in entries])

    bottom = manifest(("d", "d"), ("d/a", "f"), ("e", "d"), ("e/x", "f"), ("f", "f"))
    middle = manifest(("d", "f"), ("e", "w"))
    top = manifest(("d", "d"), ("d/b", "f"), ("e", "d"), ("f", "w"))
    assert set(visible([bottom, middle, top])) == {"d", "d/b", "e"}


def test_whiteouts_and_opaque_directories_in_numbers(store, tmp_path):
    count = 1000
    lower = layer(*(f"{n}/" for n in range(count)), *((f"{n}/x", b"") for n in range(count)))
    marks = [(f"{n}/.wh..wh..opq", b"") if n % 2 else (f".wh.{n}", b"") for n in range(count)]
    assert len(seen(trees_of(store, tmp_path, lower, layer(*marks)))) == count // 2


def test_many_whiteouts_take_linear_time():
    count = 100_000
    lower = Manifest(
        [entry for n in range(count) for entry in (Entry(f"{n}", "d", 0o755), Entry(f"{n}/x", "f", 0))]
    )
    upper = Manifest([Entry(f"{n}", "w", 0) for n in range(count)])
    began = time.monotonic()
    assert visible([lower, upper, lower, upper]) == {}
    assert time.monotonic() - began < 30

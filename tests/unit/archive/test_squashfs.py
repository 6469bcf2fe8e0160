"""The squashfs writer, read back by squashfs-tools and by the kernel."""

import hashlib
import io
import os
import stat
import subprocess

import pytest

from shipway.archive.squashfs import COMPRESSIONS, write_squashfs
from shipway.core.errors import HostileInput, StoreError
from shipway.core.manifest import Entry, path_bytes

EPOCH = 1_700_000_000
BLOCK = 1 << 17
ODD = b"n\xff\xc3\xa4\n".decode("utf-8", "surrogateescape")
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def file(path, data, mode=0o644, **more):
    entry = Entry(path, "f", mode, mtime=EPOCH, size=len(data), digest=hashlib.sha256(data).hexdigest())
    return entry._replace(**more), data


def folder(path, mode=0o755, **more):
    return Entry(path, "d", mode, mtime=EPOCH, **more), b""


def link(path, target):
    return Entry(path, "l", 0o777, mtime=EPOCH - 1, target=target, uid=3), b""


def noise(size):
    """Bytes that nothing compresses, the same each time."""
    return hashlib.shake_128(b"noise").digest(size)


def members(found):
    found = sorted(found, key=lambda one: path_bytes(one[0].path))
    return [(entry, lambda data=data: io.BytesIO(data)) for entry, data in found]


def packed(found, compression="gzip", workers=2):
    out = io.BytesIO()
    size = write_squashfs(members(found), out, epoch=EPOCH, compression=compression, workers=workers)
    assert size == len(out.getvalue())
    return out.getvalue()


def everything():
    """A tree with a case for every branch of the format."""
    return [
        folder(".", 0o751, uid=5, gid=6),
        folder("empty"),
        folder("many"),
        *(file(f"many/{number:05}-{'x' * 60}", b"%d" % number) for number in range(3000)),
        folder("wide", xattrs=(("user.note", b"of a folder"),)),
        *(folder(f"wide/{number}", uid=number) for number in range(300)),
        folder("tmp", 0o1777),
        folder("a"),
        file("a/first", b"shared" * 9, 0o4755, uid=70_000, gid=90_000),
        folder("b"),
        (Entry("b/second", "h", 0, target="a/first"), b""),
        link("b/link", "../a/first"),
        link("b/far", "x" * 4000),
        file("b-dash", b"sorts between them"),
        file(f"b/{ODD}", b"odd"),
        file("b/" + "l" * 255, b"long"),
        file("data/nothing", b""),
        folder("data"),
        file("data/block", noise(BLOCK)),
        file("data/same", noise(BLOCK)),
        file("data/more", noise(BLOCK + 1)),
        file("data/zeros", bytes(3 * BLOCK + 5)),
        file("data/text", b"all work and no play " * 90_000),
        file("data/able", b"#!", 0o755, xattrs=(("security.capability", CAPABILITY), ("user.a", b"1\0"))),
        file("data/twin", b"##", 0o755, xattrs=(("user.a", b"1\0"), ("security.capability", CAPABILITY))),
        file("data/hidden", b"x", xattrs=(("trusted.overlay.opaque", b"y"), ("user.overlay.x", b"z"))),
    ]


def listing(root):
    """Everything that can be seen of a tree, by path, with hard links as groups."""
    names, found = {}, {}
    for directory, folders, files in os.walk(os.fsencode(root)):
        for name in [b".", *folders, *files] if directory == os.fsencode(root) else [*folders, *files]:
            full = os.path.join(directory, name)
            path = os.fsdecode(os.path.relpath(full, os.fsencode(root)))
            info = os.lstat(full)
            names.setdefault(info.st_ino, set()).add(path)
            attributes = {
                one: os.getxattr(full, one, follow_symlinks=False)
                for one in os.listxattr(full, follow_symlinks=False)
            }
            content = b""
            if stat.S_ISREG(info.st_mode):
                with open(full, "rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").digest()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(full)
            owner = (info.st_uid, info.st_gid)
            found[path] = (info.st_mode, owner, int(info.st_mtime), content, attributes, info.st_ino)
    return {path: (*value[:-1], names[value[-1]]) for path, value in found.items()}


def expected(found):
    """The same, from the entries."""
    kinds = {"f": stat.S_IFREG, "d": stat.S_IFDIR, "l": stat.S_IFLNK}
    by_path = {entry.path: (entry, data) for entry, data in found}
    groups = {}
    for entry, _ in found:
        groups.setdefault(entry.target if entry.kind == "h" else entry.path, set()).add(entry.path)
    result = {}
    for path, (given, _) in by_path.items():
        first = given.target if given.kind == "h" else path
        entry, data = by_path[first]
        content = hashlib.sha256(data).digest() if entry.kind == "f" else os.fsencode(entry.target)
        attributes = {name: value for name, value in entry.xattrs if "overlay" not in name}
        result[path] = (
            kinds[entry.kind] | entry.mode, (entry.uid, entry.gid), entry.mtime, content, attributes, groups[first],
        )  # fmt: skip
    return result


@pytest.mark.needs_root
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_kernel_sees_every_path_as_it_was_given(tmp_path, compression):
    image, place = tmp_path / "image", tmp_path / "mounted"
    image.write_bytes(packed(everything(), compression))
    place.mkdir()
    subprocess.run(["mount", "-t", "squashfs", "-o", "loop,ro", image, place], check=True)
    try:
        assert listing(place) == expected(everything())
        assert os.stat(place / "wide").st_nlink == 302
        assert [os.stat(place / path).st_nlink for path in ("a/first", "empty")] == [2, 2]
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.needs_root
@pytest.mark.needs_tool("unsquashfs")
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_unsquashfs_gives_every_path_back(tmp_path, compression):
    image, place = tmp_path / "image", tmp_path / "out"
    image.write_bytes(packed(everything(), compression))
    subprocess.run(["unsquashfs", "-no-progress", "-d", place, image], check=True, capture_output=True)
    assert listing(place) == expected(everything())
    told = subprocess.run(["unsquashfs", "-s", image], check=True, capture_output=True, text=True).stdout
    assert f"Compression {compression}\n" in told
    assert f"Number of inodes {len(everything()) - 1}\n" in told


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_same_bytes_twice_however_many_threads_work(compression):
    first = packed(everything(), compression, workers=1)
    assert first == packed(everything(), compression, workers=5)
    assert first != packed([*everything(), file("z", b"")], compression)


def test_files_of_one_content_are_stored_once():
    once = packed([file("a", noise(BLOCK * 3))])
    assert len(packed([file("a", noise(BLOCK * 3)), file("b", noise(BLOCK * 3))])) == len(once)
    assert len(once) < BLOCK * 3 + 8192


def test_a_file_system_may_begin_anywhere_in_its_file():
    out = io.BytesIO(b"head" * 1024)
    out.seek(4096)
    size = write_squashfs(members(everything()), out, epoch=EPOCH)
    assert out.getvalue()[4096:] == packed(everything())
    assert out.tell() == 4096 + size


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1])
def test_a_file_that_is_not_what_its_entry_says_is_refused(size):
    entry, data = file("a", noise(size))
    others = [data + b"x", data[:-1], b"\x55" * len(data)] if size else [b"x"]
    for there in others:
        with pytest.raises(StoreError, match="`a` in the store"):
            packed([(entry, there)])


@pytest.mark.parametrize(
    "found",
    [
        [file("no/parent", b"")],
        [file("a", b""), file("a/b", b"")],
        [(Entry("h", "h", 0, target="nothing"), b"")],
        [folder("d"), (Entry("h", "h", 0, target="d"), b"")],
        [(Entry("w", "w", 0), b"")],
    ],
)
def test_entries_that_make_no_tree_are_refused(found):
    with pytest.raises(ValueError, match=r"no place|link to nothing"):
        packed(found)


@pytest.mark.parametrize("entry", [link("a", "x" * 65_536), file("a" * 257, b"")])
def test_what_the_format_cannot_hold_is_named(entry):
    with pytest.raises(HostileInput, match="longer name or target"):
        packed([entry])


def test_too_many_owners_are_refused():
    with pytest.raises(HostileInput, match="65536 owners"):
        packed([file(f"{number}", b"", uid=number) for number in range(65_536)])

"""The extractor: whatever it is told to make, nothing outside its directory is made, changed or followed."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from shipway.archive.extract import Extractor
from shipway.archive.limits import Limits
from shipway.core.errors import HostileInput, NoSpace
from shipway.core.manifest import Manifest


@pytest.fixture
def place(tmp_path):
    """A directory to fill, beside a secret that must stay as it is."""
    (tmp_path / "secret").write_bytes(b"secret")
    os.chmod(tmp_path / "secret", 0o600)
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    yield root
    assert sorted(os.listdir(tmp_path)) == ["root", "secret"]
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert stat.S_IMODE(os.stat(tmp_path / "secret").st_mode) == 0o600


@pytest.fixture
def extractor(place):
    fd = os.open(place, os.O_RDONLY)
    made = Extractor(fd, "demo.deb")
    yield made
    made.close()
    os.close(fd)


def refused(call, *args, **kwargs) -> str:
    with pytest.raises(HostileInput) as caught:
        call(*args, **kwargs)
    assert "demo.deb" in caught.value.message
    return caught.value.message


def test_files_directories_links(extractor, place):
    extractor.directory("a", 0o1777, 5, uid=3, gid=4)
    entry = extractor.file("a/f", [b"hel", b"lo"], 0o4755, 7, uid=1, gid=2)
    extractor.symlink("a/l", "../../secret", 9)
    extractor.hardlink("a/h", "a/f")
    manifest = extractor.finish()
    assert entry.size == 5
    assert entry.digest == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert [(e.path, e.kind, e.mode, e.uid, e.mtime) for e in manifest.entries] == [
        ("a", "d", 0o1777, 3, 5),
        ("a/f", "f", 0o4755, 1, 7),
        ("a/h", "h", 0o4755, 1, 7),
        ("a/l", "l", 0o777, 0, 9),
    ]
    found = os.stat(place / "a/f")
    assert stat.S_IMODE(found.st_mode) == 0o755, "no setuid on disk"
    assert found.st_mtime_ns == 7_000_000_000
    assert found.st_nlink == 2
    assert stat.S_IMODE(os.stat(place / "a").st_mode) == 0o777
    assert os.stat(place / "a").st_mtime_ns == 5_000_000_000
    assert os.lstat(place / "a/l").st_mtime_ns == 9_000_000_000


def test_owner_can_always_read_and_enter(extractor, place):
    extractor.directory("d", 0, 0)
    extractor.file("d/f", [b"x"], 0, 0)
    extractor.finish()
    assert stat.S_IMODE(os.stat(place / "d").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(place / "d/f").st_mode) == 0o400


def test_umask_does_not_matter(extractor, place):
    old = os.umask(0o077)
    try:
        extractor.file("d/f", [b"x"], 0o644, 0)
        extractor.finish()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(place / "d/f").st_mode) == 0o644
    assert stat.S_IMODE(os.stat(place / "d").st_mode) == 0o755


def test_file_through_a_symlink(extractor):
    extractor.symlink("out", "..", 0)
    refused(extractor.file, "out/secret", [b"evil"], 0o644, 0)
    refused(extractor.file, "out/new", [b"evil"], 0o644, 0)
    refused(extractor.directory, "out/dir", 0o755, 0)
    refused(extractor.symlink, "out/link", "x", 0)


def test_file_onto_a_symlink(extractor):
    extractor.symlink("f", "../secret", 0)
    refused(extractor.file, "f", [b"evil"], 0o644, 0)


def test_directory_onto_a_symlink(extractor):
    extractor.symlink("d", "..", 0)
    refused(extractor.directory, "d", 0o777, 0)


def test_hard_link_to_a_symlink_or_outside(extractor):
    extractor.symlink("s", "../secret", 0)
    refused(extractor.hardlink, "h", "s")
    refused(extractor.hardlink, "h", "../secret")
    refused(extractor.hardlink, "h", "missing")


def test_file_below_a_file(extractor):
    extractor.file("f", [b"x"], 0o644, 0)
    refused(extractor.file, "f/g", [b"x"], 0o644, 0)


def test_everything_twice(extractor):
    extractor.file("f", [b"x"], 0o644, 0)
    refused(extractor.file, "f", [b"x"], 0o644, 0)
    refused(extractor.symlink, "f", "x", 0)
    refused(extractor.directory, "f", 0o755, 0)
    extractor.directory("d", 0o755, 0)
    refused(extractor.directory, "d", 0o755, 0)


def test_directory_after_its_content_gets_its_attributes(extractor):
    extractor.file("d/f", [b"x"], 0o644, 3)
    extractor.directory("d", 0o750, 9)
    (entry, _) = extractor.finish().entries
    assert (entry.mode, entry.mtime) == (0o750, 9)


def test_too_many(place):
    fd = os.open(place, os.O_RDONLY)
    extractor = Extractor(fd, "demo.deb", limits=Limits(entries=3))
    for n in range(3):
        extractor.file(f"{n}", [b""], 0o644, 0)
    refused(extractor.file, "4", [b""], 0o644, 0)
    extractor.close()
    os.close(fd)


def test_more_directories_than_handles(extractor, place):
    for n in range(300):
        extractor.file(f"d{n}/e/f", [b"x"], 0o644, 0)
    for n in range(300):
        extractor.file(f"d{n}/e/g", [b"y"], 0o644, 0)
    before = len(os.listdir("/proc/self/fd"))
    extractor.finish()
    assert len(os.listdir("/proc/self/fd")) < before
    assert (place / "d299/e/g").read_bytes() == b"y"


def test_deep_chain(extractor, place):
    path = "/".join("d" * 60)
    extractor.file(path + "/f", [b"x"], 0o644, 0)
    extractor.finish()
    assert (place / path / "f").read_bytes() == b"x"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_parent_replaced_by_a_racing_process(extractor, place, monkeypatch, moment):
    """Somebody swaps a directory for a link to the outside right before or right after it is opened."""
    extractor.directory("d", 0o755, 0)
    outside = place / "outside"
    outside.mkdir()
    honest = os.open

    def swap():
        os.rename(place / "d", place / "held")
        os.symlink("outside", place / "d")

    def racing(name, *args, **kwargs):
        if name == "d" and moment == "before":
            swap()
        fd = honest(name, *args, **kwargs)
        if name == "d" and moment == "after":
            swap()
        return fd

    monkeypatch.setattr(os, "open", racing)
    if moment == "before":
        assert "`d`" in refused(extractor.file, "d/f", [b"evil"], 0o644, 0)
    else:
        extractor.file("d/f", [b"x"], 0o644, 0)
        assert os.listdir(place / "held") == ["f"]
    assert os.listdir(outside) == []


def test_two_threads_do_not_disturb_each_other(place):
    fd = os.open(place, os.O_RDONLY)
    extractor = Extractor(fd, "demo.deb")
    for n in range(150):
        extractor.ensure_directory(f"d{n}", 0)

    def work(lane):
        own = extractor.sibling()
        for n in range(300):
            own.file(f"d{n % 150}/{lane}-{n}", [b"x" * n], 0o644, 0)
        own.close()

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(entry.kind == "f" for entry in extractor.finish().entries) == 900
    os.close(fd)


def test_hard_links_have_one_form_whatever_their_order(tmp_path):
    seen = set()
    for order in (("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")):
        root = tmp_path / "-".join(order)
        root.mkdir()
        fd = os.open(root, os.O_RDONLY)
        extractor = Extractor(fd, "demo.deb")
        extractor.file(order[0], [b"x"], 0o644, 1)
        extractor.hardlink(order[1], order[0])
        extractor.hardlink(order[2], order[1])
        seen.add(extractor.finish().render())
        os.close(fd)
    assert len(seen) == 1
    assert b"\nf\t" in seen.pop()


def test_full_disk_is_said(extractor, monkeypatch):
    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoSpace) as caught:
        extractor.file("d/f", [b"x"], 0o644, 0)
    assert "d/f" in caught.value.message
    assert caught.value.hints


def test_name_that_the_file_system_refuses(extractor):
    refused(extractor.file, "x" * 300, [b""], 0o644, 0)


def test_manifest_is_what_is_on_disk(extractor, place):
    for n in range(20):
        extractor.file(f"a/{n % 3}/{n}", [bytes([n]) * n * 1000], 0o600 + n % 8, n)
    manifest = extractor.finish()
    assert isinstance(manifest, Manifest)
    for entry in manifest.entries:
        found = os.lstat(place / entry.path)
        assert stat.S_ISDIR(found.st_mode) == (entry.kind == "d")
        if entry.kind == "f":
            assert found.st_size == entry.size

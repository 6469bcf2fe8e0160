"""Paths inside a root: no link leads out of it, by the kernel's rule and by our own walk."""

from __future__ import annotations

import errno
import os

import pytest

from shipway.sandbox import paths, syscalls


@pytest.fixture
def root(tmp_path):
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (inside / "usr/lib").mkdir(parents=True)
    (inside / "etc/secret").write_text("inside")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/secret").write_text("outside")
    (inside / "lib").symlink_to("usr/lib")
    (inside / "absolute").symlink_to("/etc")
    (inside / "up").symlink_to("../../../../etc")
    (inside / "usr/lib/up").symlink_to("../../../../../etc/secret")
    (inside / "dangling").symlink_to("/nowhere/at/all")
    (inside / "loop").symlink_to("loop")
    (inside / "magic").symlink_to("/proc/self/root/etc")
    fd = os.open(inside, syscalls.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture(params=[paths.open_in_root, paths.walk_in_root], ids=["kernel", "by hand"])
def opener(request):
    return request.param


def read(opener, root, path):
    fd = opener(root, path, os.O_RDONLY)
    with open(fd) as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    [
        "etc/secret", "/etc/secret", "../etc/secret", "/../../etc/secret", "absolute/secret", "/up/secret", "lib/up", "usr/lib/up",
        "usr/../etc/./secret", "usr/lib/../../etc/secret", "lib/../../etc/secret",
    ],
)  # fmt: skip
def test_every_way_ends_inside(opener, root, path):
    assert read(opener, root, path) == "inside"


@pytest.mark.parametrize("path", ["..", "/..", "../..", "/", "up/.."])
def test_above_the_root_is_the_root(opener, root, path):
    fd = opener(root, path, syscalls.O_PATH)
    assert os.path.samestat(os.fstat(fd), os.fstat(root))
    os.close(fd)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("dangling", errno.ENOENT),
        ("nothing", errno.ENOENT),
        ("loop", errno.ELOOP),
        ("etc/secret/x", errno.ENOTDIR),
        ("magic/secret", errno.ENOENT),
    ],
)
def test_what_cannot_be_opened(opener, root, path, number):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is compared
        opener(root, path, syscalls.O_PATH)
    assert caught.value.errno == number


def test_last_link_is_opened_itself_when_asked(opener, root):
    fd = opener(root, "absolute", syscalls.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd) == "/etc"
    os.close(fd)


def test_no_descriptor_is_left(opener, root):
    def opened():
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    for path in ("absolute/secret", "dangling", "loop", "etc/secret/x"):
        try:
            os.close(opener(root, path, syscalls.O_PATH))
        except OSError:
            continue
    assert opened() == before


def test_filter_without_openat2_falls_to_the_walk(root, monkeypatch):
    def refused(*arguments):
        raise OSError(errno.EPERM, "refused")

    monkeypatch.setattr(syscalls, "openat2", refused)
    assert read(paths.open_in_root, root, "up/secret") == "inside"


def test_race_is_tried_again(root, monkeypatch):
    real, answers = syscalls.openat2, [errno.EAGAIN, errno.EAGAIN]

    def racing(*arguments):
        if answers:
            raise OSError(answers.pop(), "again")
        return real(*arguments)

    monkeypatch.setattr(syscalls, "openat2", racing)
    assert read(paths.open_in_root, root, "etc/secret") == "inside"
    assert not answers


def test_directories_are_made_behind_links_inside(root, tmp_path):
    os.close(paths.make_directories(root, "/absolute/new/deep", 0o711))
    assert (tmp_path / "root/etc/new/deep").is_dir()
    assert (tmp_path / "root/etc/new/deep").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "root/etc/new").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "etc/new").exists()


def test_directories_do_not_depend_on_the_umask(root, tmp_path):
    before = os.umask(0o777)
    try:
        os.close(paths.make_directories(root, "/masked/x", 0o755))
    finally:
        os.umask(before)
    assert (tmp_path / "root/masked/x").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("path", "number"),
    [("/dangling/x", errno.ENOENT), ("/etc/secret/x", errno.ENOTDIR), ("/loop/x", errno.ELOOP)],
)
def test_directories_are_not_made_through_what_leads_nowhere(root, path, number):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is compared
        paths.make_directories(root, path)
    assert caught.value.errno == number


@pytest.mark.parametrize("path", ["/", "/etc/..", "/."])
def test_a_file_needs_a_name(root, path):
    with pytest.raises(ValueError, match="names no file"):
        paths.open_parent(root, path)


def test_removing_takes_links_and_spares_directories(root, tmp_path):
    paths.remove_file(root, "absolute")
    paths.remove_file(root, "was never there")
    assert not os.path.lexists(tmp_path / "root/absolute")
    assert (tmp_path / "etc/secret").exists()
    with pytest.raises(IsADirectoryError):
        paths.remove_file(root, "etc")

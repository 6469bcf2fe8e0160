"""Durable writes, renames, removal, and what disk errors become."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
import subprocess
import sys

import pytest

from shipway.core.errors import ExitCode, NoSpace, StoreError, ToolError
from shipway.host import _libc, files


@pytest.fixture
def steps(monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(files, "on_step", seen.append)
    return seen


def test_write_atomic_syncs_before_it_renames(tmp_path, steps):
    path = str(tmp_path / "file")
    files.write_atomic(path, b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert steps == [f"write-atomic:{step}" for step in ("write", "fsync", "rename", "fsync-directory")]


@pytest.mark.parametrize("stop", ["write", "fsync", "rename"])
def test_write_atomic_that_fails_keeps_the_old_bytes_and_leaves_nothing(tmp_path, monkeypatch, stop):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(name):
        if name == f"write-atomic:{stop}":
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "on_step", fail)
    with pytest.raises(OSError, match="full"):
        files.write_atomic(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        files.write_atomic(str(tmp_path / "a"), b"", 0o644)
        files.write_file(str(tmp_path / "b"), b"", 0o444)
        files.make_directory(str(tmp_path / "c" / "d"), 0o755)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "b", "c", "c/d")]
    assert modes == [0o644, 0o444, 0o700, 0o755]


def test_make_directory_ends_where_the_kernel_makes_none():
    with pytest.raises(OSError, match="No such file"):
        files.make_directory("/proc/shipway/store")


def test_make_directory_when_another_makes_the_parent_between_two_looks(tmp_path, monkeypatch):
    real = os.mkdir

    def mkdir(path, mode=0o777):
        if not (tmp_path / "a").exists():
            real(tmp_path / "a")
            raise FileNotFoundError(path)
        real(path, mode)

    monkeypatch.setattr(os, "mkdir", mkdir)
    files.make_directory(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


def test_make_directory_refuses_a_file_in_the_way(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.make_directory(str(tmp_path / "x"))


def test_write_all_goes_on_after_a_short_write(monkeypatch):
    taken = []

    def write(_fd, view):
        taken.append(bytes(view[:3]))
        return len(taken[-1])

    monkeypatch.setattr(os, "write", write)
    files.write_all(99, b"12345678")
    assert taken == [b"123", b"456", b"78"]


@pytest.mark.parametrize("kernel_knows", [True, False])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_rename_noreplace(tmp_path, monkeypatch, kernel_knows, kind):
    if not kernel_knows:
        monkeypatch.setattr(_libc, "renameat2", lambda *_: False)

    def make(name, text):
        path = tmp_path / name
        if kind == "directory":
            path.mkdir()
            path = path / "inside"
        path.write_bytes(text)

    make("one", b"1")
    make("two", b"2")
    files.rename_noreplace(str(tmp_path / "one"), str(tmp_path / "final"))
    with pytest.raises(FileExistsError):
        files.rename_noreplace(str(tmp_path / "two"), str(tmp_path / "final"))
    final = tmp_path / "final" / "inside" if kind == "directory" else tmp_path / "final"
    assert final.read_bytes() == b"1"
    assert sorted(os.listdir(tmp_path)) == ["final", "two"]


def test_rename_noreplace_of_a_directory_onto_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(_libc, "renameat2", lambda *_: False)
    (tmp_path / "one").mkdir()
    (tmp_path / "final").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.rename_noreplace(str(tmp_path / "one"), str(tmp_path / "final"))


class InterruptedOnce:
    """A C library whose calls a signal interrupts once."""

    def __init__(self, monkeypatch):
        self.calls = 0
        monkeypatch.setattr(_libc, "_libc", self)

    def _answer(self, *_):
        self.calls += 1
        _libc.ctypes.set_errno(errno.EINTR)
        return -1 if self.calls == 1 else 0

    syncfs = renameat2 = statfs = _answer


def test_calls_begin_again_after_a_signal(monkeypatch, tmp_path):
    for call in (
        lambda: _libc.syncfs(0),
        lambda: _libc.renameat2("a", "b", 0),
        lambda: _libc.filesystem_type(str(tmp_path)),
    ):
        libc = InterruptedOnce(monkeypatch)
        call()
        assert libc.calls == 2


def test_sync_filesystem_reports_errors(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    files.sync_filesystem(fd)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.sync_filesystem(fd)


@pytest.mark.parametrize(
    ("release", "reports"),
    [("5.7.19-generic", False), ("5.8.0", True), ("6.18.1-x", True), ("4.19", False), ("odd", False)],
)
def test_kernels_whose_sync_tells_of_errors(monkeypatch, release, reports):
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", release, "v", "x86_64")))
    assert files.sync_reports_errors() is reports


def test_fsync_tree_reaches_every_file_and_folder(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").write_bytes(b"x")
    (tmp_path / "a" / "link").symlink_to("/nonexistent")
    os.mkfifo(tmp_path / "a" / "fifo")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    files.fsync_tree(str(tmp_path))
    assert sorted(synced) == sorted(str(tmp_path / name) for name in (".", "a", "a/b", "a/b/f"))


def test_remove_tree_removes_anything_and_follows_nothing(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"")
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    (tree / "deep" / "link").symlink_to("..")
    (tree / "read-only").write_bytes(b"")
    (tree / "read-only").chmod(0o444)
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket"))
    (tree / os.fsdecode(b"\xff\xfe")).mkdir()
    (tree / "deep" / "er").chmod(0)
    (tree / "deep").chmod(0o500)
    files.remove_tree(str(tree))
    files.remove_tree(str(tree))
    assert os.listdir(tmp_path) == ["outside"]
    assert os.listdir(outside) == ["precious"]


def test_remove_tree_of_a_link_removes_the_link(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("d")
    files.remove_tree(str(tmp_path / "l"))
    assert os.listdir(tmp_path) == ["d"]


@pytest.mark.needs_root
def test_remove_tree_opens_folders_that_forbid_it_to_a_plain_user(tmp_path):
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:-1]:
        if parent.owner() == "root" and parent != tmp_path.parents[-2]:
            parent.chmod(parent.stat().st_mode | 0o011)
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "f").write_bytes(b"")
    (tree / "a" / "b").chmod(0)
    (tree / "a").chmod(0)
    for path in (tree / "a" / "b", tree / "a" / "f", tree / "a", tree):
        os.chown(path, 65534, 65534)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            files.remove_tree(str(tree))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not tree.exists()


def test_remove_tree_needs_few_descriptors_and_no_path_limit(tmp_path):
    depth = 3000
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir("top", dir_fd=fd)
    for _ in range(depth):
        below = os.open("top" if _ == 0 else "d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
        os.mkdir("d", dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(256, len(os.listdir("/proc/self/fd")) + 150), hard))
    try:
        files.remove_tree(str(tmp_path / "top"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_two_removals_of_one_tree_do_not_disturb_each_other(tmp_path):
    for number in range(300):
        (tmp_path / "t" / str(number % 7)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / str(number % 7) / str(number)).write_bytes(b"")
    script = (
        "import sys; from shipway.host.files import remove_tree; sys.stdin.read(1); remove_tree(sys.argv[1])"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "t")], stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        process.stdin.write(b"x")
        process.stdin.close()
    assert [process.wait(60) for process in both] == [0, 0]
    assert os.listdir(tmp_path) == []


def test_reflink_or_copy(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    files.reflink_or_copy(str(tmp_path / "a"), str(tmp_path / "b"), 0o640)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o640

    def refuse(*_):
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    files.reflink_or_copy(str(tmp_path / "a"), str(tmp_path / "c"), 0o640)
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


def test_copy_into_a_full_disk_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="full"):
        files.reflink_or_copy(str(tmp_path / "a"), str(tmp_path / "b"), 0o600)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_or_quota_is_no_space(number):
    with pytest.raises(NoSpace) as caught, files.translating_disk_errors("write `/x`"):
        raise OSError(number, "?")
    assert caught.value.message.startswith("cannot write `/x`: ")
    assert caught.value.code is ExitCode.NO_SPACE
    assert any("shipway gc" in hint for hint in caught.value.hints)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ELOOP])
def test_other_disk_errors_name_the_thing_and_have_a_hint(number):
    with pytest.raises(StoreError) as caught, files.translating_disk_errors("write `/x`"):
        raise OSError(number, "?")
    assert os.strerror(number) in caught.value.message
    assert caught.value.hints
    assert isinstance(caught.value.__cause__, OSError)


def test_the_caller_chooses_the_error():
    with (
        pytest.raises(ToolError) as caught,
        files.translating_disk_errors("write the lock `l`", error=ToolError),
    ):
        raise OSError(errno.EACCES, "?")
    assert not isinstance(caught.value, StoreError)


def test_file_system_kinds(tmp_path):
    assert files.filesystem_type("/dev/shm") == "tmpfs"
    assert files.filesystem_type("/proc") == "0x9fa0"
    with pytest.raises(FileNotFoundError):
        files.filesystem_type(str(tmp_path / "missing"))
    assert files.free_bytes(str(tmp_path)) > 0


def test_start_writeback_cannot_fail(tmp_path):
    files.start_writeback(-1)
    with open(tmp_path / "f", "wb") as file:
        file.write(b"x" * 100_000)
        files.start_writeback(file.fileno())

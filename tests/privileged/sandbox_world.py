"""Helpers for tests of the sandbox: small roots, processes with other rights, and answers from them."""

from __future__ import annotations

import ctypes
import os
import pickle
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from shipway.sandbox import Bind, Dev, MakeDir, Op, Overlay, Proc, Request, Symlink, Tmpfs, syscalls
from shipway.sandbox import filter as filters

PLAIN_UID = 61234
"""A user without an account, a name or subordinate ids."""

PROGRAMS = (
    "sh", "cat", "chmod", "chown", "cp", "env", "false", "id", "kill", "ln", "ls", "mkdir", "mknod", "mv", "pwd", "readlink",
    "rm", "rmdir", "sleep", "stat", "stty", "touch", "true", "tty", "uname", "bash",
)  # fmt: skip

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


def make_small_root(path: str) -> str:
    """A root file system with a shell and some tools, copied from the host with the libraries they load."""
    for name in ("usr/bin", "usr/sbin", "etc", "proc", "dev", "tmp", "root", "sys", "run", "home"):
        os.makedirs(f"{path}/{name}", exist_ok=True)
    os.symlink("usr/bin", f"{path}/bin")
    for program in PROGRAMS:
        found = shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin")
        assert found is not None, program
        shutil.copy(found, f"{path}/usr/bin/{program}")
        listing = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for word in listing.split():
            if word.startswith("/"):
                os.makedirs(path + os.path.dirname(word), exist_ok=True)
                shutil.copy(word, path + word)
    with open(f"{path}/etc/passwd", "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\n")
    with open(f"{path}/etc/group", "w") as file:
        file.write("root:x:0:\nshadow:x:42:\n")
    for directory, _, _ in os.walk(path):
        os.chmod(directory, 0o755)
    return path


def system_ops(root: str, *more: Op) -> list[Op]:
    """`root` overlaid by a scratch, with what every command expects."""
    return [Overlay((root,)), Proc(), Dev(), Tmpfs("/tmp"), *more]


def python() -> str:
    """An interpreter that every user may start: the host's own, else the one that runs this."""
    if os.access("/usr/bin/python3", os.X_OK):
        return "/usr/bin/python3"
    return os.path.realpath(os.path.join(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}"))


def python_ops(*more: Op) -> list[Op]:
    """A root in memory with the host's /usr and a Python."""
    ops: list[Op] = [Tmpfs("/", mode=0o755), Bind("/usr", "/usr", read_only=True), MakeDir("/etc")]
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            ops.append(Symlink(os.readlink(f"/{name}"), f"/{name}"))
        elif os.path.isdir(f"/{name}"):
            ops.append(Bind(f"/{name}", f"/{name}", read_only=True))
    if not python().startswith("/usr/"):
        ops.append(Bind(sys.base_prefix, sys.base_prefix, read_only=True))
    return [*ops, Proc(), Dev(), Tmpfs("/tmp"), *more]


def python_script(script: str, *more: Op, **fields: Any) -> Request:
    return request(python_ops(*more), python(), "-I", "-S", "-c", script, **fields)


def request(ops: list[Op], *argv: str, **fields: Any) -> Request:
    return Request(ops, argv, **{"env": ENV, "cwd": "/", **fields})


def shell(ops: list[Op], script: str, **fields: Any) -> Request:
    return request(ops, "sh", "-c", script, **fields)


def build(ops: list[Op], script: str, **fields: Any) -> Request:
    """As builds ask for it."""
    return shell(
        ops,
        script,
        **{"host_uid_as": "root", "drop_caps": False, "suppress_chown": True, "network": "none", **fields},
    )


def in_child(function: Callable[[], Any], *prepare: Callable[[], None]) -> Any:
    """What `function` returns or raises in a forked process in which `prepare` was called first."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                for step in prepare:
                    step()
                answer = (True, function())
            except BaseException as error:  # noqa: BLE001 - raised again by the parent
                answer = (False, error)
            with open(writer, "wb") as file:
                pickle.dump(answer, file)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    assert data, "the child died"
    ok, value = pickle.loads(data)
    if not ok:
        raise value
    return value


def become_user(uid: int = PLAIN_UID) -> Callable[[], None]:
    """A step for `in_child`: an ordinary user without groups."""

    def step() -> None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # A change of ids takes these from a process; an ordinary login has them.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)

    return step


CLONE_FLAGS = (
    syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWNET
)


def refuse_namespaces() -> None:
    """A step for `in_child`: what an outer container's filter does to unshare, clone with namespaces, mounts and the new calls."""
    numbers = {
        "x86_64": {"clone": 56, "clone3": 435, "setns": 308},
        "aarch64": {"clone": 220, "clone3": 435, "setns": 268},
    }
    own = numbers[syscalls.MACHINE]
    program: list[filters.Instruction] = [(0x20, 0, 0, 0)]
    refused = [
        syscalls.NUMBERS[name]
        for name in (
            "unshare",
            "mount",
            "umount2",
            "pivot_root",
            "fsopen",
            "open_tree",
            "move_mount",
            "fsmount",
        )
    ]
    for number in [*refused, own["setns"]]:
        program += [(0x15, 0, 1, number), (0x06, 0, 0, filters.REFUSED)]
    program += [(0x15, 0, 1, own["clone3"]), (0x06, 0, 0, filters.ABSENT)]
    check: list[filters.Instruction] = [
        (0x20, 0, 0, 16), (0x54, 0, 0, CLONE_FLAGS), (0x15, 1, 0, 0), (0x06, 0, 0, filters.REFUSED), (0x06, 0, 0, filters.ALLOW),
    ]  # fmt: skip
    program += [(0x15, 0, len(check), own["clone"]), *check, (0x06, 0, 0, filters.ALLOW)]
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.load_filter(filters.render_filter(program), listener=False)


def drop_sys_admin() -> None:
    """A step for `in_child`: root as in a default container."""
    kept = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
    for number in range(64):
        if number not in kept:
            try:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
            except OSError:
                break
    syscalls.set_capabilities(sum(1 << n for n in kept))


def refuse_user_namespaces() -> None:
    """A step for `in_child`: namespaces of users refused, everything else allowed."""
    number = syscalls.NUMBERS["unshare"]
    program: list[filters.Instruction] = [
        (0x20, 0, 0, 0), (0x15, 0, 4, number), (0x20, 0, 0, 16), (0x54, 0, 0, syscalls.CLONE_NEWUSER), (0x15, 1, 0, 0),
        (0x06, 0, 0, filters.REFUSED), (0x06, 0, 0, filters.ALLOW),
    ]  # fmt: skip
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.load_filter(filters.render_filter(program), listener=False)


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Fail instead of hanging."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


libc = ctypes.CDLL(None, use_errno=True)

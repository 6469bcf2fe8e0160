"""The kernel's door: system calls that Python does not wrap, each as a small function raising `OSError`.

Numbers and constants are those of the kernel's user headers (asm/unistd.h, linux/mount.h, linux/openat2.h, linux/sched.h,
linux/prctl.h, linux/seccomp.h). Calls from number 424 on have the same number on every architecture.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_X86_64 = {
    "pivot_root": 155,
    "prctl": 157,
    "mount": 165,
    "umount2": 166,
    "sethostname": 170,
    "capget": 125,
    "capset": 126,
    "unshare": 272,
    "setns": 308,
    "seccomp": 317,
    "signalfd4": 289,
}
_AARCH64 = {
    "pivot_root": 41,
    "prctl": 167,
    "mount": 40,
    "umount2": 39,
    "sethostname": 161,
    "capget": 90,
    "capset": 91,
    "unshare": 97,
    "setns": 268,
    "seccomp": 277,
    "signalfd4": 74,
}
_COMMON = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "close_range": 436, "openat2": 437, "mount_setattr": 442,
}  # fmt: skip
MACHINE = os.uname().machine
NUMBERS = {**(_AARCH64 if MACHINE == "aarch64" else _X86_64), **_COMMON}

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
AT_SYMLINK_NOFOLLOW = 0x100

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 0x20, 0x1000, 0x4000, 0x40000, 0x80000
MNT_DETACH = 0x2

OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 0x1, 0x80000
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40
FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC = 0x1, 0x1
FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_SET_FD, FSCONFIG_CMD_CREATE = 0, 1, 5, 6
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 0x1, 0x2, 0x4, 0x8

RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT = 0x02, 0x04, 0x10

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECCOMP = 1, 4, 24, 22
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 0x8
CLOSE_RANGE_CLOEXEC = 0x4

O_PATH = 0o10000000

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


JOINED = (
    ("user", CLONE_NEWUSER),
    ("net", CLONE_NEWNET),
    ("ipc", CLONE_NEWIPC),
    ("uts", CLONE_NEWUTS),
    ("pid", CLONE_NEWPID),
)
"""Namespaces that can be entered, in the order in which that works."""


def call(name: str, *args: int | bytes | ctypes.Array[ctypes.c_char] | None, what: str = "") -> int:
    """Make system call `name`. Raises `OSError` whose file name says which call it was, and on what."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = int(_syscall(ctypes.c_long(NUMBERS[name]), *converted))
    if result < 0:
        fail(ctypes.get_errno(), f"{name} {what}".rstrip())
    return result


def fail(number: int, what: str) -> NoReturn:
    """Raise the `OSError` of errno `number`."""
    raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Leave the namespaces in `flags` (`CLONE_NEW*`)."""
    call("unshare", flags, what=describe_namespaces(flags))


def setns(fd: int, flag: int) -> None:
    """Enter the one namespace that `fd` stands for (`CLONE_NEW*` says of which kind it must be)."""
    call("setns", fd, flag, what=describe_namespaces(flag))


def describe_namespaces(flags: int) -> str:
    """`user+mount` for `CLONE_NEWUSER | CLONE_NEWNS`."""
    names = (("user", CLONE_NEWUSER), ("mount", CLONE_NEWNS), ("pid", CLONE_NEWPID), ("ipc", CLONE_NEWIPC),
             ("uts", CLONE_NEWUTS), ("net", CLONE_NEWNET), ("cgroup", CLONE_NEWCGROUP))  # fmt: skip
    return "+".join(name for name, flag in names if flags & flag)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: bytes | None = None) -> None:
    """The classic call. The kernel cuts `data` at one page without an error: callers check its length and the result."""
    call(
        "mount",
        _path(source),
        os.fsencode(target),
        _path(kind),
        flags,
        data,
        what=f"{kind or 'flags'} on {target}",
    )


def umount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    call("umount2", os.fsencode(target), flags, what=target)


def pivot_root(new: str, old: str) -> None:
    """Exchange the root of this mount namespace."""
    call("pivot_root", os.fsencode(new), os.fsencode(old))


def open_tree(directory: int, path: str, flags: int) -> int:
    """Open a mount; with `OPEN_TREE_CLONE` a detached copy of the mount at `path`."""
    return call("open_tree", directory, os.fsencode(path), flags | OPEN_TREE_CLOEXEC, what=path)


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach the detached mount `mount_fd` on the directory or file that `target_fd` is open on."""
    call("move_mount", mount_fd, b"", target_fd, b"", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)


def fsopen(kind: str) -> int:
    """A configuration context for a new file system of `kind`."""
    return call("fsopen", os.fsencode(kind), FSOPEN_CLOEXEC, what=kind)


def fsconfig_string(context: int, key: str, value: str) -> None:
    """Set `key=value`; the kernel takes up to 255 bytes of value."""
    call(
        "fsconfig",
        context,
        FSCONFIG_SET_STRING,
        os.fsencode(key),
        os.fsencode(value),
        0,
        what=f"{key}={value}",
    )


def fsconfig_flag(context: int, key: str) -> None:
    """Set the option `key`, which takes no value."""
    call("fsconfig", context, FSCONFIG_SET_FLAG, os.fsencode(key), None, 0, what=key)


def fsconfig_fd(context: int, key: str, fd: int) -> None:
    """Set `key` to the file that `fd` is open on."""
    call("fsconfig", context, FSCONFIG_SET_FD, os.fsencode(key), None, fd, what=f"{key}=<fd>")


def fsmount(context: int, attributes: int) -> int:
    """Create the file system and return a detached mount of it."""
    call("fsconfig", context, FSCONFIG_CMD_CREATE, None, None, 0, what="create")
    return call("fsmount", context, FSMOUNT_CLOEXEC, attributes)


def mount_setattr(fd: int, attributes: int, *, recursive: bool, clear: int = 0) -> None:
    """Set (and clear) attributes of the mount `fd`, of everything below it too if `recursive`."""
    value = b"".join(n.to_bytes(8, "little") for n in (attributes, clear, 0, 0))
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    call("mount_setattr", fd, b"", flags, value, len(value))


def openat2(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """Open with a rule for links (linux/openat2.h), close-on-exec."""
    how = b"".join(n.to_bytes(8, "little") for n in (flags | os.O_CLOEXEC, mode, resolve))
    return call("openat2", directory, os.fsencode(path), how, len(how), what=path)


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """Change this process."""
    return call("prctl", option, value, third, 0, 0, what=str(option))


def close_range(first: int, last: int, flags: int = 0) -> None:
    """Close, or mark, every descriptor from `first` to `last`."""
    call("close_range", first, last, flags)


def set_host_name(name: str) -> None:
    """sethostname(2)."""
    data = os.fsencode(name)
    call("sethostname", data, len(data), what=name)


def set_capabilities(mask: int) -> None:
    """Make `mask` the permitted and effective set and empty the inheritable one (capset(2), version 3)."""
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = (0x20080522).to_bytes(4, "little") + bytes(4)
    data = b"".join(n.to_bytes(4, "little") for n in (low, low, 0, high, high, 0))
    call("capset", header, data)


def permitted_capabilities() -> int:
    """The permitted set of this process (capget(2))."""
    header = (0x20080522).to_bytes(4, "little") + bytes(4)
    data = ctypes.create_string_buffer(24)
    call("capget", header, data)
    return int.from_bytes(data.raw[4:8], "little") | int.from_bytes(data.raw[16:20], "little") << 32


def signal_descriptor(mask: int) -> int:
    """A descriptor that delivers the blocked signals in `mask` (bit n - 1 for signal n) as 128-byte records."""
    return call("signalfd4", -1, mask.to_bytes(8, "little"), 8, os.O_CLOEXEC)


def load_filter(program: bytes, *, listener: bool) -> int:
    """Install a seccomp filter (packed `sock_filter`s). With `listener`, the notification descriptor; else 0."""
    code = ctypes.create_string_buffer(program, len(program))
    pointer = ctypes.addressof(code)
    header = (len(program) // 8).to_bytes(8, "little") + pointer.to_bytes(8, "little")
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER if listener else 0
    return call("seccomp", SECCOMP_SET_MODE_FILTER, flags, header)


def _path(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)

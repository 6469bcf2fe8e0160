"""One overlay mount: a ladder of ways to say it to the kernel, and the check that it did what was said.

Lowers are open descriptors, so nothing here depends on path lengths or on what hides a path by now. `mount(2)` cuts an option
string longer than a page without an error, and a cut string mounts fewer layers: so it is refused before, and every mount is
compared with the plan after.
"""

from __future__ import annotations

import errno
import os

from . import syscalls
from .model import MAX_LOWERS, SandboxFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE_LIMIT = 4095
"""Bytes of option string that mount(2) reads."""

_REFUSED = (errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ENOENT, errno.EOPNOTSUPP, errno.EBADF)
"""What a kernel or a filter answers that lacks a rung; the next one is tried."""


class Layers:
    """Open directories of one overlay: `lowers` top first, `upper` and `work` or None for both."""

    def __init__(
        self, lowers: Sequence[int], upper: int | None, work: int | None, *, volatile: bool, userxattr: bool
    ):
        self.lowers = tuple(lowers)
        self.upper = upper
        self.work = work
        self.volatile = volatile
        self.userxattr = userxattr

    def flags(self) -> list[str]:
        """Options without a value."""
        # Without userxattr a user namespace cannot write trusted.*: deleting and making a directory again gives EIO.
        flags = ["userxattr"] if self.userxattr else []
        return [*flags, "volatile"] if self.volatile and self.upper is not None else flags


def mount_overlay(layers: Layers, target: int, scratch: str) -> str:
    """Mount `layers` on the open directory `target`; returns the rung that worked.

    `scratch` is an empty directory for short names. Raises `SandboxFailure` with what each rung was answered.
    """
    if not 0 < len(layers.lowers) <= MAX_LOWERS:
        raise SandboxFailure(
            f"an overlay takes 1 to {MAX_LOWERS} lower directories and was given {len(layers.lowers)}: merge some of them first",
            step="overlay",
            errno=errno.E2BIG,
        )
    answers = []
    for name, rung in RUNGS.items():
        try:
            rung(layers, target, scratch)
        except OSError as error:
            answers.append(f"{name}: {error.strerror} ({error.filename})")
            if error.errno not in _REFUSED:
                break
        else:
            return name
    raise SandboxFailure(
        "the kernel refuses the overlay mount: " + "; ".join(answers), step="overlay", errno=errno.EINVAL
    )


def _mount_by_fds(layers: Layers, target: int, scratch: str) -> None:
    """Linux 6.13: layers as descriptors."""
    del scratch
    _mount_new(layers, target, syscalls.fsconfig_fd)


def _mount_by_paths(layers: Layers, target: int, scratch: str) -> None:
    """Linux 6.8: one `lowerdir+` per layer; the path is short because it names the descriptor."""
    del scratch
    _mount_new(
        layers, target, lambda context, key, fd: syscalls.fsconfig_string(context, key, f"/proc/self/fd/{fd}")
    )


def _mount_new(layers: Layers, target: int, put: Callable[[int, str, int], None]) -> None:
    context = syscalls.fsopen("overlay")
    try:
        syscalls.fsconfig_string(context, "source", "shipway")
        for flag in layers.flags():
            syscalls.fsconfig_flag(context, flag)
        for fd in layers.lowers:
            put(context, "lowerdir+", fd)
        if layers.upper is not None and layers.work is not None:
            put(context, "upperdir", layers.upper)
            put(context, "workdir", layers.work)
        made = syscalls.fsmount(context, syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV)
    finally:
        os.close(context)
    try:
        syscalls.move_mount(made, target)
    finally:
        os.close(made)


def render_options(layers: Layers) -> str:
    """The option string for mount(2), with the names that `_mount_classic` makes. Raises `OSError` where it would be cut."""
    parts = [*layers.flags(), "lowerdir=" + ":".join(str(n) for n in range(len(layers.lowers)))]
    if layers.upper is not None:
        parts += ["upperdir=u", "workdir=w"]
    options = ",".join(parts)
    if len(options) >= PAGE_LIMIT:
        syscalls.fail(errno.E2BIG, f"{len(options)} bytes of overlay options")
    return options


def _mount_classic(layers: Layers, target: int, scratch: str) -> None:
    """Any kernel with overlayfs: names of one to three digits, relative to the working directory."""
    options = render_options(layers)
    names = [(str(index), fd) for index, fd in enumerate(layers.lowers)]
    if layers.upper is not None and layers.work is not None:
        names += [("u", layers.upper), ("w", layers.work)]
    for name, fd in names:
        os.symlink(f"/proc/self/fd/{fd}", f"{scratch}/{name}")
    before = os.open(".", syscalls.O_PATH | os.O_CLOEXEC)
    try:
        os.chdir(scratch)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("shipway", f"/proc/self/fd/{target}", "overlay", flags, options.encode())
    finally:
        os.fchdir(before)
        os.close(before)
        for name, _ in names:
            os.unlink(f"{scratch}/{name}")


RUNGS: dict[str, Callable[[Layers, int, str], None]] = {
    "fsconfig descriptors": _mount_by_fds,
    "fsconfig lowerdir+": _mount_by_paths,
    "mount(2)": _mount_classic,
}


def verify_overlay(root: int, layers: Layers) -> None:
    """Compare the mount that the open directory `root` is on with `layers`. Raises `SandboxFailure` on any difference."""
    line = find_mount(root)
    if line is None:
        raise SandboxFailure(
            "the overlay mount is not in `/proc/self/mountinfo`", step="overlay verification"
        )
    found = count_lowers(line)
    if found != len(layers.lowers):
        raise SandboxFailure(
            f"the kernel mounted {found} of {len(layers.lowers)} lower directories without an error",
            step="overlay verification",
        )
    read_only = bool(os.fstatvfs(root).f_flag & os.ST_RDONLY)
    if read_only and layers.upper is not None:
        raise SandboxFailure(
            "the overlay is read-only though an upper directory was given", step="overlay verification"
        )


def find_mount(fd: int) -> str | None:
    """The line of `/proc/self/mountinfo` of the mount that `fd` is on."""
    wanted = ""
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8", errors="replace") as info:
        for row in info:
            if row.startswith("mnt_id:"):
                wanted = row.split()[1]
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for row in table:
            if row.split(" ", 1)[0] == wanted:
                return row
    return None


def count_lowers(line: str) -> int:
    """How many lower directories the overlay of this mountinfo line has.

    The kernel shows `lowerdir=a:b` or, since 6.8, `lowerdir+=a,lowerdir+=b`. A colon inside a name is shown with a backslash
    before it, and mountinfo shows backslash, comma and space as octal.
    """
    _, _, after = line.partition(" - ")
    options = after.split(" ", 2)[2].rstrip("\n")
    count = 0
    for option in options.split(","):
        key, _, value = option.partition("=")
        if key == "lowerdir+":
            count += 1
        elif key == "lowerdir":
            plain = value.replace("\\134\\134", "").replace("\\134:", "").replace("\\:", "")
            count += plain.count(":") + 1
    return count

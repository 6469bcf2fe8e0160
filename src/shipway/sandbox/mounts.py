"""Operations carried out with mounts, in a mount namespace of our own, and the step into the new root.

Everything that comes from the host is opened before anything is mounted; everything inside is reached through the descriptor of
the new root, so no link in a tree can steer a mount outside.
"""

from __future__ import annotations

import errno
import os
import stat

from . import paths, syscalls
from .model import SCRATCH, Bind, Dev, MakeDir, Overlay, Proc, SandboxFailure, Symlink, Tmpfs, WriteFile
from .overlay import Layers, mount_overlay, verify_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Op

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "fd/0"),
    ("stdout", "fd/1"),
    ("stderr", "fd/2"),
    ("ptmx", "pts/ptmx"),
)
READ_ONLY_IN_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound")
"""Switches of the whole host. A namespaced root that is root outside too could write them: core_pattern alone runs programs."""
HIDDEN_IN_PROC = ("kcore", "keys", "timer_list", "latency_stats", "sched_debug")

_SAFE = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
STAGING_PLACES = ("/tmp", "/run", "/mnt", "/var/tmp", "/dev/shm", "/usr", "/etc")  # noqa: S108 - mount points, not files
_DIRECTORY = syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Builder:
    """The new root in the making. `notes` collects what could not be isolated."""

    def __init__(self, *, userns: bool, memory: int | None = None):
        """`memory`: the detached mount that `/dev/shm` is to be, of another sandbox."""
        self.userns = userns
        self._memory = memory
        self.notes: list[str] = []
        self.read_only_roots: list[int] = []
        self.sources: dict[int, tuple[int, ...]] = {}
        self.staging = ""
        self.root = -1
        self._scratches = 0

    def open_sources(self, ops: Sequence[Op]) -> None:
        """Open everything that comes from the host, while its paths still mean the host's."""
        for index, op in enumerate(ops):
            if isinstance(op, Overlay):
                own = () if op.upper in (None, SCRATCH) else (op.upper, op.work or "")
                self.sources[index] = tuple(
                    _open_source(p, _DIRECTORY) for p in (*op.lowers, *own) if p is not None
                )
            elif isinstance(op, Bind):
                self._open_bind(index, op)
            elif isinstance(op, Dev):
                self.sources[index] = tuple(
                    _open_source(f"/dev/{name}", syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
                    for name in DEVICES
                )
            elif isinstance(op, Proc):
                self.sources[index] = (_open_source("/proc", _DIRECTORY),)

    def _open_bind(self, index: int, op: Bind) -> None:
        try:
            self.sources[index] = (os.open(op.source, syscalls.O_PATH | os.O_CLOEXEC),)
        except OSError as error:
            if not (op.optional and isinstance(error, FileNotFoundError | NotADirectoryError)):
                raise _failure(op, error) from error

    def stage(self) -> None:
        """A private tmpfs over some host directory (seen by us alone) to hold the root until we enter it."""
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        self.staging = next((p for p in STAGING_PLACES if os.path.isdir(p) and not os.path.islink(p)), "/")
        place = os.open(self.staging, _DIRECTORY)
        attach(new_tmpfs("16m", 0o700), place)
        os.close(place)
        os.mkdir(f"{self.staging}/root")
        self.root = os.open(f"{self.staging}/root", _DIRECTORY)

    def perform(self, ops: Sequence[Op]) -> None:
        """Carry out `ops` in order. Raises `SandboxFailure` naming the operation."""
        first = ops[0] if ops else None
        if not (isinstance(first, Overlay | Bind | Tmpfs) and first.target.strip("/") == ""):
            self._mount_root(new_tmpfs(None, 0o755))
        for index, op in enumerate(ops):
            try:
                self._perform(op, self.sources.get(index, ()))
            except (OSError, ValueError) as error:
                raise _failure(op, error) from error
        for fd in self.read_only_roots:
            syscalls.mount_setattr(fd, syscalls.MOUNT_ATTR_RDONLY, recursive=False)
            os.close(fd)

    def _perform(self, op: Op, sources: tuple[int, ...]) -> None:
        match op:
            case Overlay():
                self._overlay(op, sources)
            case Bind():
                self._bind(op, sources)
            case Tmpfs():
                self._attach_at(new_tmpfs(op.size, op.mode), op.target)
            case Proc():
                self._proc(op, sources[0])
            case Dev():
                self._dev(op, sources)
            case Symlink() | WriteFile() | MakeDir():
                write_op(self.root, op)
            case _:
                raise ValueError("unknown operation")

    def _mount_root(self, mounted: int) -> None:
        attach(mounted, self.root)
        self._reopen_root()

    def _reopen_root(self) -> None:
        os.close(self.root)
        self.root = os.open(f"{self.staging}/root", _DIRECTORY)

    def _target(self, path: str) -> int:
        return os.dup(self.root) if not path.strip("/") else paths.make_directories(self.root, path)

    def _attach_at(self, mounted: int, path: str) -> None:
        target = self._target(path)
        attach(mounted, target)
        os.close(target)
        if not path.strip("/"):
            self._reopen_root()

    def _overlay(self, op: Overlay, sources: tuple[int, ...]) -> None:
        lowers = sources[: len(op.lowers)]
        own = sources[len(op.lowers) :]
        if len(own) == 1:
            raise ValueError("an upper directory needs a work directory")
        upper, work = own or self._scratch(op.scratch_size)
        layers = Layers(lowers, upper, work, volatile=op.volatile or not own, userxattr=self.userns)
        target = self._target(op.target)
        self._scratches += 1
        scratch = f"{self.staging}/names{self._scratches}"
        os.mkdir(scratch, 0o700)
        mount_overlay(layers, target, scratch)
        os.close(target)
        if not op.target.strip("/"):
            self._reopen_root()
        made = paths.open_in_root(self.root, op.target, syscalls.O_PATH | os.O_DIRECTORY)
        verify_overlay(made, layers)
        for fd in {*sources, upper, work}:
            os.close(fd)
        if op.upper is None:
            self.read_only_roots.append(made)
        else:
            os.close(made)

    def _scratch(self, size: int | None) -> tuple[int, int]:
        """Upper and work directories on a tmpfs of their own."""
        self._scratches += 1
        place = f"{self.staging}/scratch{self._scratches}"
        os.mkdir(place)
        fd = os.open(place, _DIRECTORY)
        attach(new_tmpfs(size, 0o755), fd)
        os.close(fd)
        for name in ("upper", "work"):
            os.mkdir(f"{place}/{name}")
            os.chmod(f"{place}/{name}", 0o755)  # noqa: S103 - the merged root shows it
        return os.open(f"{place}/upper", _DIRECTORY), os.open(f"{place}/work", _DIRECTORY)

    def _bind(self, op: Bind, sources: tuple[int, ...]) -> None:
        if not sources:
            return
        source = sources[0]
        cloned = clone_mount(source, recursive=op.recursive)
        attributes = syscalls.MOUNT_ATTR_NOSUID | (0 if op.devices else syscalls.MOUNT_ATTR_NODEV)
        attributes |= syscalls.MOUNT_ATTR_RDONLY if op.read_only else 0
        syscalls.mount_setattr(cloned, attributes, recursive=op.recursive)
        if stat.S_ISDIR(os.fstat(source).st_mode):
            self._attach_at(cloned, op.target)
        else:
            attach_file(self.root, cloned, op.target)
        os.close(source)

    def _proc(self, op: Proc, outer: int) -> None:
        try:
            mounted = host_proc(outer) if op.host else new_proc()
        except OSError as error:
            # A partly masked outer /proc (inside a container) forbids a fresh one; what the host shows is then shown here too.
            self.notes.append(f"/proc is the host's own, because a fresh one was refused ({error.strerror})")
            mounted = host_proc(outer)
        self._attach_at(mounted, op.target)
        os.close(outer)
        proc = paths.open_in_root(self.root, op.target, syscalls.O_PATH | os.O_DIRECTORY)
        for name in READ_ONLY_IN_PROC:
            _protect(proc, name)
        empty = os.open(f"{self.staging}/empty", os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o000)
        for name in HIDDEN_IN_PROC:
            _hide(proc, name, empty)
        os.close(empty)
        os.close(proc)

    def _dev(self, op: Dev, sources: tuple[int, ...]) -> None:
        self._attach_at(new_tmpfs("4m", 0o755, nodev=False), op.target)
        dev = paths.open_in_root(self.root, op.target, syscalls.O_PATH | os.O_DIRECTORY)
        for name, source in zip(DEVICES, sources, strict=True):
            cloned = clone_mount(source, recursive=False)
            syscalls.mount_setattr(
                cloned, syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC, recursive=False
            )
            attach_file(dev, cloned, name)
            os.close(source)
        for name, text in LINKS:
            os.symlink(text, name, dir_fd=dev)
        pts = paths.make_directories(dev, "pts")
        attach(new_pts(), pts)
        os.close(pts)
        shm = paths.make_directories(dev, "shm")
        attach(new_tmpfs(op.shm_size, 0o1777) if self._memory is None else self._memory, shm)
        os.close(shm)
        os.close(dev)

    def enter(self) -> None:
        """Make the new root the root and let go of the old one."""
        os.fchdir(self.root)
        os.close(self.root)
        # Both names mean the same place: the old root is stacked on top of the new one and detached at once.
        syscalls.pivot_root(".", ".")
        syscalls.umount(".", syscalls.MNT_DETACH)
        os.chdir("/")


def write_op(root: int, op: Symlink | WriteFile | MakeDir) -> None:
    """The operations that need no mount. What was at `target` is replaced, never followed."""
    if isinstance(op, MakeDir):
        os.close(paths.make_directories(root, op.target, op.mode))
        return
    parent, name = paths.open_parent(root, op.target)
    try:
        paths.remove_file(parent, name)
        if isinstance(op, Symlink):
            os.symlink(op.text, name, dir_fd=parent)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, op.mode, dir_fd=parent)
        with open(fd, "wb") as file:
            os.fchmod(fd, op.mode)
            file.write(op.data)
    finally:
        os.close(parent)


def attach(mounted: int, target: int) -> None:
    """Attach a detached mount on an open directory or file and close the mount."""
    try:
        syscalls.move_mount(mounted, target)
    finally:
        os.close(mounted)


def attach_file(root: int, mounted: int, path: str) -> None:
    """Attach the mount of a file at `path`, over an empty file made there. A link or file there is replaced."""
    parent, name = paths.open_parent(root, path)
    try:
        found = _lstat(parent, name)
        if found is None or not stat.S_ISREG(found.st_mode):
            paths.remove_file(parent, name)
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))
        target = os.open(name, syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        attach(mounted, target)
        os.close(target)
    finally:
        os.close(parent)


def clone_mount(fd: int, *, recursive: bool) -> int:
    """A detached copy of the mount below the open path `fd`, private to us."""
    flags = syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH | (syscalls.AT_RECURSIVE if recursive else 0)
    return syscalls.open_tree(fd, "", flags)


def copy_mount(path: str) -> int:
    """A detached copy of the mount at `path`, which is no link; another mount namespace may attach it."""
    return syscalls.open_tree(
        syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE | syscalls.AT_SYMLINK_NOFOLLOW
    )


def new_tmpfs(size: int | str | None, mode: int, *, nodev: bool = True) -> int:
    """A detached tmpfs, nosuid, whose root has `mode`."""
    context = syscalls.fsopen("tmpfs")
    try:
        syscalls.fsconfig_string(context, "source", "shipway")
        syscalls.fsconfig_string(context, "mode", f"{mode:o}")
        if size is not None:
            syscalls.fsconfig_string(context, "size", str(size))
        return syscalls.fsmount(context, _SAFE if nodev else syscalls.MOUNT_ATTR_NOSUID)
    finally:
        os.close(context)


def new_proc() -> int:
    """A detached proc of the caller's pid namespace."""
    context = syscalls.fsopen("proc")
    try:
        syscalls.fsconfig_string(context, "source", "proc")
        return syscalls.fsmount(context, _SAFE | syscalls.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(context)


def host_proc(outer: int) -> int:
    """A detached copy of the proc that is open at `outer`, with all that is mounted in it."""
    mounted = clone_mount(outer, recursive=True)
    syscalls.mount_setattr(mounted, _SAFE | syscalls.MOUNT_ATTR_NOEXEC, recursive=True)
    return mounted


def new_pts() -> int:
    """A detached devpts instance of its own."""
    context = syscalls.fsopen("devpts")
    try:
        syscalls.fsconfig_string(context, "source", "devpts")
        syscalls.fsconfig_string(context, "ptmxmode", "0666")
        syscalls.fsconfig_string(context, "mode", "0620")
        return syscalls.fsmount(context, syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NOEXEC)
    finally:
        os.close(context)


def _protect(proc: int, name: str) -> None:
    """Mount `name` of /proc read-only over itself, if there is one."""
    try:
        fd = os.open(name, syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=proc)
    except FileNotFoundError:
        return
    cloned = clone_mount(fd, recursive=True)
    syscalls.mount_setattr(
        cloned, syscalls.MOUNT_ATTR_RDONLY | _SAFE | syscalls.MOUNT_ATTR_NOEXEC, recursive=True
    )
    attach(cloned, fd)
    os.close(fd)


def _hide(proc: int, name: str, empty: int) -> None:
    """Mount an empty, unreadable file over `name` of /proc, if there is one."""
    try:
        fd = os.open(name, syscalls.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=proc)
    except FileNotFoundError:
        return
    cloned = clone_mount(empty, recursive=False)
    syscalls.mount_setattr(cloned, syscalls.MOUNT_ATTR_RDONLY | _SAFE, recursive=False)
    attach(cloned, fd)
    os.close(fd)


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return None


def _open_source(path: str, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError as error:
        raise SandboxFailure(
            f"cannot open `{path}`: {error.strerror}", step="open sources", errno=error.errno or errno.EIO
        ) from error


def _failure(op: Op, error: OSError | ValueError) -> SandboxFailure:
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return SandboxFailure(
            f"{op.describe()}: {error.strerror}{where}", step=op.describe(), errno=error.errno or 0
        )
    return SandboxFailure(f"{op.describe()}: {error}", step=op.describe())

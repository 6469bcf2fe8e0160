"""Where a host refuses namespaces and mounts: a merged tree, entered by chroot (root) or PRoot (anybody).

What a mount would have shown is put into the tree for the time of the run and taken out again, so that the tree holds afterwards
what an overlay's upper directory would. Neither way is a boundary; `World.notes` says so in words.
"""

from __future__ import annotations

import errno
import os
import stat

from . import paths, process, syscalls
from .model import PROOT, Bind, Dev, MakeDir, Overlay, Proc, SandboxFailure, Symlink, Tmpfs, WriteFile
from .mounts import DEVICES, LINKS, write_op
from .trees import copy_tree, remove_at, tree_size, update_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .model import Op, Request

MOST_COPIED = 1 << 30
"""Bytes that a host directory may have to be copied into the tree; more is refused rather than waited for."""

_DIRECTORY = syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_HOST_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def find_proot() -> str | None:
    """The host's PRoot."""
    for directory in (*os.environ.get("PATH", "").split(":"), *_HOST_PATH):
        path = f"{directory}/proot"
        if directory.startswith("/") and os.access(path, os.X_OK):
            return path
    return None


class World:
    """A merged tree made ready. `clean` undoes what stood for mounts."""

    def __init__(self, request: Request, mode: str):
        if request.merged_root is None:
            raise SandboxFailure(f"mode `{mode}` needs a merged tree of all lowers", step="merged tree")
        self.request = request
        self.mode = mode
        self.notes = [_what_is_open(request, mode)]
        self.place = os.path.realpath(request.merged_root)
        self._root = os.open(self.place, _DIRECTORY)
        self._aside = f"{self.place}.aside"
        self._undo: list[Callable[[], None]] = []
        self._binds: list[tuple[str, str]] = []
        self._covers = 0
        self._parents: list[int] = []

    def descriptors(self) -> tuple[int, ...]:
        """What `clean` still needs open."""
        return (self._root, *self._parents)

    def prepare(self) -> None:
        """Carry out the request's operations. Raises `SandboxFailure` naming the one that failed."""
        os.makedirs(self._aside, mode=0o700, exist_ok=True)
        for op in self.request.ops:
            try:
                self._perform(op)
            except OSError as error:
                raise SandboxFailure(
                    f"{op.describe()}: {error.strerror}", step=op.describe(), errno=error.errno or 0
                ) from error

    def enter(self) -> None:
        """chroot, for the command's process."""
        os.chroot(self.place)
        os.chdir("/")

    def clean(self) -> None:
        """Take out what stood for mounts, last first."""
        while self._undo:
            self._undo.pop()()
        remove_at(None, self._aside)

    def _perform(self, op: Op) -> None:
        match op:
            case Overlay(target="/"):
                return
            case Overlay():
                raise SandboxFailure(
                    "only the root can be merged where mounts are refused", step=op.describe()
                )
            case Symlink() | WriteFile() | MakeDir():
                write_op(self._root, op)
            case Bind():
                self._bind(op)
            case Tmpfs():
                self._tmpfs(op.target, op.mode)
            case Proc():
                self._proc(op.target)
            case Dev():
                self._dev(op)
            case _:
                raise SandboxFailure("unknown operation", step=op.describe())

    def _bind(self, op: Bind) -> None:
        if not os.path.lexists(op.source) and op.optional:
            return
        if self.mode == PROOT:
            os.stat(op.source)
            self._mount_point(op.target, directory=os.path.isdir(op.source))
            self._binds.append((op.source, op.target))
        elif os.path.realpath(op.source) in ("/sys", "/proc", "/dev"):
            os.close(paths.make_directories(self._root, op.target))
        else:
            self._copy_in(op)

    def _copy_in(self, op: Bind) -> None:
        if tree_size(op.source, MOST_COPIED) > MOST_COPIED:
            raise SandboxFailure(
                f"`{op.source}` is too large to be copied to `{op.target}`, and mounts are refused here: install `proot`",
                step=op.describe(),
            )
        shown = self._cover(op.target, 0o755, directory=os.path.isdir(op.source))
        copy_tree(op.source, shown)
        if not op.read_only:
            self._undo.append(lambda: update_tree(shown, op.source))

    def _tmpfs(self, target: str, mode: int) -> None:
        if self.mode == PROOT:
            self._mount_point(target, directory=True)
            self._binds.append((self._private(mode), target))
        else:
            self._cover(target, mode, directory=True)

    def _proc(self, target: str) -> None:
        os.close(paths.make_directories(self._root, target))
        if self.mode == PROOT:
            self._binds.append(("/proc", target))

    def _dev(self, op: Dev) -> None:
        if self.mode == PROOT:
            self._mount_point(op.target, directory=True)
            made = self._private(0o755)
            self._binds.append((made, op.target))
            self._binds += [(f"/dev/{name}", f"{op.target}/{name}") for name in (*DEVICES, "ptmx", "pts")]
            self._binds.append((self._private(0o1777), f"{op.target}/shm"))
        else:
            made = self._cover(op.target, 0o755, directory=True)
            self._make_devices(made)
            os.mkdir(f"{made}/shm")
            os.chmod(f"{made}/shm", 0o1777)  # noqa: S103 - as every /dev/shm
        for name, text in LINKS:
            if not os.path.lexists(f"{made}/{name}") and name != "ptmx":
                os.symlink(text, f"{made}/{name}")

    def _make_devices(self, directory: str) -> None:
        for name in DEVICES:
            path = f"{directory}/{name}"
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
            except PermissionError:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
                self._note(f"/dev/{name} is a plain file, because devices are refused")
            os.chmod(path, 0o666)  # noqa: S103 - as every /dev/null

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _private(self, mode: int) -> str:
        """An empty directory outside the tree, for PRoot to bind."""
        self._covers += 1
        path = f"{self._aside}/private{self._covers}"
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def _mount_point(self, target: str, *, directory: bool) -> None:
        """What a mount would have left in the upper directory: the place it was made on."""
        if directory:
            os.close(paths.make_directories(self._root, target))
            return
        parent, name = paths.open_parent(self._root, target)
        try:
            _lay_empty_file(parent, name)
        finally:
            os.close(parent)

    def _cover(self, target: str, mode: int, *, directory: bool) -> str:
        """Put an empty directory or file where `target` is, and what is there aside; returns its path on the host.

        Held by descriptors from now on: what runs inside may exchange the directories above.
        """
        self._mount_point(target, directory=directory)
        resolved = paths.open_in_root(self._root, target)
        place = os.readlink(f"/proc/self/fd/{resolved}")
        os.close(resolved)
        if place == self.place:
            raise OSError(errno.EINVAL, "the root itself cannot be covered", target)
        head, name = os.path.split(place)
        parent = os.open(head, _DIRECTORY)
        self._parents.append(parent)
        self._covers += 1
        aside = f"{self._aside}/covered{self._covers}"
        os.rename(name, aside, src_dir_fd=parent)
        if directory:
            os.mkdir(name, dir_fd=parent)
            os.chmod(name, mode, dir_fd=parent)
        else:
            _lay_empty_file(parent, name)

        def uncover() -> None:
            remove_at(parent, name)
            os.rename(aside, name, dst_dir_fd=parent)

        self._undo.append(uncover)
        return place

    def find_missing_command(self) -> tuple[str, int] | None:
        """Why PRoot would not find the command, for which it has no exit code; None if it is there, or bound from the host."""
        name, worst = self.request.argv[0], errno.ENOENT
        for candidate in process.find_candidates(name, self.request.env):
            path = candidate if candidate.startswith("/") else f"{self.request.cwd}/{candidate}"
            if any(f"{path}/".startswith(f"{target.rstrip('/')}/") for _, target in self._binds):
                return None
            try:
                fd = paths.open_in_root(self._root, path)
            except OSError:
                continue
            mode = os.fstat(fd).st_mode
            os.close(fd)
            if stat.S_ISREG(mode) and mode & 0o111:
                return None
            worst = errno.EACCES
        return process.describe_missing(name, worst), worst

    def render_proot(self, proot: str) -> list[str]:
        """PRoot's command line; the environment it starts with is its own, so loader variables of ours travel as arguments."""
        request = self.request
        binds = [word for source, target in self._binds for word in ("-b", f"{source}:{target}")]
        # PRoot's own pretence of root rewrites the ids of a chown before it can be recorded; a build pretends by the filter.
        fake_root = ["-0"] if request.host_uid_as == "root" and not request.suppress_chown else []
        loader = [f"{name}={value}" for name, value in request.env.items() if name.startswith("LD_")]
        command = ["/usr/bin/env", *loader, *request.argv] if loader else list(request.argv)
        return [proot, *fake_root, "-r", self.place, *binds, "-w", request.cwd, *command]


def proot_environment(env: dict[str, str]) -> dict[str, str]:
    """`env` without what would steer PRoot's own loader, or PRoot."""
    return {name: value for name, value in env.items() if not name.startswith(("LD_", "PROOT_"))}


def _lay_empty_file(parent: int, name: str) -> None:
    try:
        found = os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        found = None
    if found is not None and stat.S_ISREG(found.st_mode):
        return
    paths.remove_file(parent, name)
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=parent))


def _what_is_open(request: Request, mode: str) -> str:
    network = ", network" if request.network == "none" else ""
    if mode == PROOT:
        return (
            "namespaces are refused here, so PRoot is used: processes, host name"
            f"{network} and files are not isolated, read-only mounts can be written, and it is slower"
        )
    return (
        "namespaces and mounts are refused here, so chroot is used: processes, host name"
        f"{network} and the host's files are not isolated from root inside, /proc is missing, and mounted directories are copies"
    )

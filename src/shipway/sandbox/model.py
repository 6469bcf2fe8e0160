"""What a sandbox is asked for and what it answers: plain classes that travel as JSON.

No `dataclasses` here: the file is started alone for every run, and that import costs more than entering the namespaces.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

SCRATCH = "tmpfs"
"""As `Overlay.upper`: what is written lives in memory and is thrown away."""

MAX_LOWERS = 500
"""The kernel's OVL_MAX_STACK."""


class Value:
    """Equality, text and JSON from `__slots__`."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, n) == getattr(other, n) for n in self.__slots__
        )

    def __hash__(self) -> int:
        return hash((type(self), *(repr(getattr(self, n)) for n in self.__slots__)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.__slots__)})"

    def fields(self) -> dict[str, Any]:
        """The fields by name."""
        return {n: getattr(self, n) for n in self.__slots__}


class Op(Value):
    """One step of making the file system. `target` is an absolute path inside the new root."""

    __slots__ = ()
    target: str

    def describe(self) -> str:
        """One line for people and for `--dry-run`."""
        return f"{type(self).__name__.lower()} {self.target}"

    def to_json(self) -> dict[str, Any]:
        """JSON values; bytes as Latin-1 text."""
        values = {n: v.decode("latin-1") if isinstance(v, bytes) else v for n, v in self.fields().items()}
        return {"op": type(self).__name__, **values}


class Overlay(Op):
    """Lower directories, top first, under a writable `upper` directory.

    `upper`: a directory on a file system overlayfs can write to (with `work`, an empty directory beside it); `SCRATCH` for
    memory that is thrown away; None for read-only. At most 500 lowers: merge more before. `volatile` skips all syncs:
    for uppers that nothing needs after a crash. `scratch_size` is in bytes (default: half of the memory).
    """

    __slots__ = ("lowers", "scratch_size", "target", "upper", "volatile", "work")

    def __init__(
        self,
        lowers: Sequence[str],
        upper: str | None = SCRATCH,
        work: str | None = None,
        target: str = "/",
        *,
        volatile: bool = False,
        scratch_size: int | None = None,
    ):
        self.lowers = tuple(lowers)
        self.upper = upper
        self.work = work
        self.target = target
        self.volatile = volatile
        self.scratch_size = scratch_size

    def describe(self) -> str:  # noqa: D102
        top = {None: "read-only", SCRATCH: "thrown away"}.get(self.upper, f"upper {self.upper}")
        return f"overlay {self.target}: {len(self.lowers)} lowers, {top}"


class Bind(Op):
    """A host file or directory shown inside. `optional`: left out if the source does not exist. `devices`: device nodes work."""

    __slots__ = ("devices", "optional", "read_only", "recursive", "source", "target")

    def __init__(
        self,
        source: str,
        target: str,
        *,
        read_only: bool = False,
        recursive: bool = True,
        optional: bool = False,
        devices: bool = False,
    ):
        self.source = source
        self.target = target
        self.read_only = read_only
        self.recursive = recursive
        self.optional = optional
        self.devices = devices

    def describe(self) -> str:  # noqa: D102
        return f"bind {self.source} -> {self.target}{' (read-only)' if self.read_only else ''}"


class Tmpfs(Op):
    """An empty file system in memory, `size` bytes at most (None: half of the memory)."""

    __slots__ = ("mode", "size", "target")

    def __init__(self, target: str, size: int | None = None, mode: int = 0o1777):
        self.target = target
        self.size = size
        self.mode = mode


class Proc(Op):
    """/proc of the sandbox's own processes, its host-wide switches read-only. `host`: of the host's, without a pid namespace."""

    __slots__ = ("host", "target")

    def __init__(self, target: str = "/proc", *, host: bool = False):
        self.target = target
        self.host = host

    def describe(self) -> str:  # noqa: D102
        return f"proc {self.target}{' (the processes of the host)' if self.host else ''}"


class Dev(Op):
    """A minimal /dev: null zero full random urandom tty, own pts, shm of `shm_size` bytes (None: half of the memory)."""

    __slots__ = ("shm_size", "target")

    def __init__(self, target: str = "/dev", shm_size: int | None = None):
        self.target = target
        self.shm_size = shm_size


class Symlink(Op):
    """A symbolic link at `target` whose text is `text`; whatever link or file was there is replaced."""

    __slots__ = ("target", "text")

    def __init__(self, text: str, target: str):
        self.text = text
        self.target = target

    def describe(self) -> str:  # noqa: D102
        return f"symlink {self.target} -> {self.text}"


class WriteFile(Op):
    """A regular file with `data`; a link or file at `target` is replaced, never written through."""

    __slots__ = ("data", "mode", "target")

    def __init__(self, target: str, data: bytes, mode: int = 0o644):
        self.target = target
        self.data = data
        self.mode = mode

    def describe(self) -> str:  # noqa: D102
        return f"write {self.target} ({len(self.data)} bytes)"


class MakeDir(Op):
    """A directory, with its parents."""

    __slots__ = ("mode", "target")

    def __init__(self, target: str, mode: int = 0o755):
        self.target = target
        self.mode = mode


OPS: dict[str, type[Op]] = {
    kind.__name__: kind for kind in (Overlay, Bind, Tmpfs, Proc, Dev, Symlink, WriteFile, MakeDir)
}


def parse_op(value: Mapping[str, Any]) -> Op:
    """The inverse of `Op.to_json`. Raises `ValueError` on an unknown operation or field."""
    fields = dict(value)
    name = fields.pop("op", None)
    if not isinstance(name, str) or name not in OPS:
        raise ValueError(f"unknown operation `{name}`")
    kind = OPS[name]
    if "data" in fields:
        fields["data"] = str(fields["data"]).encode("latin-1")
    unknown = set(fields) - set(kind.__slots__)
    if unknown:
        raise ValueError(f"operation `{name}` has no field `{min(unknown)}`")
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"operation `{name}`: {error}") from error


class Request(Value):
    """A process and the world it sees. Every field has a stated default; the environment is `env` and nothing else.

    `host_uid_as`: the caller's id inside, `root` (0) or `self`. `network`: `host` or `none`.

    `suppress_chown`: a build; changes of owner, file capabilities, ACLs and devices are recorded and answered 0, changes of
    own ids are answered 0. `drop_caps` False leaves root inside the capabilities that package scripts need. `rlimits`:
    names of `resource` without `RLIMIT_`, soft and hard, -1 for unlimited. `keep_fds`: descriptors the process inherits.
    `mode`: `auto` or a `Mode`; `merged_root`: the tree that stands for all lowers in modes without mounts. `control`: more
    can be started inside while it runs (`control.py`). `relay`: a terminal of the command is joined to the caller's streams;
    False with `control`: its master is handed to the caller. `join`: open descriptors of namespaces to enter instead of making
    them, by name (`user`, `pid`, `ipc`, `uts`, `net`); the others must belong to `user`, which is why it has to be among them.
    `shm` is the detached mount that `/dev/shm` is to be. With `mnt` the file system is the one there, and `ops` are not done.
    """

    __slots__ = (
        "argv", "control", "cwd", "drop_caps", "env",
        "forward_signals", "host_uid_as", "hostname", "ipc", "join", "keep_fds", "merged_root", "mode",
        "network", "no_new_privs", "ops", "pid_namespace", "relay", "rlimits", "seccomp_terminal", "suppress_chown",
        "suppress_sync",
        "tty", "umask", "uts",
    )  # fmt: skip

    def __init__(
        self,
        ops: Iterable[Op],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        host_uid_as: str = "self",
        network: str = "host",
        hostname: str | None = None,
        pid_namespace: bool = True,
        ipc: bool = True,
        uts: bool = True,
        no_new_privs: bool = True,
        drop_caps: bool = True,
        suppress_chown: bool = False,
        suppress_sync: bool = False,
        seccomp_terminal: bool = True,
        rlimits: Mapping[str, tuple[int, int]] | None = None,
        tty: bool = False,
        umask: int = 0o022,
        keep_fds: Sequence[int] = (),
        forward_signals: bool = True,
        mode: str = "auto",
        merged_root: str | None = None,
        control: bool = False,
        relay: bool = True,
        join: Mapping[str, int] | None = None,
    ):
        self.ops = tuple(ops)
        self.argv = tuple(argv)
        self.env = dict(env or {})
        self.cwd = cwd
        self.host_uid_as = host_uid_as
        self.network = network
        self.hostname = hostname
        self.pid_namespace, self.ipc, self.uts = pid_namespace, ipc, uts
        self.no_new_privs = no_new_privs
        self.drop_caps = drop_caps
        self.suppress_chown, self.suppress_sync = suppress_chown, suppress_sync
        self.seccomp_terminal = seccomp_terminal
        self.rlimits = {name: (int(pair[0]), int(pair[1])) for name, pair in (rlimits or {}).items()}
        self.tty = tty
        self.umask = umask
        self.keep_fds = tuple(keep_fds)
        self.forward_signals = forward_signals
        self.mode = mode
        self.merged_root = merged_root
        self.control, self.relay = control, relay
        self.join = dict(join or {})
        self._check()

    def _check(self) -> None:
        if not self.argv:
            raise ValueError("argv is empty")
        for name, value, allowed in (
            ("host_uid_as", self.host_uid_as, ("root", "self")),
            ("network", self.network, ("host", "none")),
            ("mode", self.mode, ("auto", *MODES)),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is `{value}`, must be one of {', '.join(allowed)}")
        for path in (self.cwd, *(op.target for op in self.ops)):
            if not path.startswith("/") or "\0" in path:
                raise ValueError(f"`{path}` is not an absolute path inside the sandbox")

    def replace(self, **changes: Any) -> Request:
        """A copy with some fields changed."""
        return Request(**{**self.fields(), **changes})

    def mounted_ops(self) -> tuple[Op, ...]:
        """The operations with `merged_root`, if there is one, in place of the overlay at `/`."""
        if self.merged_root is None:
            return self.ops
        merged = Bind(self.merged_root, "/", recursive=False)
        return tuple(merged if isinstance(op, Overlay) and op.target == "/" else op for op in self.ops)

    def describe(self) -> list[str]:
        """One line per operation, then the command."""
        return [*(op.describe() for op in self.ops), f"exec {' '.join(self.argv)} in {self.cwd}"]

    def to_json(self) -> dict[str, Any]:
        """JSON values that `parse_request` reads back."""
        return {**self.fields(), "ops": [op.to_json() for op in self.ops]}


NAMESPACES = "namespaces"
"""User and mount namespaces, overlay mounts."""
MOUNTS = "mounts"
"""Mount namespace only: root, where user namespaces are refused."""
CHROOT = "chroot"
"""Root, where mounts are refused: chroot into a merged tree."""
PROOT = "proot"
"""A plain user, where namespaces are refused: PRoot into a merged tree."""
MODES = (NAMESPACES, MOUNTS, CHROOT, PROOT)


def parse_request(value: Mapping[str, Any]) -> Request:
    """The inverse of `Request.to_json`. Raises `ValueError` naming what is wrong."""
    fields = dict(value)
    unknown = set(fields) - set(Request.__slots__)
    if unknown:
        raise ValueError(f"unknown field `{min(unknown)}`")
    ops = [parse_op(op) for op in fields.pop("ops", [])]
    try:
        return Request(ops, fields.pop("argv", ()), **fields)
    except TypeError as error:
        raise ValueError(str(error)) from error


class Owner(Value):
    """A recorded change of owner: what is at `path` (inside) at the end belongs to `uid`, `gid`; -1 means not changed."""

    __slots__ = ("gid", "path", "uid")

    def __init__(self, path: str, uid: int, gid: int):
        self.path = path
        self.uid = uid
        self.gid = gid


class Attribute(Value):
    """A recorded extended attribute: a file capability or an ACL."""

    __slots__ = ("name", "path", "value")

    def __init__(self, path: str, name: str, value: bytes):
        self.path = path
        self.name = name
        self.value = value


class Device(Value):
    """A recorded device node: `mode` with its type bits, `device` as the kernel encodes it."""

    __slots__ = ("device", "mode", "path")

    def __init__(self, path: str, mode: int, device: int):
        self.path = path
        self.mode = mode
        self.device = device


class Result(Value):
    """How it ended. `code` is what a shell reports (128 + n for signal n); `note` says what was not isolated, '' if all was."""

    __slots__ = (
        "bus_errors", "code", "devices", "message", "mode", "note", "ownership", "shown", "signal", "xattrs",
    )  # fmt: skip

    def __init__(
        self,
        code: int,
        signal: int = 0,
        *,
        mode: str = NAMESPACES,
        note: str = "",
        message: str = "",
        ownership: Sequence[Owner] = (),
        xattrs: Sequence[Attribute] = (),
        devices: Sequence[Device] = (),
        bus_errors: int = 0,
        shown: bytes = b"",
    ):
        """`message`: why the command could not be executed (codes 126 and 127 of our own), else ''.

        `bus_errors`: processes inside that SIGBUS ended, where `control` is asked for and the kernel tells. `shown`: the last
        that a relayed terminal showed, of a command that failed.
        """
        self.code = code
        self.signal = signal
        self.mode = mode
        self.note = note
        self.message = message
        self.ownership = tuple(ownership)
        self.xattrs = tuple(xattrs)
        self.devices = tuple(devices)
        self.bus_errors = bus_errors
        self.shown = shown

    def to_json(self) -> dict[str, Any]:
        """JSON values; attribute bytes as hexadecimal."""
        return {
            "code": self.code,
            "signal": self.signal,
            "mode": self.mode,
            "note": self.note,
            "message": self.message,
            "ownership": [[o.path, o.uid, o.gid] for o in self.ownership],
            "xattrs": [[a.path, a.name, a.value.hex()] for a in self.xattrs],
            "devices": [[d.path, d.mode, d.device] for d in self.devices],
        }


class SandboxFailure(Exception):
    """The sandbox could not be set up: `step` is what was tried, `errno` the kernel's answer (0 if none)."""

    def __init__(self, message: str, *, step: str = "", errno: int = 0, hints: Sequence[str] = ()):
        """`hints`: next steps for the person at this host."""
        super().__init__(message)
        self.message = message
        self.step = step
        self.errno = errno
        self.hints = tuple(hints)

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (self.message, self.step, self.errno, self.hints))


def _revive(message: str, step: str, errno: int, hints: tuple[str, ...]) -> SandboxFailure:
    return SandboxFailure(message, step=step, errno=errno, hints=hints)

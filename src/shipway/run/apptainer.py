"""A `RunRequest` as Apptainer's command line (pure). Words as in `apptainer exec --help`, 1.1 to 1.4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.core.errors import EngineError
from shipway.core.text import shown
from shipway.run.model import Limits, Network, Top
from shipway.run.oci.command import RUN, csv_field, limit_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.run.model import RunRequest

NAME = "apptainer"
PROCESS = "starter"
"""What the kernel calls its processes that hold a container."""
ROOT = "ROOT"
"""Stands for the folder that has the environment."""
SCRATCH = (("scratch", "/tmp"), ("vartmp", "/var/tmp"), ("run", "/run"))  # noqa: S108 - inside
"""Folders below the run's own, and what they are inside: whatever the top is, they can be written."""
TOP = "top"
_PASSED = frozenset({"APPTAINER_CACHEDIR", "APPTAINER_CONFIGDIR", "APPTAINER_TMPDIR"})
"""Of the caller's variables for Apptainer, those that say where its own files are."""
STEERING = ("APPTAINER", "SINGULARITY")
"""How variables begin that Apptainer reads, or sets inside."""
_PREFIX = "APPTAINERENV_"
_SPECIAL = frozenset({"UID", "EUID", "GID", "PREPEND_PATH", "APPEND_PATH"})
"""Names that mean something else to the shell by which Apptainer sets variables."""
_NATIVE = "use `--engine native`"


def require_doable(request: RunRequest) -> None:
    """Make sure that Apptainer can do all of `request`.

    Raises:
        EngineError: it cannot; names what.
    """
    if request.top is Top.KEPT:
        raise EngineError(
            "Apptainer keeps nothing under a name",
            hints=("write to the project or the home folder", "use `--keep` with `--engine native`"),
        )
    if request.shm_asked:
        raise EngineError(
            "Apptainer cannot set the size of `/dev/shm`, which is half of the memory there",
            hints=("leave the size out", _NATIVE),
        )
    for wanted, what in _beyond(request):
        if wanted:
            raise EngineError(f"Apptainer cannot {what}", hints=("leave it out", _NATIVE))
    env = dict(request.env)
    unfit = [name for name, value in request.env if not _can_set(name, value)]
    if env.get("HOME", request.account.home) != request.account.home:
        unfit.append("HOME")
    if unfit:
        names = ", ".join(f"`{shown(name)}`" for name in unfit)
        raise EngineError(f"Apptainer cannot set {names} inside", hints=("leave the variable out", _NATIVE))


def _beyond(request: RunRequest) -> tuple[tuple[object, str], ...]:
    return (
        (
            request.network is Network.BRIDGE,
            "give a container a network of its own, or show its ports (`--publish`)",
        ),
        (request.pid_space, f"share processes (`--pid {request.pid_space}`)"),
        (request.ipc_space, f"share memory (`--ipc {request.ipc_space}`)"),
        (request.user, f"run as another user (`--user {request.user}`)"),
        (request.groups, "add groups (`--group-add`); those that you are in are in force"),
        (
            request.ulimits,
            "set limits of processes (`--ulimit`); yours are in force, as `ulimit` in your shell sets them",
        ),
        (request.tmpfs, "make folders in memory (`--tmpfs`)"),
        (request.gpus, f"be told of GPUs by us yet (`--gpus {request.gpus}`)"),
        (request.display, "be given your screen by us yet (`--display`)"),
    )


def render_holding(request: RunRequest, *, root: str, folder: str, program: str) -> tuple[str, ...]:
    """The words for a container that lives on, in its `folder`: it runs nothing but `program`, a file in that folder's `run`.

    Limits and variables are not among them: whoever enters the container brings them.

    Raises:
        EngineError: Apptainer cannot do what is asked.
    """
    top = Top.READ_ONLY if request.top is Top.READ_ONLY else Top.THROWN_AWAY
    held = request._replace(argv=(f"/run/{program}",), cwd="/", env=(), top=top, limits=Limits())
    silent, verb, *words = render_exec(held, root=root, folder=folder, top="")
    # A container without a user namespace of its own could only be entered by root.
    own = () if request.account.uid == 0 else ("--userns",)
    return (silent, verb, "--no-init", *own, *words)


def render_exec(
    request: RunRequest, *, root: str = ROOT, folder: str = RUN, top: str = f"/{TOP}"
) -> tuple[str, ...]:
    """The words after Apptainer's program that are `request`, in the tree at `root`.

    `folder`: holds the folders of `SCRATCH`, the writable top at `top`, and the run's own files below `files`. The variables are
    `render_environ`.

    Raises:
        EngineError: Apptainer cannot do what is asked.
    """
    require_doable(request)
    home, *others = sorted(request.mounts, key=lambda mount: mount.target != request.account.home)
    return (
        "--silent",
        "exec",
        "--containall",
        "--cleanenv",
        "--no-eval",
        "--no-umask",
        "--no-privs",
        "--no-mount=bind-paths",
        f"--hostname={request.hostname}",
        *(("--net", "--network=none") if request.network is Network.NONE else ()),
        *limit_words(request.limits, unit=""),
        *((f"--overlay={_plain(folder)}{top}",) if request.top is not Top.READ_ONLY else ()),
        f"--home={_plain(home.source)}:{_plain(home.target)}",
        *(_mount(f"{folder}/{name}", target) for name, target in SCRATCH),
        *(_mount(path, path, read_only=True) for path in _guarded(request)),
        *(_mount(f"{folder}/files/{file.path}", f"/{file.path}", read_only=True) for file in request.files),
        *(_mount(mount.source, mount.target, read_only=mount.read_only) for mount in others),
        f"--pwd={request.cwd}",
        root,
        *request.argv,
    )


def render_environ(request: RunRequest, caller: Mapping[str, str]) -> dict[str, str]:
    """The environment of Apptainer's program: the caller's without what would change the container, and the container's own.

    Only the caller and root can read it, unlike an argument list.
    """
    kept = {name: value for name, value in caller.items() if not name.startswith(STEERING) or name in _PASSED}
    return kept | {f"{_PREFIX}{name}": value for name, value in request.env if name != "HOME"}


def _can_set(name: str, value: str) -> bool:
    return name.isascii() and name.isidentifier() and name not in _SPECIAL and bool(value or name != "PATH")


def _guarded(request: RunRequest) -> tuple[str, ...]:
    """What root could write without any right, and has to be read-only."""
    return ("/sys", "/proc/sys") if request.account.uid == 0 else ()


def _plain(path: str) -> str:
    """`path`, for options that divide their value at colons and commas and know no quotes.

    Raises:
        EngineError: it has one.
    """
    if ":" in path or "," in path:
        raise EngineError(
            f"Apptainer cannot use `{shown(path)}`: it takes colons and commas for ends of a path",
            hints=("set XDG_STATE_HOME to a folder without them", _NATIVE),
        )
    return path


def _mount(source: str, target: str, *, read_only: bool = False) -> str:
    fields = ["type=bind", f"source={source}", f"destination={target}", *(["ro"] if read_only else [])]
    return "--mount=" + ",".join(csv_field(field) for field in fields)

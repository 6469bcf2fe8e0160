"""The native engine: a `RunRequest` as a `sandbox.Request` (pure), and its life from the first folder to the exit code."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, ExitCode, ToolError
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.files import FULL, SPACE_HINTS, remove_tree, translating_disk_errors
from shipway.run.facts import find_inside
from shipway.run.inside import command_missing, command_unusable
from shipway.run.model import Network, Outcome, Top
from shipway.run.mounting import make_mount_sources, private_folder
from shipway.run.native_can import require_possible
from shipway.run.top.names import example_folders, opened_top
from shipway.sandbox.model import Bind, Dev, MakeDir, Overlay, Proc, Request, SandboxFailure, Tmpfs, WriteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shipway.core.events import Emit
    from shipway.run.model import Merge, Mount, RunRequest
    from shipway.run.top.names import TopFolders
    from shipway.sandbox.launch import Running
    from shipway.sandbox.model import Op, Result

    Door = tuple[int, Callable[[Running], None]]
    """Where others may ask for what runs, and who answers."""

NAME = "native"
_DOCTOR = "`shipway doctor` says what this host refuses"
_WORKDIR = "cannot enter the working directory: No such file"
REFUSALS = frozenset({"namespaces", "mounts", "overlay"})
"""Steps of the sandbox after whose failure nothing has run, and a merged tree may still do."""
_EPHEMERAL = ("/run", "/var/tmp")  # noqa: S108 - inside a container, in memory of its own


class HostRefuses(EngineError):
    """The host allows none of the ways that our own engine has. Nothing of the command has run."""


def not_set_up(failure: SandboxFailure) -> EngineError:
    """The error of a container whose sandbox could not be set up."""
    message = f"the container could not be started: {failure.message}"
    if failure.step in REFUSALS:
        return HostRefuses(message, hints=(*failure.hints, _DOCTOR))
    if _WORKDIR in failure.message:
        return EngineError(
            message,
            hints=("make that folder: in a folder of yours nothing is made unasked", "or leave `-w` out"),
        )
    if failure.errno in FULL:
        return EngineError(message, hints=SPACE_HINTS)
    return EngineError(message, hints=(*failure.hints, _DOCTOR))


def plan_sandbox(request: RunRequest, folders: TopFolders) -> Request:
    """The sandbox that is `request`, with its writable parts in `folders`."""
    return Request(
        (
            *_root_ops(request, folders),
            *_system_ops(request, folders),
            *_placed_ops(request),
            *_start_ops(request),
        ),
        request.argv,
        env=dict(request.env),
        cwd=request.cwd,
        host_uid_as="root" if request.user and request.account.uid == 0 else "self",
        network="host" if request.network is Network.HOST else "none",
        pid_namespace=request.pid_space != "host",
        ipc=request.ipc_space != "host",
        rlimits={limit.name: (limit.soft, limit.hard) for limit in request.ulimits},
        hostname=request.hostname,
        tty=request.tty,
        merged_root=request.merged_root or None,
    )


def _root_ops(request: RunRequest, folders: TopFolders) -> tuple[Op, ...]:
    """The environment with the files of this run written over it (a read-only root becomes so when all is in place)."""
    return (
        _overlay(request, folders),
        *(WriteFile("/" + file.path, file.data, file.mode) for file in request.files),
    )


def _overlay(request: RunRequest, folders: TopFolders) -> Overlay:
    lowers = (folders.over, *request.lowers) if request.foreign else request.lowers
    if request.top is Top.READ_ONLY:
        return Overlay(lowers, upper=None)
    if not folders.upper:
        return Overlay(lowers)
    # What is thrown away never has to reach the disk.
    return Overlay(lowers, folders.upper, folders.work, volatile=request.top is Top.THROWN_AWAY)


def _system_ops(request: RunRequest, folders: TopFolders) -> tuple[Op, ...]:
    read_only = request.top is Top.READ_ONLY
    return (
        Proc(host=request.pid_space == "host"),
        Dev(shm_size=request.shm_size),
        *((Bind("/dev/shm", "/dev/shm"),) if request.ipc_space == "host" else ()),  # noqa: S108 - that of the host
        Bind("/sys", "/sys", read_only=True, optional=True),
        Bind(folders.scratch, "/tmp"),  # noqa: S108 - inside
        *(Tmpfs(path) for path in _EPHEMERAL if read_only),
    )


def _placed_ops(request: RunRequest) -> tuple[Op, ...]:
    """Mounts and folders in memory, parents first."""
    binds = [_bind(mount) for mount in request.mounts]
    private = private_folder(request)
    made = (MakeDir(private, 0o700),) if private else ()
    if not request.tmpfs:
        return (*made, *binds)
    ops = (*made, *binds, *(Tmpfs(one.target, one.size, one.mode) for one in request.tmpfs))
    return tuple(sorted(ops, key=lambda op: (op.target.count("/"), op.target)))


def _start_ops(request: RunRequest) -> tuple[Op, ...]:
    """The folder where the command starts is made if it is missing, as engines do, but never in what is mounted."""
    if any(f"{request.cwd}/".startswith(f"{mount.target}/") for mount in request.mounts):
        return ()
    return (MakeDir(request.cwd),)


def _bind(mount: Mount) -> Bind:
    return Bind(mount.source, mount.target, read_only=mount.read_only)


def describe_native(request: RunRequest) -> tuple[str, ...]:
    """The steps that the sandbox would take, one line each, with stand-ins for the folders of the run.

    Raises:
        EngineError: this engine cannot do what is asked.
    """
    require_possible(request)
    return tuple(map(shown, plan_sandbox(request, example_folders(request)).describe()))


def run_native(
    request: RunRequest, *, state: str, runtime: str, emit: Emit = silent, merge: Merge | None = None
) -> Outcome:
    """Run the container to its end with the caller's terminal and streams.

    `state`: the state folder. `runtime`: XDG_RUNTIME_DIR of the user's session manager, empty if there is none. `merge`: makes
    one tree of all lowers, for hosts that refuse namespaces or overlay mounts; without it such hosts are refused.

    Raises:
        HostRefuses: this host allows no way to start it.
        EngineError: it could not be started (125), or its command cannot be executed (126) or is not there (127).
        LimitError: a limit cannot be set here.
        NoSpace: the disk is full.
    """
    for note in request.notes:
        emit(Note(note, "warning"))
    with opened_top(request, state, emit) as folders:
        prepare(request, folders, state)
        try:
            with (
                _opened_spaces(request, state, folders.run, emit) as (settled, join),
                _opened_door(folders.run, settled, emit) as door,
            ):
                result = _run_somehow(settled, folders, Ways(door, join), runtime, emit, merge)
            if request.tty and request.top is Top.THROWN_AWAY:
                _tell_loss(request, folders, emit)
        except SandboxFailure as failure:
            if failure.step == "init" and (ended := _shared_end(request)):
                emit(Note(f"the container was ended: {ended}", "warning"))
                return Outcome(KILLED)
            raise not_set_up(failure) from failure
    if result.note:
        emit(Note(result.note, "warning"))
    if result.message:
        raise not_started(request, result)
    return Outcome(result.code, result.mode, _bus_error(result))


def _tell_loss(request: RunRequest, folders: TopFolders, emit: Emit) -> None:
    """Somebody who typed into the container may have installed something there, and think that it stays."""
    from shipway.run.life.upper import describe_lost, list_written  # noqa: PLC0415 - for people only

    places = [mount.target.strip("/") for mount in request.mounts]
    with contextlib.suppress(OSError):  # what cannot be read is not worth an error now
        written = list_written(folders.upper, request.lowers, places) if folders.upper else ()
        if lost := describe_lost(written):
            emit(Note(f"{lost} written outside mounts went with the container; `--keep NAME` keeps them"))


def _bus_error(result: Result) -> str:
    if not result.code:
        return ""
    from shipway.run.bus_error import find_sign  # noqa: PLC0415 - most commands succeed

    return find_sign(result.code, result.bus_errors, result.shown) or ""


KILLED = 137
"""Exit code of what was killed: 128 + SIGKILL."""


class Ways(NamedTuple):
    """The ways between a sandbox and others."""

    door: Door | None = None
    join: Mapping[str, int] = {}
    """Namespaces to enter, by name."""


@contextlib.contextmanager
def _opened_spaces(
    request: RunRequest, state: str, folder: str, emit: Emit
) -> Iterator[tuple[RunRequest, Mapping[str, int]]]:
    if request.network is not Network.BRIDGE and not (
        request.beside or request.pid_space or request.ipc_space
    ):
        yield request, {}
        return
    from shipway.run.network.spaces import opened_spaces  # noqa: PLC0415 - most runs join nothing

    def on_lost(name: str) -> None:
        from shipway.run.life.beside import explain_lost, mark_lost, warner  # noqa: PLC0415 - as above

        mark_lost(folder, name)
        warner(emit, tty=request.tty)(explain_lost(name))

    with opened_spaces(request, state=state, folder=folder, emit=emit, on_lost=on_lost) as opened:
        yield opened


def _shared_end(request: RunRequest) -> str:
    from shipway.run.network.spaces import describe_shared_end  # noqa: PLC0415 - as above

    return describe_shared_end(request)


@contextlib.contextmanager
def _opened_door(folder: str, request: RunRequest, emit: Emit) -> Iterator[Door | None]:
    """Let others list and enter the run as long as it lives."""
    from shipway.run.life.anonymous import announce, doorkeeper, open_door  # noqa: PLC0415 - describing needs none

    try:
        announce(folder, request, NAME)
        door = open_door(folder)
    except OSError as problem:
        emit(
            Note(
                f"nobody can enter this container: `{folder}` takes no socket ({problem.strerror})", "warning"
            )
        )
        yield None
        return
    try:
        yield door.fileno(), doorkeeper(door, request)
    finally:
        door.close()


def _run_somehow(
    request: RunRequest,
    folders: TopFolders,
    ways: Ways,
    runtime: str,
    emit: Emit,
    merge: Merge | None,
) -> Result:
    try:
        return _run_limited(request, plan_sandbox(request, folders), ways, runtime, emit)
    except SandboxFailure as failure:
        if merge is None or ways.join or failure.step not in REFUSALS:
            raise
    merged = merged_request(request, folders, merge)
    if request.top is Top.READ_ONLY:
        emit(
            Note(
                "this host refuses what a read-only environment needs; what is written is thrown away instead",
                "warning",
            )
        )
    return _run_limited(merged, plan_sandbox(merged, folders), ways, runtime, emit)


def merged_request(request: RunRequest, folders: TopFolders, merge: Merge) -> RunRequest:
    """The same in a tree of this run's own, or the one that was kept: what is written goes into it.

    Raises:
        NoSpace, StoreError: it cannot be made.
    """
    base = os.path.dirname(folders.upper) if request.top is Top.KEPT else folders.run
    tree, part = f"{base}/merged", f"{base}/merged.part"
    if not os.path.isdir(tree):
        with translating_disk_errors(f"merge the environment at `{tree}`"):
            remove_tree(part)
            os.mkdir(part, 0o755)
            merge(request.lowers, part)
            os.rename(part, tree)
    return request._replace(merged_root=tree)


def prepare(request: RunRequest, folders: TopFolders, state: str) -> None:
    """Have everything on the host that the sandbox is going to mount.

    Raises:
        EngineError: this engine cannot do what is asked, the source of a mount is missing, or its place in a folder of the
            user's.
        NoSpace, StoreError: something cannot be made.
    """
    require_possible(request)
    make_mount_sources(request, state)
    if request.foreign:
        with translating_disk_errors(f"write below `{folders.run}`"):
            remove_tree(folders.over)
            _lay_over(request, folders.over)


def _lay_over(request: RunRequest, over: str) -> None:
    """Make the folders that get files or mount points the caller's: the top one of merged folders says whose they are.

    In a user namespace with one id the owner of a shared store is nobody, and nobody's folders cannot be written in.
    """
    os.mkdir(over, 0o755)
    wanted = {os.path.dirname("/" + file.path) for file in request.files} | {
        os.path.dirname(m.target) for m in request.mounts
    }
    for folder in sorted(wanted):
        found, nearest = None, folder
        while found is None:
            found = find_inside(request.lowers, nearest)
            nearest = os.path.dirname(nearest)
        if os.path.isdir(found.host):
            _mirror(request.lowers, over, found.path)


def _mirror(lowers: tuple[str, ...], over: str, path: str) -> None:
    """Make `path` (free of links) and its parents in `over`, with the modes they have inside."""
    for index, char in enumerate(path + "/"):
        part = path[:index]
        if char != "/" or not part or os.path.isdir(over + part):
            continue
        found = find_inside(lowers, part)
        os.mkdir(over + part)
        os.chmod(over + part, os.stat(found.host).st_mode & 0o777 | 0o700 if found else 0o755)


def _run_limited(request: RunRequest, plan: Request, ways: Ways, runtime: str, emit: Emit) -> Result:
    if not request.limits.asked:
        return _run(plan, ways)
    from shipway.run.limits import enforced_limits  # noqa: PLC0415 - drags in `subprocess`, and most runs have no limit
    from shipway.run.memory_kills import own_mark  # noqa: PLC0415 - as above

    name = own_mark() + os.urandom(4).hex()
    with enforced_limits(request.limits, uid=os.geteuid(), name=name, runtime=runtime) as enforcer:
        for sentence in enforcer.notes:
            emit(Note(sentence, "warning"))
        code = KILLED
        try:
            result = _run(plan, ways, enforcer.admit)
            code = result.code
        finally:
            if told := enforcer.explain_end(code, request.limits.memory):
                emit(Note(told, "warning"))
    return result


def _run(plan: Request, ways: Ways, on_start: Callable[[int], None] | None = None) -> Result:
    from shipway.sandbox.launch import run  # noqa: PLC0415 - drags in `ctypes`, which describing a run does not need

    return run(plan.replace(control=True, join=ways.join), on_start=on_start, door=ways.door)


def not_started(request: RunRequest, result: Result) -> ToolError:
    """Why the command of a sandbox that was made did not start."""
    command = shown(request.argv[0])
    if result.code == ExitCode.COMMAND_NOT_FOUND:
        return command_missing(request.argv[0])
    if result.code == ExitCode.NOT_EXECUTABLE:
        return command_unusable(request.argv[0], result.message)
    return EngineError(
        f"`{command}` could not be started: {result.message}", hints=("`shipway doctor` checks this host",)
    )

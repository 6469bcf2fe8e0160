"""From a fork to the command: session, limits, rights, filter, exec. Nothing of ours is left in the process afterwards."""

from __future__ import annotations

import errno
import os
import resource

from . import fallback, process, syscalls, terminal
from . import filter as filters
from .model import PROOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .fallback import World
    from .model import Request
    from .process import FdChannel

BUILD_CAPABILITIES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
"""What package scripts use: chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
sys_chroot mknod audit_write setfcap. Not sys_admin: a build that is root outside could undo the mounts that protect /proc."""

LISTENER = b"l"
TERMINAL = b"t"
"""Labels of descriptors sent outside."""


def become(request: Request, world: World | None, report: int, channel: FdChannel | None) -> NoReturn:
    """Turn this process into the command; on failure one message goes to `report`."""
    try:
        _become(request, world, channel, report)
    except BaseException as error:  # noqa: BLE001 - reported whole; this fork must not return into the caller's code
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        process.send_message(report, ("failed", process.describe_error(error), number))
    finally:
        os._exit(127)


def _become(request: Request, world: World | None, channel: FdChannel | None, report: int) -> None:
    if world is not None:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, process.SIGKILL)
    os.setsid()
    if request.tty and channel is not None:
        channel.send(TERMINAL, terminal.open_inside())
    os.umask(request.umask)
    for name, (soft, hard) in request.rlimits.items():
        _limit(name, soft, hard)
    missing = world.find_missing_command() if world is not None and world.mode == PROOT else None
    if missing is not None:
        process.send_message(report, ("exec", *missing))
        return
    argv, env = _enter(request, world)
    process.default_signals()
    give_up_rights(request, channel, mode=world.mode if world is not None else "")
    process.close_on_exec(request.keep_fds)
    process.restore_signals(())
    message, number = execute(argv, env)
    process.send_message(report, ("exec", message, number))


def _limit(name: str, soft: int, hard: int) -> None:
    number = getattr(resource, f"RLIMIT_{name.upper()}")
    try:
        resource.setrlimit(number, (soft, hard))
    except (ValueError, OSError) as error:  # Python says ValueError where the kernel says EPERM
        highest = resource.getrlimit(number)[1]
        raise OSError(
            errno.EPERM, f"the limit {name} cannot be {hard}: its hard limit is {highest} here"
        ) from error


def _enter(request: Request, world: World | None) -> tuple[list[str], dict[str, str]]:
    """Be where the command is to start; returns its words and environment."""
    if world is not None and world.mode == PROOT:
        proot = fallback.find_proot()
        if proot is None:
            raise OSError(errno.ENOENT, "PRoot is not installed", "proot")
        return world.render_proot(proot), fallback.proot_environment(request.env)
    if world is not None:
        world.enter()
    _enter_directory(request)
    return list(request.argv), request.env


def _enter_directory(request: Request) -> None:
    try:
        os.chdir(request.cwd)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot enter the working directory: {error.strerror}", request.cwd
        ) from error


def give_up_rights(request: Request, channel: FdChannel | None, *, mode: str = "") -> None:
    """Capabilities, no_new_privs and the filter, in the order that lets each step still be taken."""
    kept: tuple[int, ...] = () if request.drop_caps else BUILD_CAPABILITIES
    _drop_bounding(kept)
    if request.no_new_privs:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        _limit_capabilities(sum(1 << number for number in kept))
    program = filters.plan_filter(
        record=request.suppress_chown,
        suppress_sync=request.suppress_sync,
        terminal=request.seccomp_terminal,
        keyrings=request.seccomp_terminal,
        proot=mode == PROOT,
        fake_root=mode == PROOT and request.host_uid_as == "root" and request.suppress_chown,
    )
    if not program:
        return
    listener = syscalls.load_filter(filters.render_filter(program), listener=request.suppress_chown)
    if request.suppress_chown and channel is not None:
        channel.send(LISTENER, listener)
        os.close(listener)


def _drop_bounding(kept: tuple[int, ...]) -> None:
    for number in range(64):
        if number in kept:
            continue
        try:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
        except OSError as error:
            # EINVAL: past the kernel's last one. EPERM: no right to drop, so nothing to drop for exec under no_new_privs.
            if error.errno in (errno.EINVAL, errno.EPERM):
                return
            raise


def _limit_capabilities(mask: int) -> None:
    try:
        syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
        syscalls.set_capabilities(mask & syscalls.permitted_capabilities())
    except OSError as error:
        if error.errno != errno.EPERM or mask == 0:
            raise


def execute(argv: list[str], env: dict[str, str]) -> tuple[str, int]:
    """Exec `argv[0]`, looked up in `env`'s PATH. Returns only on failure: (sentence, errno)."""
    name = argv[0]
    worst = errno.ENOENT
    for path in process.find_candidates(name, env):
        try:
            os.execve(path, argv, env)  # noqa: S606
        except OSError as error:
            number = error.errno or errno.ENOENT
            if number in (errno.ENOENT, errno.ENOTDIR):
                if os.path.lexists(path):
                    return f"the interpreter that `{path}` asks for is not there", errno.EACCES
                continue
            worst = number
            if number != errno.EACCES:
                return f"cannot execute `{path}`: {error.strerror}", number
    return process.describe_missing(name, worst), worst

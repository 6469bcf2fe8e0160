"""What this kernel and this host allow, found by trying it in a throw-away process. Never guessed from versions."""

from __future__ import annotations

import os

from . import command, fallback, mounts, outside, overlay, process, syscalls
from . import filter as filters
from .model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Features(Value):
    """Each feature with the reason why it does not work, '' if it does."""

    __slots__ = ("results",)

    def __init__(self, results: Mapping[str, str]):
        self.results = dict(results)

    def ok(self, name: str) -> bool:
        """Whether feature `name` works. Raises `KeyError` on a name that is not probed."""
        return not self.results[name]

    def reason(self, name: str) -> str:
        """Why not; '' if it works."""
        return self.results[name]

    def reasons(self) -> dict[str, str]:
        """All of them."""
        return dict(self.results)

    def to_json(self) -> dict[str, str]:
        """For a cache that lives as long as this boot."""
        return dict(self.results)


def probe() -> Features:
    """Try every feature. Takes some 30 ms; nothing of it stays."""
    return Features({name: _attempt(what) for name, what in PROBES.items()})


def _attempt(what: Callable[[], None]) -> str:
    """Run `what` in a process of its own; '' or the kernel's answer."""
    reader, writer = os.pipe()
    mask = process.block_signals()
    pid = process.fork()
    if pid == 0:
        answer = "no answer"
        try:
            process.restore_signals(())
            os.close(reader)
            what()
            answer = ""
        except BaseException as error:  # noqa: BLE001 - the answer is the purpose
            answer = process.describe_error(error)
        finally:
            process.send_message(writer, answer)
            os._exit(0)
    process.restore_signals(mask)
    os.close(writer)
    answer = process.receive_message(reader)
    os.close(reader)
    os.waitpid(pid, 0)
    return "the trying process was killed" if answer is None else str(answer)


def _enter_userns(flags: int = 0) -> None:
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | flags)
    outside.write_id_maps(uid, gid, as_root=True)
    # AppArmor lets the namespace be made and takes its rights away: only a mount shows that.
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)


def _enter_mountns() -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)


def _enter_any() -> None:
    try:
        _enter_userns()
    except OSError:
        if os.geteuid() != 0:
            raise
        _enter_mountns()


def _mount_api() -> None:
    _enter_any()
    made = mounts.new_tmpfs("64k", 0o755)
    syscalls.mount_setattr(made, syscalls.MOUNT_ATTR_RDONLY, recursive=True)


def _overlay(enter: Callable[[], None], rungs: tuple[str, ...], *, userxattr: bool) -> None:
    """Two lowers under an upper in memory; then what fails where whiteouts cannot be written: a directory made again."""
    enter()
    place = next(place for place in mounts.STAGING_PLACES if os.path.isdir(place))
    fd = os.open(place, syscalls.O_PATH | os.O_DIRECTORY)
    mounts.attach(mounts.new_tmpfs("1m", 0o700), fd)
    os.close(fd)
    for name in ("one/a", "two/b", "upper", "work", "names", "root"):
        os.makedirs(f"{place}/{name}")
    opened = [os.open(f"{place}/{name}", syscalls.O_PATH) for name in ("one", "two", "upper", "work", "root")]
    layers = overlay.Layers(opened[:2], opened[2], opened[3], volatile=True, userxattr=userxattr)
    for rung in rungs:
        try:
            overlay.RUNGS[rung](layers, opened[4], f"{place}/names")
        except OSError:
            if rung == rungs[-1]:
                raise
        else:
            break
    root = os.open(f"{place}/root", syscalls.O_PATH)
    overlay.verify_overlay(root, layers)
    os.rmdir(f"{place}/root/b")
    os.mkdir(f"{place}/root/b")


def _userns_overlay(*rungs: str) -> Callable[[], None]:
    return lambda: _overlay(_enter_userns, rungs, userxattr=True)


def _rung(name: str) -> Callable[[], None]:
    def attempt() -> None:
        userns = not _attempt(_enter_userns)
        _overlay(_enter_userns if userns else _enter_mountns, (name,), userxattr=userns)

    return attempt


def _fresh_proc() -> None:
    _enter_userns(syscalls.CLONE_NEWPID)
    reason = _attempt(lambda: os.close(mounts.new_proc()))
    if reason:
        raise OSError(0, reason)


def _notify() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    program = filters.plan_filter(record=True, suppress_sync=False, terminal=False, keyrings=False)
    syscalls.load_filter(filters.render_filter(program), listener=True)


def _filter() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    program = filters.plan_filter(record=False, suppress_sync=False, terminal=True, keyrings=True)
    syscalls.load_filter(filters.render_filter(program), listener=False)


def _openat2() -> None:
    root = os.open("/", syscalls.O_PATH)
    syscalls.openat2(root, "..", syscalls.O_PATH, syscalls.RESOLVE_IN_ROOT)


def _proot() -> None:
    program = fallback.find_proot()
    if program is None:
        raise OSError(0, "`proot` is not installed")
    pid = process.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_RDWR)
        process.set_standard_streams(null, null, null)
        command.execute([program, "-r", "/", "true"], {"PATH": process.DEFAULT_PATH})
        os._exit(127)
    _, status = os.waitpid(pid, 0)
    if status:
        raise OSError(0, f"`{program}` does not work here (status {os.waitstatus_to_exitcode(status)})")


PROBES: dict[str, Callable[[], None]] = {
    "userns": _enter_userns,
    "pidns": lambda: _enter_userns(syscalls.CLONE_NEWPID),
    "netns": lambda: _enter_userns(syscalls.CLONE_NEWNET),
    "fresh_proc": _fresh_proc,
    "mount": _enter_mountns,
    "mount_api": _mount_api,
    "overlay": lambda: _overlay(_enter_mountns, tuple(overlay.RUNGS), userxattr=False),
    "overlay_userns": _userns_overlay(*overlay.RUNGS),
    "fd_lowers": _rung("fsconfig descriptors"),
    "lowerdir_append": _rung("fsconfig lowerdir+"),
    "mount_classic": _rung("mount(2)"),
    "openat2": _openat2,
    "seccomp": _filter,
    "seccomp_notify": _notify,
    "chroot": lambda: os.chroot("/"),
    "proot": _proot,
}
"""Names are stable: a cache and `doctor` use them."""

"""Why this host refuses namespaces, and what exactly to do: a pure function of texts that can be recorded.

The kernel answers EPERM or ENOSPC for many causes; the settings say which one it was.
"""

from __future__ import annotations

import errno

from .model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
MAXIMUM = "/proc/sys/user/max_user_namespaces"
STATUS = "/proc/self/status"
MOUNTINFO = "/proc/self/mountinfo"
UID_MAP = "/proc/self/uid_map"
DOCKER_MARK = "/.dockerenv"
PODMAN_MARK = "/run/.containerenv"
SOURCES = (APPARMOR, CLONE, MAXIMUM, STATUS, MOUNTINFO, UID_MAP, DOCKER_MARK, PODMAN_MARK)
"""What `diagnose` wants to know; a file that is absent is left out."""

_SYS_ADMIN = 1 << 21


class Diagnosis(Value):
    """One cause. `name` is stable; `finding` and `remedy` are for people."""

    __slots__ = ("finding", "name", "remedy")

    def __init__(self, name: str, finding: str, remedy: str):
        self.name = name
        self.finding = finding
        self.remedy = remedy


def diagnose(texts: Mapping[str, str], *, uid: int, number: int) -> list[Diagnosis]:
    """What `texts` (of `SOURCES`) show about errno `number` when user `uid` asked for namespaces or mounts, likeliest first."""
    found = []
    if uid != 0 and _value(texts, APPARMOR) == "1":
        found.append(_APPARMOR)
    if uid != 0 and _value(texts, CLONE) == "0":
        found.append(_CLONE)
    if _value(texts, MAXIMUM) == "0" or number in (errno.ENOSPC, errno.EUSERS):
        found.append(_MAXIMUM)
    if not found:
        found += _inside_something(texts, number)
    return found


def _inside_something(texts: Mapping[str, str], number: int) -> list[Diagnosis]:
    status = _fields(texts.get(STATUS, ""))
    container = DOCKER_MARK in texts or PODMAN_MARK in texts
    filtered = status.get("Seccomp") == "2"
    found = []
    if number == errno.ENOSYS:
        found.append(_FILTER if filtered else _KERNEL)
    elif container or (filtered and number in (errno.EPERM, errno.EACCES)):
        found.append(_CONTAINER if container else _FILTER)
    elif number in (errno.EPERM, errno.EACCES) and not int(status.get("CapBnd", "0") or "0", 16) & _SYS_ADMIN:
        found.append(_CAPABILITIES)
    if proc_is_masked(texts.get(MOUNTINFO, "")):
        found.append(_MASKED_PROC)
    return found


def proc_is_masked(mountinfo: str) -> bool:
    """Whether parts of /proc are covered by other mounts, which forbids a fresh /proc in a namespace."""
    points = [row.split(" ")[4] for row in mountinfo.splitlines() if row.count(" ") > 4]  # noqa: PLR2004 - proc(5), field 5
    return any(point.startswith("/proc/") and point != "/proc/sys/fs/binfmt_misc" for point in points)


def read_texts() -> dict[str, str]:
    """What `diagnose` wants, from this host."""
    texts = {}
    for path in SOURCES:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                texts[path] = file.read()
        except OSError:
            continue
    return texts


def _value(texts: Mapping[str, str], path: str) -> str | None:
    return texts[path].strip() if path in texts else None


def _fields(status: str) -> dict[str, str]:
    rows = (row.partition(":") for row in status.splitlines())
    return {name: value.strip() for name, _, value in rows}


_APPARMOR = Diagnosis(
    "apparmor",
    "AppArmor keeps unprivileged programs from using user namespaces (Ubuntu 23.10 and later)",
    "an administrator runs `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` (and puts it into /etc/sysctl.d), or "
    "loads an AppArmor profile with `userns,` for the python program that runs shipway",
)
_CLONE = Diagnosis(
    "userns-clone",
    "this kernel lets only root make user namespaces",
    "an administrator runs `sysctl -w kernel.unprivileged_userns_clone=1` (and puts it into /etc/sysctl.d)",
)
_MAXIMUM = Diagnosis(
    "max-namespaces",
    "the number of user namespaces is limited and used up",
    "an administrator runs `sysctl -w user.max_user_namespaces=15000` (and puts it into /etc/sysctl.d)",
)
_CONTAINER = Diagnosis(
    "container",
    "this is a container that forbids namespaces and mounts",
    "start the outer container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined`, or go on without isolation: as root by chroot, as a user with `proot` installed",
)
_FILTER = Diagnosis(
    "seccomp",
    "a system call filter around this process forbids namespaces",
    "run shipway outside of it, or loosen it for `unshare`, `clone`, `mount` and their relatives, or install `proot`",
)
_KERNEL = Diagnosis(
    "kernel",
    "this kernel is built without user namespaces, or older than Linux 5.12",
    "use a kernel with CONFIG_USER_NS, Linux 5.12 or later, or install `proot`",
)
_CAPABILITIES = Diagnosis(
    "capabilities",
    "the capability sys_admin is taken from this process and user namespaces are refused",
    "give it back (`CapabilityBoundingSet=` of a service, `--cap-add` of a container), or install `proot`",
)
_MASKED_PROC = Diagnosis(
    "masked-proc",
    "parts of /proc are covered, so a sandbox sees the host's /proc instead of its own",
    "start the outer container with `--security-opt systempaths=unconfined` if processes must not see each other",
)

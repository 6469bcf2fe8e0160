"""Checks of what the kernel allows. Features come probed from the sandbox room; nothing is guessed from versions."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from shipway.verbs.findings import Check, Seen, Severity

if TYPE_CHECKING:
    from shipway.verbs.findings import Machine

_APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_SUBIDS = 65536
"""As many subordinate ids as a whole system needs."""


def _user_namespaces(machine: Machine) -> Seen:
    why = machine.features().get("userns", "not probed")
    if not why:
        return Seen(Severity.OK, "user namespaces work")
    remedy = _namespace_remedy(machine)
    if machine.uid == 0 and not machine.features().get("mount", "not probed"):
        return Seen(Severity.INFO, f"no user namespaces ({why}); as root they are not needed")
    if not machine.features().get("chroot", "not probed") or not machine.features().get(
        "proot", "not probed"
    ):
        return Seen(
            Severity.WARNING, f"no user namespaces ({why}); slower ways without isolation are used", remedy
        )
    return Seen(Severity.ERROR, f"no user namespaces: {why}", remedy)


def _namespace_remedy(machine: Machine) -> str:
    """What the sandbox room knows about the cause, from the same files that it would read itself."""
    from shipway.sandbox.causes import SOURCES, diagnose

    texts = {path: text for path in SOURCES if (text := machine.text(path)) is not None}
    found = diagnose(texts, uid=machine.uid, number=errno.EPERM)
    return found[0].remedy if found else "ask the administrator to allow user namespaces, or install `proot`"


def _apparmor(machine: Machine) -> Seen:
    restricted = machine.text(_APPARMOR)
    if restricted is None:
        return Seen(Severity.OK, "AppArmor does not restrict user namespaces here")
    if restricted.strip() == "0":
        return Seen(Severity.OK, "AppArmor could restrict user namespaces and does not")
    if machine.uid == 0:
        return Seen(Severity.INFO, "AppArmor restricts user namespaces of other users; root is free")
    if not machine.features().get("userns", "not probed") and not machine.features().get(
        "overlay_userns", "not probed"
    ):
        return Seen(
            Severity.OK, "AppArmor restricts user namespaces, and a profile lets this program through"
        )
    return Seen(
        Severity.ERROR,
        "AppArmor keeps unprivileged programs from using user namespaces (Ubuntu 23.10 and later)",
        "an administrator runs `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or loads a profile with "
        "`userns,` for the python program that runs shipway",
    )


def _overlay(machine: Machine) -> Seen:
    features = machine.features()
    name = "overlay" if machine.uid == 0 else "overlay_userns"
    why = features.get(name, features.get("overlay_userns", "not probed"))
    if not why:
        return Seen(Severity.OK, "overlay file systems can be mounted in a namespace")
    return Seen(
        Severity.WARNING,
        f"no overlay file system in a namespace ({why}); trees are copied together instead, which is slower",
        "use Linux 5.11 or later, and a store on ext4, xfs, btrfs or tmpfs",
    )


_OPTIONAL = {
    "mount_api": "the mount calls of Linux 5.2",
    "lowerdir_append": "adding overlay layers one by one (Linux 6.8)",
    "fd_lowers": "overlay layers by file descriptor (Linux 6.13)",
    "seccomp_notify": "answering system calls of maintainer scripts (Linux 5.0)",
}


def _features(machine: Machine) -> Seen:
    features = machine.features()
    missing = [f"{what}: {features[name]}" for name, what in _OPTIONAL.items() if features.get(name)]
    there = sum(1 for why in features.values() if not why)
    text = f"{there} of {len(features)} probed features work"
    if features.get("seccomp_notify"):
        remedy = "use Linux 5.9 or later and a container that allows `seccomp`; without it only wheels can be built"
        return Seen(Severity.ERROR, f"{text}; missing: {'; '.join(missing)}", remedy)
    if missing:
        return Seen(Severity.INFO, f"{text}; without {'; '.join(missing)}, older ways are used")
    return Seen(Severity.OK, text)


def _subuid(machine: Machine) -> Seen:
    if machine.uid == 0:
        return Seen(Severity.OK, "root needs no subordinate ids")
    for kind in ("subuid", "subgid"):
        if _range(machine.text(f"/etc/{kind}") or "", machine) < _SUBIDS:
            return Seen(
                Severity.INFO, f"no range of {_SUBIDS} ids in `/etc/{kind}`; builds and runs do not need one"
            )
    if machine.tool("newuidmap") is None:
        return Seen(Severity.INFO, "`newuidmap` is not installed; builds and runs do not need it")
    return Seen(Severity.OK, "subordinate ids are there, and not needed")


def _range(text: str, machine: Machine) -> int:
    sizes = [0]
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[0] in (machine.user, str(machine.uid)) and fields[2].isdecimal():  # noqa: PLR2004 - subuid(5)
            sizes.append(int(fields[2]))
    return max(sizes)


KERNEL_CHECKS = (
    Check("user-namespaces", "kernel", _user_namespaces),
    Check("apparmor", "kernel", _apparmor),
    Check("overlay", "kernel", _overlay),
    Check("features", "kernel", _features),
    Check("subuid", "kernel", _subuid),
)

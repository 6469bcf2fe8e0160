"""How this host limits: its cgroup controllers, where we stand in them, and what we may change (reads only).

Formats: `/proc/self/cgroup` and `/proc/self/mountinfo` (proc(5)); the files below a cgroup are those of the kernel's
admin-guide, `cgroup-v1/` and `cgroup-v2.rst`.
"""

from __future__ import annotations

import os
from typing import NamedTuple

_LEGACY = ("memory", "cpu", "pids", "cpuset")


class Group(NamedTuple):
    """One of our cgroups, as a folder."""

    path: str
    mount: str
    """Where its hierarchy is mounted; `path` is at or below it."""


class Layout(NamedTuple):
    """What of cgroups this process can see."""

    unified: Group | None = None
    """Our place in the v2 hierarchy."""
    controllers: frozenset[str] = frozenset()
    """Those the v2 hierarchy offers at `unified`."""
    handed_down: frozenset[str] = frozenset()
    """Those that a new child of `unified` would have."""
    writable: bool = False
    """Whether we may make children of `unified`."""
    alone: bool = False
    """Whether this process is the only one in `unified` (only then may controllers be handed down)."""
    legacy: tuple[tuple[str, Group], ...] = ()
    """v1 controllers among memory, cpu, pids and cpuset below which we may make children."""
    legacy_refused: frozenset[str] = frozenset()
    """v1 controllers that are there but not ours to use."""
    user_manager: bool = False
    """Whether a systemd user manager can be asked."""


def parse_memberships(text: str) -> dict[str, str]:
    """Our path by controller, and by the empty name for the v2 hierarchy, from `/proc/self/cgroup`."""
    result: dict[str, str] = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        for name in controllers.split(",") if number != "0" else ("",):
            result[name] = path
    return result


def parse_mounts(text: str) -> tuple[dict[str, tuple[str, str]], tuple[str, str] | None]:
    """`(root, mount point)` by v1 controller, and that of the v2 hierarchy, from `/proc/self/mountinfo`."""
    legacy: dict[str, tuple[str, str]] = {}
    unified = None
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        place = (_unescaped(fields[3]), _unescaped(fields[4]))
        if kind[0] == "cgroup2":
            unified = unified or place
        elif kind[0] == "cgroup":
            for name in kind[2].split(","):
                legacy.setdefault(name, place)
    return legacy, unified


def find_group(root: str, mount: str, path: str) -> Group:
    """The folder of membership `path` in a hierarchy whose `root` is mounted at `mount`.

    Containers show a part of the hierarchy only, and name paths outside it: then the mount's root is the best there is.
    """
    relative = os.path.relpath(path, root)
    folder = mount if relative == "." else f"{mount}/{relative}"
    inside = relative != ".." and not relative.startswith("../")
    return Group(folder if inside and os.path.isdir(folder) else mount, mount)


def read_layout(*, proc: str = "/proc/self", runtime: str = "") -> Layout:
    """The layout as it is now. `runtime`: XDG_RUNTIME_DIR, where a user manager has its socket.

    Raises:
        OSError: `/proc` cannot be read.
    """
    members = parse_memberships(_read(f"{proc}/cgroup"))
    legacy_mounts, unified_mount = parse_mounts(_read(f"{proc}/mountinfo"))
    usable, refused = [], set()
    for name in _LEGACY:
        if name not in legacy_mounts or name not in members:
            continue
        group = find_group(*legacy_mounts[name], members[name])
        if os.access(group.path, os.W_OK):
            usable.append((name, group))
        else:
            refused.add(name)
    unified = find_group(*unified_mount, members[""]) if unified_mount and "" in members else None
    return Layout(
        unified=unified,
        controllers=_words(unified, "cgroup.controllers"),
        handed_down=_words(unified, "cgroup.subtree_control"),
        writable=unified is not None and _may_write(unified.path),
        alone=unified is not None and _is_alone(unified.path),
        legacy=tuple(usable),
        legacy_refused=frozenset(refused),
        user_manager=bool(runtime) and os.path.exists(f"{runtime}/systemd/private"),
    )


def _words(group: Group | None, name: str) -> frozenset[str]:
    try:
        return frozenset(_read(f"{group.path}/{name}").split()) if group else frozenset()
    except OSError:
        return frozenset()


def _may_write(path: str) -> bool:
    return all(
        os.access(part, os.W_OK) for part in (path, f"{path}/cgroup.procs", f"{path}/cgroup.subtree_control")
    )


def _is_alone(path: str) -> bool:
    try:
        return _read(f"{path}/cgroup.procs").split() == [str(os.getpid())]
    except OSError:
        return False


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text

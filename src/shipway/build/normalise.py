"""What maintainer scripts leave that differs from build to build, and the one form it gets: a rule and its reason per line."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from shipway.build import java_keystore
from shipway.build.capture import FIXED_TIME
from shipway.build.real_paths import find_link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.core.manifest import Entry


class Treatment(StrEnum):
    """What is done with a path."""

    REMOVE = "remove"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Paths (a whole-path pattern, relative) and what becomes of them."""

    pattern: re.Pattern[str]
    treatment: Treatment
    reason: str


def _rule(pattern: str, treatment: Treatment, reason: str) -> Rule:
    return Rule(pattern=re.compile(pattern), treatment=treatment, reason=reason)


# fmt: off
RULES = (
    _rule(r"usr/sbin/policy-rc\.d", Treatment.REMOVE, "ours, so that no service starts"),
    _rule(r"var/lib/dpkg/tmp\.ci(/.*)?", Treatment.REMOVE, "dpkg's own working directory"),
    _rule(r"var/lib/dpkg/(status|available|diversions|statoverride)-old", Treatment.REMOVE, "backups of the step before"),
    _rule(r"var/lib/dpkg/updates/.+", Treatment.REMOVE, "dpkg's journal; empty when dpkg ended well"),
    _rule(r"var/cache/debconf/.*-old", Treatment.REMOVE, "backups of the step before"),
    _rule(r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-", Treatment.REMOVE, "backups of the step before"),
    _rule(r"etc/\.pwd\.lock", Treatment.REMOVE, "a lock"),
    _rule(r"etc/machine-id", Treatment.EMPTY, "filled at the first start of each machine, see machine-id(5)"),
    _rule(r"var/lib/dbus/machine-id", Treatment.REMOVE, "made at the first start"),
    _rule(r"var/log/(dpkg|alternatives|bootstrap|fontconfig)\.log|var/log/apt/.*", Treatment.REMOVE, "logs of the build"),
    _rule(r"var/log/.*", Treatment.EMPTY, "logs of the build"),
    _rule(r"var/cache/ldconfig/aux-cache", Treatment.REMOVE, "holds inode numbers and times; ldconfig makes it anew"),
    _rule(r"var/cache/man(/.*)?/index\.db", Treatment.REMOVE, "holds times; mandb makes it anew"),
    _rule(r"var/cache/fontconfig/.*\.cache-.*", Treatment.REMOVE, "holds times of directories; made anew on first use"),
    _rule(r"var/lib/apt/(lists|periodic)/.+|var/cache/apt/.+\.bin", Treatment.REMOVE, "apt's indexes; they stand in the lock"),
    _rule(r"etc/ssh/ssh_host_.*", Treatment.REMOVE, "a secret that each machine makes for itself"),
    _rule(r"etc/ssl/private/ssl-cert-snakeoil\.key|etc/ssl/certs/ssl-cert-snakeoil\.pem", Treatment.REMOVE,
          "a secret that each machine makes for itself"),
    _rule(r"var/lib/(systemd|urandom)/random-seed", Treatment.REMOVE, "a secret that each machine makes for itself"),
    _rule(r"tmp/.+|var/tmp/.+", Treatment.REMOVE, "temporary"),
    _rule(r"run/(?!lock(/|\Z)).+", Treatment.REMOVE, "state of a running system"),
    _rule(r"var/lib/texmf/web2c/((tex|luatex|luahbtex)/.*\.fmt|.*\.log)", Treatment.REMOVE,
          "logs, and formats that hold times or random seeds; TeX makes them anew on first use"),
    _rule(r"dev/.*|proc/.*|sys/.*", Treatment.REMOVE, "mount points"),
)
# fmt: on
_TEX_LISTING = "var/lib/texmf/ls-R"
ROOT_SHADOW = frozenset({"etc/shadow", "etc/gshadow"})
"""Files whose tools copy the owner they see, which inside the sandbox is root for every file: they belong to root:shadow."""


def find_rule(path: str) -> Rule | None:
    """The first rule for `path`."""
    return next((rule for rule in RULES if rule.pattern.fullmatch(path)), None)


def normalise(root: str, lower: Mapping[str, Entry]) -> None:
    """Apply the rules to what scripts left below `root`; what a package ships (`lower`) and nobody changed is not theirs.

    A directory that a removal leaves empty stays, unless a rule names it. Stores of certificates get one time for all entries.
    """
    # What ran here may have left a link in their place, which leads to a file of this host.
    if not find_link(root, java_keystore.PATH):
        _fix_keystore(os.path.join(root, java_keystore.PATH))
    if not find_link(root, _TEX_LISTING):
        _sort_listing(os.path.join(root, _TEX_LISTING))
    for folder, names, files in os.walk(root, topdown=False):
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in (*files, *links):
            _treat(os.path.join(folder, name), root, lower)
        for name in names:
            full = os.path.join(folder, name)
            path = os.path.relpath(full, root)
            rule = find_rule(path)
            is_named = rule is not None and rule.treatment is Treatment.REMOVE and path not in lower
            if is_named and name not in links and not os.listdir(full):
                os.rmdir(full)


def _fix_keystore(path: str) -> None:
    if not os.path.isfile(path):
        return
    with open(path, "rb") as stream:
        fixed = java_keystore.with_fixed_times(stream.read(), FIXED_TIME)
    if fixed is not None:
        with open(path, "wb") as stream:
            stream.write(fixed)


def _sort_listing(path: str) -> None:
    """Put TeX's file name database, which has the disk's own order, into the order of names; what is removed leaves it."""
    if not os.path.isfile(path):
        return
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        head, *blocks = stream.read().split("\n\n")
    ordered = []
    for block in filter(str.strip, blocks):
        name, *entries = block.strip("\n").split("\n")
        folder = f"{os.path.dirname(_TEX_LISTING)}/{name.strip('./:')}".rstrip("/")
        kept = sorted(one for one in entries if find_rule(f"{folder}/{one}") is None)
        ordered.append("\n".join((name, *kept)))
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write("\n\n".join((head.strip("\n"), *sorted(ordered))) + "\n")


def _treat(full: str, root: str, lower: Mapping[str, Entry]) -> None:
    path = os.path.relpath(full, root)
    rule = find_rule(path)
    if rule is None or path in lower:
        return
    if rule.treatment is Treatment.REMOVE:
        os.unlink(full)
    elif os.path.isfile(full) and not os.path.islink(full) and os.path.getsize(full):
        _empty(full)


def _empty(path: str) -> None:
    mode = os.stat(path).st_mode & 0o7777
    os.chmod(path, mode | 0o200)
    with open(path, "wb"):
        pass
    os.chmod(path, mode)

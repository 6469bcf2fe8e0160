"""What differs between two environments: packages, configuration, files. Pure over values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.manifest import DIRECTORY, FILE, HARDLINK, Manifest
from shipway.core.overlay import stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.core.manifest import Entry
    from shipway.lock.model import Lock, TargetLock


class What(StrEnum):
    """How something differs, seen from the first side."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Package(NamedTuple):
    """One package of one side."""

    version: str
    digest: str
    """Of its artifact; empty where nothing remembers it, as in a finished image."""


class Named(NamedTuple):
    """A tree of one side."""

    owner: str
    """`numpy 2.1.0`, `package configuration`."""
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two things that are compared."""

    label: str
    packages: Mapping[tuple[str, str], Package]
    """By kind (`deb`, `wheel`) and name."""
    config: Mapping[str, str]
    """All that its kind says besides packages."""
    trees: tuple[Named, ...] | None
    """Bottom first; None when they are not here, so files cannot be compared."""
    finished: bool = False
    """It is an image, which no lock speaks of."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The part of `config` that lock and image both have, in the words of an image's configuration."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What was read from its files: system, C library, Python, CUDA. Empty where nothing was read."""


class PackageChange(NamedTuple):
    """One package that differs."""

    kind: str
    name: str
    what: What
    before: str
    """Version; empty when it was added."""
    after: str


class ConfigChange(NamedTuple):
    """One value that differs; empty when it is not there."""

    key: str
    before: str
    after: str


class FileChange(NamedTuple):
    """One path that differs. Times are not looked at."""

    path: str
    what: What
    aspects: tuple[str, ...]
    """Of a changed path: `type`, `content`, `target`, `mode`, `owner`, `attributes`."""
    before: int
    """Bytes."""
    after: int
    owner: str
    """The tree it comes from: on the second side, or for a removed path on the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that differs."""

    before: str
    after: str
    packages: tuple[PackageChange, ...]
    config: tuple[ConfigChange, ...]
    files: tuple[FileChange, ...] | None
    """None: the files of one side are not here."""

    @property
    def same(self) -> bool:
        """Whether nothing that was compared differs."""
        return not (self.packages or self.config or self.files)


def compare(before: Side, after: Side) -> Comparison:
    """What differs from `before` to `after`."""
    config: tuple[Mapping[str, str], Mapping[str, str]] = (before.config, after.config)
    if before.finished != after.finished:
        config = (before.settings, after.settings)
    if before.facts and after.facts:
        config = ({**before.facts, **config[0]}, {**after.facts, **config[1]})
    has_files = before.trees is not None and after.trees is not None
    return Comparison(
        before=before.label,
        after=after.label,
        packages=tuple(_package_changes(before.packages, after.packages)),
        config=tuple(_config_changes(*config)),
        files=tuple(_file_changes(before.trees or (), after.trees or ())) if has_files else None,
    )


def read_packages(lock: Lock, target: TargetLock) -> dict[tuple[str, str], Package]:
    """The packages of a locked target."""
    debs, wheels = set(target.debs), set(target.wheels)
    found = {("deb", one.name): Package(one.version, one.sha256) for one in lock.debs if one.id in debs}
    return found | {
        ("wheel", one.name): Package(one.version, one.sha256) for one in lock.wheels if one.id in wheels
    }


def read_config(lock: Lock, target: TargetLock) -> dict[str, str]:
    """What a lock says about a target besides packages, each value as text; what says nothing is left out."""
    config = {
        "name": lock.name,
        "platform": target.platform,
        "base": f"{target.base} {target.image}".strip(),
        "python": target.python.version if target.python else "",
        "bytecode": "true" if target.bytecode else "",
        "system-site-packages": "true" if target.system_site_packages else "",
        "slim": ", ".join(target.slim),
        "workdir": target.workdir,
        "command": " ".join(target.command),
        "files.include": ", ".join(target.include),
        "files.ignore": ", ".join(target.ignore),
    }
    config |= {f"env.{name}": value for name, value in target.env}
    config |= {f"labels.{name}": value for name, value in target.labels}
    config |= {f"build.{number}": " ".join(one.argv) for number, one in enumerate(target.build, 1)}
    config |= {f"archive.{one.alias}.{one.suite}": one.date for one in lock.archives}
    return {key: value for key, value in config.items() if value}


def read_settings(
    platform: str, env: Sequence[tuple[str, str]], workdir: str, words: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """What an image's configuration says, each value as text; what says nothing is left out.

    `words`: lists of words by key, as `command`.
    """
    settings = {"platform": platform, "workdir": "" if workdir == "/" else workdir}
    settings |= {key: " ".join(value) for key, value in words.items()}
    settings |= {f"env.{name}": value for name, value in env}
    return {key: value for key, value in settings.items() if value}


def describe_facts(facts: BaseFacts) -> dict[str, str]:
    """What was read from an image's files, each value as text; what was not found is left out."""
    told = {
        "system": f"{facts.distribution} {facts.release}".strip(),
        "libc": f"{facts.libc} {facts.libc_version}".strip(),
        "python": facts.pythons[0].version if facts.pythons else "",
        "cuda": facts.cuda,
        "cudnn": facts.cudnn,
    }
    return {key: value for key, value in told.items() if value}


def _package_changes(
    before: Mapping[tuple[str, str], Package], after: Mapping[tuple[str, str], Package]
) -> list[PackageChange]:
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None and new is not None:
            changes.append(PackageChange(*key, What.ADDED, "", new.version))
        elif new is None and old is not None:
            changes.append(PackageChange(*key, What.REMOVED, old.version, ""))
        elif old is not None and new is not None and _differ(old, new):
            was, now = old.version, new.version
            if was == now:
                was, now = f"{was} ({_short(old)})", f"{now} ({_short(new)})"
            changes.append(PackageChange(*key, What.CHANGED, was, now))
    return changes


def _differ(old: Package, new: Package) -> bool:
    return old.version != new.version or bool(old.digest and new.digest and old.digest != new.digest)


def _short(package: Package) -> str:
    return package.digest.removeprefix("sha256:")[:12]


def _config_changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[ConfigChange]:
    keys = sorted(before.keys() | after.keys())
    pairs = [(key, before.get(key, ""), after.get(key, "")) for key in keys]
    return [ConfigChange(key, old, new) for key, old, new in pairs if old != new]


def _file_changes(before: Sequence[Named], after: Sequence[Named]) -> list[FileChange]:
    old, new = _visible(before), _visible(after)
    changes = []
    for path in sorted(old.keys() | new.keys()):
        was, now = old.get(path), new.get(path)
        if was is None and now is not None:
            changes.append(FileChange(path, What.ADDED, (), 0, now[0].size, now[1]))
        elif now is None and was is not None:
            changes.append(FileChange(path, What.REMOVED, (), was[0].size, 0, was[1]))
        elif was is not None and now is not None and (aspects := _aspects(was[0], now[0])):
            changes.append(FileChange(path, What.CHANGED, aspects, was[0].size, now[0].size, now[1]))
    return changes


def _visible(trees: Sequence[Named]) -> dict[str, tuple[Entry, str]]:
    placed = stack([_without_links(tree.manifest) for tree in trees])
    return {one.entry.path: (one.entry, trees[one.tree].owner) for one in placed}


def _without_links(manifest: Manifest) -> Manifest:
    """The same with a file for each hard link: which of its names comes first says nothing about an environment."""
    first = {entry.path: entry for entry in manifest.entries if entry.kind == FILE}
    if all(entry.kind != HARDLINK for entry in manifest.entries):
        return manifest
    return Manifest(
        first[entry.target]._replace(path=entry.path)
        if entry.kind == HARDLINK and entry.target in first
        else entry
        for entry in manifest.entries
    )


def _aspects(old: Entry, new: Entry) -> tuple[str, ...]:
    if old.kind != new.kind:
        return ("type",)
    is_content = old.kind == FILE and (old.size, old.digest) != (new.size, new.digest)
    is_target = old.kind not in (FILE, DIRECTORY) and old.target != new.target
    found = {
        "content": is_content,
        "target": is_target,
        "mode": old.mode != new.mode,
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "attributes": old.xattrs != new.xattrs,
    }
    return tuple(name for name, differs in found.items() if differs)

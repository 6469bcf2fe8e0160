"""Whether a lock still answers a spec, without network: the deep checksum of what was read, and what drifted, in words.

Pure. The checksum covers what decides the lock: every word of the spec except `[run]`, every requirement, and the dependency
metadata of local projects. Comments, formatting, order of packages and places of lines do not count.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from shipway.core.digest import TreeKey, key_of
from shipway.lock.model import Lock, TargetLock
from shipway.resolve.data_uses import lock_uses
from shipway.spec.inputs import PROJECT_METADATA, find_metadata_names
from shipway.spec.model import Spec, Target, Wish
from shipway.spec.parse import PROJECT_FILE, Texts
from shipway.spec.requirement import parse_requirement
from shipway.spec.sheet import Findings, Sheet

IMPLIED = "the Python environment"
"""Origin of wishes that nobody wrote: they follow from others, so they cannot drift by themselves."""
_VERSION = 1
"""Of what the checksum covers; a change makes every lock stale once."""


def inputs_key(spec: Spec, texts: Texts) -> TreeKey:
    """The deep checksum of `spec` and of the local projects' metadata in `texts`.

    Raises:
        SpecError: a local project's `pyproject.toml` is no TOML.
    """
    projects = sorted({project.path for target in spec.targets for project in target.projects})
    return key_of(
        {
            "version": _VERSION,
            "name": spec.name,
            "platforms": sorted(spec.platforms),
            "targets": {target.name: _target_inputs(target) for target in spec.targets},
            "indexes": [[it.alias, it.url, it.folder, sorted(it.packages)] for it in spec.indexes],
            "layer-budget": spec.layer_budget,
            "epoch": spec.epoch,
            "projects": {path: _project_inputs(path, texts) for path in projects},
        }
    )


def requested_lines(target: Target, apt: Iterable[Wish] | None = None) -> tuple[str, ...]:
    """What `target` asks for with the place of each wish, as `TargetLock.requested` keeps it; sorted. `apt`: not its own."""
    lines = [f"apt:{wish.text} < {wish.origin}" for wish in (target.apt if apt is None else apt)]
    lines += [f"pip:{wish.text} < {wish.origin}" for wish in target.pip]
    lines += [f"constraint:{wish.text} < {wish.origin}" for wish in target.constraints]
    lines += [f"project:{project.path} < {project.origin}" for project in target.projects]
    return tuple(sorted(lines))


def find_drift(spec: Spec, key: TreeKey, lock: Lock) -> tuple[str, ...]:
    """What changed since `lock` was made, each as one sentence; empty when `key` is that of the lock."""
    if key == lock.inputs:
        return ()
    drift = [*_whole_drift(spec, lock)]
    for target in spec.targets:
        for locked in lock.targets:
            if locked.name == target.name:
                drift += (f"target `{target.name}`: {sentence}" for sentence in _target_drift(target, locked))
    if not drift:
        drift = ["an index, a hash, extras or groups, or the metadata of a local project changed"]
    return tuple(dict.fromkeys(drift))


def rename_lock(spec: Spec, texts: Texts, lock: Lock) -> Lock | None:
    """`lock` with the name that `spec` has now, where that is all that has changed: nothing was chosen by it; else None."""
    if spec.name == lock.name or inputs_key(replace(spec, name=lock.name), texts) != lock.inputs:
        return None
    return replace(lock, name=spec.name, inputs=inputs_key(spec, texts))


def _target_inputs(target: Target) -> dict[str, Any]:
    return {
        "base": str(target.base),
        "python": target.python,
        "apt": sorted({wish.text for wish in target.apt}),
        "recommends": target.recommends,
        "pip": sorted({(_pip_text(wish), *wish.hashes) for wish in target.pip}),
        "constraints": sorted({(_pip_text(wish), *wish.hashes) for wish in target.constraints}),
        "projects": sorted([it.path, sorted(it.extras), sorted(it.groups)] for it in target.projects),
        "bytecode": target.bytecode,
        "system-site-packages": target.system_site_packages,
        **({"slim": target.slim} if target.slim else {}),
        "env": sorted(target.env),
        **({"labels": target.labels} if target.labels else {}),
        "workdir": target.workdir,
        "command": target.command,
        "include": sorted(set(target.files.include)),
        "ignore": target.files.ignore,
        "build": [[it.argv, sorted(it.inputs), it.network] for it in target.build],
        **({"data": data} if (data := _data_inputs(target)) else {}),
    }


def _data_inputs(target: Target) -> list[list[Any]]:
    """What is mounted from the host is no part of a lock."""
    return [
        [it.name, it.source, it.target, it.unpack, it.copy, it.files, it.folder]
        + [one.sha256 for one in target.data if one.name == it.name]
        for it in lock_uses(target)
    ]


def _project_inputs(path: str, texts: Texts) -> dict[str, Any]:
    """Metadata of the local project at `path`: the tables of its `pyproject.toml` that matter, digests of setup files."""
    inputs: dict[str, Any] = {}
    for name in find_metadata_names(path):
        text = texts.get(name)
        if text is None:
            continue
        if name.endswith(PROJECT_FILE):
            inputs[PROJECT_FILE] = _metadata(Sheet(text, name, Findings()).document)
        else:
            inputs[name.rpartition("/")[2]] = hashlib.sha256(
                text.encode("utf-8", "surrogateescape")
            ).hexdigest()
    return inputs


def _metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    project = document.get("project", {})
    tool = document.get("tool", {})
    uv = tool.get("uv", {}) if isinstance(tool, dict) else {}
    return {
        "project": {key: project[key] for key in PROJECT_METADATA if key in project}
        if isinstance(project, dict)
        else {},
        "build-system": _plain(document.get("build-system", {})),
        "dependency-groups": _plain(document.get("dependency-groups", {})),
        "sources": _plain(uv.get("sources", {})) if isinstance(uv, dict) else {},
    }


def _plain(value: Any) -> Any:
    """`value` with dates and times as text, for canonical JSON has none."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def _pip_text(wish: Wish) -> str:
    return str(parse_requirement(wish.text))


def _whole_drift(spec: Spec, lock: Lock) -> Iterable[str]:
    if spec.name != lock.name:
        yield f"`name` was `{lock.name}` and is `{spec.name}`"
    if spec.layer_budget != lock.layer_budget:
        yield f"`layer-budget` was {lock.layer_budget} and is {spec.layer_budget}"
    if spec.epoch is not None and spec.epoch != lock.epoch:
        yield f"`epoch` was {lock.epoch} and is {spec.epoch}"
    wanted, locked = {target.name for target in spec.targets}, {target.name for target in lock.targets}
    yield from (f"target `{name}` was added" for name in sorted(wanted - locked))
    yield from (f"target `{name}` was removed" for name in sorted(locked - wanted))
    platforms = {target.platform for target in lock.targets}
    if spec.platforms:
        yield from (f"platform `{name}` was added" for name in sorted(set(spec.platforms) - platforms))
        yield from (f"platform `{name}` was removed" for name in sorted(platforms - set(spec.platforms)))
    folders = {it.alias: it.folder for it in lock.indexes}
    for index in spec.indexes:
        if index.folder and folders.get(index.alias, index.folder) != index.folder:
            yield f"index `{index.alias}` was the folder `{folders[index.alias]}` and is `{index.folder}`"


def _target_drift(target: Target, locked: TargetLock) -> Iterable[str]:
    asked = [line for line in locked.requested if not line.rpartition(" < ")[2].startswith(IMPLIED)]
    yield from _wish_drift(dict(map(_split, requested_lines(target))), dict(map(_split, asked)))
    python = locked.python.version if locked.python else ""
    if target.python and not f"{target.python}.".startswith(f"{python}.") and python:
        yield f"`python` was {python} and is {target.python}"
    pairs: list[tuple[str, Any, Any]] = [
        ("base", locked.base, str(target.base)),
        ("bytecode", locked.bytecode, target.bytecode),
        ("system-site-packages", locked.system_site_packages, target.system_site_packages),
        ("slim", list(locked.slim), list(target.slim)),
        ("workdir", locked.workdir, target.workdir),
        ("command", list(locked.command), list(target.command)),
        ("files.include", sorted(set(locked.include)), sorted(set(target.files.include))),
        ("files.ignore", list(locked.ignore), list(target.files.ignore)),
    ]
    for name, old, new in pairs:
        if old != new and not (name == "base" and new.partition("@")[0] == old):
            yield f"`{name}` was {_said(old)} and is {_said(new)}"
    yield from _table_drift("env", dict(locked.env), dict(target.env))
    yield from _table_drift("labels", dict(locked.labels), dict(target.labels))
    if [(it.argv, it.inputs, it.network) for it in locked.build] != [
        (it.argv, it.inputs, it.network) for it in target.build
    ]:
        yield "the build commands changed"
    before, now = ({use.name: use for use in uses} for uses in (locked.data, lock_uses(target)))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            word = "was added" if name not in before else "changed" if name in now else "was removed"
            yield f"`data.{name}` {word}"


def _split(line: str) -> tuple[str, str]:
    """What was asked for, in the one form that it has however it is written -> where."""
    what, _, where = line.rpartition(" < ")
    kind, _, text = (what or line).partition(":")
    if kind in ("pip", "constraint"):
        with contextlib.suppress(ValueError):  # a lock may say anything
            text = str(parse_requirement(text))
    return f"{kind}:{text}", where if what else ""


def _wish_drift(new: dict[str, str], old: dict[str, str]) -> Iterable[str]:
    added = {what: where for what, where in new.items() if what not in old}
    removed = {what: where for what, where in old.items() if what not in new}
    for what, where in added.items():
        kind, _, text = what.partition(":")
        former = [it for it in removed if _subject(it) == _subject(what)]
        if former:
            yield f"{kind}: `{former[0].partition(':')[2]}` became `{text}` at {where}"
            del removed[former[0]]
        else:
            yield f"{kind}: `{text}` was added at {where}"
    for what, where in removed.items():
        kind, _, text = what.partition(":")
        yield f"{kind}: `{text}` was removed" + (f"; it stood at {where}" if where else "")


def _subject(what: str) -> tuple[str, str]:
    """Kind and name of a wish, whatever version it asks for."""
    kind, _, text = what.partition(":")
    if kind in ("pip", "constraint"):
        with contextlib.suppress(ValueError):
            return kind, parse_requirement(text).name
    return kind, text.partition("=")[0].partition("[")[0].partition(" ")[0]


def _table_drift(key: str, old: dict[str, str], new: dict[str, str]) -> Iterable[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"`{key}.{name}` was added"
        elif name not in new:
            yield f"`{key}.{name}` was removed"
        elif old[name] != new[name]:
            yield f"`{key}.{name}` changed"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if value else "empty"

"""What the last build of a target was made from, so that the next one can say what differs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from shipway.verbs.prepare import Planned

_FORMAT = 2
OPTIONAL = ("files project files",)
"""Trees that an image has and a run does without: their absence is no difference."""
Snapshot = Mapping[str, Mapping[str, Any]]
"""Name of a tree -> its layer, full name and inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One tree that differs between two builds."""

    tree: str
    layer: str
    what: str
    """`added`, `removed`, `changed`."""
    changes: tuple[tuple[str, str, str], ...] = ()
    """Field of the inputs, before, after."""


class History(NamedTuple):
    """The last two builds that differ."""

    last: Snapshot
    before: Snapshot | None


def remember_build(folder: str, planned: Planned) -> None:
    """Keep the inputs of every tree, and those of the last build that differed. Losing them does no harm."""
    from shipway.host.files import make_directory, write_atomic

    path = history_path(folder, planned.plan.target, planned.plan.platform)
    known = read_history(folder, planned.plan.target, planned.plan.platform)
    trees: dict[str, Mapping[str, Any]] = {**snapshot(planned)}
    before = None
    if known is not None:
        before = known.last if compare_builds(known.last, trees) else known.before
        trees = {**{name: tree for name, tree in known.last.items() if name in OPTIONAL}, **trees}
    make_directory(os.path.dirname(path))
    text = json.dumps({"format": _FORMAT, "trees": trees, "before": before})
    write_atomic(path, text.encode("ascii"), durable=False)


def snapshot(planned: Planned) -> dict[str, dict[str, Any]]:
    """Name of each tree -> its kind, layer and inputs. Names of packages stay the same when versions move."""
    layers = {id(tree): layer.name for layer in planned.plan.layers for tree in layer.trees}
    found: dict[str, dict[str, Any]] = {}
    for tree, request in zip(planned.plan.trees, planned.requests, strict=False):
        name = f"{request.kind} {request.name.partition(' ')[0] if request.members else request.name}"
        found[name] = {"layer": layers[id(tree)], "name": request.name, "inputs": request.inputs}
    return found


def read_history(folder: str, target: str, platform: str) -> History | None:
    """What `remember_build` kept, or None."""
    try:
        with open(history_path(folder, target, platform), encoding="ascii") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        return None
    trees, before = value.get("trees"), value.get("before")
    return History(trees, before) if isinstance(trees, dict) else None


def history_path(folder: str, target: str, platform: str) -> str:
    """Where it is kept."""
    from shipway.host.dirs import state_dir
    from shipway.run.places import project_key

    name = f"{target}-{platform.replace('/', '-')}.json"
    return os.path.join(state_dir(), "builds", project_key(folder), name)


def compare_builds(before: Snapshot, after: Snapshot) -> tuple[Difference, ...]:
    """What differs between two snapshots, bottom layers first. Pure."""
    found = []
    for name in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(name), after.get(name)
        if name in OPTIONAL and (old is None or new is None):
            continue
        if new is None:
            assert old is not None
            found.append(Difference(tree=str(old["name"]), layer=str(old["layer"]), what="removed"))
        elif old is None:
            found.append(Difference(tree=str(new["name"]), layer=str(new["layer"]), what="added"))
        elif old["inputs"] != new["inputs"]:
            changes = tuple(_changes(old["inputs"], new["inputs"]))
            found.append(
                Difference(tree=str(new["name"]), layer=str(new["layer"]), what="changed", changes=changes)
            )
    return tuple(found)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    changes = []
    for field in sorted(old.keys() | new.keys()):
        was, now = old.get(field), new.get(field)
        if was == now:
            continue
        if isinstance(was, list) and isinstance(now, list):
            gone = [_text(item) for item in was if item not in now]
            come = [_text(item) for item in now if item not in was]
            changes.append((field, ", ".join(gone[:5]), ", ".join(come[:5])))
        else:
            changes.append((field, _text(was), _text(now)))
    return changes


def _text(value: Any) -> str:
    """A value of inputs, short: digests by their first digits, package rows by name and version."""
    if isinstance(value, list):
        return " ".join(_text(item) for item in value[:2])
    text = "" if value is None else str(value)
    return text[:12] if len(text) == 64 else text  # noqa: PLR2004 - hex digits of a sha256

"""`freeze`: what was installed in a container behind our back goes into spec and lock, or away."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ConflictError, EngineError, NotFound, SpecError, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.add import Placed, bring_wishes, parse_words, place_wishes
from shipway.verbs.changing import opened_change, settle
from shipway.verbs.finishing import Finished, finish
from shipway.verbs.watching import find_watched, stack_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from shipway.run.top.installed import Distribution, Installed, OsPackage
    from shipway.run.top.trees import TreeFiles
    from shipway.verbs.changing import Changing, Settled
    from shipway.verbs.context import Task
    from shipway.verbs.watching import Watched


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRequest:
    """What the command line asks for."""

    names: tuple[str, ...] = ()
    """Packages; empty: all that nobody else of them requires."""
    container: str = ""
    """Empty: the only one that has something."""
    discard: bool = False
    """Throw them away instead."""
    move: bool = False
    dry_run: bool = False


class FreezeResult(NamedTuple):
    """What was done, or would be."""

    container: str
    """Empty: none has anything that the lock does not know."""
    placed: tuple[Placed, ...]
    discarded: tuple[str, ...]
    """Packages whose locked files are back, `numpy 1.26.4 -> 2.1.0`."""
    left: tuple[str, ...]
    """What was not taken, each as a sentence with the reason."""
    finished: Finished | None
    dry_run: bool = False


def run_freeze(request: FreezeRequest, task: Task) -> FreezeResult:
    """Write what was found into the spec, lock all targets with the rest held, and leave the locked files in the container.

    Raises:
        NotFound: there is no such container, or nothing of that name was installed there.
        ConflictError: other packages would have to move and may not.
        SpecError: a package named cannot be written as a line of the spec.
    """
    with opened_change(task) as changing:
        watched = _choose(changing, request.container)
        if watched is None:
            return FreezeResult("", (), (), (), None)
        chosen = _named(watched, request.names) if request.names else None
        if request.discard:
            return _discard(request, watched, chosen)
        return _write_back(request, changing, watched, chosen)


def _choose(changing: Changing, label: str) -> Watched | None:
    if changing.found.lock is None:
        raise NotFound("there is no lock that a container could differ from", hints=["run `shipway lock`"])
    everything, unread = find_watched(
        changing.project, changing.found.lock, changing.store, changing.task, label
    )
    for one in unread:
        if label:
            raise EngineError(f"`{shown(one.label)}` cannot be looked into: {one.why}", hints=[_ANEW])
        changing.task.emit(Note(f"`{shown(one.label)}` is not looked into: {one.why}", "warning"))
    found = [one for one in everything if label or one.installed.python or one.installed.os]
    if len(found) > 1:
        names = ", ".join(f"`{shown(one.label)}`" for one in found)
        raise ToolError(
            f"something was installed in several containers: {names}",
            hints=["choose one with `--container NAME`"],
        )
    return found[0] if found else None


class Chosen(NamedTuple):
    """What of a container is meant."""

    python: tuple[Distribution, ...]
    os: tuple[OsPackage, ...]


def _named(watched: Watched, names: Sequence[str]) -> Chosen:
    wanted = parse_words(names)
    python = {one.name: one for one in watched.installed.python}
    packages = {one.name: one for one in watched.installed.os}
    for one in wanted:
        if one.name not in (python if one.kind == "pip" else packages):
            there = ", ".join([*python, *(f"apt:{name}" for name in packages)])
            raise NotFound(
                f"`{shown(one.name)}` was not installed in `{shown(watched.label)}`",
                hints=[f"there are: {there}" if there else "nothing was"],
            )
    return Chosen(
        tuple(python[one.name] for one in wanted if one.kind == "pip"),
        tuple(packages[one.name] for one in wanted if one.kind == "apt"),
    )


def top_level(installed: Installed) -> Chosen:
    """What was asked for, as far as one can tell: what the installer was told by name, or what nothing else of it requires."""
    found = installed.python
    required = {name for one in found if one.after for name in one.requires - {one.name}}
    python = tuple(one for one in found if one.requested or not one.after or one.name not in required)
    return Chosen(python, tuple(one for one in installed.os if one.requested))


def _write_back(
    request: FreezeRequest, changing: Changing, watched: Watched, named: Chosen | None
) -> FreezeResult:
    chosen = named or top_level(watched.installed)
    _require_all_os(watched, named)
    words, left, kept = list[str](), list[str](), set[str]()
    for one in chosen.python:
        line, why_not = render_wish(one)
        if line:
            words.append(line)
        elif named:
            raise SpecError(f"`{shown(one.name)}` cannot be frozen: {why_not}", hints=[_WHERE_ELSE])
        else:
            left.append(f"{one.name}: {why_not}")
            kept.add(one.name)
    words += [f"apt:{one.name}" for one in chosen.os if one.after]
    left += [f"apt:{one.name}: {TAKEN_OUT.format(f'apt:{one.name}')}" for one in chosen.os if not one.after]
    wanted = parse_words(words)
    project, fresh = bring_wishes(changing, wanted, "")
    free = frozenset(one.name for one in wanted if one.kind == "pip")
    try:
        settled = settle(changing, project, free, may_move=request.move)
    except ConflictError as error:
        names = " ".join(one.name for one in chosen.python if one.after and not one.before)
        instead = f"or `shipway freeze --discard`, then `shipway add {names}` takes versions that fit"
        raise ConflictError(error.message, hints=(*error.hints, instead), detail=error.detail) from error
    finished = finish(changing, settled, dry_run=request.dry_run)
    if not request.dry_run:
        trees = _standing_on(changing, settled, watched, finished)
        if trees is not None:
            drop(watched, _replaced(watched, chosen, named, kept), trees)
    placed = place_wishes(settled, wanted, fresh, "")
    return FreezeResult(watched.label, placed, (), tuple(left), finished, request.dry_run)


TAKEN_OUT = "it was taken out; `shipway remove {}` does so for good"
_ANEW = "`shipway up --recreate` makes a new one, and keeps this one under another name"
_WHERE_ELSE = (
    "a folder of the project goes into `projects`, a folder of wheels into `[indexes.NAME] folder = …`"
)


def render_wish(one: Distribution) -> tuple[str, str]:
    """The requirement that asks for what is there; or why there is none."""
    if not one.after:
        return "", TAKEN_OUT.format(one.name)
    if one.editable:
        return "", f"it is an editable install of {one.source}"
    if one.source.startswith("git+"):
        return f"{one.name} @ {one.source}", ""
    if one.source and not one.source.startswith(("http://", "https://")):
        return "", f"it was installed from a file or folder of the container, {one.source}"
    return f"{one.name}=={one.after}", ""


def _standing_on(
    changing: Changing, settled: Settled, watched: Watched, finished: Finished
) -> Sequence[TreeFiles] | None:
    """The trees that the container stands on by now; None where it could not be brought up to the lock."""
    if any(one.name == watched.label and one.refused for one in finished.containers):
        return None
    return stack_of(settled.lock, watched.target, settled.project, changing.store, changing.task)


def _replaced(
    watched: Watched, chosen: Chosen, named: Chosen | None, kept: Collection[str]
) -> frozenset[str]:
    """Where locked files take the place of the container's own: of all but `kept`, or of what is named and came with it."""
    found = [one for one in watched.installed.python if one.after and one.name not in kept]
    if named:
        wanted = {one.name for one in named.python}
        for _ in found:
            wanted |= {need for one in found if one.name in wanted for need in one.requires}
        names = {one.name for one in named.python}
        found = [one for one in found if one.name in names or (one.name in wanted and not one.before)]
    return _paths(watched, found, with_os=bool(chosen.os))


def _paths(watched: Watched, python: Iterable[Distribution], *, with_os: bool) -> frozenset[str]:
    """What the container has written of `python`, and of all OS packages."""
    paths = frozenset[str]().union(*(one.paths for one in python))
    if with_os:
        paths = paths.union(*(one.paths for one in watched.installed.os), watched.installed.bookkeeping)
    return paths


def _require_all_os(watched: Watched, named: Chosen | None) -> None:
    if named and named.os and len(named.os) < len(watched.installed.os):
        names = " ".join(f"apt:{one.name}" for one in watched.installed.os)
        raise SpecError(
            "OS packages go together: their package manager keeps one list of them",
            hints=[f"name all of them: {names}", "or none, which means everything"],
        )


def _discard(request: FreezeRequest, watched: Watched, named: Chosen | None) -> FreezeResult:
    chosen = named or Chosen(watched.installed.python, watched.installed.os)
    _require_all_os(watched, named)
    if not request.dry_run:
        drop(watched, _paths(watched, chosen.python, with_os=bool(chosen.os)), watched.trees)
    discarded = [f"{one.name} {one.after or '(none)'} -> {one.before or '(none)'}" for one in chosen.python]
    discarded += [f"apt:{one.name} {one.after or '(none)'} -> {one.before or '(none)'}" for one in chosen.os]
    return FreezeResult(watched.label, (), tuple(discarded), (), None, request.dry_run)


def drop(watched: Watched, paths: frozenset[str], trees: Sequence[TreeFiles]) -> None:
    """Take `paths` out of what the container has written, so that `trees` (bottom first), which it stands on, show there.

    Raises:
        EngineError: that cannot be done now.
    """
    from shipway.run.life import client
    from shipway.run.top.trees import plan_restore

    container = watched.container
    if watched.upper:
        _drop_outside(watched, paths)
    elif container is not None and container.running:
        changes = plan_restore(paths, trees, gone=watched.top.gone)
        client.apply_changes(container, changes.removals, changes.puts)
    elif container is not None:
        raise EngineError(
            f"`{shown(watched.label)}` does not run, so {container.engine} cannot change its files",
            hints=[f"start it: `shipway start {container.name}`"],
        )
    else:
        raise _in_use(watched)


def _in_use(watched: Watched) -> EngineError:
    return EngineError(f"`{shown(watched.label)}` is in use", hints=["leave the container first"])


def _drop_outside(watched: Watched, paths: frozenset[str]) -> None:
    from shipway.host.files import translating_disk_errors
    from shipway.host.lock import FileLock

    lock = FileLock(watched.lock)
    if not lock.try_acquire():
        raise _in_use(watched)
    try:
        with translating_disk_errors(f"change what is kept in `{watched.upper}`"):
            _unlink(watched.upper, paths)
    finally:
        lock.release()


def _unlink(upper: str, paths: frozenset[str]) -> None:
    """Deepest first; a folder goes when nothing is left in it."""
    for path in sorted(paths, key=lambda one: (-one.count("/"), one)):
        full = os.path.join(upper, path)
        if os.path.isdir(full) and not os.path.islink(full):
            if not os.listdir(full):
                os.rmdir(full)
            else:
                _show_below(full)
        elif os.path.lexists(full):
            os.unlink(full)


def _show_below(folder: str) -> None:
    """Let the folder of an upper hide nothing of the trees any more."""
    for name in ("user.overlay.opaque", "trusted.overlay.opaque"):
        with contextlib.suppress(OSError):
            os.removexattr(folder, name, follow_symlinks=False)

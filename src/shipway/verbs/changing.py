"""A change of what a project asks for, as one step: texts, lock, trees, containers. What `add`, `remove` and `freeze` share.

Everything is tried in memory and every tree is made before the first file is written; then the spec is written, then the lock,
then containers change. Whoever is stopped in between leaves a spec that says the truth, and the next command does the rest.
"""

from __future__ import annotations

import codecs
import contextlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ConflictError, SpecError, ToolError
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.verbs.context import host_platform
from shipway.verbs.find import SPEC_FILE
from shipway.verbs.locking import Freshness, check_lock, make_lock, write_lock
from shipway.verbs.prepare import build_planned, plan_locked
from shipway.verbs.project import (
    Project,
    own_folder,
    parse_project,
    read_project,
    read_text,
    require_target,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.core.digest import TreeKey
    from shipway.lock.model import Lock
    from shipway.plan.moves import Move
    from shipway.resolve.hold import Hold
    from shipway.spec.change import Texts
    from shipway.spec.model import Spec
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Prepared


_MOST = 20
"""Packages that a message names."""


class Edit(NamedTuple):
    """One file that changes."""

    file: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing:
    """A project whose spec is a file, and how its lock stands, held while it is changed."""

    project: Project
    found: Freshness
    store: Store
    task: Task
    inferred: bool
    """There was no spec; the one that was inferred becomes a file with the change."""
    stale: bool = False
    """The lock on disk does not match the spec; `found` has the one that would."""

    def parsed(self, texts: Texts) -> Project:
        """The project as `texts` say. What is worth saying about the spec was said when it was read."""
        return parse_project(self.project.folder, self.project.spec.file, dict(texts), silent)

    def edits(self, after: Project) -> tuple[Edit, ...]:
        """The files that `after` changes."""
        before = self.project.texts
        changed = [
            name for name, text in after.texts.items() if text is not None and before.get(name) != text
        ]
        if self.inferred and SPEC_FILE not in changed:
            changed.append(SPEC_FILE)
        return tuple(
            Edit(
                name,
                "" if self.inferred and name == SPEC_FILE else before.get(name) or "",
                after.texts[name] or "",
            )
            for name in changed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What the changed spec leads to."""

    project: Project
    lock: Lock
    moves: tuple[Move, ...]
    """Everything that differs from the lock before."""


@contextlib.contextmanager
def opened_change(task: Task) -> Iterator[Changing]:
    """The project of `task`, kept from other changes of this kind until the block ends.

    Raises:
        SpecError: the spec is wrong, or there is none and nothing to infer one from.
        LockFormatError: the lock cannot be read.
    """
    from shipway.host.files import make_directory
    from shipway.host.lock import FileLock
    from shipway.store.store import Store
    from shipway.verbs.find import find_folder

    own = own_folder(find_folder(task.directory))
    make_directory(os.path.dirname(own))
    with FileLock(own + ".lock", emit=task.emit):
        project = read_project(task.directory, task.emit)
        found = check_lock(project)
        inferred = bool(project.inferred)
        if inferred:
            texts = {**project.texts, SPEC_FILE: project.inferred}
            project = parse_project(project.folder, SPEC_FILE, texts, silent)
        store = Store.open(emit=task.emit)
        stale = bool(found.drift)
        if found.lock is not None and stale:
            found = _settled_before(project, found, task, store)
        yield Changing(project=project, found=found, store=store, task=task, inferred=inferred, stale=stale)


def _settled_before(project: Project, found: Freshness, task: Task, store: Store) -> Freshness:
    """The lock that the spec as it is leads to: what somebody has changed there by hand is no move of ours, and does not wait."""
    for sentence in found.drift:
        task.emit(Note(f"lock: {sentence}"))
    lock = make_lock(project, found, task, store, upgrade=frozenset(), dry_run=True)
    return Freshness(lock=lock, inputs=lock.inputs, drift=())


def settle(changing: Changing, project: Project, free: frozenset[str], *, may_move: bool) -> Settled:
    """Lock `project`, which asks for more or less than before, with everything in place that is locked, but for `free`.

    `may_move`: where that cannot be, other packages take other versions, and the spec's own pins of them follow.

    Raises:
        ConflictError: something would have to move and may not; names it.
        NotFound, FetchError, …: as locking raises.
    """
    from shipway.plan.moves import disturbed, find_moves
    from shipway.resolve.hold import Hold

    old = changing.found.lock
    if old is not None and project is changing.project:
        return Settled(project=project, lock=old, moves=())
    if old is None:
        return Settled(project=project, lock=relock(changing, project), moves=())
    hold = Hold(free=free, debs=_keeps_debs(changing, project.spec))
    failure: ConflictError | None = None
    try:
        lock = relock(changing, project, hold=hold)
        moves = find_moves(old, lock)
        if may_move or not disturbed(moves, free):
            return Settled(project=project, lock=lock, moves=moves)
    except ConflictError as error:
        failure = error
    settled = settle_loosely(changing, project, free)
    moved = disturbed(settled.moves, free)
    if moved and not may_move:
        raise _would_move(changing, moved) from failure
    return settled


def settle_loosely(changing: Changing, project: Project, free: frozenset[str]) -> Settled:
    """The same with other packages moved as far as they must, and the spec's pins of them changed.

    Raises:
        ToolError: there is no solution even so.
    """
    from shipway.plan.moves import find_moves
    from shipway.resolve.hold import Hold
    from shipway.resolve.lock_spec import restate

    old = changing.found.lock
    assert old is not None
    loose = loosened(project, free)
    try:
        lock = relock(changing, loose, hold=_nothing_held(changing, project.spec))
    except ConflictError:
        lock = relock(changing, loose)  # looks for versions of today, and at each target alone
    moves = find_moves(old, lock)
    final = _repinned(changing, project, lock, {move.name for move in moves if move.kind == "wheel"} - free)
    if final is not project:
        lock = relock(changing, final, previous=lock, hold=Hold(free=free, debs=True))
    else:
        lock = restate(lock, project.spec, _inputs(project))
    return Settled(project=final, lock=lock, moves=moves)


def try_loosely(changing: Changing, project: Project, free: frozenset[str]) -> tuple[Move, ...]:
    """What `settle_loosely` would move, asked in silence and without building anything.

    Raises:
        ToolError: there is no solution that is known today.
    """
    from shipway.plan.moves import find_moves

    old = changing.found.lock
    assert old is not None
    found = Freshness(lock=old, inputs=_inputs(project), drift=())
    task = changing.task._replace(emit=silent)
    hold = _nothing_held(changing, project.spec)
    loose = loosened(project, free)
    lock = make_lock(
        loose, found, task, changing.store, upgrade=frozenset(), hold=hold, builds=False, dry_run=True
    )
    return find_moves(old, lock)


def _nothing_held(changing: Changing, after: Spec) -> Hold:
    """Every Python package may move, and is wished to stay; no index page is read anew for it."""
    from shipway.resolve.hold import Hold

    old = changing.found.lock
    names = frozenset(wheel.name for wheel in old.wheels) if old else frozenset[str]()
    return Hold(free=names, debs=_keeps_debs(changing, after))


def _inputs(project: Project) -> TreeKey:
    from shipway.resolve.freshness import inputs_key

    return inputs_key(project.spec, project.texts)


def relock(
    changing: Changing,
    project: Project,
    *,
    previous: Lock | None = None,
    hold: Hold | None = None,
) -> Lock:
    """A lock of `project`, not written. `previous`: the one to start from, else the project's."""
    before = previous or changing.found.lock
    found = Freshness(lock=before, inputs=_inputs(project), drift=())
    return make_lock(
        project, found, changing.task, changing.store, upgrade=frozenset(), hold=hold, dry_run=True
    )


def _keeps_debs(changing: Changing, after: Spec) -> bool:
    """Whether nothing that OS packages follow from differs between the lock and `after`."""
    return _deb_causes(changing.project.spec) == _deb_causes(after)


def _deb_causes(spec: Spec) -> list[tuple[object, ...]]:
    from shipway.resolve.lock_spec import needs_python

    return [
        (one.name, one.base, one.python, [wish.text for wish in one.apt], one.recommends, needs_python(one))
        for one in spec.targets
    ]


def loosened(project: Project, free: frozenset[str]) -> Project:
    """`project` without its own `==` of Python packages, but for those in `free`, and for those that name hashes."""
    from shipway.spec.model import Target, Wish
    from shipway.spec.requirement import parse_requirement

    def loose(wish: Wish) -> Wish:
        parsed = parse_requirement(wish.text)
        if not parsed.pin or wish.hashes or parsed.name in free:
            return wish
        return replace(wish, text=str(replace(parsed, specifier=())))

    def changed(target: Target) -> Target:
        return replace(target, pip=tuple(map(loose, target.pip)))

    return replace(project, spec=replace(project.spec, targets=tuple(map(changed, project.spec.targets))))


def _repinned(changing: Changing, project: Project, lock: Lock, names: set[str]) -> Project:
    """`project` with the version of `lock` in every `==` of the packages `names`; itself where there is none."""
    from shipway.spec.bounds import bounded
    from shipway.spec.change import find_spot, find_wishes, with_replaced
    from shipway.spec.requirement import parse_requirement

    texts: Texts = project.texts
    for name in sorted(names):
        for wish in find_wishes(project.spec, "pip", name):
            parsed = parse_requirement(wish.text)
            if parsed.pin and not wish.hashes:
                bare = str(replace(parsed, specifier=()))
                text = bounded(bare, versions_of(lock, name), ())
                texts = with_replaced(texts, find_spot(texts, "pip", wish), text)
    return project if texts is project.texts else changing.parsed(texts)


def versions_of(lock: Lock, name: str, target: str = "") -> tuple[str, ...]:
    """The versions of the Python package `name` in the targets of `lock`, or in one."""
    from shipway.resolve.hold import locked_wheels

    found = {
        wheel.version: None
        for one in lock.targets
        if not target or one.name == target
        for wheel in locked_wheels(lock, one.name, one.platform)
        if wheel.name == name
    }
    return tuple(found)


def _would_move(changing: Changing, moved: Sequence[Move]) -> ConflictError:
    lines = [describe_move(changing, move) for move in moved[:_MOST]]
    lines += [f"and {len(moved) - _MOST} more"] if len(moved) > _MOST else []
    return ConflictError(
        "this does not fit what is locked without moving other packages; nothing was changed. It would be:\n"
        + "\n".join(f"  {line}" for line in lines),
        hints=["`--move` makes these changes, too, those of the spec's own pins included"],
    )


def describe_move(changing: Changing, move: Move) -> str:
    """`jax 0.4.30 -> 0.10.2 (asked for as `jax==0.4.30` at shipway.toml:11)`."""
    from shipway.spec.change import find_wishes

    kind = "pip" if move.kind == "wheel" else "apt"
    wishes = [one for one in find_wishes(changing.project.spec, kind, move.name) if one.text != move.name]
    asked = f" (asked for as `{shown(wishes[0].text)}` at {wishes[0].origin})" if wishes else ""
    return f"{shown(move.name)} {shown(move.before)} -> {shown(move.after)}{asked}"


def build_target(changing: Changing, settled: Settled, target: str) -> Prepared | None:
    """Have the trees of `target` on this host; None where the lock is not for it."""
    from shipway.verbs.build import keep
    from shipway.verbs.history import remember_build

    task, lock = changing.task, settled.lock
    platform = task.platform or host_platform()
    if not any(one.name == target and one.platform == platform for one in lock.targets):
        return None
    inputs = Freshness(lock=lock, inputs=lock.inputs, drift=())
    planned = plan_locked(
        settled.project, lock, inputs, store=changing.store, target=target, task=task, files=False
    )
    prepared = build_planned(planned, task._replace(repair=False))
    keep(prepared)
    remember_build(settled.project.folder, prepared.planned)
    return prepared


def chosen_target(changing: Changing) -> str:
    """The target that the caller works with."""
    return require_target(changing.project.spec, changing.task.target).name


def write_change(changing: Changing, settled: Settled) -> None:
    """The spec first: with a lock that is older, the next command makes it anew.

    Raises:
        SpecError: somebody else has changed a file since it was read; nothing was written.
        NoSpace, StoreError: a file cannot be written.
    """
    from shipway.host.files import translating_disk_errors, write_atomic

    edits = changing.edits(settled.project)
    folder = changing.project.folder
    for edit in edits:
        if (read_text(folder, edit.file) or "") != edit.before:
            raise SpecError(
                f"`{shown(edit.file)}` was changed by somebody else meanwhile",
                hints=["run the command again"],
            )
    for edit in edits:
        path = os.path.realpath(os.path.join(folder, edit.file))
        with translating_disk_errors(f"write `{path}`", error=ToolError):
            mark, mode = _form(path)
            write_atomic(path, mark + edit.after.encode(), mode)
        changing.task.emit(Note(f"wrote `{shown(edit.file)}`"))
    write_lock(settled.project, settled.lock, changing.task.emit)


def _form(path: str) -> tuple[bytes, int]:
    """The byte order mark of a file, if it has one, and its mode; of a new file nothing, and the usual mode."""
    try:
        with open(path, "rb") as file:
            mark = file.read(len(codecs.BOM_UTF8))
            return (mark if mark == codecs.BOM_UTF8 else b""), os.fstat(file.fileno()).st_mode & 0o777
    except FileNotFoundError:
        return b"", 0o644

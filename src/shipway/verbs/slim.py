"""`slim`: a target without what only a build needs, written to the spec when a check has passed before and after."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.core.errors import ExitCode, SpecError, ToolError, VerifyError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.locking import check_lock, make_lock, write_lock
from shipway.verbs.prepare import build_planned, plan_locked, plan_project
from shipway.verbs.project import parse_project, require_target
from shipway.verbs.size import measure_trees, sized_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.core.events import Emit
    from shipway.lock.model import Lock
    from shipway.plan.slim import Slimming
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned, Prepared
    from shipway.verbs.project import Project

_LEAVE_IN = "leave something in with `--keep KIND` or `--keep apt:NAME`; the spec is as it was"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimRequest:
    """What the command line asks for."""

    check: tuple[str, ...]
    """The command that must succeed before and after."""
    name: str = ""
    """Of the new target; empty: `slim`, or `TARGET-slim` for a target that is not the default."""
    keep: tuple[str, ...] = ()
    """Kinds of files and packages (`apt:make`) that stay."""
    also: tuple[str, ...] = ()
    """Kinds of files that go beyond the careful ones."""
    engine: str = ""
    """What runs the check; empty: our own, so that it does not depend on what the spec prefers."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimResult:
    """The slim target, or what it would be."""

    name: str
    target: str
    """The one that it is made from."""
    file: str
    """Where the spec is."""
    text: str
    """What is added to it."""
    kinds: tuple[str, ...]
    packages: tuple[str, ...]
    before: int
    """Bytes of files in the image, without the project's own."""
    after: int
    """The same of the slim one; of a dry run an estimate."""
    dry_run: bool


def run_slim(request: SlimRequest, task: Task) -> SlimResult:
    """Build, check, slim, check again, and only then write the spec and the lock.

    Raises:
        VerifyError: the check fails, before or after; nothing was written.
        SpecError: there is no spec to write to, or it has a target of that name.
        ToolError: nothing can be left out, an option names nothing, or a build failed.
    """
    prepared = build_planned(plan_project(task, files=False), task)
    planned = prepared.planned
    target = planned.plan.target
    name = request.name or ("slim" if target == planned.project.spec.default_target else f"{target}-slim")
    _require_room(planned.project, name)
    slimming = _choose(request, prepared, task.emit)
    project, text = _with_target(planned.project, target, name, slimming, task)
    before = measure_trees(planned, prepared.trees).size
    if request.dry_run:
        after = before - _estimate(prepared, slimming)
    else:
        where = f"in target `{target}`, before anything was left out"
        _check(request, prepared, task, where, hint="correct it, or give another check")
        lock, slim = _build(project, name, planned, task)
        where = f"in the slim target, without {', '.join((*slimming.packages, *slimming.kinds))}"
        _check(request, slim, task, where, hint=_LEAVE_IN)
        after = measure_trees(slim.planned, slim.trees).size
        _write(project, lock, task)
    return SlimResult(
        name=name,
        target=target,
        file=project.spec.file,
        text=text,
        kinds=slimming.kinds,
        packages=slimming.packages,
        before=before,
        after=after,
        dry_run=request.dry_run,
    )


def _require_room(project: Project, name: str) -> None:
    if project.inferred:
        raise SpecError(
            "there is no spec that a target could be added to", hints=["run `shipway init` first"]
        )
    if any(target.name == name for target in project.spec.targets):
        raise SpecError(
            f"the spec has a target `{shown(name)}` already",
            hints=["give the new one another name with `--name`", f"remove `{shown(name)}` from the spec"],
        )


def _choose(request: SlimRequest, prepared: Prepared, emit: Emit) -> Slimming:
    from shipway.core.waste import Waste
    from shipway.plan.causes import parse_requested
    from shipway.plan.slim import FOR_BUILDING, choose_slimming, find_compiled_here

    planned = prepared.planned
    target = require_target(planned.project.spec, planned.plan.target)
    wishes = {f"apt:{parse_requested(f'apt:{wish.text} < ').name}" for wish in target.apt}
    wishes |= {f"pip:{parse_requested(f'pip:{wish.text} < ').name}" for wish in target.pip}
    for word in request.keep:
        if word not in wishes and word not in tuple(Waste):
            raise ToolError(
                f"`--keep {shown(word)}` names nothing that could go",
                hints=[
                    f"kinds of files are: {', '.join(Waste)}",
                    "packages that the spec asks for are named `apt:NAME` or `pip:NAME`",
                ],
                code=ExitCode.USAGE,
            )
    keep = set(request.keep)
    compiled = find_compiled_here(planned.lock, planned.lock.target(target.name, planned.plan.platform))
    if compiled:
        keep |= {*FOR_BUILDING, *wishes}
        emit(
            Note(f"compilers, headers and static libraries stay, to build {', '.join(map(shown, compiled))}")
        )
    slimming = choose_slimming(
        wishes,
        sized_layers(planned, prepared.trees),
        inherited=target.slim,
        keep=keep,
        also=request.also,
    )
    if not slimming.packages and slimming.kinds == target.slim:
        raise ToolError(
            f"nothing was found that target `{target.name}` could do without",
            hints=["`shipway size` shows where its bytes are"],
        )
    return slimming


def _estimate(prepared: Prepared, slimming: Slimming) -> int:
    from shipway.plan.causes import find_causes
    from shipway.plan.slim import estimate_savings

    planned = prepared.planned
    causes = find_causes(planned.lock, planned.lock.target(planned.plan.target, planned.plan.platform))
    return estimate_savings(sized_layers(planned, prepared.trees), causes, slimming)


def _with_target(
    project: Project, target: str, name: str, slimming: Slimming, task: Task
) -> tuple[Project, str]:
    """The project with one more target, in memory, and the text that makes it."""
    from shipway.spec.added_target import add_target

    file = project.spec.file
    old = project.texts[file] or ""
    values = {"inherits": target, "without": list(slimming.packages), "slim": list(slimming.kinds)}
    new = add_target(old, name, values, file=file)
    return parse_project(project.folder, file, {**project.texts, file: new}, task.emit), new[
        len(old) :
    ].lstrip()


def _build(project: Project, name: str, planned: Planned, task: Task) -> tuple[Lock, Prepared]:
    found = check_lock(project)
    lock = make_lock(project, found, task, planned.store, upgrade=frozenset(), dry_run=True)
    slim = plan_locked(project, lock, found, store=planned.store, target=name, task=task, files=False)
    return lock, build_planned(slim, task)


def _check(request: SlimRequest, prepared: Prepared, task: Task, where: str, *, hint: str) -> None:
    from shipway.verbs.run import RunWords, run_prepared

    task.emit(Note(f"checking {where}"))
    with _standard_output_as_talk():
        code = run_prepared(RunWords(argv=request.check, engine=request.engine), prepared, task).code
    if code != 0:
        raise VerifyError(
            f"the check `{shown(' '.join(request.check))}` fails {where}: exit code {code}",
            hints=[hint],
        )


@contextlib.contextmanager
def _standard_output_as_talk() -> Iterator[None]:
    """Let what is started inside write to standard error: its words are no data of ours."""
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _write(project: Project, lock: Lock, task: Task) -> None:
    """The spec first: with a lock that is older, the next command makes it anew."""
    from shipway.host.files import write_atomic

    file = project.spec.file
    write_atomic(os.path.join(project.folder, file), (project.texts[file] or "").encode())
    task.emit(Note(f"wrote `{shown(file)}`"))
    write_lock(project, lock, task.emit)

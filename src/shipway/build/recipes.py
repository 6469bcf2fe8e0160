"""How each kind of tree is made. What comes from one artifact is in `unpacking.py`, the config delta in `system_job.py`; the
rest, which needs the trees below it or nothing at all, is in the table here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.build.commands_tree import digest_of_inputs, make_commands
from shipway.build.data_copy import data_folder, make_data
from shipway.build.files_tree import make_files, scan_files
from shipway.build.slimming import leave_out
from shipway.build.venv_tree import make_venv
from shipway.build.wheel_recipe import make_wheel
from shipway.core.errors import BuildError
from shipway.core.events import Began, Did, Ended
from shipway.plan.model import Plan, TreeKind, TreeRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipway.build.context import BuildContext
    from shipway.core.events import Emit
    from shipway.core.manifest import Manifest
    from shipway.store.transaction import Staged
    from shipway.store.tree import Tree

PHASE = "configure"


def complete_requests(plan: Plan, project: str, emit: Emit, *, files: bool) -> tuple[TreeRequest, ...]:
    """The plan's trees with the digests of what they take from the project's folder; without `files`, not its own tree.

    Raises:
        BuildError: an input of a build command is missing or leaves the project.
    """
    completed = []
    for request in plan.trees:
        if request.kind == TreeKind.FILES:
            if files:
                completed.append(_with_content(request, project, emit))
        elif request.kind == TreeKind.DATA and request.of_host:
            if files:
                completed.append(_with_folder(request, project, emit))
        elif request.kind == TreeKind.COMMANDS:
            paths = [path for _, inputs, _ in request.inputs["commands"] for path in inputs]
            completed.append(_with(request, "inputs", digest_of_inputs(project, paths)))
        else:
            completed.append(request)
    return tuple(completed)


def make_late_tree(request: TreeRequest, context: BuildContext) -> Tree:
    """Make a tree that needs those below it, or needs nothing.

    Raises:
        BuildError: a script, a wheel build or a command failed.
    """
    context.emit(Began(PHASE, items=1))
    staged = context.tx.stage(request.name)
    manifest = RECIPES[request.kind](request, context, staged)
    manifest = leave_out(staged.root, manifest, request.inputs)
    tree = context.tx.add_tree(request.inputs, staged, manifest)
    context.emit(Did(PHASE, request.name))
    context.emit(Ended(PHASE))
    return tree


def _venv(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    del context
    return make_venv(
        staged.root,
        python=request.inputs["python"],
        executable=request.inputs["executable"],
        system_site_packages=request.inputs["system_site_packages"],
    )


def _files(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    return make_files(request.inputs, context.project, staged.root, emit=context.emit)


def _base(request: TreeRequest, context: BuildContext, staged: Staged) -> Manifest:
    del context, staged
    raise BuildError(
        f"`{request.name}` is not in the store, where a build expects it", hints=["run the command again"]
    )


RECIPES: dict[TreeKind, Callable[[TreeRequest, BuildContext, Staged], Manifest]] = {
    TreeKind.BASE: _base,
    TreeKind.VENV: _venv,
    TreeKind.WHEEL: make_wheel,
    TreeKind.COMMANDS: make_commands,
    TreeKind.DATA: make_data,
    TreeKind.FILES: _files,
}


def _with_folder(request: TreeRequest, project: str, emit: Emit) -> TreeRequest:
    found = scan_files(data_folder(request.inputs, project), emit=emit)
    return _with(request, "content", found.digest.hex)


def _with_content(request: TreeRequest, project: str, emit: Emit) -> TreeRequest:
    found = scan_files(project, request.inputs["include"], request.inputs["ignore"], emit=emit)
    return _with(request, "content", found.digest.hex)


def _with(request: TreeRequest, name: str, value: object) -> TreeRequest:
    return replace(request, inputs=request.inputs | {name: value})

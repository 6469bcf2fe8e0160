"""Local projects in a run: imported from the folders that are mounted, so that an edit is seen at once and nothing is built.

Beside the lock's digest of all sources, the state folder remembers the digest of those that decide a build or are compiled. As
long as these are the same, the wheel that was built stays right for a run: it gives the metadata, the programs, and what was
compiled.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipway.lock.model import Lock, Source
    from shipway.sources.editable import Layout
    from shipway.sources.values import SourceFile
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned, Prepared

_SITE = "/site-packages/"


def plan_run_project(task: Task, *, editable: bool) -> Planned:
    """The plan for a run. With `editable`, sources may have changed as long as the wheels that were built of them are there.

    Raises:
        ToolError: as `plan_project`.
    """
    from shipway.build.builder import find_trees
    from shipway.verbs.prepare import plan_project

    planned = plan_project(task, files=False, editable=editable)
    if editable and _locals(planned) and find_trees(planned.store, planned.requests) is None:
        return plan_project(task, files=False)
    return planned


def is_editable(source: Source, files: Iterable[SourceFile]) -> bool:
    """Whether the wheel of `source`, whose files are now `files`, still does for a run."""
    from shipway.sources.editable import steering_digest

    try:
        with open(_record(source), encoding="ascii") as stream:
            return stream.read() == str(steering_digest(files))
    except OSError:
        return False


def find_editables(prepared: Prepared) -> tuple[tuple[str, str], ...]:
    """What is laid over the environment: paths below the root with texts; empty without local projects.

    Raises:
        SpecError: a project's folder is gone.
    """
    from shipway.sources.editable_finder import render_finder

    modules: dict[str, str] = {}
    roots: list[str] = []
    site = ""
    for one in _placed(prepared):
        site = one.site
        base = os.path.normpath(f"{prepared.planned.plan.settings.workdir}/{one.source.path}")
        modules |= {name: f"{base}/{place}" for name, place in one.layout.modules}
        modules |= {name: f"/{site}/{place}" for name, place in one.layout.kept}
        roots += [f"{base}/{root}" for root in one.layout.roots]
        if not one.layout.unplaced:
            _remember(one.source, one.files)
    return render_finder(site, modules, dict.fromkeys(roots)) if modules else ()


def find_unplaced(prepared: Prepared) -> tuple[str, ...]:
    """A sentence for each local project that has modules which a run cannot import from its folder: an edit builds it again.

    Raises:
        SpecError: a project's folder is gone.
    """
    return tuple(
        f"`{', '.join(one.layout.unplaced)}` lies nowhere in `{one.source.path}` by that name, where a run could import it: "
        "an edit builds the project again"
        for one in _placed(prepared)
        if one.layout.unplaced
    )


class _Placed(NamedTuple):
    """A local project that was built, and where its modules lie in its folder."""

    source: Source
    files: tuple[SourceFile, ...]
    site: str
    """The folder of packages, relative to the root."""
    layout: Layout


def _placed(prepared: Prepared) -> Iterator[_Placed]:
    from shipway.sources.editable import find_layout
    from shipway.sources.trees import read_folder

    planned = prepared.planned
    wheels = _locals(planned)
    site = ""
    for request, tree in zip(planned.requests, prepared.trees, strict=True):
        source = next((wheels[one] for one in request.members if one in wheels), None)
        if source is None:
            continue
        files = read_folder(os.path.join(planned.project.folder, source.path))
        paths = [entry.path for entry in tree.manifest().entries]
        site = next((path.partition(_SITE)[0] + _SITE[:-1] for path in paths if _SITE in path), site)
        inside = [path.removeprefix(site + "/") for path in paths if path.startswith(site + "/")]
        yield _Placed(source, files, site, find_layout(inside, [file.path for file in files]))


def editable_inputs(prepared: Prepared) -> tuple[str, ...]:
    """The files of local projects that a launch record depends on: what decides builds or is compiled."""
    from shipway.sources.editable import STEERING, steers
    from shipway.sources.trees import read_folder

    found: list[str] = []
    for source in set(_locals(prepared.planned).values()):
        folder = os.path.join(prepared.planned.project.folder, source.path)
        names = {file.path for file in read_folder(folder) if steers(file.path)}
        found += (os.path.normpath(os.path.join(folder, name)) for name in names | STEERING)
    return tuple(found)


def _locals(planned: Planned) -> dict[str, Source]:
    """The local sources of the plan's wheels, by the wheel's id."""
    lock: Lock = planned.lock
    sources = {source.id: source for source in lock.sources if source.kind == "local"}
    return {wheel.id: sources[wheel.source] for wheel in lock.wheels if wheel.source in sources}


def _remember(source: Source, files: tuple[SourceFile, ...]) -> None:
    from shipway.host.files import make_directory, write_atomic
    from shipway.sources.editable import steering_digest
    from shipway.sources.trees import tree_digest

    path = _record(source)
    if tree_digest(files) == source.sha256 and not os.path.exists(path):
        make_directory(os.path.dirname(path))
        write_atomic(path, str(steering_digest(files)).encode("ascii"), 0o600, durable=False)


def _record(source: Source) -> str:
    from shipway.host.dirs import state_dir

    return f"{state_dir()}/editable/{str(source.sha256).partition(':')[2]}"

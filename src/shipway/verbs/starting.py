"""`up`, `start`, `restart`: containers that live on, started as they were or made anew."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import EngineError, NotFound
from shipway.core.events import Note, silent
from shipway.core.text import shown
from shipway.host.dirs import state_dir
from shipway.run.life import client
from shipway.run.life.model import State
from shipway.run.request import choose_hostname
from shipway.verbs.containers import LIVES, Named, settled
from shipway.verbs.ending import stop
from shipway.verbs.find import find_folder
from shipway.verbs.lasting import Around, StartingAlready, begin_lasting, held_start, require_engine_of
from shipway.verbs.run import RunWords, find_remembered, merger, run_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipway.image.portable import PortableImage
    from shipway.run.life.model import Container
    from shipway.run.model import Invocation
    from shipway.store.uses import Use
    from shipway.verbs.context import Task

_NO_OPTIONS = ("argv", "shell", "tty", "built")
"""Of an invocation: the command, and what is of one start only."""
IDLE = ("sleep", "infinity")
"""What the container of a project does while nobody asks it for anything."""


class UpResult(NamedTuple):
    """The project's container."""

    container: Container | None
    """None: a dry run, and it is not there."""
    done: str
    """`made`, `started` or `found`; of a dry run what would be."""
    differs: tuple[str, ...] = ()
    """In what one that was found differs from what would be made now."""
    plan: tuple[str, ...] = ()


def run_up(words: RunWords, task: Task, *, recreate: bool, dry_run: bool) -> UpResult:
    """The project's container, running: the one that is there, or a new one; one that another `up` is starting is waited for.

    `words`: how a new one is made; without a command it waits for others'. `recreate`: a new one in any case; what the old one
    wrote outside mounts stays with it, under another name.

    Raises:
        ToolError: it could not be made or started.
    """
    while True:
        try:
            return _up(words, task, recreate=recreate, dry_run=dry_run)
        except StartingAlready as other:
            other.wait()


def _up(words: RunWords, task: Task, *, recreate: bool, dry_run: bool) -> UpResult:
    folder = find_folder(task.directory)
    found = client.find_own(state_dir(), folder, task.target)
    if found is not None and not recreate:
        differs = find_differences(found, words, task)
        if found.status.state in LIVES:
            return UpResult(found, "found", differs)
        if dry_run:
            require_startable(found, task)
            return UpResult(found, "started", differs)
        start_again(found, task, attached=False)
        return UpResult(client.find_container(state_dir(), found.id), "started", differs)
    if found is not None and not dry_run:
        _give_way(found, task)
    asked = words._replace(argv=words.argv or IDLE, own=True, life=_named(words, folder, task))
    result = run_command(asked, task, dry_run=dry_run)
    if dry_run:
        return UpResult(None, "made", plan=result.plan)
    return UpResult(client.find_container(state_dir(), result.id), "made")


def _named(words: RunWords, folder: str, task: Task):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """The options of a new one, whose name is the project's, or one like it where another project has that."""
    from shipway.run.model import LifeOptions

    life = words.life or LifeOptions()
    if life.name:
        return life._replace(detach=True)
    name = _project_name(folder, task)
    try:
        held = client.find_container(state_dir(), name)
    except NotFound:
        held = None
    if held is not None and held.name == name and held.project != folder:
        import hashlib

        name = f"{name}-{hashlib.sha256(folder.encode('utf-8', 'surrogateescape')).hexdigest()[:4]}"
        task.emit(
            Note(
                f"the name `{held.name}` belongs to the container of `{shown(held.project)}`, so this is `{name}`"
            )
        )
    return life._replace(name=name, detach=True)


def _project_name(folder: str, task: Task) -> str:
    """After the project and its target; the spec is only read where no launch record holds."""
    remembered = find_remembered(task)
    if remembered is not None:
        return choose_hostname(remembered.name, remembered.target)
    from shipway.verbs.project import read_project, require_target

    spec = read_project(folder, silent).spec  # what it is made from tells what there is to tell
    return choose_hostname(spec.name, require_target(spec, task.target).name)


def _give_way(container: Container, task: Task) -> None:
    if container.status.state in LIVES:
        stop(Named(container), 10.0, task.emit)
    renamed = container.record._replace(own=False)
    from shipway.run.life.records import write_record

    write_record(container.folder, renamed)


def find_differences(container: Container, words: RunWords, task: Task) -> tuple[str, ...]:
    """In what a container differs from what would be made now, each as a sentence."""
    from shipway.verbs.invocation import read_invocation
    from shipway.verbs.run import find_environment

    found = []
    if words.engine and words.engine != container.engine:
        found.append(f"it runs in {container.engine}, not in {words.engine}")
    wanted = find_environment(task)
    if wanted is None:
        found.append("the lock or spec has changed, and what they mean now is not built yet")
    elif wanted.lowers != container.environment.lowers:
        found.append("its packages are those of an older lock")
    elif wanted.options != container.environment.options:
        found.append("the spec's `[run]` has changed")
    if words.argv and words.argv != container.record.asked.argv:
        found.append("it runs another command")
    if words.life is not None and words.life.name not in ("", container.name):
        found.append(f"it is called `{container.name}`")
    others = find_other_options(container.record.asked, read_invocation(words))
    if others:
        found.append(f"it was made with other options than these: {', '.join(others)}")
    return tuple(found)


def find_other_options(made: Invocation, asked: Invocation) -> tuple[str, ...]:
    """What `asked` says that is not so in a container `made` before. What is not said is as it is."""
    said = {name: value for name, value in asked._asdict().items() if value != asked._field_defaults[name]}
    return tuple(
        name.replace("_", " ")
        for name, value in said.items()
        if name not in _NO_OPTIONS and value != getattr(made, name)
    )


def start_again(container: Container, task: Task, *, attached: bool) -> int | None:
    """Start a container that has ended, as it was. Returns its exit code if it was `attached` to its end.

    Raises:
        EngineError: it runs, or lives no longer than its command.
        NotFound: what it is made of is no longer in the store.
    """
    with _startable(container, task) as use:
        around = Around(_no_image(container), merger(use.trees), use.fds, task.emit)
        with held_start(container):
            return begin_lasting(container, around, attached=attached)


def require_startable(container: Container, task: Task) -> None:
    """Make sure that `start_again` would find what it needs. Raises what that does."""
    with _startable(container, task):
        pass


def require_restartable(container: Container, task: Task) -> None:
    """The same of one that may run now, and is to be ended first."""
    client.require_known(container)
    require_startable(_as_ended(container), task)


@contextlib.contextmanager
def _startable(container: Container, task: Task) -> Iterator[Use]:
    from shipway.core.digest import TreeKey
    from shipway.store.store import Store

    require_engine_of(container)
    client.require_known(container)
    if container.status.state in LIVES:
        raise EngineError(
            f"`{container.name}` runs already", hints=(f"go in: `shipway exec {container.name} bash`",)
        )
    with Store.open(emit=task.emit).use([TreeKey(key) for key in container.environment.keys]) as use:
        if use.missing:
            raise NotFound(
                f"what `{container.name}` is made of is no longer in the store",
                hints=("make it anew: `shipway up --recreate`",),
            )
        yield use


def restart(container: Container, task: Task, patience: float) -> None:
    """End it, if it runs, and start it again; one that could not be started again is not ended."""
    container = settled(container, task.emit)
    require_restartable(container, task)
    if container.status.state in LIVES:
        stop(Named(container), patience, task.emit)
        container = client.find_container(state_dir(), container.id)
    start_again(_as_ended(container), task, attached=False)


def _as_ended(container: Container) -> Container:
    return container._replace(status=container.status._replace(state=State.EXITED))


def _no_image(container: Container):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def make() -> PortableImage:
        raise EngineError(
            f"the engine has lost the image of `{container.name}`",
            hints=("make it anew: `shipway up --recreate`, or run it again with its name",),
        )

    return make

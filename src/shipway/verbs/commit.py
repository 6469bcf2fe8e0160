"""`commit`: a new image from what a container has become, and the lines of a spec that make the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipway.build.capture import FIXED_TIME
from shipway.core.errors import EngineError, NotFound, ToolError
from shipway.core.manifest import DIRECTORY, SYMLINK
from shipway.verbs.containers import find_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.archive.extract import Extractor
    from shipway.image.stored import StoredImage
    from shipway.run.life.model import Container
    from shipway.run.top.content import Piece
    from shipway.run.top.installed import Installed, Top
    from shipway.store.store import Store
    from shipway.store.tree import Tree
    from shipway.verbs.context import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """The image, and how to do without it."""

    container: str
    image: str
    """What the new image is called; empty: none was made."""
    digest: str
    """Of the manifest."""
    lines: tuple[str, ...]
    """Lines of a spec that install what was installed by hand."""
    files: tuple[tuple[str, str], ...]
    """Other paths, which only the image has, for no package brought them; and `A` added, `C` changed, `D` removed."""
    missed: tuple[str, ...]
    """What no line of a spec can say: packages that were taken out, or come from nowhere."""


def run_commit(name: str, reference: str, task: Task, *, dry_run: bool) -> CommitResult:
    """Make the image, in the store, whatever engine the container is of. With `dry_run` only the recipe.

    Raises:
        NotFound: there is no such container.
        ToolError: the image's name is none, or the container is of an environment that the spec no longer means.
    """
    from shipway.store.store import Store
    from shipway.verbs.bringing import read_own, trees_of
    from shipway.verbs.images import require_name

    container = find_whole(name, task)
    if not container.record.lasting:
        raise EngineError(
            f"`{container.name}` is thrown away at its end, and was never meant to be an image",
            hints=("give the next one a name: `shipway run --name NAME`",),
        )
    store = Store.open(emit=task.emit)
    top, installed = read_own(container, trees_of(container.environment.keys, store), store)
    lines, missed = render_recipe(installed)
    what = {one.path: one.what for one in top.written}
    target = require_name(reference).text if reference else ""
    digest = ""
    if target and not dry_run:
        digest = _commit(container, target, top, store, task)
    return CommitResult(
        container=container.name,
        image="" if dry_run else target,
        digest=digest,
        lines=lines,
        files=tuple((path, what[path]) for path in sorted(installed.others)),
        missed=missed,
    )


def render_recipe(installed: Installed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines of a spec, and what they cannot say; what others require is left to them (pure)."""
    from shipway.verbs.freeze import TAKEN_OUT, render_wish, top_level

    chosen = top_level(installed)
    wishes = [(one.name, *render_wish(one)) for one in chosen.python]
    pip = sorted(line for _, line, _ in wishes if line)
    missed = [f"{name}: {why_not}" for name, line, why_not in wishes if not line]
    apt = sorted(one.name for one in chosen.os if one.after)
    missed += [f"apt:{one.name}: {TAKEN_OUT.format(f'apt:{one.name}')}" for one in chosen.os if not one.after]
    lines = [f"{key} = {_list(values)}" for key, values in (("pip", pip), ("apt", apt)) if values]
    return tuple(lines), tuple(missed)


def _list(values: Iterable[str]) -> str:
    from shipway.spec.toml_text import render_value

    return render_value(list(values))


def _commit(container: Container, target: str, top: Top, store: Store, task: Task) -> str:
    from shipway.host.dirs import state_dir
    from shipway.image.added_layer import add_layer
    from shipway.image.names import find_name, put_name
    from shipway.run.life.journal import write_event

    base = _base_image(container, store, task)
    tree = _take_tree(container, top, store)
    image = add_layer(
        base,
        tree,
        name="committed",
        by="shipway commit",
        reason="what a container wrote",
    )
    before = find_name(store, target)
    put_name(store, target, image)
    if before is not None and before.digest != image.digest:
        from shipway.core.events import Note

        task.emit(Note(f"`{target}` meant another image before: {before.digest}", "warning"))
    write_event(state_dir(), container.record, "commit", detail=target)
    return image.digest


def _base_image(container: Container, store: Store, task: Task) -> StoredImage:
    """The image that the container began with.

    Raises:
        ToolError: it is not there any more.
    """
    from shipway.verbs.images import choose_image, require_image

    if container.record.image:
        base = require_image(store, container.record.image).image
    else:
        where = task._replace(directory=container.project, target=container.target)
        base = choose_image(where, "").image
    keys = {key for layer in base.layers for key in layer.trees}
    if not set(container.environment.keys) <= keys:
        raise ToolError(
            f"the image that `{container.name}` began with is not what `{container.record.image or 'the spec'}` means now",
            hints=(
                "the recipe makes the same from the spec: `shipway commit --dry-run`",
                "or begin again: `shipway up --recreate`",
            ),
        )
    return base


def _take_tree(container: Container, top: Top, store: Store) -> Tree:
    """What the container wrote, as a tree of the store. Everything in it belongs to root, as all of an image does.

    Raises:
        NotFound: it wrote nothing.
        StoreError, NoSpace: it cannot be read or kept.
    """
    from shipway.image.added_layer import make_tree
    from shipway.run.top.content import read_pieces

    gone = sorted(one.path for one in top.written if one.what == "D")
    there = [one.path for one in top.written if one.what != "D"]
    if not (gone or there):
        raise NotFound(
            f"`{container.name}` has written nothing outside mounts, so there is nothing to commit",
            hints=("its image is the one that it began with: `shipway tag`",),
        )

    def fill(extractor: Extractor) -> None:
        for path in gone:
            extractor.whiteout(path)
        for piece in read_pieces(container, there):
            _take(extractor, piece)

    return make_tree(store, f"what `{container.name}` has written", "commit", fill)


def _take(extractor: Extractor, piece: Piece) -> None:
    if piece.kind == DIRECTORY:
        extractor.directory(piece.path, piece.mode, FIXED_TIME)
    elif piece.kind == SYMLINK:
        extractor.symlink(piece.path, piece.target, FIXED_TIME)
    else:
        extractor.file(piece.path, piece.chunks(), piece.mode, FIXED_TIME)

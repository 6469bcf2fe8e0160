"""Stored images by name: which one a verb works on, and `images`, `tag`, `rmi`, `history`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.reference import Reference, parse_reference
from shipway.core.text import shown
from shipway.image.names import Named, find_name, list_names, put_name, remove_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.core.events import Emit
    from shipway.image.stored import StoredImage
    from shipway.store.store import Store
    from shipway.verbs.context import Task
    from shipway.verbs.prepare import Planned

_SHORTEST = 7
"""Hex digits that name an image by the beginning of a digest."""
_HEX = frozenset("0123456789abcdef")


class Chosen(NamedTuple):
    """The image that a verb works on, and what it is called."""

    reference: Reference
    image: StoredImage
    planned: Planned | None = None
    """What the project's image was made by; None for a stored one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One name."""

    name: str
    digest: str
    """Of the manifest."""
    config_digest: str
    platform: str
    created: str
    """As the image says."""
    size: int
    """Bytes of the uncompressed layers."""
    layers: int
    moved: float
    """When the name got its image, seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One line of how an image came about."""

    created: str
    by: str
    comment: str
    size: int | None
    """Bytes of the layer; None for a line that made none."""
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryResult:
    """How an image came about, the newest line first."""

    name: str
    digest: str
    rows: tuple[HistoryRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResult:
    """What a name means now, or would."""

    name: str
    digest: str
    before: str
    """Digest of the image that it meant before; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveResult:
    """Names that are gone, or would be."""

    names: tuple[str, ...]
    left: int
    """Images that had only these names."""


def open_store(emit: Emit) -> Store:
    """The caller's store."""
    from shipway.store.store import Store

    return Store.open(emit=emit)


def require_image(store: Store, text: str) -> Named:
    """The stored image that `text` means: a name, or the beginning of its digest or of its configuration's.

    Raises:
        NotFound: there is none.
        ToolError: `text` is no reference, or several images' digests begin so (USAGE).
    """
    digits = text.removeprefix("sha256:")
    is_digest = text != digits or (len(digits) >= _SHORTEST and set(digits) <= _HEX)
    everything = list_names(store)
    if not is_digest or find_name(store, parse_reference(text).text):
        name = parse_reference(text).text
        found = [one for one in everything if one.name == name]
    else:
        found = [
            one
            for one in everything
            if one.image.digest.hex.startswith(digits) or one.image.config_digest.hex.startswith(digits)
        ]
    if not found:
        raise NotFound(
            f"there is no image `{shown(text)}` here",
            hints=["see `shipway images` for what there is", "get it with `shipway pull` or `shipway load`"],
        )
    if len({one.image.digest for one in found}) > 1:
        raise ToolError(
            f"several images have a digest that begins with `{shown(text)}`",
            hints=["give more digits, or a name"],
            code=ExitCode.USAGE,
        )
    return found[0]


def choose_image(task: Task, image: str, *, name: str = "") -> Chosen:
    """The stored image `image`, or without one that of the project's target, built if need be.

    `name` overrides what it is called; the project's image is otherwise called by project and target.

    Raises:
        ToolError: there is none, or it cannot be built.
    """
    if image:
        found = require_image(open_store(task.emit), image)
        return Chosen(parse_reference(name or found.name), found.image)
    from shipway.image.stored import store_image
    from shipway.verbs.build import keep, layer_contents, make_image
    from shipway.verbs.prepare import build_planned, plan_project

    prepared = build_planned(plan_project(task, files=True), task)
    planned = prepared.planned
    made = make_image(planned, prepared.trees, task.emit)
    keep(prepared)
    contents = layer_contents(planned.plan, prepared.trees)
    stored = store_image(made, contents, planned.plan.settings.epoch)
    reference = parse_reference(name or project_name(planned.lock.name, planned.plan.target))
    return Chosen(reference, stored, planned)


def project_name(name: str, target: str) -> str:
    """What the image of a project's target is called where nobody named it."""
    return f"{name.lower()}:{target}"


def run_images(emit: Emit, words: Sequence[str] = ()) -> tuple[ImageRow, ...]:
    """Every name, or those whose repository is in `words`, sorted.

    Raises:
        StoreError: a record is damaged.
    """
    wanted = {parse_reference(word).name for word in words}
    return tuple(
        _row(one)
        for one in list_names(open_store(emit))
        if not wanted or parse_reference(one.name).name in wanted
    )


def run_tag(task: Task, name: str, image: str, *, dry_run: bool = False) -> TagResult:
    """Let `name` mean the stored image `image`, or the project's.

    Raises:
        ToolError: `name` is no reference or names a digest (USAGE), or there is no such image.
    """
    reference = require_name(name)
    chosen = choose_image(task, image, name=name)
    store = open_store(task.emit)
    before = find_name(store, reference.text)
    if not dry_run:
        put_name(store, reference.text, chosen.image)
    return TagResult(name=reference.text, digest=chosen.image.digest, before=before.digest if before else "")


def require_name(text: str) -> Reference:
    """What `text` can be given to an image as its name.

    Raises:
        ToolError: it is no reference, or one that names a digest (USAGE).
    """
    reference = parse_reference(text)
    if reference.digest:
        raise ToolError(
            f"`{shown(text)}` names a digest, which cannot be given to an image",
            hints=["leave out what follows `@`"],
            code=ExitCode.USAGE,
        )
    return reference


def run_rmi(emit: Emit, words: Sequence[str], *, dry_run: bool = False) -> RemoveResult:
    """Forget each name in `words`; a digest stands for the one name that its image has. All or nothing.

    Raises:
        NotFound: a word means nothing here.
        ToolError: a digest has several names (USAGE).
    """
    store = open_store(emit)
    names = tuple(dict.fromkeys(_only_name(store, word) for word in words))
    everything = list_names(store)
    stay = {one.image.digest for one in everything if one.name not in names}
    gone = {one.image.digest for one in everything if one.name in names} - stay
    if not dry_run:
        for name in names:
            remove_name(store, name)
    return RemoveResult(names=names, left=len(gone))


def _only_name(store: Store, word: str) -> str:
    found = require_image(store, word)
    names = [one.name for one in list_names(store) if one.image.digest == found.image.digest]
    by_name = parse_reference(word).text in names if not word.startswith("sha256:") else False
    if by_name:
        return parse_reference(word).text
    if len(names) > 1:
        raise ToolError(
            f"the image `{shown(word)}` has several names: {', '.join(names)}",
            hints=["name those that are to go"],
            code=ExitCode.USAGE,
        )
    return found.name


def run_history(task: Task, image: str) -> HistoryResult:
    """How the stored image `image`, or the project's, came about.

    Raises:
        ToolError: there is none.
    """
    chosen = choose_image(task, image)
    facts = chosen.image.facts()
    layers = list(chosen.image.layers)
    rows = []
    for step in facts.history:
        layer = None if step.empty or not layers else layers.pop(0)
        rows.append(
            HistoryRow(
                created=step.created,
                by=step.created_by,
                comment=step.comment,
                size=layer.size if layer else None,
                diff_id=layer.diff_id if layer else "",
            )
        )
    rows += [
        HistoryRow(created="", by="", comment="not in the history", size=layer.size, diff_id=layer.diff_id)
        for layer in layers
    ]
    return HistoryResult(name=chosen.reference.text, digest=chosen.image.digest, rows=tuple(reversed(rows)))


def _row(one: Named) -> ImageRow:
    facts = one.image.facts()
    return ImageRow(
        name=one.name,
        digest=one.image.digest,
        config_digest=one.image.config_digest,
        platform=facts.platform,
        created=facts.created,
        size=one.image.size,
        layers=len(one.image.layers),
        moved=one.moved,
    )

"""`add`: packages into the spec, the lock of all targets, and the containers that run, in one step."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.verbs.changing import (
    Settled,
    opened_change,
    settle,
    versions_of,
)
from shipway.verbs.finishing import Finished, finish
from shipway.verbs.project import require_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.spec.change import Texts
    from shipway.spec.model import Wish
    from shipway.verbs.changing import Changing
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project

_APT = "apt:"
_VERSION = re.compile(r"v?\d+(\.\d+)*\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What the command line asks for."""

    words: tuple[str, ...]
    """`einops`, `numpy==2.1`, `jax[cuda12]>=0.4,<0.5`, `apt:git`."""
    target: str = ""
    """Only for this target; empty: for all of them."""
    move: bool = False
    """Packages that are locked may take other versions where they must."""
    dry_run: bool = False


class Wanted(NamedTuple):
    """One package that is to be there."""

    kind: str
    """`pip`, `apt`."""
    name: str
    text: str
    """As it goes into the spec, until a version is chosen."""

    @property
    def has_version(self) -> bool:
        """Whether the caller said which; then it stands as it was written."""
        return self.kind == "apt" or any(mark in self.text for mark in "=<>~@")


def parse_words(words: Sequence[str]) -> tuple[Wanted, ...]:
    """The packages that `words` name, each once.

    Raises:
        ToolError: a word names none (exit code `USAGE`).
    """
    found: dict[tuple[str, str], Wanted] = {}
    for word in words:
        wanted = _parse_apt(word) if word.startswith(_APT) else _parse_pip(word)
        other = found.setdefault((wanted.kind, wanted.name), wanted)
        if other.text != wanted.text:
            raise ToolError(
                f"`{shown(other.text)}` and `{shown(wanted.text)}` name one package",
                hints=["leave out one of them"],
                code=ExitCode.USAGE,
            )
    return tuple(found.values())


def _parse_apt(word: str) -> Wanted:
    from shipway.spec.single import find_apt_name

    text = word.removeprefix(_APT)
    name = find_apt_name(text)
    if name is None:
        raise ToolError(
            f"`{shown(text)}` is no name of an OS package",
            hints=["write `apt:NAME`, or `apt:NAME=VERSION` for one version"],
            code=ExitCode.USAGE,
        )
    return Wanted("apt", name, text)


def _parse_pip(word: str) -> Wanted:
    from shipway.spec.requirement_lines import read_requirement_item

    try:
        requirement, hashes = read_requirement_item(word)
    except ValueError as error:
        raise _no_package(word, str(error)) from error
    if hashes:
        raise _no_package(word, "hashes belong into a requirements file")
    if _VERSION.match(word):
        raise _no_package(word, "that is a version without a name")
    return Wanted("pip", requirement.name, str(requirement))


def _no_package(word: str, why: str) -> ToolError:
    return ToolError(f"`{shown(word)}` is no Python package: {why}", hints=[_hint(word)], code=ExitCode.USAGE)


def _hint(word: str) -> str:
    if "/" in word or word.startswith("."):
        return 'a project of this folder goes into the spec as `projects = ["FOLDER"]`, a repository is `NAME @ git+https://…`'
    return "write `NAME`, `NAME==VERSION` or `NAME>=VERSION,<VERSION`; OS packages are `apt:NAME`"


class Placed(NamedTuple):
    """What became of one wanted package in the texts."""

    wanted: Wanted
    where: str
    """File, and the list in it."""
    text: str
    """As it is written there."""
    version: str
    """As locked; empty where no lock has it."""
    is_new: bool
    """False: it was asked for before."""


class AddResult(NamedTuple):
    """What was done, or would be."""

    placed: tuple[Placed, ...]
    finished: Finished
    newer: tuple[str, ...] = ()
    """What newer versions there are, and what they would move."""


def run_add(request: AddRequest, task: Task) -> AddResult:
    """Change the spec in memory, lock all targets with everything held, build, write, and bring running containers up to it.

    Raises:
        ToolError: a word is no package (USAGE).
        NotFound: no index or archive has it.
        ConflictError: other packages would have to move and may not; the message shows them.
    """
    wanted = parse_words(request.words)
    with opened_change(task) as changing:
        target = require_target(changing.project.spec, request.target).name if request.target else ""
        project, fresh = bring_wishes(changing, wanted, target)
        free = frozenset(one.name for one in fresh if one.kind == "pip")
        from shipway.verbs.newer import look_for_newer

        bare = [one.name for one in fresh if one.kind == "pip" and not one.has_version]
        looking = look_for_newer(changing, project, bare) if not request.move else None
        try:
            settled = settle(changing, project, free, may_move=request.move)
        except NotFound as error:
            raise _in_words(error, project, fresh) from error
        settled = _with_versions(changing, settled, fresh, target)
        finished = finish(changing, settled, dry_run=request.dry_run)
        newer = looking.answer(settled) if looking else ()
        return AddResult(place_wishes(settled, wanted, fresh, target), finished, newer)


def bring_wishes(
    changing: Changing, wanted: Sequence[Wanted], target: str
) -> tuple[Project, tuple[Wanted, ...]]:
    """The project with what it does not ask for yet, and which of `wanted` that is."""
    from shipway.spec.change import find_home, find_wishes, with_added

    spec = changing.project.spec
    texts: Texts = changing.project.texts
    fresh = []
    for one in wanted:
        wishes = find_wishes(spec, one.kind, one.name, target=target)
        if not wishes:
            texts = with_added(texts, find_home(spec, texts, one.kind, target), one.text)
            fresh.append(one)
            continue
        changed = _reworded(texts, one, wishes)
        if changed is texts:
            places = ", ".join(str(wish.origin) for wish in wishes)
            changing.task.emit(Note(f"`{shown(wishes[0].text)}` is asked for already, at {places}"))
        else:
            fresh.append(one)
        texts = changed
    return (changing.parsed(texts) if fresh else changing.project), tuple(fresh)


def _reworded(texts: Texts, wanted: Wanted, wishes: Sequence[Wish]) -> Texts:
    """`texts` with the version and the extras of `wanted` in every one of `wishes`; the same where they say so already."""
    from shipway.spec.change import find_spot, with_replaced
    from shipway.spec.requirement import parse_requirement

    for wish in wishes:
        text = wanted.text if "=" in wanted.text else wish.text
        if wanted.kind == "pip":
            new, old = parse_requirement(wanted.text), parse_requirement(wish.text)
            merged = replace(
                old,
                extras=tuple(sorted({*old.extras, *new.extras})),
                specifier=new.specifier or (() if new.url else old.specifier),
                url=new.url or ("" if new.specifier else old.url),
                marker=new.marker or old.marker,
            )
            text = wish.text if merged == old else str(merged)
        if text != wish.text:
            texts = with_replaced(texts, find_spot(texts, wanted.kind, wish), text)
    return texts


def _with_versions(changing: Changing, settled: Settled, fresh: Sequence[Wanted], target: str) -> Settled:
    """The same with the chosen version in every line that was written without one."""
    from shipway.resolve.freshness import inputs_key
    from shipway.resolve.lock_spec import restate
    from shipway.spec.bounds import bounded
    from shipway.spec.change import find_home, find_spot, find_wishes, home_items, with_replaced

    spec = changing.project.spec
    texts: Texts = settled.project.texts
    for one in fresh:
        if one.has_version:
            continue
        for wish in find_wishes(settled.project.spec, one.kind, one.name, target=target):
            spot = find_spot(texts, one.kind, wish)
            around = home_items(
                changing.project.texts, spec, find_home(spec, changing.project.texts, "pip", target)
            )
            versions = versions_of(settled.lock, one.name, target)
            if wish.text == one.text and versions:
                texts = with_replaced(texts, spot, bounded(one.text, versions, around))
    if texts is settled.project.texts:
        return settled
    project = changing.parsed(texts)
    inputs = inputs_key(project.spec, project.texts)
    return replace(settled, project=project, lock=restate(settled.lock, project.spec, inputs))


def place_wishes(
    settled: Settled, wanted: Sequence[Wanted], fresh: Sequence[Wanted], target: str
) -> tuple[Placed, ...]:
    """Where each of `wanted` stands now, and as what."""
    from shipway.spec.change import find_wishes

    rows = []
    for one in wanted:
        wishes = find_wishes(settled.project.spec, one.kind, one.name, target=target)
        if one.kind == "pip":
            versions = versions_of(settled.lock, one.name, target)
        else:
            versions = tuple(dict.fromkeys(deb.version for deb in settled.lock.debs if deb.name == one.name))
        version = ", ".join(versions)
        rows += [Placed(one, str(wish.origin), wish.text, version, one in fresh) for wish in wishes]
    return tuple(rows)


def _in_words(error: NotFound, project: Project, fresh: Sequence[Wanted]) -> NotFound:
    """`error` for somebody who typed the name: without the line that it would have got."""
    from shipway.spec.change import find_wishes

    places = [str(wish.origin) for one in fresh for wish in find_wishes(project.spec, one.kind, one.name)]
    names = [one.name for one in fresh if one.kind == "pip" and f"`{one.name}" in error.message]
    lines = [line for line in error.message.splitlines() if not any(place in line for place in places)]
    message = "\n".join(lines) or error.message
    hints = [hint for hint in error.hints if not any(place in hint for place in places)]
    hints += [f"if it is an OS package: `shipway add apt:{name}`" for name in names[:1]]
    return NotFound(message, hints=hints, detail=error.detail)

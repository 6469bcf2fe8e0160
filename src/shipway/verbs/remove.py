"""`remove`: packages out of the spec, the lock of all targets, and the containers that run, in one step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ConflictError, NotFound, SpecError
from shipway.core.text import shown
from shipway.verbs.add import Wanted, parse_words
from shipway.verbs.changing import opened_change, settle
from shipway.verbs.finishing import Finished, finish
from shipway.verbs.project import require_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.lock.model import Lock
    from shipway.spec.change import Texts
    from shipway.spec.model import Spec, Wish
    from shipway.verbs.changing import Changing
    from shipway.verbs.context import Task
    from shipway.verbs.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRequest:
    """What the command line asks for."""

    words: tuple[str, ...]
    target: str = ""
    """Only from this target; empty: from all of them."""
    dry_run: bool = False


class RemoveResult(NamedTuple):
    """What was done, or would be."""

    removed: tuple[tuple[str, str], ...]
    """The line that is gone, and where it stood."""
    stays: tuple[str, ...]
    """Packages that stay because others need them, each as a sentence."""
    finished: Finished


def run_remove(request: RemoveRequest, task: Task) -> RemoveResult:
    """Change the spec in memory, lock all targets with everything else held, build, write, and bring running containers up to it.

    Raises:
        NotFound: the spec asks for no such package; names near ones.
        ConflictError: it is there because another package needs it; names the chain.
    """
    wanted = parse_words(request.words)
    with opened_change(task) as changing:
        target = require_target(changing.project.spec, request.target).name if request.target else ""
        texts: Texts = changing.project.texts
        removed = []
        for one in wanted:
            wishes = _require_wishes(changing, one, target)
            texts = _without(changing, texts, one, wishes, target)
            removed += [(wish.text, str(wish.origin)) for wish in wishes]
        project = changing.parsed(texts)
        settled = settle(changing, project, frozenset(), may_move=False)
        finished = finish(changing, settled, dry_run=request.dry_run)
        stays = tuple(line for one in wanted for line in _still_there(settled.lock, one, target))
        return RemoveResult(tuple(removed), stays, finished)


def _require_wishes(changing: Changing, wanted: Wanted, target: str) -> tuple[Wish, ...]:
    from shipway.spec.change import find_wishes

    spec = changing.project.spec
    wishes = find_wishes(spec, wanted.kind, wanted.name, target=target)
    if wishes:
        return wishes
    if elsewhere := find_wishes(spec, wanted.kind, wanted.name):
        raise NotFound(
            f"target `{target}` does not ask for `{shown(wanted.name)}`",
            hints=[f"it is asked for at {elsewhere[0].origin}"],
        )
    lock = changing.found.lock
    chains = _chains(lock, wanted, target) if lock else ()
    if chains:
        raise ConflictError(
            f"the spec does not ask for `{shown(wanted.name)}`; it is there because others need it:\n"
            + "\n".join(f"  {line}" for line in chains),
            hints=["remove what needs it"],
        )
    raise NotFound(
        f"nothing asks for `{shown(wanted.name)}`",
        hints=_near(spec, wanted) or ["`shipway why NAME` tells who asks"],
    )


def _near(spec: Spec, wanted: Wanted) -> list[str]:
    from shipway.spec.change import wish_name, wishes_of

    names = {
        ("apt:" if kind == "apt" else "") + wish_name(kind, wish.text)
        for one in spec.targets
        for kind in ("pip", "apt")
        for wish in wishes_of(one, kind)
    }
    if f"apt:{wanted.name}" in names:
        return [f"it is an OS package: `shipway remove apt:{wanted.name}`"]
    close = difflib.get_close_matches(wanted.name, sorted(names), 3, 0.6)
    return [f"did you mean {' or '.join(f'`{one}`' for one in close)}?"] if close else []


def _without(changing: Changing, texts: Texts, wanted: Wanted, wishes: Sequence[Wish], target: str) -> Texts:
    """`texts` without `wishes`. What a target inherits is left out there by the spec's own word for that."""
    from shipway.spec.change import find_spot, with_dropped, without

    drop = f"{wanted.kind}:{wanted.name}"
    if not target:
        texts = without(texts, [find_spot(texts, wanted.kind, wish) for wish in wishes])
        return with_dropped(texts, changing.project.spec, drop)
    own, inherited = _split(changing.project, wanted, wishes, target)
    texts = without(texts, [find_spot(texts, wanted.kind, wish) for wish in own])
    if inherited:
        from shipway.spec.change import Home, target_path, with_added

        path = target_path(changing.project.spec, texts, target)
        if path is None:
            raise SpecError(
                f"`{shown(wanted.name)}` is not asked for by target `{target}` alone",
                hints=["leave out `--target`"],
            )
        texts = with_added(texts, Home(changing.project.spec.file, (*path, "without")), drop)
    return texts


def _split(
    project: Project, wanted: Wanted, wishes: Sequence[Wish], target: str
) -> tuple[list[Wish], list[Wish]]:
    """Those of `wishes` that `target` itself has, and those that it inherits."""
    from shipway.spec.change import wish_name, wishes_of

    others = {
        str(wish.origin)
        for one in project.spec.targets
        if one.name != target
        for wish in wishes_of(one, wanted.kind)
        if wish_name(wanted.kind, wish.text) == wanted.name
    }
    inside = f".targets.{target}."
    own = [
        wish for wish in wishes if str(wish.origin) not in others or f".{wish.origin.key}.".find(inside) >= 0
    ]
    return own, [wish for wish in wishes if wish not in own]


def _still_there(lock: Lock, wanted: Wanted, target: str) -> list[str]:
    chains = _chains(lock, wanted, target)
    return [f"{wanted.name} stays, for it is needed: {line}" for line in chains]


def _chains(lock: Lock, wanted: Wanted, target: str) -> tuple[str, ...]:
    """Who needs the package, as chains from what the spec asks for; the same chain of several targets once."""
    from shipway.verbs.why import find_reasons

    kind = "wheel" if wanted.kind == "pip" else "deb"
    lines: dict[str, None] = {}
    for locked in lock.targets:
        if target and locked.name != target:
            continue
        try:
            found = find_reasons(lock, locked, wanted.name)
        except NotFound:
            continue
        for package in found:
            for reason in package.reasons if package.kind == kind else ():
                chain = " -> ".join(link.name for link in reason.chain)
                where = f" ({reason.origin})" if reason.origin else ""
                lines[f"{shown(reason.wish)}{where}: {shown(chain)}"] = None
    return tuple(lines)

"""`search`: what a registry offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipway.core.errors import ExitCode, NotFound, ToolError
from shipway.core.text import shown

if TYPE_CHECKING:
    from shipway.core.events import Emit


class FoundView(NamedTuple):
    """One repository. What it says of itself is empty where the registry only lists names."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False


class SearchResult(NamedTuple):
    """What was found."""

    registry: str
    found: tuple[FoundView, ...]
    """In the order of the registry's search, else sorted."""
    tags: tuple[str, ...] = ()
    """In the registry's order; of the one repository, when tags were asked for."""


def run_search(word: str, registry: str, *, offline: bool, emit: Emit) -> SearchResult:
    """The repositories of `registry` (empty: the host's default) that its search finds for `word`.

    Of a registry without search, those in its catalog whose name holds `word`; without `word`, all of the catalog.

    Raises:
        NotFound: the registry offers neither.
        FetchError: it does not answer.
    """
    from dataclasses import replace

    from shipway.core.reference import parse_reference, parse_registry
    from shipway.image.registry.client import open_registry
    from shipway.verbs.network import read_host_registries

    settings = read_host_registries(offline=offline)
    name = parse_registry(registry) if registry else settings.default
    if not name:
        raise ToolError(
            "no registry is named to search in, and this host has no default one",
            hints=(
                f"name one: `shipway search --registry registry.example.org {shown(word)}`",
                "or set SHIPWAY_REGISTRY",
            ),
            code=ExitCode.USAGE,
        )
    asked = replace(parse_reference("any"), registry=name)
    with open_registry(asked, settings=settings, push=False, emit=emit) as opened:
        try:
            offered = opened.search(word) if word else None
        except NotFound:
            offered = None
        if offered is not None:
            found = (FoundView(one.name, one.description, one.stars, one.official) for one in offered)
            return SearchResult(opened.name, tuple(found))
        names = sorted(name for name in opened.list_repositories() if word.lower() in name)
        return SearchResult(opened.name, tuple(map(FoundView, names)))


def run_tags(text: str, *, offline: bool, emit: Emit) -> SearchResult:
    """The tags of the repository that the reference `text` names, without those that stand for lists of attachments.

    Raises:
        NotFound: there is no such repository.
        FetchError: the registry does not answer.
    """
    from shipway.core.reference import parse_reference
    from shipway.image.registry.client import open_registry
    from shipway.image.registry.referrers import is_referrers_tag
    from shipway.verbs.network import read_host_registries

    settings = read_host_registries(offline=offline)
    with open_registry(parse_reference(text), settings=settings, push=False, emit=emit) as opened:
        tags = tuple(tag for tag in opened.list_tags() if not is_referrers_tag(tag))
        return SearchResult(opened.name, (FoundView(opened.repository),), tags)

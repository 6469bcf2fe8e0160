"""Is there a newer version of an added package than the one that fits what is locked, and what would it move?

A remark only: whatever goes wrong while looking, nothing is said and nothing else is touched.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from shipway.core.errors import ToolError
from shipway.verbs.changing import try_loosely, versions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipway.verbs.changing import Changing, Settled
    from shipway.verbs.project import Project

_MOST = 4
"""Names that a remark lists."""


class Looking:
    """Index pages on their way, while the packages are locked and built."""

    def __init__(self, changing: Changing, project: Project, pages: dict[str, Future[str]]) -> None:
        self._changing, self._project, self._pages = changing, project, pages

    def answer(self, settled: Settled) -> tuple[str, ...]:
        """One line for each package of which a newer version fits once others move."""
        return tuple(line for name, page in self._pages.items() if (line := self._line(name, page, settled)))

    def _line(self, name: str, page: Future[str], settled: Settled) -> str:
        from shipway.plan.moves import disturbed

        chosen = versions_of(settled.lock, name)
        try:
            newest = page.result()
            if not newest or not chosen or Version(newest) <= max(map(Version, chosen)):
                return ""
            wished = _asking(self._project, name, newest)
            moves = try_loosely(self._changing, wished, frozenset((name,)))
        except ToolError:
            return ""
        moved = [f"{one.name} {one.before} -> {one.after}" for one in disturbed(moves, {name})]
        if not moved:
            return ""
        more = f" and {len(moved) - _MOST} more" if len(moved) > _MOST else ""
        return f"{name} {newest} would move {', '.join(moved[:_MOST])}{more}: `shipway add --move {name}=={newest}`"


def _asking(project: Project, name: str, version: str) -> Project:
    """`project` that asks for exactly that version."""
    from shipway.spec.requirement import parse_requirement

    def pinned(text: str) -> str:
        parsed = parse_requirement(text)
        return str(replace(parsed, specifier=(f"=={version}",))) if parsed.name == name else text

    targets = tuple(
        replace(one, pip=tuple(replace(wish, text=pinned(wish.text)) for wish in one.pip))
        for one in project.spec.targets
    )
    return replace(project, spec=replace(project.spec, targets=targets))


def look_for_newer(changing: Changing, project: Project, names: Sequence[str]) -> Looking | None:
    """Start to fetch the index pages of `names`; None where there is nothing to look for."""
    if not names or changing.found.lock is None or changing.task.offline:
        return None
    pool = ThreadPoolExecutor(max_workers=len(names), thread_name_prefix="newer")
    pages = {name: pool.submit(_newest, changing, name) for name in names}
    pool.shutdown(wait=False)
    return Looking(changing, project, pages)


def _newest(changing: Changing, name: str) -> str:
    """The newest version of `name` that is no pre-release, as the default index says; empty where it does not."""
    from shipway.host.indexes import DEFAULT
    from shipway.resolve.simple_api import fetch_project, versions
    from shipway.verbs.workshop import open_fetcher, read_project_indexes

    spec = changing.project.spec
    if any(index.packages for index in spec.indexes):
        return ""  # it may be bound to another index, whose versions say nothing here
    table = read_project_indexes(spec, changing.project.folder)
    try:
        found = versions(
            fetch_project(open_fetcher(changing.task), table.require(DEFAULT).locations[0], name)
        )
    except ToolError:
        return ""
    final = [one for one in found if not Version(one).is_prerelease]
    return final[-1] if final else ""

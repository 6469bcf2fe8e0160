"""Libraries of a base that its LD_LIBRARY_PATH puts before those of the chosen wheels. Pure rules.

The loader takes the first file of the wanted name, and LD_LIBRARY_PATH comes before the RUNPATH of whoever wants it; see
ld.so(8). Only equal names matter, such as `libcudnn.so.9`, and within one major version of CUDA and cuDNN they stay.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from packaging.version import Version

from shipway.resolve.base_conflict import BaseConflict, Kind, Level
from shipway.resolve.base_needs import find_cuda, find_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.lock.model import Wheel

_FILE = re.compile(r"lib([A-Za-z_]+)\.so\.(\d+(?:\.\d+)*)\Z")


class _Pair(NamedTuple):
    """A library of the base, and the wheel that brings the same."""

    path: str
    wheel: Wheel
    theirs: str
    """The version of what the base's library is part of; one number where nothing says more."""
    ours: str
    """The wheel's, of the same thing."""


def find_hidden(facts: BaseFacts, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """One conflict for each wheel that the base hides."""
    found: dict[str, list[_Pair]] = {}
    for path in facts.on_search_path:
        pair = _pair(path, facts, wheels)
        if pair is not None and _major(pair.theirs) == _major(pair.ours):
            found.setdefault(pair.wheel.id, []).append(pair)
    for pairs in found.values():
        yield _conflict(max(pairs, key=lambda pair: len(pair.theirs)), len(pairs) - 1)


def _pair(path: str, facts: BaseFacts, wheels: Sequence[Wheel]) -> _Pair | None:
    """Libraries of the toolkit have numbers of their own, so there the version of the toolkit is compared."""
    match = _FILE.match(posixpath.basename(path))
    wheel = find_library(wheels, match[1]) if match else None
    if match is None or wheel is None:
        return None
    library, in_name = match[1], match[2]
    if library.startswith("cudnn"):
        return _Pair(path, wheel, in_name if "." in in_name else facts.cudnn or in_name, wheel.version)
    if library == "nccl":
        return _Pair(path, wheel, in_name, wheel.version)
    toolkit = find_cuda(wheels)
    return _Pair(path, wheel, facts.cuda, toolkit.version) if toolkit is not None and facts.cuda else None


def _major(version: str) -> str:
    return version.partition(".")[0]


def _conflict(pair: _Pair, more: int) -> BaseConflict:
    older = "." in pair.theirs and Version(pair.theirs).release[:2] < Version(pair.ours).release[:2]
    return BaseConflict(
        kind=Kind.SEARCH_PATH,
        level=Level.ERROR if older else Level.WARNING,
        what=f"LD_LIBRARY_PATH of the base hides `{pair.wheel.name} {pair.wheel.version}` behind "
        f"{'an older' if older else 'another'} copy, of {pair.theirs}",
        where=f"`{pair.path}`" + (f" and {more} more" if more else ""),
        consequence="programs load the base's library in place of the one that the framework was built with",
        remedy='set `LD_LIBRARY_PATH = ""` under `[env]`, or take a plain base',
    )

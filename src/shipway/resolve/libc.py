"""The C library that the chosen OS packages bring, which decides what wheels can run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shipway.core.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipway.resolve.interpreter import Package

_UPSTREAM = re.compile(r"(?:\d+:)?(\d+)\.(\d+)")


def glibc_of(debs: Iterable[Package]) -> tuple[int, int]:
    """(2, 36) from `libc6 2.36-9+deb12u14`.

    Raises:
        NotFound: there is no libc6 among `debs`, or its version is not understood.
    """
    for deb in debs:
        if deb.name == "libc6" and (match := _UPSTREAM.match(deb.version)):
            return int(match[1]), int(match[2])
    raise NotFound(
        "the base has no `libc6`, so no wheel can be chosen for it",
        hints=["use a Debian or Ubuntu suite as `base`"],
    )

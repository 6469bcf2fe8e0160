"""What a base image and the packages chosen for it do to each other, told before anything of it is downloaded. Pure.

Rules: `base_fit` (C library, interpreter, Python packages) and `base_gpu` (CUDA, cuDNN, search path); what frameworks need:
`base_needs`. What the base holds was read by `image.base_facts`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from shipway.core.base_facts import BaseFacts
from shipway.core.errors import ConflictError
from shipway.image.base_cuda import find_packaged_cuda, find_packaged_cudnn
from shipway.resolve.base_conflict import BaseConflict, Level
from shipway.resolve.base_fit import find_misfits
from shipway.resolve.base_gpu import find_gpu_conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipway.lock.model import TargetLock, Wheel

_LIBC = re.compile(r"libc6=((?:\d+:)?(\d+\.\d+)[^:]*)")


def find_conflicts(facts: BaseFacts, target: TargetLock, wheels: Iterable[Wheel]) -> tuple[BaseConflict, ...]:
    """Everything in which the base of `target` and its `wheels` do not go together, errors first."""
    chosen = sorted(wheels, key=lambda wheel: wheel.id)
    whole = _with_added(facts, target)
    found = (*find_misfits(whole, target, chosen), *find_gpu_conflicts(whole, target, chosen))
    return tuple(sorted(found, key=lambda one: one.level is not Level.ERROR))


def facts_of_packages(target: TargetLock) -> BaseFacts:
    """What the OS packages of `target` are known to bring where they are the whole system."""
    debs = tuple(sorted(_parts(deb) for deb in target.debs))
    cuda = find_packaged_cuda(debs) or ("", "")
    cudnn = find_packaged_cudnn(debs) or ("", "")
    origins = tuple((name, origin) for name, (_, origin) in (("cuda", cuda), ("cudnn", cudnn)) if origin)
    return BaseFacts(debs=debs, cuda=cuda[0], cudnn=cudnn[0], origins=origins)


def _parts(deb: str) -> tuple[str, str, str]:
    """Name, version and architecture of a package by its id in the lock: `libc6=2.36-9:amd64`."""
    name, _, rest = deb.partition("=")
    version, _, architecture = rest.rpartition(":")
    return name, version, architecture


def _with_added(facts: BaseFacts, target: TargetLock) -> BaseFacts:
    """The facts after the OS packages of `target` have come on top: these may bring a newer C library."""
    for deb in target.debs:
        if match := _LIBC.match(deb):
            libc = ("libc", f"the package libc6 {match[1]} of the lock")
            origins = (libc, *(one for one in facts.origins if one[0] != "libc"))
            return replace(facts, libc="glibc", libc_version=match[2], origins=origins)
    return facts


def require_no_conflict(target: TargetLock, conflicts: Sequence[BaseConflict]) -> tuple[BaseConflict, ...]:
    """The warnings among `conflicts`, which the caller tells.

    Raises:
        ConflictError: some of them are errors; all of these are named.
    """
    errors = [one for one in conflicts if one.level is Level.ERROR]
    if errors:
        lines = [f"the base `{target.base}` of target `{target.name}` and its packages do not go together"]
        raise ConflictError(
            "\n".join([*lines, *(f"  {one}" for one in errors)]),
            hints=list(dict.fromkeys(one.remedy for one in errors)),
        )
    return tuple(conflicts)

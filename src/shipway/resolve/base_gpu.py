"""CUDA and cuDNN that a base brings, against what the chosen wheels bring or need. Pure rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from shipway.resolve.base_conflict import BaseConflict, Kind, Level
from shipway.resolve.base_needs import Need, find_cuda, find_cudnn, find_needs
from shipway.resolve.base_search_path import find_hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipway.core.base_facts import BaseFacts
    from shipway.lock.model import TargetLock, Wheel

_PLAIN = "take a plain base (`debian:bookworm`, `ubuntu:jammy`), for the wheels bring CUDA, unless the project compiles CUDA code"
_UNUSED = "the program stops, or runs without the GPU"


def find_gpu_conflicts(
    facts: BaseFacts, target: TargetLock, wheels: Sequence[Wheel]
) -> Iterator[BaseConflict]:
    """What is wrong between CUDA of the base and `wheels`."""
    yield from _twice(facts, wheels)
    yield from _needs(facts, wheels)
    if "LD_LIBRARY_PATH" not in dict(target.env):
        yield from find_hidden(facts, wheels)


def _twice(facts: BaseFacts, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    for kind, label, has, wheel in (
        (Kind.CUDA, "CUDA", facts.cuda, find_cuda(wheels)),
        (Kind.CUDNN, "cuDNN", facts.cudnn, find_cudnn(wheels)),
    ):
        if not has or wheel is None:
            continue
        price = "the image is larger by all of it"
        if _release(has) != _release(wheel.version):
            price += ", and code that is compiled with the base's meets the other when it runs"
        yield BaseConflict(
            kind=kind,
            level=Level.WARNING,
            what=f"{label} is there twice: {has} in the base and {wheel.version} in `{wheel.name}`",
            where=f"{facts.origin(kind)}, and `{wheel.filename}`",
            consequence=price,
            remedy=_PLAIN,
        )


def _needs(facts: BaseFacts, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """Frameworks that take CUDA and cuDNN from the system, because no wheel brings them."""
    for need in find_needs(wheels):
        wanted = []
        if find_cuda(wheels) is None:
            wanted.append((Kind.CUDA, "CUDA", facts.cuda, need.cuda))
        if find_cudnn(wheels) is None:
            wanted.append((Kind.CUDNN, "cuDNN", facts.cudnn, need.cudnn))
        missing = [label for _, label, has, _ in wanted if not has]
        if wanted and len(missing) == len(wanted) and need.also_without:
            continue  # a base without CUDA under a wheel that serves CPUs as well: nobody wished for a GPU
        if missing:
            yield _missing(need, missing, level=_level(need, some=len(missing) < len(wanted)))
        for kind, label, has, oldest in wanted:
            if has and not _suffices(has, oldest):
                yield _unfit(facts, need, kind, label, has, oldest)


def _level(need: Need, *, some: bool) -> Level:
    """A base with a part of it was meant to serve. One with nothing may get it from the host."""
    return Level.ERROR if some and not need.also_without else Level.WARNING


def _missing(need: Need, labels: Sequence[str], level: Level) -> BaseConflict:
    return BaseConflict(
        kind=Kind.CUDA if "CUDA" in labels else Kind.CUDNN,
        level=level,
        what=f"`{need.wheel.name} {need.wheel.version}` takes {' and '.join(labels)} from the system, and the base has none",
        where=f"`{need.wheel.filename}`",
        consequence=_UNUSED,
        remedy=_with_wheels(need),
    )


def _unfit(facts: BaseFacts, need: Need, kind: Kind, label: str, has: str, oldest: str) -> BaseConflict:
    return BaseConflict(
        kind=kind,
        level=_level(need, some=True),
        what=f"`{need.wheel.name} {need.wheel.version}` needs {label} {oldest} or newer, below {Version(oldest).major + 1}, "
        f"and the base has {has}",
        where=f"`{need.wheel.filename}`, and {facts.origin(kind)}",
        consequence=_UNUSED,
        remedy=_with_wheels(need),
    )


def _with_wheels(need: Need) -> str:
    return f"ask for `{need.bundled}`, which brings CUDA and cuDNN as wheels, on a plain base such as `ubuntu:jammy`"


def _release(version: str) -> tuple[int, ...]:
    return Version(version).release[:2]


def _suffices(has: str, oldest: str) -> bool:
    return Version(has).major == Version(oldest).major and Version(has) >= Version(oldest)

"""Whether what was chosen can run in a base at all: C library, interpreter, and whose Python packages are seen. Pure rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from shipway.resolve.base_conflict import BaseConflict, Kind, Level
from shipway.resolve.base_needs import FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.tags import Tag

    from shipway.core.base_facts import BaseFacts, FoundPython
    from shipway.lock.model import TargetLock, Wheel

_OLDEST = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_STANDALONE = (2, 17)
"""The glibc that stand-alone interpreters are built for."""
_GLIBC, _MUSL = "glibc", "musl"
_SHOWN = 5


def find_misfits(facts: BaseFacts, target: TargetLock, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """What is wrong between the base, the interpreter and `wheels`."""
    yield from _libc(facts, wheels)
    if target.python is not None:
        yield from _interpreter(facts, target)
        yield from _interpreter_tags(target, wheels)
        yield from _packages(facts, target, wheels)


def _version(facts: BaseFacts, libc: str) -> tuple[int, int] | None:
    """The base's C library if it is `libc`."""
    match = re.match(r"(\d+)\.(\d+)", facts.libc_version) if facts.libc == libc else None
    return (int(match[1]), int(match[2])) if match else None


def _libc_words(facts: BaseFacts) -> str:
    return (
        f"the base has {facts.libc} {facts.libc_version}".rstrip()
        if facts.libc
        else "the base has no C library"
    )


def _tags(wheel: Wheel) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(wheel.filename)[3]
    except InvalidWheelFilename:
        return frozenset()


def _needed(platform: str) -> tuple[str, int, int] | None:
    """The C library that the platform tag promises to be enough; None for a tag that says nothing of it."""
    if match := re.match(r"(many|musl)linux_(\d+)_(\d+)_", platform):
        return (_GLIBC if match[1] == "many" else _MUSL, int(match[2]), int(match[3]))
    old = _OLDEST.get(platform.partition("_")[0])
    return (_GLIBC, *old) if old else None


def _libc(facts: BaseFacts, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """Of several tags of one file the one that asks for least counts: they say the same in old words and new."""
    for wheel in wheels:
        platforms = {tag.platform for tag in _tags(wheel)}
        needs = [need for platform in platforms if (need := _needed(platform))]
        if not needs or "any" in platforms or any(_has(facts, *need) for need in needs):
            continue
        kind, major, minor = min(needs, key=lambda need: (need[0] != facts.libc, need))
        other = "or take an older version of it" if kind == facts.libc else "or leave it out"
        yield BaseConflict(
            kind=Kind.LIBC,
            level=Level.ERROR,
            what=f"`{wheel.name} {wheel.version}` needs {kind} {major}.{minor}, {_libc_words(facts)}",
            where=f"`{wheel.filename}`, and {facts.origin('libc') or 'no libc.so.6 in the base'}",
            consequence="its compiled code cannot be loaded",
            remedy=f"take a base with {kind} {major}.{minor} or newer, {other}",
        )


def _has(facts: BaseFacts, kind: str, major: int, minor: int) -> bool:
    version = _version(facts, kind)
    return version is not None and version >= (major, minor)


def _interpreter(facts: BaseFacts, target: TargetLock) -> Iterator[BaseConflict]:
    """A stand-alone interpreter that the base cannot run, or one of the base that is another one."""
    python = target.python
    assert python is not None
    if python.origin != "base":
        kind, major, minor = (_MUSL, 1, 0) if "-musl" in python.filename else (_GLIBC, *_STANDALONE)
        if not _has(facts, kind, major, minor):
            yield BaseConflict(
                kind=Kind.PYTHON,
                level=Level.ERROR,
                what=f"Python {python.version} comes as a program that needs {kind} {major}.{minor}, {_libc_words(facts)}",
                where=f"`{python.filename}`, and {facts.origin('libc') or 'no libc.so.6 in the base'}",
                consequence="the interpreter does not start",
                remedy=_use_own_python(facts) or "take a base on Debian or Ubuntu",
            )
        return
    known = [(one.executable, one.minor) for one in facts.pythons]
    found = next((minor for path, minor in known if path == python.executable), None)
    if found is not None and found != _minor(python.version):
        yield BaseConflict(
            kind=Kind.PYTHON,
            level=Level.ERROR,
            what=f"the lock says Python {python.version}, the base has {found}",
            where=f"`{python.executable}` in the base",
            consequence="packages were chosen for another interpreter",
            remedy="run `shipway lock`, or set `python` in the spec",
        )


def _use_own_python(facts: BaseFacts) -> str:
    return f'set `python = "{facts.pythons[0].minor}"`, which the base has' if facts.pythons else ""


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _interpreter_tags(target: TargetLock, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """Wheels for another CPython; those for its stable ABI and for any Python fit."""
    python = target.python
    assert python is not None
    minor = int(_minor(python.version).partition(".")[2])
    for wheel in wheels:
        tags = _tags(wheel)
        if not tags or any(_runs(tag, minor) for tag in tags):
            continue
        named = ", ".join(sorted({tag.interpreter for tag in tags}))
        yield BaseConflict(
            kind=Kind.PYTHON,
            level=Level.ERROR,
            what=f"`{wheel.name} {wheel.version}` is for {named}, the target has Python {python.version}",
            where=f"`{wheel.filename}`, and `{python.executable}`",
            consequence="it cannot be imported",
            remedy="run `shipway lock` to choose the packages for the interpreter of this base, or set `python` in the spec",
        )


def _runs(tag: Tag, minor: int) -> bool:
    match = re.match(r"(cp|py)3(\d*)\Z", tag.interpreter)
    if match is None:
        return False
    since = int(match[2] or 0)
    return since <= minor if match[1] == "py" or tag.abi == "abi3" or not match[2] else since == minor


def _packages(facts: BaseFacts, target: TargetLock, wheels: Sequence[Wheel]) -> Iterator[BaseConflict]:
    """Packages that the base has as well, or that it has and the target does not see."""
    python = target.python
    assert python is not None
    own = next((one for one in facts.pythons if one.executable == python.executable), None)
    ours = {wheel.name: wheel.version for wheel in wheels}
    if own is not None and target.system_site_packages:
        yield from _twice(own, ours)
    for found in facts.pythons:
        hidden = [(name, version) for name, version in found.packages if name in FRAMEWORKS]
        if hidden and not (found is own and target.system_site_packages):
            yield _hidden(found, hidden, target, own=own, again=all(name in ours for name, _ in hidden))


def _twice(python: FoundPython, ours: dict[str, str]) -> Iterator[BaseConflict]:
    both = [(name, version, ours[name]) for name, version in python.packages if name in ours]
    differing = [f"`{name}` {theirs} and {our}" for name, theirs, our in both if theirs != our]
    if differing:
        yield BaseConflict(
            kind=Kind.PACKAGES,
            level=Level.WARNING,
            what=f"the base and the lock have other versions of {_listed(differing)}",
            where=f"the packages of `{python.executable}`, seen by `system-site-packages`",
            consequence="those of the lock are imported; packages of the base that were made for the others may break",
            remedy="pin in `pip` the versions that the base has, or leave `system-site-packages` out",
        )


def _hidden(
    python: FoundPython,
    hidden: Sequence[tuple[str, str]],
    target: TargetLock,
    *,
    own: FoundPython | None,
    again: bool,
) -> BaseConflict:
    """`again`: the target has all of `hidden` itself."""
    assert target.python is not None
    listed = _listed([f"`{name} {version}`" for name, version in hidden])
    instead = "or lock them with `pip` on a plain base"
    if own is python:
        why = "`system-site-packages` is not set"
        remedy = f"set `system-site-packages = true` to use them, {instead}"
    elif own is not None and python.home == own.executable:
        why = "they are in an environment of the base, not in the interpreter that the target stands on"
        remedy = "lock them with `pip`; then a plain base does as well"
    else:
        why = f"the target has Python {target.python.version} at `{target.python.executable}`"
        remedy = f'set `python = "{python.minor}"` and `system-site-packages = true`, {instead}'
    return BaseConflict(
        kind=Kind.PACKAGES,
        level=Level.WARNING,
        what=f"programs of the target do not see {listed} of the base: {why}",
        where=f"the packages of `{python.executable}`",
        consequence="the image carries them for nothing",
        remedy="take a plain base, for the lock has them" if again else remedy,
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

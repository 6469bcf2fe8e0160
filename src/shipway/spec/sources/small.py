"""Files of a line or two: `apt.txt`, `runtime.txt`, `.python-version`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipway.spec.facts import PLACES, Fact, FactKind, Source, split_place
from shipway.spec.model import Origin

_VERSION = re.compile(r"(?:python-?|cpython-?)?(3\.\d{1,2})(?:\.\d+)?\Z", re.IGNORECASE)


def _named(base: str, places: tuple[str, ...] = PLACES) -> Source:
    readers = {"apt.txt": _read_apt, "runtime.txt": _read_version, ".python-version": _read_version}

    def matches(name: str) -> bool:
        folder, own = split_place(name)
        return own == base and folder in places

    return Source(matches=matches, read=readers[base])


def _lines(text: str) -> Iterable[tuple[int, str]]:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if line:
            yield number, line


def _read_apt(name: str, text: str) -> Iterable[Fact]:
    for number, line in _lines(text):
        for package in line.split():
            why = f"`{name}` lists it"
            yield Fact(kind=FactKind.APT, text=package, origin=Origin(file=name, line=number), why=why)


def _read_version(name: str, text: str) -> Iterable[Fact]:
    for number, line in _lines(text):
        origin = Origin(file=name, line=number)
        match = _VERSION.match(line.strip())
        if match:
            why = f"`{name}` names it; packages depend on the first two numbers"
            yield Fact(kind=FactKind.PYTHON, text=match[1], origin=origin, why=why)
        else:
            yield Fact(
                kind=FactKind.REMARK,
                text=f"`{line}` is no version of CPython 3, so it was not used",
                origin=origin,
            )
        return


APT = _named("apt.txt")
RUNTIME = _named("runtime.txt", ("", "binder", ".binder"))
PYTHON_VERSION = _named(".python-version", ("",))

"""Paths inside that are nearly the working directory: a mount, volume or variable that is some characters off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shipway.spec.model import Origin

_MOUNT = re.compile(
    r"""(?:-v|--volume)[=\s]+(?:"(?P<a>[^"\n]*)"|'(?P<b>[^'\n]*)'|(?P<c>[^\s:"']*)):"?(?P<target>/[^\s"':,]*)"""
    r"""|(?:target|destination|dst)=(?P<mount>/[^\s"',]*)"""
)
_COMPOSE = re.compile(r"^[ \t]*-[ \t]*[\"']?(?P<source>\.[^\s:\"']*):(?P<target>/[^\s:\"']*)", re.MULTILINE)
_SET = re.compile(
    r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*[:?]?=[ \t]*[\"']?([\w./-]+)[\"']?[ \t]*$",
    re.MULTILINE | re.ASCII,
)
_USED = re.compile(r"\$[({]?([A-Za-z_][A-Za-z0-9_]*)[)}]?", re.ASCII)
_MOST_OFF = 2
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A place inside that some file mounts the project at."""

    origin: Origin
    target: str


def is_wanted_beside(name: str) -> bool:
    """Whether the file `name` of the project may hold the line that starts the container."""
    base = name.rpartition("/")[2].lower()
    return name.count("/") <= 1 and (
        base.startswith(("makefile", "readme", "docker-compose", "compose."))
        or base in ("justfile", "devcontainer.json")
        or base.endswith((".sh", ".mk"))
    )


def find_mounts(texts: Mapping[str, str]) -> tuple[Mount, ...]:
    """Where the scripts, makefiles and pages in `texts` (name -> text) mount something."""
    found: dict[tuple[str, str], Mount] = {}
    for name, text in sorted(texts.items()):
        values = dict(_SET.findall(text))
        for match in (*_MOUNT.finditer(text), *_COMPOSE.finditer(text)):
            groups = match.groupdict()
            raw = groups.get("target") or groups.get("mount") or ""
            target = _USED.sub(lambda it, values=values: values.get(it[1], it[0]), raw).rstrip("/")
            if target and "$" not in target and len(target) <= _LONGEST:
                line = text.count("\n", 0, match.start()) + 1
                found.setdefault((name, target), Mount(origin=Origin(file=name, line=line), target=target))
    return tuple(found.values())


def is_nearly(one: str, other: str) -> bool:
    """Whether two different paths are so alike that one of them seems to be a slip."""
    one, other = one.rstrip("/"), other.rstrip("/")
    if one == other or min(len(one), len(other)) < 4 or max(len(one), len(other)) > _LONGEST:  # noqa: PLR2004 - `/app`, `/api`
        return False
    if _flat(one) == _flat(other):
        return True
    if re.sub(r"\d+", "#", one) == re.sub(r"\d+", "#", other) or _is_plural_word(one, other):
        return False
    most = _MOST_OFF if min(len(one), len(other)) > 8 else 1  # noqa: PLR2004
    return _distance(one, other, most) <= most


def _flat(path: str) -> str:
    return re.sub(r"[-_. ]", "", path.lower())


def _is_plural_word(one: str, other: str) -> bool:
    """`/app/src` and `/app/srcs` are near; `/data/in` and `/data/out` are two words of one length class."""
    left, right = one.rpartition("/"), other.rpartition("/")
    return left[0] == right[0] and min(len(left[2]), len(right[2])) <= 3  # noqa: PLR2004


def _distance(one: str, other: str, most: int) -> int:
    """Characters to insert, drop or replace; more than `most` counts as `most + 1`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
        if min(row) > most:
            return most + 1
    return row[-1]

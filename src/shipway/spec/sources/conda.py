"""`environment.yml`: its Python, its pip part, and the versions of conda packages that code imports.

Reads the shape that conda writes and people edit, and nothing else of YAML: a mapping at the left margin, the list
`dependencies`, and one mapping `pip:` with a list inside it. Anything else below `dependencies` is said, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipway.spec.facts import PLACES, Fact, FactKind, Source, split_place
from shipway.spec.model import Origin
from shipway.spec.requirement_lines import read_requirement_item

_ITEM = re.compile(r"(?P<indent>[ ]*)-[ ]+(?P<text>.*)\Z")
_KEY = re.compile(r"(?P<key>[A-Za-z_][\w-]*)[ ]*:(?:[ ]+(?P<value>.*))?\Z")
_CONDA = re.compile(
    r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)[ ]*"
    r"(?:(?P<sign>==?|>=|<=|>|<|~=)[ ]*(?P<version>[^=\s]+)(?:=\S*)?|[ ]+(?P<bare>\d\S*).*)?\Z"
)


def _bare(text: str) -> str:
    """`text` without its comment and quotes."""
    value = re.sub(r"(?:^|\s)#.*$", "", text).strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _read(name: str, text: str) -> Iterable[Fact]:
    section, pip_indent = "", -1
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        origin = Origin(file=name, line=number)
        if not _bare(line):
            continue
        if "\t" in line[: len(line) - len(line.lstrip())]:
            yield Fact(
                kind=FactKind.REMARK, text="a tab indents this line, so the rest was not read", origin=origin
            )
            return
        item = _ITEM.match(line)
        if item is None:
            key = _KEY.match(line)
            section, pip_indent = (key["key"] if key else ""), -1
        elif section == "dependencies":
            value = _bare(item["text"])
            indent = len(item["indent"])
            if value.replace(" ", "") == "pip:":
                pip_indent = indent
            elif 0 <= pip_indent < indent:
                yield _pip(name, value, origin)
            else:
                pip_indent = -1
                yield _conda(name, value, origin)


def _pip(name: str, value: str, origin: Origin) -> Fact:
    try:
        read_requirement_item(value)
    except ValueError as error:
        return Fact(kind=FactKind.UNREADABLE, text=value, origin=origin, why=str(error))
    return Fact(
        kind=FactKind.REQUIREMENT, text=value, origin=origin, why=f"the pip part of `{name}` lists it"
    )


def _conda(name: str, value: str, origin: Origin) -> Fact:
    match = _CONDA.match(" ".join(value.split()))
    if match is None:
        return Fact(kind=FactKind.REMARK, text=f"`{value}` was not read", origin=origin)
    sign, version = match["sign"] or "=", match["version"] or match["bare"] or ""
    if match["name"] == "python":
        seen = re.match(r"3\.\d{1,2}", version)
        if seen and sign in ("=", "==", ">="):
            return Fact(kind=FactKind.PYTHON, text=seen[0], origin=origin, why=f"`{name}` names it")
    if match["name"] in ("python", "pip"):
        return Fact(kind=FactKind.REMARK, text=f"`{value}` needs no line of its own", origin=origin)
    if sign in ("=", "==") and re.fullmatch(r"\d[\w.]*\*?", version):
        exact = version.rstrip("*").rstrip(".") + (".*" if sign == "=" and version.count(".") < 2 else "")  # noqa: PLR2004 - major.minor.patch
        why = f"`{name}` has this version of the conda package"
        return Fact(kind=FactKind.PINNED, text=f"{match['name']}=={exact}", origin=origin, why=why)
    return Fact(
        kind=FactKind.REMARK, text=f"conda package `{value}` counts only where code imports it", origin=origin
    )


def _matches(name: str) -> bool:
    folder, base = split_place(name)
    return folder in PLACES and base in ("environment.yml", "environment.yaml")


SOURCE = Source(matches=_matches, read=_read)

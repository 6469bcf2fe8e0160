"""uv's reasoning, told in the user's words: which line of which file asked for what, and what stands against it. Pure.

uv 0.13 explains a failure as a chain of sentences (`Because A depends on B and C, we can conclude that D.`). We take the facts
out of them (who depends on what, what is missing) and leave the chain itself to `detail`. Samples: tests/unit/resolve.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from shipway.core.errors import ConflictError, NotFound, ToolError
from shipway.core.text import shown
from shipway.resolve.uv_project import PROJECT
from shipway.resolve.wheel_request import WheelRequest
from shipway.spec.model import Wish

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_SPECIFIER = r"(?:[<>=!~]=?=?[^\s,|]+(?:,[<>=!~]=?=?[^\s,|]+)*)?"
_PACKAGE = rf"{_NAME}(?:\[[^\]\s]*\])?{_SPECIFIER}"
_OBJECTS = rf"(?:Python{_SPECIFIER}|{_PACKAGE})(?: and {_PACKAGE}(?=,| and |$))*"
_DEPENDS = re.compile(rf"(?:all versions of )?({PROJECT}:\S+|{_PACKAGE}) depends? on ({_OBJECTS})")
_CONCLUSION = re.compile(r"we can conclude that .*?(?=And because |Because |hint: |$)")
"""What follows from facts is none: it would be told twice, with the user's own line replaced by a derived one."""
_MISSING = re.compile(rf"({_NAME}) was not found in the (?:package registry|provided package locations)")
_NO_VERSION = re.compile(rf"(?:there is no version of|there are no versions of) ({_NAME})({_SPECIFIER})")
_NO_WHEELS = re.compile(
    rf"({_NAME}){_SPECIFIER} (?:has|have) no (?:usable wheels|wheels with|wheels for)|Wheels are required for `({_NAME})`"
)
_MOST_VERSIONS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`who` needs `what`; `who` is empty where a target itself asks."""

    who: str
    what: str
    group: str = ""


def names_without_wheels(text: str) -> tuple[str, ...]:
    """Packages that uv could use only by building them."""
    return tuple(
        dict.fromkeys(canonicalize_name(one or other) for one, other in _NO_WHEELS.findall(_flat(text)))
    )


def read_facts(text: str) -> tuple[Fact, ...]:
    """Every `depends on` of uv's chain, targets first, each once."""
    found = []
    premises = _CONCLUSION.sub("", _flat(text))
    for who, objects in _DEPENDS.findall(premises):
        for what in objects.split(" and "):
            group = who.partition(":")[2] if who.startswith(PROJECT) else ""
            found.append(Fact(who="" if group else who, what=what, group=group))
    return tuple(dict.fromkeys(sorted(found, key=lambda fact: fact.who != "")))


def explain(
    text: str,
    groups: Mapping[str, WheelRequest],
    *,
    versions_of: Callable[[str], Sequence[str]],
    known: Iterable[str] = (),
    remarks: Sequence[str] = (),
) -> ToolError:
    """The error for uv's `text`. `versions_of` asks the index; `known`: names that exist; `remarks`: what we add."""
    flat = _flat(text)
    detail = _in_target_words(text, groups)
    missing = _MISSING.search(flat)
    if missing:
        return _not_found(missing[1], text, groups, known, detail)
    absent = _NO_VERSION.search(flat)
    if absent and (absent[2] or not versions_of(absent[1])):
        return _no_version(absent[1], absent[2], groups, versions_of(absent[1]), detail)
    return _conflict(text, groups, remarks, detail)


def _flat(text: str) -> str:
    """One line; bulleted alternatives become `a | b`, environment markers in braces are dropped."""
    without = re.sub(r"\{[^{}]*\}", "", text)
    listed = re.sub(
        r"(?:one|all|any) of:\n((?:\s{2,}\S+\n?)+)", lambda m: " | ".join(m[1].split()) + " ", without
    )
    return re.sub(r"\s+", " ", listed)


def _asking(name: str, groups: Mapping[str, WheelRequest]) -> list[Wish]:
    """Every wish or constraint for package `name`, each once."""
    wanted = canonicalize_name(name)
    found: dict[str, Wish] = {}
    for request in groups.values():
        for wish in (*request.wishes, *request.constraints):
            match = re.match(_NAME, wish.text.strip())
            if match and canonicalize_name(match[0]) == wanted:
                found.setdefault(f"{wish.text} {wish.origin}", wish)
    return list(found.values())


def _wish_lines(wishes: Iterable[Wish]) -> list[str]:
    return [f"`{shown(wish.text)}` is asked for by {wish.origin}" for wish in wishes]


def _origins(wishes: Iterable[Wish]) -> str:
    return ", ".join(dict.fromkeys(str(wish.origin) for wish in wishes))


def _not_found(
    name: str, text: str, groups: Mapping[str, WheelRequest], known: Iterable[str], detail: str
) -> NotFound:
    wishes = _asking(name, groups)
    lines = _wish_lines(wishes)
    lines += [
        f"`{fact.who}` needs it"
        for fact in read_facts(text)
        if fact.who and _name_of(fact.what) == canonicalize_name(name)
    ]
    near = difflib.get_close_matches(
        canonicalize_name(name), sorted({canonicalize_name(k) for k in known}), n=3, cutoff=0.75
    )
    hints = [f"did you mean {' or '.join(f'`{other}`' for other in near)}?"] if near else []
    hints.append(
        f"correct the name in {_origins(wishes)}" if wishes else "ask for another version of what needs it"
    )
    hints.append("if it comes from a private index, name that index under `[indexes]` in the spec")
    return NotFound(
        _lines(f"no Python package `{shown(name)}` in any index of this host", lines),
        hints=hints,
        detail=detail,
    )


def _no_version(
    name: str, specifier: str, groups: Mapping[str, WheelRequest], versions: Sequence[str], detail: str
) -> NotFound:
    wishes = _asking(name, groups)
    wanted = re.sub(r"[<>=!~]", "", specifier.partition(",")[0])
    near = difflib.get_close_matches(wanted, versions, n=_MOST_VERSIONS // 3, cutoff=0.4)
    newest = list(versions[-_MOST_VERSIONS:])
    hints = (
        []
        if newest
        else [
            f"the index lists no file of `{name}`: run `shipway doctor` to see whether it is an index at all"
        ]
    )
    if near:
        hints.append(f"nearest: {', '.join(near)}")
    if newest:
        hints.append(f"newest: {', '.join(reversed(newest))}")
    hints.append(f"change the version in {_origins(wishes)}" if wishes else "loosen what needs it")
    return NotFound(
        _lines(f"there is no `{name}{specifier}` in any index of this host", _wish_lines(wishes)),
        hints=hints,
        detail=detail,
    )


def _conflict(
    text: str, groups: Mapping[str, WheelRequest], remarks: Sequence[str], detail: str
) -> ConflictError:
    facts = read_facts(text)
    asked = [wish for fact in facts if fact.group for wish in _asking(_name_of(fact.what), groups)]
    asked += [wish for fact in facts if fact.who for wish in _asking(_name_of(fact.what), groups)]
    wishes = list({f"{wish.text} {wish.origin}": wish for wish in asked}.values())
    lines = [*_wish_lines(wishes), *_chain(facts), *remarks]
    targets = dict.fromkeys(groups[fact.group].target for fact in facts if fact.group in groups)
    named = " and ".join(f"`{target}`" for target in targets) or "one target"
    python = [fact for fact in facts if fact.what.startswith("Python")]
    hints = (
        [f"loosen or drop one of them in {_origins(wishes)}"]
        if wishes
        else ["loosen one of the requirements"]
    )
    if python:
        versions = sorted({request.minor for request in groups.values()})
        hints.append(f"or set `python` in the spec: it is {', '.join(versions)} now")
    return ConflictError(
        _lines(f"the Python requirements of {named} cannot be met together", lines),
        hints=hints,
        detail=detail,
    )


def _chain(facts: Sequence[Fact]) -> list[str]:
    """What packages need, without wishes; the same need of many versions once, and never a flood."""
    lines = list(dict.fromkeys(f"`{fact.who}` needs `{fact.what}`" for fact in facts if fact.who))
    most = 10
    return lines[:most] + ([f"and {len(lines) - most} more such needs"] if len(lines) > most else [])


def _name_of(requirement: str) -> str:
    match = re.match(_NAME, requirement)
    return canonicalize_name(match[0]) if match else requirement


def _in_target_words(text: str, groups: Mapping[str, WheelRequest]) -> str:
    """The text of uv without its own advice, which speaks of settings that are ours to make, and with the user's names."""

    def target(match: re.Match[str]) -> str:
        request = groups.get(match[1])
        return f"target {request.target}" if request else "the project"

    chain = re.split(r"\n\s*\n\s*hint:", text, maxsplit=1)[0]
    return re.sub(rf"{PROJECT}:([A-Za-z0-9_-]+)", target, chain)


def _lines(first: str, rest: Iterable[str]) -> str:
    return "\n".join([first, *(f"  {line}" for line in rest)])

"""The format of scenario files: text -> values and back. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class Run:
    """One command with what is expected of it."""

    command: str
    code: int = 0
    exact: dict[str, str] = field(default_factory=dict)
    """`stdout`, `stderr` -> text."""
    has: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Scenario:
    """One file."""

    about: str
    needs: list[str]
    filters: list[str]
    files: list[tuple[str, int, str]]
    runs: list[Run]


_HEAD = re.compile(r"=== (\w+)( has)?(?:: (.*))?\Z")
FILTERS = {
    "digest": (re.compile(r"\b(?:sha256:)?(?:[0-9a-f]{64}|[0-9a-f]{12})\b"), "DIGEST"),
    "size": (re.compile(r"\b\d+(?:\.\d+)? (?:B|[KMGT]iB)\b"), "SIZE"),
    "time": (re.compile(r"\b(?:\d+ h \d+ min|\d+ min \d+ s|\d+(?:\.\d+)? s)\b"), "TIME"),
    "date": (re.compile(r"\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?"), "DATE"),
    "number": (re.compile(r"\b\d+(?:\.\d+)?\b"), "N"),
}


def parse_scenario(text: str) -> Scenario:
    head, *sections = re.split(r"^(?==== )", text, flags=re.MULTILINE)
    about, needs, filters = [], [], []
    for line in head.splitlines():
        if line.startswith("needs:"):
            needs = line[6:].split()
        elif line.startswith("filters:"):
            filters = line[8:].split()
        else:
            about.append(line)
    unknown = set(filters) - set(FILTERS)
    if unknown or not "".join(about).strip():
        raise ValueError(
            f"unknown filters {unknown}"
            if unknown
            else "a scenario starts with a sentence that says what is shown"
        )
    scenario = Scenario("\n".join(about).strip(), needs, filters, [], [])
    for section in sections:
        _add(scenario, section)
    if not scenario.runs:
        raise ValueError("a scenario runs at least one command")
    return scenario


def _add(scenario: Scenario, section: str) -> None:
    first, _, body = section.partition("\n")
    match = _HEAD.match(first)
    if not match:
        raise ValueError(f"not a section: {first!r}")
    kind, has, argument = match[1], bool(match[2]), (match[3] or "").strip()
    if kind == "file":
        path, _, mode = argument.partition(" ")
        scenario.files.append((path, int(mode or "644", 8), body))
    elif kind == "run":
        scenario.runs.append(Run(argument))
        if body.strip():
            raise ValueError(f"text below {first!r}")
    elif kind == "exit":
        scenario.runs[-1].code = int(argument)
    elif kind in ("stdout", "stderr"):
        if has:
            scenario.runs[-1].has[kind] = [line for line in body.splitlines() if line.strip()]
        else:
            scenario.runs[-1].exact[kind] = body
    else:
        raise ValueError(f"unknown section: {first!r}")


def filtered(text: str, names: list[str], places: dict[str, str], version: str) -> str:
    """`text` with what differs between machines replaced."""
    for place, name in sorted(places.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(place, name)
    text = text.replace(version, "VERSION")
    for name in names:
        pattern, mark = FILTERS[name]
        text = pattern.sub(mark, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def updated(text: str, outputs: list[dict[str, str]]) -> str:
    """The scenario's text with `outputs` (one mapping of stream to text per run) in its exact sections."""
    run = -1
    parts = re.split(r"^(?==== )", text, flags=re.MULTILINE)
    for number, part in enumerate(parts):
        first = part.partition("\n")[0]
        if first.startswith("=== run"):
            run += 1
        elif first in ("=== stdout", "=== stderr"):
            parts[number] = first + "\n" + outputs[run][first[4:]]
        elif first.startswith("=== exit"):
            parts[number] = f"=== exit: {outputs[run]['code']}\n"
    return "".join(parts)

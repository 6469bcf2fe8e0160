"""The format of scenario files: text -> values and back. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass
class Run:
    """One command with what is expected of it."""

    command: str
    codes: dict[str, int] = field(default_factory=dict)
    """By engine; `` is any."""
    exact: dict[str, str] = field(default_factory=dict)
    """`stdout`, `stderr` -> text."""
    has: list[tuple[str, str, str]] = field(default_factory=list)
    """Stream, engine (empty: any), what one line holds; an ellipsis stands for anything."""
    typed: list[tuple[str, str]] = field(default_factory=list)
    """At a terminal: what appears, and what is typed then. Without it there is no terminal."""

    def code(self, engine: str = "") -> int:
        """How it ends there."""
        return self.codes.get(engine, self.codes.get("", 0))


@dataclass
class Scenario:
    """One file."""

    about: str
    needs: list[str]
    filters: list[str]
    engines: list[str]
    images: list[str]
    """Names of a stored image with some programs of this machine."""
    folder: str
    """What the folder is called."""
    files: list[tuple[str, int, str]]
    runs: list[Run]


_HEAD = re.compile(r"=== (\w+)( has)?(?: on ([\w ]+))?(?:: (.*))?\Z")
_WORDS = ("needs", "filters", "engines", "images", "folder")
FILTERS = {
    "digest": (re.compile(r"\b(?:sha256:)?(?:[0-9a-f]{64}|[0-9a-f]{12})\b"), "DIGEST"),
    "size": (re.compile(r"\b\d+(?:\.\d+)? (?:B|[KMGT]iB)\b"), "SIZE"),
    "time": (re.compile(r"\b(?:\d+ h \d+ min|\d+ min \d+ s|\d+(?:\.\d+)? s)\b"), "TIME"),
    "date": (re.compile(r"\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?"), "DATE"),
    "number": (re.compile(r"\b\d+(?:\.\d+)?\b"), "N"),
}


def parse_scenario(text: str) -> Scenario:
    head, *sections = re.split(r"^(?==== )", text, flags=re.MULTILINE)
    about: list[str] = []
    said: dict[str, list[str]] = {word: [] for word in _WORDS}
    for line in head.splitlines():
        word, colon, rest = line.partition(":")
        if colon and word in said:
            said[word] = rest.split()
        else:
            about.append(line)
    unknown = set(said["filters"]) - set(FILTERS)
    if unknown or not "".join(about).strip():
        raise ValueError(
            f"unknown filters {unknown}"
            if unknown
            else "a scenario starts with a sentence that says what is shown"
        )
    scenario = Scenario(
        "\n".join(about).strip(),
        said["needs"],
        said["filters"],
        said["engines"],
        said["images"],
        next(iter(said["folder"]), "project"),
        [],
        [],
    )
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
    kind, has, engines, argument = match[1], bool(match[2]), (match[3] or "").split() or [""], match[4] or ""
    argument = argument.strip()
    if kind == "file":
        path, _, mode = argument.partition(" ")
        scenario.files.append((path, int(mode or "644", 8), body))
    elif kind == "run":
        scenario.runs.append(Run(argument))
        if body.strip():
            raise ValueError(f"text below {first!r}")
    elif kind == "exit":
        scenario.runs[-1].codes |= dict.fromkeys(engines, int(argument))
    elif kind == "typed":
        scenario.runs[-1].typed = [_typed(line) for line in body.splitlines() if line.strip()]
    elif kind in ("stdout", "stderr"):
        if has:
            lines = [line.strip() for line in body.splitlines() if line.strip()]
            scenario.runs[-1].has += [(kind, engine, line) for engine in engines for line in lines]
        else:
            scenario.runs[-1].exact[kind] = body
    else:
        raise ValueError(f"unknown section: {first!r}")


def _typed(line: str) -> tuple[str, str]:
    """`WHAT APPEARS => WHAT IS TYPED`; `^P^Q` is Ctrl-P Ctrl-Q and no line, `^[` an escape; nothing behind the arrow only waits."""
    appears, arrow, typed = (part.strip() for part in line.partition("=>"))
    appears = appears.replace("^[", "\x1b")
    if not arrow:
        raise ValueError(f"no `=>` in {line!r}")
    keys = re.fullmatch(r"(?:\^[A-Z])+", typed)
    if keys:
        return appears, "".join(chr(ord(key) - 64) for key in typed.split("^")[1:])
    return appears, f"{typed}\n" if typed else ""


def holds(line: str, wanted: str) -> bool:
    """Whether `line` holds the parts of `wanted` between ellipses, in this order."""
    place = 0
    for part in wanted.split("…"):
        found = line.find(part.strip(), place)
        if found < 0:
            return False
        place = found + len(part.strip())
    return True


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

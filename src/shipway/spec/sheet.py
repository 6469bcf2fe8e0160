"""One TOML text while it is read: where its keys stand, and what is wrong with it. Everything wrong is reported together."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shipway.core.errors import SpecError
from shipway.core.events import Note
from shipway.core.text import shown
from shipway.spec.lines import Path, find_lines
from shipway.spec.model import Origin

_REFERENCE = "`docs/reference/spec.md` lists every key"


class Problem(NamedTuple):
    """One thing that is wrong."""

    file: str
    line: int
    key: str
    text: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: `{self.key}`: {self.text}" if self.key else f"{where}: {self.text}"


@dataclass(slots=True, kw_only=True)
class Findings:
    """What reading met, in order; shared by all files of one spec."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def refuse(self, origin: Origin, text: str, hint: str = "") -> None:
        """Note that what stands at `origin` is wrong."""
        self.problems.append(
            Problem(origin.file, origin.line, shown(origin.key), shown(text, 400), shown(hint, 400))
        )

    def warn(self, origin: Origin, text: str) -> None:
        """Note something that is allowed and worth a line."""
        self.notes.append(Note(f"{origin}: {shown(text, 400)}", "warning"))

    def raise_if_any(self) -> None:
        """Report every problem as one error.

        Raises:
            SpecError: there is at least one.
        """
        if not self.problems:
            return
        problems = sorted(dict.fromkeys(self.problems), key=lambda it: (it.file, it.line))
        if len(problems) == 1:
            raise SpecError(str(problems[0]), hints=[problems[0].hint or _REFERENCE])
        lines = [f"  {problem}" + (f" ({problem.hint})" if problem.hint else "") for problem in problems]
        raise SpecError(f"{len(problems)} mistakes in the spec:\n" + "\n".join(lines), hints=[_REFERENCE])


class Sheet:
    """A parsed TOML text with lines."""

    def __init__(self, text: str, file: str, findings: Findings) -> None:
        """Parse `text`, which was read from `file`.

        Raises:
            SpecError: it is no TOML; the message tells the line.
        """
        self.file = file
        self.findings = findings
        try:
            self.document: dict[str, Any] = tomllib.loads(text)
            self.lines = find_lines(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise SpecError(
                f"`{file}` is no TOML: {shown(str(error))}",
                hints=["texts stand in quotes, lists in brackets, and every key stands once in its table"],
            ) from None

    def place(self, *path: str | int) -> Place:
        """What stands at `path`."""
        return Place(self, path)


class Place:
    """A key or item of a sheet."""

    __slots__ = ("path", "sheet")

    def __init__(self, sheet: Sheet, path: Path) -> None:
        """Name the place at `path` of `sheet`."""
        self.sheet = sheet
        self.path = path

    def at(self, *more: str | int) -> Place:
        """A place below this one."""
        return Place(self.sheet, (*self.path, *more))

    @property
    def origin(self) -> Origin:
        """File, nearest known line, and dotted key without list positions."""
        path = self.path
        while path and path not in self.sheet.lines:
            path = path[:-1]
        key = ".".join(part for part in self.path if isinstance(part, str))
        return Origin(file=self.sheet.file, line=self.sheet.lines.get(path, 0), key=key)

    def refuse(self, text: str, hint: str = "") -> None:
        """Note that what stands here is wrong."""
        self.sheet.findings.refuse(self.origin, text, hint)

    def warn(self, text: str) -> None:
        """Note something worth a line."""
        self.sheet.findings.warn(self.origin, text)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the valid word nearest to `word`, or all of them when none is near and they are few."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6) or difflib.get_close_matches(
        word.lower().replace("_", "-"), names, n=1, cutoff=0.6
    )
    close = close or [name for name in names if word and name.startswith(word)][:1]
    if close:
        return f"did you mean `{close[0]}`?"
    return "known here: " + ", ".join(f"`{name}`" for name in names) if 0 < len(names) <= 40 else ""  # noqa: PLR2004

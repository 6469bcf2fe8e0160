"""Text -> instructions, as BuildKit's Dockerfile frontend 1.x reads them: directives, continued lines, heredocs, exec forms.

Source of the grammar: "Dockerfile reference" of Docker's documentation. What Docker refuses is refused with its line, except
where one sensible reading is left; that is taken, and said (`Slip`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from shipway.core.errors import SpecError
from shipway.core.text import shown
from shipway.spec.dockerfile.model import Dockerfile, Heredoc, Instruction, Slip
from shipway.spec.dockerfile.words import word_set
from shipway.spec.sheet import nearest

INSTRUCTIONS = word_set(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
    "VOLUME WORKDIR"
)
_FLAGGED = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_EXEC_FORM = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
_WITH_HEREDOC = frozenset({"ADD", "COPY", "RUN"})
_DIRECTIVES = frozenset({"check", "escape", "syntax"})
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=(.*)\Z", re.DOTALL)
_HEAD = re.compile(r"\s*(\S+)\s*")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?(?:\s+|\Z)")
_GLUED = re.compile(r"([A-Za-z]+)=(.+)\Z", re.DOTALL)
_HEREDOC = re.compile(r"""(?<![<\w])\d*<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_.-]*)\2(?![<\w])""", re.ASCII)
_MOST_LINES = 5000
_LONGEST = 256 << 10
"""Characters."""


def parse_dockerfile(text: str, file: str = "Dockerfile") -> Dockerfile:
    """The Dockerfile in `text`, called `file` in messages.

    Raises:
        SpecError: Docker would not read it either, and no single reading is left; every mistake is told with its line.
    """
    reader = _Reader(text, file)
    reader.read()
    if not reader.mistakes and not any(one.name == "FROM" for one in reader.instructions):
        reader.refuse(
            max(len(reader.lines), 1), "there is no FROM", "a Dockerfile begins with the image it stands on"
        )
    if reader.mistakes:
        places = "\n".join(what for what, _ in reader.mistakes)
        raise SpecError(places, hints=tuple(dict.fromkeys(hint for _, hint in reader.mistakes)))
    return Dockerfile(
        file=file,
        instructions=tuple(reader.instructions),
        directives=tuple(reader.directives),
        escape=reader.escape,
        slips=tuple(reader.slips),
    )


@dataclass(slots=True)
class _Reader:
    """The lines of a file and how far they are read."""

    text: str
    file: str
    lines: list[str] = field(default_factory=list)
    at: int = 0
    last: int = 0
    """Position of the last line that says anything."""
    escape: str = "\\"
    instructions: list[Instruction] = field(default_factory=list)
    directives: list[tuple[str, str, int]] = field(default_factory=list)
    slips: list[Slip] = field(default_factory=list)
    mistakes: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, line: int, what: str, hint: str) -> None:
        self.mistakes.append((f"{self.file}:{line}: {what}", hint))

    def read(self) -> None:
        plain = self.text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.lines = plain.split("\n")
        self.last = max((at for at, line in enumerate(self.lines) if line.strip()), default=0)
        if len(self.lines) > _MOST_LINES or len(plain) > _LONGEST or "\0" in plain:
            self.refuse(1, "this is no Dockerfile", "name the file itself: `shipway import dockerfile FILE`")
            return
        self._read_directives()
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip() or line.lstrip().startswith("#"):
                self.at += 1
                continue
            start = self.at + 1
            logical = self._join()
            self._instruction(start, logical)

    def _read_directives(self) -> None:
        seen: set[str] = set()
        while self.at < len(self.lines):
            match = _DIRECTIVE.match(self.lines[self.at])
            name = match[1].lower() if match else ""
            if match is None or name not in _DIRECTIVES:
                return
            value = match[2].strip()
            self.at += 1
            if name in seen:
                self.refuse(self.at, f"`# {name}=` stands twice", "keep one of them")
            seen.add(name)
            self.directives.append((name, value, self.at))
            if name == "escape":
                if value not in ("\\", "`"):
                    self.refuse(
                        self.at,
                        f"`{shown(value)}` cannot be the escape",
                        "it is a backslash or a backtick",
                    )
                self.escape = value

    def _join(self) -> str:
        """The logical line that starts here; comments and blank lines between continued lines are no part of it."""
        parts: list[str] = []
        open_line = True
        while open_line and self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            bare = line.strip()
            if parts and bare.startswith("#"):
                continue
            if parts and not bare:
                if self.at < self.last:
                    self.slips.append(
                        Slip(
                            line=self.at,
                            what="a blank line stands inside a continued instruction",
                            remedy="take it out; Docker will end the instruction there one day",
                        )
                    )
                continue
            stripped = line.rstrip(" \t")
            open_line = stripped.endswith(self.escape)
            parts.append(stripped[:-1] if open_line else line)
        return "".join(parts)

    def _instruction(self, start: int, logical: str) -> None:
        head = _HEAD.match(logical)
        if head is None:
            return
        name, text = head[1].upper(), logical[head.end() :].rstrip()
        glued = _GLUED.match(head[1])
        if name not in INSTRUCTIONS and glued and glued[1].upper() in INSTRUCTIONS:
            name, text = glued[1].upper(), f"{glued[2]} {text}".rstrip()
            self.slips.append(
                Slip(
                    line=start,
                    what=f"`{name}=` is no instruction; Docker refuses the file here",
                    remedy=f"write `{name} {shown(text, 60)}`",
                )
            )
        if name not in INSTRUCTIONS:
            hint = nearest(name, INSTRUCTIONS) or "each line begins with an instruction such as RUN or COPY"
            self.refuse(start, f"`{shown(head[1], 40)}` is no instruction", hint)
            return
        flags, text = self._flags(name, text)
        if not text:
            self.refuse(start, f"{name} says nothing", f"write what follows {name}, or take the line out")
            return
        words = self._exec_form(start, name, text)
        heredocs = self._heredocs(start, text) if name in _WITH_HEREDOC and words is None else ()
        self.instructions.append(
            Instruction(line=start, name=name, flags=flags, text=text, json=words, heredocs=heredocs)
        )

    @staticmethod
    def _flags(name: str, text: str) -> tuple[tuple[tuple[str, str], ...], str]:
        flags: list[tuple[str, str]] = []
        while name in _FLAGGED and (match := _FLAG.match(text)):
            flags.append((match[1], "" if match[2] is None else match[2]))
            text = text[match.end() :]
        return tuple(flags), text

    def _exec_form(self, start: int, name: str, text: str) -> tuple[str, ...] | None:
        if name not in _EXEC_FORM or not text.startswith("["):
            return None
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return tuple(words)
        self.slips.append(
            Slip(
                line=start,
                what=f"{name} looks like a JSON list and is none, so Docker gives it to a shell",
                remedy='write the words in double quotes: `["python", "train.py"]`',
            )
        )
        return None

    def _heredocs(self, start: int, text: str) -> tuple[Heredoc, ...]:
        found: list[Heredoc] = []
        quoted = _quoted_positions(text) if "<<" in text else frozenset()
        for match in _HEREDOC.finditer(text):
            if match.start() in quoted:
                continue
            body: list[str] = []
            while True:
                if self.at >= len(self.lines):
                    self.refuse(
                        start, f"`<<{match[3]}` has no end", f"a line with `{match[3]}` alone ends it"
                    )
                    return tuple(found)
                line = self.lines[self.at]
                self.at += 1
                line = line.lstrip("\t") if match[1] else line
                if line == match[3]:
                    break
                body.append(line + "\n")
            found.append(Heredoc(name=match[3], text="".join(body), quoted=bool(match[2])))
        return tuple(found)


def _quoted_positions(text: str) -> frozenset[int]:
    """Where `text` stands inside quotes."""
    found: set[int] = set()
    quote, position = "", 0
    while position < len(text):
        char = text[position]
        if quote:
            found.add(position)
        if char == "\\" and quote != "'":
            position += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        position += 1
    return frozenset(found)

"""Where an import is while it reads one stage after another: variables, places, and what was installed so far."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace

from shipway.spec.dockerfile.model import Instruction
from shipway.spec.dockerfile.report import Record
from shipway.spec.dockerfile.shell import Simple
from shipway.spec.single import SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A COPY out of the project."""

    source: str
    """Relative to the context, without `./` and a final `/`; `.` for all of it."""
    target: str
    """Absolute, inside."""
    into: bool
    """The target is a folder that the source goes into."""
    line: int = 0


@dataclass(slots=True, kw_only=True)
class State:
    """What holds at one point of the file."""

    record: Record
    names: frozenset[str] | None
    """Files of the project; None when they are not known."""
    arguments: dict[str, str | None]
    """Build arguments that the caller gave."""
    global_arguments: dict[str, str | None] = field(default_factory=dict)
    """ARGs in front of the first FROM."""
    variables: dict[str, str | None] = field(default_factory=dict)
    """ARGs and ENVs of this stage; None: not known, or secret."""
    from_arguments: set[str] = field(default_factory=set)
    """Those of `variables` that are ARGs, and so do not last."""
    workdir: str = "/"
    workdir_line: int = 0
    user: str = ""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    copies: list[Copied] = field(default_factory=list)
    apt_lines: list[int] = field(default_factory=list)
    pip_lines: list[int] = field(default_factory=list)
    foreign: bool = False
    """The base is an image of others, with what it holds."""
    imports: bool = False
    """Programs may import Python packages of that image."""
    build_only: bool = False
    """This stage is only copied from: its OS packages stay behind."""

    def inside(self, path: str) -> str:
        """`path` as an absolute one inside."""
        return posixpath.normpath(posixpath.join(self.workdir, path))

    def project_path(self, path: str) -> str | None:
        """The project's file that stands inside at `path`, or None."""
        full = self.inside(path)
        for copied in reversed(self.copies):
            place = copied.target
            if copied.into and copied.source != ".":
                place = posixpath.join(place, posixpath.basename(copied.source))
            if full == place:
                return copied.source
            below = posixpath.relpath(full, place)
            if not below.startswith("..") and (copied.source == "." or self._is_folder(copied.source)):
                return posixpath.normpath(posixpath.join(copied.source, below))
        return None

    def has(self, path: str) -> bool:
        """Whether the project has a file, or files below, `path`; True when its files are not known."""
        return self.names is None or path == "." or path in self.names or self._is_folder(path)

    def _is_folder(self, path: str) -> bool:
        return self.names is None or any(name.startswith(path + "/") for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One simple command of a RUN, with what stands around it."""

    command: Simple
    words: tuple[str, ...]
    """The command's, without `sudo` and the like in front."""
    run: Instruction
    all: tuple[Simple, ...]
    """Every command of the RUN."""

    @property
    def program(self) -> str:
        """The file name of the program, or empty."""
        return self.words[0].rpartition("/")[2] if self.words else ""

    @property
    def caches(self) -> bool:
        """Whether the RUN mounts a cache."""
        return any("type=cache" in mount for mount in self.run.flag_values("mount"))

    def runs(self, *programs: str, word: str = "") -> bool:
        """Whether another command of the RUN is one of `programs`, with `word` among its words if that is given."""
        for it in self.all:
            names = {one.rpartition("/")[2] for one in it.words[:3]}
            if names & set(programs) and (not word or word in it.words):
                return True
        return False


def clean_step(command: Simple, run: Instruction, everything: tuple[Simple, ...]) -> tuple[Step, bool]:
    """The step that `command` is, and whether `sudo` stood in front."""
    words = list(command.words)
    sudo = False
    while words and words[0].rpartition("/")[2] in ("sudo", "env", "command", "exec", "time", "nice", "eval"):
        sudo = sudo or words[0].endswith("sudo")
        del words[0]
        while words and (words[0].startswith("-") or ("=" in words[0] and not words[0].startswith("="))):
            del words[0]
    step = Step(command=command, words=tuple(words), run=run, all=everything)
    return step, sudo


def child_of(state: State, **changes: object) -> State:
    """A stage that begins where `state` ended."""
    copied = replace(state, **changes)  # type: ignore[arg-type]
    copied.variables = {
        name: value for name, value in state.variables.items() if name not in state.from_arguments
    }
    copied.from_arguments = set()
    copied.copies = list(state.copies)
    copied.apt_lines, copied.pip_lines = list(state.apt_lines), list(state.pip_lines)
    return copied


def is_usable_workdir(path: str) -> bool:
    """Whether a spec may have `path` as its working directory."""
    return (
        path != "/"
        and path.isprintable()
        and not any(path == it or path.startswith(it + "/") for it in SYSTEM)
    )

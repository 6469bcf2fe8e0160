"""TOML text -> Spec. Pure: files that the spec names are handed in; `inputs.py` says which.

Read tables (`tables.py`), expand files and groups, combine targets (`states.py`), check for contradictions (`checks.py`).
Everything that is wrong is reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shipway.core.errors import SpecError
from shipway.core.events import Note
from shipway.spec.bases import DEFAULT
from shipway.spec.checks import check_spec
from shipway.spec.grammar import clean_name
from shipway.spec.model import (
    Base,
    FileRules,
    IndexSource,
    LocalProject,
    Network,
    RunOptions,
    Spec,
    Target,
    Wish,
)
from shipway.spec.project_file import ProjectFile, find_extra_wishes, find_group_wishes, read_project_file
from shipway.spec.requirement_lines import Reader
from shipway.spec.sheet import Findings, Place, Sheet, nearest
from shipway.spec.states import State, drop, extend
from shipway.spec.tables import Part, Parts, read_tables

SPEC_FILE = "shipway.toml"
PROJECT_FILE = "pyproject.toml"
Texts = Mapping[str, str | None]
"""Path relative to the project -> text; None or absent: there is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSpec:
    """A spec, and what is worth saying about it."""

    spec: Spec
    notes: tuple[Note, ...] = ()


def parse_spec(
    text: str, files: Texts | None = None, *, file: str = SPEC_FILE, folder: str = ""
) -> ParsedSpec:
    """The spec in `text`, which was read from `file`; `files` are those that `find_missing_files` asked for.

    `folder` is the name of the project's folder, the last resort for the project's name.

    Raises:
        SpecError: anything in it is wrong; the message tells every mistake with file, line and key.
    """
    findings = Findings()
    document, place = open_sheet(text, file, findings)
    parts = read_tables(document, place)
    spec = _Builder(parts, files or {}, findings).build(file, folder)
    if not findings.problems:
        check_spec(spec, place)
    findings.raise_if_any()
    return ParsedSpec(spec=spec, notes=tuple(dict.fromkeys(findings.notes)))


def open_sheet(text: str, file: str, findings: Findings) -> tuple[dict[str, Any], Place]:
    """The spec's own table in `text`: all of `shipway.toml`, or `[tool.shipway]` of a `pyproject.toml`.

    Raises:
        SpecError: no TOML, or no such table.
    """
    sheet = Sheet(text, file, findings)
    if file.rpartition("/")[2] != PROJECT_FILE:
        return sheet.document, sheet.place()
    tool = sheet.document.get("tool", {})
    table = tool.get("shipway") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        hint = "`shipway init` writes a spec for what the folder holds"
        raise SpecError(f"`{file}` has no table `[tool.shipway]`", hints=[hint])
    return table, sheet.place("tool", "shipway")


class _Builder:
    """Combines the parts of one spec."""

    def __init__(self, parts: Parts, texts: Texts, findings: Findings) -> None:
        self.parts = parts
        self.texts = texts
        self.findings = findings
        self.indexes: dict[IndexSource, None] = dict.fromkeys(parts.indexes)
        self.projects: dict[str, ProjectFile | None] = {}
        self.states: dict[str, State] = {}

    def build(self, file: str, folder: str) -> Spec:
        top = self.parts.top.values
        shared = self.own(self.parts.top)
        if not self.parts.targets:
            targets = [self.target("default", shared)]
        else:
            targets = [self.target(name, self.combined(name, shared, ())) for name in self.parts.targets]
        return Spec(
            name=top.get("name") or self.default_name(folder),
            file=file,
            platforms=top.get("platforms", ()),
            targets=tuple(targets),
            default_target=self.default_target([target.name for target in targets]),
            indexes=tuple(self.indexes),
            layer_budget=top.get("layer-budget", 64),
            epoch=top.get("epoch"),
            vendor=top.get("vendor", ""),
            push_allow=top.get("push.allow"),
            push_attach=top.get("push.attach", ()),
        )

    def default_name(self, folder: str) -> str:
        project = self.project("")
        return clean_name((project.name if project else "") or folder)

    def default_target(self, names: list[str]) -> str:
        chosen = self.parts.top.values.get("default-target")
        if chosen is None:
            return "default" if "default" in names else names[0]
        if chosen not in names:
            place = self.parts.top.origin_place("default-target")
            place.refuse(f"there is no target `{chosen}`", nearest(chosen, names))
        return str(chosen)

    def combined(self, name: str, shared: State, path: tuple[str, ...]) -> State:
        """The full state of the target `name`; `path` are the targets that inherit from it, to see circles."""
        if name in self.states:
            return self.states[name]
        part = self.parts.targets[name]
        parent = part.values.get("inherits")
        inherited = shared
        if parent is not None:
            place = part.origin_place("inherits")
            if parent == name or parent in path:
                place.refuse(
                    f"targets inherit from each other in a circle: {' -> '.join((*path, name, parent))}"
                )
            elif parent not in self.parts.targets:
                place.refuse(f"there is no target `{parent}`", nearest(parent, self.parts.targets))
            else:
                inherited = self.combined(parent, shared, (*path, name))
        kept = drop(inherited, part.values.get("without", ()), part.origin_place("without"))
        self.states[name] = extend(kept, self.own(part))
        return self.states[name]

    def own(self, part: Part) -> State:
        """What `part` itself says, with the files and groups it names."""
        values = part.values
        reader = Reader(self.texts, self.findings)
        pip: list[Wish] = list(values.get("pip", ()))
        for number, name in enumerate(values.get("requirements", ())):
            spot = part.origin_place("requirements").at(number)
            if name.rpartition("/")[2] == PROJECT_FILE:
                project = self.project(name.rpartition("/")[0], spot)
                pip += project.dependencies if project else ()
            else:
                reader.read(name, spot.origin)
        for number, name in enumerate(values.get("constraint-files", ())):
            reader.read(name, part.origin_place("constraint-files").at(number).origin, constraints=True)
        projects = (*values.get("projects", ()), *reader.contents.projects)
        pip += reader.contents.wishes
        for number, name in enumerate(values.get("groups", ())):
            pip += self.group("", name, part.origin_place("groups").at(number))
        for local in projects:
            for name in local.groups:
                pip += self.group(
                    "" if local.path == "." else local.path, name, part.origin_place("projects")
                )
        self.indexes.update(dict.fromkeys(reader.contents.indexes))
        return State(
            apt=values.get("apt", ()),
            pip=tuple(dict.fromkeys(pip)),
            constraints=(*values.get("constraints", ()), *reader.contents.constraints),
            projects=tuple(dict.fromkeys(projects)),
            extras=values.get("extras", ()),
            include=values.get("files.include", ()),
            ignore=values.get("files.ignore", ()),
            mounts=values.get("run.mounts", ()),
            ports=values.get("run.ports", ()),
            ulimits=values.get("run.ulimits", ()),
            tmpfs=values.get("run.tmpfs", ()),
            pass_env=values.get("run.pass-env", ()),
            secrets=values.get("run.secrets", ()),
            build=values.get("build", ()),
            data=values.get("data", {}),
            env=values.get("env", {}),
            run_env=values.get("run.env", {}),
            labels=values.get("labels", {}),
            single={key: value for key, value in values.items() if key in _SINGLE},
        )

    def project(self, folder: str, asked: Place | None = None) -> ProjectFile | None:
        """The `pyproject.toml` in `folder`; a missing one is a mistake where `asked` needs it."""
        path = f"{folder}/{PROJECT_FILE}" if folder else PROJECT_FILE
        if path not in self.projects:
            text = self.texts.get(path)
            self.projects[path] = None if text is None else read_project_file(text, path, self.findings)
        found = self.projects[path]
        if found is None and asked is not None:
            asked.refuse(
                f"needs `{path}`, which is not there", "write the requirements to `pip`, or add the file"
            )
        return found

    def group(self, folder: str, name: str, asked: Place) -> tuple[Wish, ...]:
        project = self.project(folder, asked)
        return find_group_wishes(project, name, asked.origin, self.findings) if project else ()

    def target(self, name: str, state: State) -> Target:
        state = self.with_extras(state)
        self.require_projects(state)
        single = state.single
        distribution, suite = DEFAULT
        return Target(
            name=name,
            base=single.get("base", Base(distribution=distribution, suite=suite)),
            python=single.get("python", ""),
            apt=state.apt,
            recommends=single.get("recommends", False),
            pip=state.pip,
            constraints=state.constraints,
            projects=state.projects,
            bytecode=single.get("bytecode", False),
            system_site_packages=single.get("system-site-packages", False),
            slim=tuple(sorted(single.get("slim", ()))),
            env=tuple(sorted(state.env.items())),
            labels=tuple(sorted(state.labels.items())),
            workdir=single.get("workdir", "/work"),
            command=single.get("command", ()),
            files=FileRules(include=state.include, ignore=state.ignore),
            build=state.build,
            data=tuple(data for _, data in sorted(state.data.items())),
            run=_run_options(state),
        )

    def with_extras(self, state: State) -> State:
        """Extras of the folder's own project: with the project if it is installed, else as plain requirements."""
        if not state.extras:
            return state
        place = self.parts.top.origin_place("extras")
        if any(local.path == "." for local in state.projects):
            projects = [
                replace(it, extras=tuple(dict.fromkeys((*it.extras, *state.extras))))
                if it.path == "."
                else it
                for it in state.projects
            ]
            return replace(state, projects=tuple(projects))
        project = self.project("", place)
        wishes = (
            []
            if project is None
            else [
                wish
                for name in state.extras
                for wish in find_extra_wishes(project, name, place.origin, self.findings)
            ]
        )
        return replace(state, pip=tuple(dict.fromkeys((*state.pip, *wishes))))

    def require_projects(self, state: State) -> None:
        for local in state.projects:
            folder = "" if local.path == "." else local.path + "/"
            if not any(
                self.texts.get(folder + name) is not None for name in (PROJECT_FILE, "setup.py", "setup.cfg")
            ):
                hint = "projects are folders with a `pyproject.toml` or `setup.py`"
                self.findings.refuse(local.origin, f"`{local.path}` holds no Python project", hint)
            elif local.extras:
                self.require_extras(local)

    def require_extras(self, local: LocalProject) -> None:
        project = self.project("" if local.path == "." else local.path)
        if project and "optional-dependencies" not in project.dynamic and project.name:
            for name in local.extras:
                find_extra_wishes(project, name, local.origin, self.findings)


_SINGLE = frozenset(
    {"base", "python", "recommends", "bytecode", "system-site-packages", "slim", "workdir", "command"}
    | {"run.shm-size", "run.memory", "run.cpus", "run.pids", "run.network", "run.engine", "run.cache"}
    | {
        "run.memory-swap",
        "run.cpuset-cpus",
        "run.cpu-shares",
        "run.ipc",
        "run.user",
        "run.restart",
        "run.display",
    }
)


def _run_options(state: State) -> RunOptions:
    single = state.single
    return RunOptions(
        mounts=state.mounts,
        shm_size=single.get("run.shm-size"),
        memory=single.get("run.memory"),
        cpus=single.get("run.cpus"),
        pids=single.get("run.pids"),
        network=Network(single.get("run.network", "bridge" if state.ports else "host")),
        env=tuple(sorted(state.run_env.items())),
        pass_env=state.pass_env,
        secrets=state.secrets,
        engine=single.get("run.engine", ""),
        ports=state.ports,
        ulimits=state.ulimits,
        tmpfs=state.tmpfs,
        cpuset=single.get("run.cpuset-cpus", ""),
        cpu_shares=single.get("run.cpu-shares"),
        memory_swap=single.get("run.memory-swap"),
        user=single.get("run.user", ""),
        ipc=single.get("run.ipc", ""),
        restart=single.get("run.restart", ""),
        cache=single.get("run.cache", True),
        display=single.get("run.display", False),
    )

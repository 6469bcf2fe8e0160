"""A Dockerfile -> the report of what each instruction becomes, and the spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shipway.core.platform import PLATFORMS
from shipway.core.text import shown
from shipway.spec.bases import find_base_python
from shipway.spec.dockerfile.cuda import find_compiling
from shipway.spec.dockerfile.images import read_image
from shipway.spec.dockerfile.model import Dockerfile, Instruction, Stage
from shipway.spec.dockerfile.near import Mount, is_nearly
from shipway.spec.dockerfile.report import Finding, Imported, Line, Outcome, Record, render_line
from shipway.spec.dockerfile.runs import read_run
from shipway.spec.dockerfile.settle import (
    read_arg,
    read_copy,
    read_env,
    read_label,
    read_other,
    read_shell,
    read_user,
    read_volume,
    read_workdir,
    settle_command,
)
from shipway.spec.dockerfile.stages import chain_of, copied_from, require_stage, split_stages
from shipway.spec.dockerfile.state import State, child_of, is_usable_workdir
from shipway.spec.grammar import clean_name

_READERS: dict[str, Callable[[Instruction, State], None]] = {
    "ADD": read_copy,
    "ARG": read_arg,
    "COPY": read_copy,
    "ENV": read_env,
    "EXPOSE": read_other,
    "HEALTHCHECK": read_other,
    "LABEL": read_label,
    "MAINTAINER": read_other,
    "ONBUILD": read_other,
    "RUN": read_run,
    "SHELL": read_shell,
    "STOPSIGNAL": read_other,
    "USER": read_user,
    "VOLUME": read_volume,
    "WORKDIR": read_workdir,
}
_ROOT = ("", "root", "0", "0:0", "root:root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known beside the Dockerfile."""

    name: str = "project"
    """Of the project."""
    stage: str = ""
    """The stage to take; empty: the last one."""
    arguments: Mapping[str, str] | None = None
    """Values of ARGs."""
    names: tuple[str, ...] | None = None
    """Files of the project, relative; None: not known."""
    mounts: tuple[Mount, ...] = ()
    """Where scripts and pages of the project mount it."""


def import_dockerfile(source: Dockerfile, around: Around) -> Imported:
    """What `source` becomes as a spec, line by line, with everything that is wrong in it.

    Raises:
        SpecError: a FROM cannot be read, or there is no such stage.
    """
    record = Record(source=source)
    record.draft.document["name"] = clean_name(around.name)
    _comment_top(record, source)
    given: dict[str, str | None] = dict(around.arguments or {})
    state = State(
        record=record, names=None if around.names is None else frozenset(around.names), arguments=given
    )
    for slip in source.slips:
        record.line = slip.line
        record.wrong(slip.what, slip.remedy)
    for argument in _arguments_in_front(source):
        _read(argument, state)
    state.global_arguments = dict(state.variables)
    _, stages = split_stages(source, state.variables)
    last = require_stage(stages, around.stage, source.file)
    chain, beside = chain_of(stages, last), copied_from(stages, chain_of(stages, last))
    for stage in beside:
        _read_stage(stage, _fresh(state, build_only=True), has_image=chain_of(stages, stage)[0] is stage)
    final = _fresh(state)
    for number, stage in enumerate(chain):
        final = final if number == 0 else child_of(final)
        _read_stage(stage, final, has_image=number == 0)
    for stage in stages:
        if stage not in chain and stage not in beside:
            record.line = stage.start.line
            record.nothing(f"no part of stage `{last.name or last.number}`")
    _finish(final, chain, around)
    return Imported(
        file=source.file,
        stage=last.name or str(last.number),
        lines=_lines(record),
        text=record.draft.render(),
    )


def _comment_top(record: Record, source: Dockerfile) -> None:
    record.draft.comment(
        ("name",), f"Written by `shipway import dockerfile` from {shown(source.file)}; yours to change."
    )


def _arguments_in_front(source: Dockerfile) -> tuple[Instruction, ...]:
    found = []
    for one in source.instructions:
        if one.name == "FROM":
            break
        found.append(one)
    return tuple(found)


def _fresh(state: State, *, build_only: bool = False) -> State:
    return State(
        record=state.record,
        names=state.names,
        arguments=state.arguments,
        global_arguments=state.global_arguments,
        build_only=build_only,
    )


def _read(instruction: Instruction, state: State) -> None:
    state.record.line = instruction.line
    _READERS[instruction.name](instruction, state)


def _read_stage(stage: Stage, state: State, *, has_image: bool) -> None:
    record = state.record
    record.line = stage.start.line
    if not has_image:
        record.nothing(f"the stage goes on from `{shown(stage.base)}`")
    elif state.build_only:
        record.nothing("what the stage makes is made from the lock")
    else:
        _read_base(stage, state)
    for instruction in stage.body:
        if instruction.name not in ("CMD", "ENTRYPOINT"):
            _read(instruction, state)
        elif state.build_only:
            record.line = instruction.line
            record.nothing("a stage that is only copied from runs nothing")


def _read_base(stage: Stage, state: State) -> None:
    record = state.record
    if not stage.base or stage.base.startswith(":"):
        record.wrong(
            f"`{shown(stage.start.text, 60)}` names no image: its argument has no value",
            "`--build-arg NAME=VALUE` gives it one, as it did for `docker build`",
        )
        record.put("base", "debian:bookworm", "Debian 12 for want of a base")
        return
    reading = read_image(stage.base, find_compiling(record.source, state.names))
    for sentence, step in reading.wrong:
        record.wrong(sentence, step)
    for sentence, step in reading.left:
        record.left(sentence, step)
    state.foreign, state.imports = reading.foreign, reading.imports
    record.put("base", reading.base, reading.why)
    if reading.python:
        record.put("python", reading.python, "the image's own")
    for wish in reading.pip:
        record.add("pip", wish, "the image brings it")
    if stage.platform in PLATFORMS:
        record.draft.document["platforms"] = [stage.platform]
    elif stage.platform:
        record.left(f"the platform `{shown(stage.platform)}`", f"a lock holds {' and '.join(PLATFORMS)}")


def _finish(state: State, chain: tuple[Stage, ...], around: Around) -> None:
    """What only the whole stage tells."""
    record = state.record
    document = record.draft.document
    _settle_commands(chain, state)
    if state.imports and document.keys() & {"pip", "requirements", "projects"}:
        record.line = chain[0].start.line
        record.put(
            "system-site-packages", value=True, why="programs see the Python packages of the image too"
        )
    elif record.wants_python and not state.foreign and "python" not in document:
        own = find_base_python(*document.get("base", "debian:bookworm").split(":"))
        if own:
            record.line = chain[0].start.line
            record.put("python", own, "the base's own")
    _settle_workdir(state)
    _check_user(state, chain)
    _check_layers(state)
    for mount in around.mounts:
        if state.workdir_line and is_nearly(mount.target, state.workdir):
            record.line = state.workdir_line
            record.wrong(
                f"{mount.origin} mounts the project at `{shown(mount.target)}`, which is nearly `{shown(state.workdir)}`: "
                "commands start in an empty folder beside it",
                "the spec mounts the project at `workdir` itself, so the two cannot differ",
            )
    for copied in state.copies:
        if state.workdir_line and is_nearly(copied.target, state.workdir):
            record.line = copied.line
            record.wrong(
                f"the target `{shown(copied.target)}` is nearly the working directory `{shown(state.workdir)}`",
                "write `.` for the working directory",
            )
    for name, value in document.get("env", {}).items():
        for part in str(value).split(":"):
            if part.startswith("/") and state.workdir_line and is_nearly(part, state.workdir):
                record.line = state.workdir_line
                record.wrong(
                    f"`{name}` names `{shown(part)}`, which is nearly the working directory",
                    "write the same path",
                )


def _settle_commands(chain: tuple[Stage, ...], state: State) -> None:
    seen: dict[str, Instruction] = {}
    for stage in chain:
        here: dict[str, Instruction] = {}
        for one in stage.body:
            if one.name not in ("CMD", "ENTRYPOINT"):
                continue
            if one.name in here:
                state.record.line = here[one.name].line
                state.record.wrong(
                    f"only the last {one.name} of a stage counts; this one has no effect", "take it out"
                )
            here[one.name] = one
        if "ENTRYPOINT" in here and "CMD" not in here:
            seen.pop("CMD", None)
        for name in here.keys() & seen.keys():
            state.record.line = seen[name].line
            state.record.nothing("a later stage says otherwise")
        seen.update(here)
    settle_command(seen.get("ENTRYPOINT"), seen.get("CMD"), state)


def _settle_workdir(state: State) -> None:
    whole = [copied for copied in state.copies if copied.source == "."]
    place, line = state.workdir, state.workdir_line
    if whole and place in ("/", ""):
        place, line = whole[-1].target, whole[-1].line
    if not line or place == "/":
        return
    state.record.line = line
    if is_usable_workdir(place):
        if place != "/work":
            state.record.put("workdir", place, "the project is there, in the image and when it runs")
    else:
        state.record.left(
            f"`{shown(place)}` belongs to the system and cannot hold the project", "choose a `workdir`"
        )


def _check_user(state: State, chain: tuple[Stage, ...]) -> None:
    if state.user in _ROOT:
        state.record.line = chain[-1].start.line
        state.record.wrong(
            "no USER: everything in the container runs as root, and files on mounts belong to root"
            if not state.user
            else "the container runs as root, and files on mounts belong to root",
            "nothing to do: with shipway you are yourself inside",
        )


def _check_layers(state: State) -> None:
    record = state.record
    for kind, lines in (("OS packages", state.apt_lines), ("Python packages", state.pip_lines)):
        steps = sorted(set(lines))
        if len(steps) > 1:
            record.line = steps[1]
            listed = ", ".join(str(line) for line in steps)
            record.wrong(
                f"a layer for each install: lines {listed} install {kind} one after another, and a change of one "
                "builds all later ones again",
                "one RUN for all; a spec's layers follow from packages, not from steps",
            )
    for copied in state.copies:
        if copied.source == "." and any(line > copied.line for line in state.pip_lines):
            record.line = copied.line
            record.wrong(
                "the whole project is copied in front of the install: each change of any file installs everything again",
                "copy the requirements first; a spec's source is its last layer",
            )


def _lines(record: Record) -> tuple[Line, ...]:
    instructions = {one.line: render_line(one) for one in record.source.instructions}
    found: dict[int, list[Finding]] = {number: [] for number in instructions}
    for finding in record.findings:
        found.setdefault(finding.line, []).append(finding)
    order = list(Outcome)
    return tuple(
        Line(
            line=number,
            text=instructions.get(number, ""),
            findings=tuple(sorted(findings, key=lambda it: order.index(it.outcome))),
        )
        for number, findings in sorted(found.items())
    )

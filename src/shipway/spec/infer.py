"""A spec from what a folder holds, with the line and the reason for everything in it.

`wanted_files` says what to read; `infer_spec` makes the text of a `shipway.toml`, which is then parsed as any other. What the
project declares (`pyproject.toml`, requirements files) is referred to or taken as it is; code only adds to it where nothing is
declared. A frozen list is pruned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.core.errors import SpecError
from shipway.core.text import shown
from shipway.spec.bases import find_base_python
from shipway.spec.distributions import OS_PACKAGES
from shipway.spec.draft import Draft, Inference
from shipway.spec.facts import Fact, FactKind, Folder
from shipway.spec.grammar import clean_name
from shipway.spec.infer_targets import choose_targets, find_gpu_extra
from shipway.spec.model import Origin
from shipway.spec.prune import Dropped, is_frozen, prune
from shipway.spec.requirement import parse_requirement
from shipway.spec.single import find_apt_name
from shipway.spec.survey import Need, Survey, name_of, survey_folder, wanted_files

_DOCKERFILE = "Dockerfile"

__all__ = ["Folder", "Inference", "Inferred", "infer_spec", "wanted_files"]

_BOUND = re.compile(r"(>=|==|~=|>)\s*3\.(\d+)")
_IGNORED = (".git", ".venv", "**/__pycache__", ".ipynb_checkpoints", "runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """An inferred spec."""

    text: str
    """Of a `shipway.toml`, with comments."""
    inferences: tuple[Inference, ...]
    """Everything in it, with place and reason."""
    dropped: tuple[Dropped, ...]
    """Lines of frozen lists that were left out, each with its reason."""
    remarks: tuple[Inference, ...]
    """What was seen and not used."""


def infer_spec(folder: Folder, *, name: str) -> Inferred:
    """The spec that `folder` implies; `name` is the folder's name, for a project that has none of its own.

    Raises:
        SpecError: nothing in the folder says what it needs.
    """
    survey = survey_folder(folder)
    dockerfile, step = _find_dockerfile(folder)
    if not survey.has_code and not survey.of(
        FactKind.REQUIREMENT, FactKind.APT, FactKind.PROJECT, FactKind.PYTHON
    ):
        raise SpecError(
            "nothing in this folder says what it needs: no code, no `pyproject.toml`, no requirements",
            hints=[
                *([f"take the Dockerfile over: {step}"] if step else ()),
                'write a `shipway.toml`, for which the line `python = "3.11"` is enough, then `shipway add NAME`',
                "`shipway -C DIR` chooses another folder",
            ],
        )
    draft = Draft()
    _choose_name(survey, name, draft)
    _choose_base(survey, draft)
    _take_project(survey, draft)
    _take_files(folder, survey, draft)
    _take_loose(survey, draft)
    _take_imports(survey, draft)
    choose_targets(survey, draft)
    _choose_os_packages(survey, draft)
    _choose_path(survey, draft)
    _choose_ignored(folder, draft)
    for fact in survey.of(FactKind.REMARK):
        draft.remark(fact.origin, fact.text)
    if dockerfile:
        draft.remark(
            Origin(file=dockerfile), f"a Dockerfile is not read when a spec is inferred; {step} takes it over"
        )
    return Inferred(
        text=draft.render(),
        inferences=tuple(draft.inferences),
        dropped=tuple(draft.dropped),
        remarks=tuple(dict.fromkeys(draft.remarks)),
    )


def _find_dockerfile(folder: Folder) -> tuple[str, str]:
    """The folder's Dockerfile and the line that makes a spec of it; empty without one."""
    places = [name for name in folder.names if name.rpartition("/")[2] == _DOCKERFILE]
    if not places:
        return "", ""
    first = min(places, key=lambda name: name.count("/"))
    named = "" if first == _DOCKERFILE else f" {shown(first)}"
    return first, f"`shipway import dockerfile{named} --write`"


def _choose_name(survey: Survey, folder: str, draft: Draft) -> None:
    draft.comment(("name",), "Written by `shipway init` from what this folder holds; yours to change.")
    draft.document["name"] = clean_name(folder)
    for fact in survey.of(FactKind.NAME):
        draft.put("name", clean_name(fact.text), fact.origin, fact.why)


def _choose_base(survey: Survey, draft: Draft) -> None:
    named = survey.of(FactKind.PYTHON)
    bounds = [fact for fact in survey.of(FactKind.PYTHON_BOUND) if _least(fact)]
    usual = find_base_python("debian", "bookworm")
    if named:
        version, origin, why = named[0].text, named[0].origin, named[0].why
        for other in named[1:]:
            if other.text != version:
                draft.remark(
                    other.origin,
                    f"Python {other.text} is named here, and {version} at {origin}, which was taken",
                )
    elif bounds and _minor(least := _least(bounds[0])) > _minor(usual):
        version, origin = least, bounds[0].origin
        why = f"the project wants `{bounds[0].text}`, and the base's own {usual} is older"
    else:
        version, origin, why = usual, Origin(file=""), "the base's own Python"
    suite = "trixie" if version == find_base_python("debian", "trixie") else "bookworm"
    said = "its own Python is the version that is wanted" if suite == "trixie" else "Debian 12"
    draft.put("base", f"debian:{suite}", Origin(file=""), said)
    draft.put("python", version, origin, why)


def _least(bound: Fact) -> str:
    """The lowest version that a specifier allows, as far as it says one."""
    found = [f"3.{match[2]}" for match in _BOUND.finditer(bound.text)]
    return max(found, key=_minor, default="")


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _take_project(survey: Survey, draft: Draft) -> None:
    own = [fact for fact in survey.of(FactKind.REQUIREMENT) if fact.origin.file == "pyproject.toml"]
    for fact in survey.of(FactKind.PROJECT):
        draft.add(
            "projects",
            ".",
            fact.origin,
            "the folder is a Python project; it is built and installed with its dependencies",
        )
    if own and not survey.of(FactKind.PROJECT):
        draft.add("requirements", "pyproject.toml", own[0].origin, "its `project.dependencies`")
    pins = survey.pins()
    for fact in own:
        requirement = parse_requirement(fact.text)
        if requirement.name in pins and not requirement.pin and not requirement.url:
            pin = pins[requirement.name]
            draft.add("constraints", pin.text, pin.origin, pin.why)


def _take_files(folder: Folder, survey: Survey, draft: Draft) -> None:
    """Requirements files; with a list for GPUs, the main one is that of the CPU target."""
    gpu, cpu = survey.files("gpu"), survey.files("cpu")
    for name in survey.files("main"):
        _take_file(name, "cpu" if gpu and not cpu else "", folder, survey, draft)
    for target, names in (("cpu", cpu), ("gpu", gpu)):
        for name in names:
            _take_file(name, target, folder, survey, draft)


def _take_file(name: str, target: str, folder: Folder, survey: Survey, draft: Draft) -> None:
    kinds = (FactKind.REQUIREMENT, FactKind.UNREADABLE)
    facts = [fact for fact in survey.of(*kinds) if fact.origin.file == name]
    if is_frozen(facts, folder.texts[name], survey):
        kept, dropped = prune(facts, survey)
        draft.dropped += dropped
        for item in kept:
            draft.add("pip", item.text, item.fact.origin, item.why, target=target)
        words = f"{name} was a frozen list: {len(kept)} of its {len(facts)} lines are needed."
        draft.comment((*(("targets", target) if target else ()), "pip"), words)
    elif any(find_gpu_extra(fact.text) for fact in facts) and "--hash" not in folder.texts[name]:
        for fact in facts:
            draft.add("pip", _with_own_cuda(fact.text), fact.origin, fact.why, target=target)
    else:
        draft.add("requirements", name, Origin(file=name), "the project's own list", target=target)


def _with_own_cuda(text: str) -> str:
    """Extras that want CUDA from the base become those that bring it: the base has none."""
    return re.sub(r"cuda(\d+)_local", r"cuda\1", text)


def _take_loose(survey: Survey, draft: Draft) -> None:
    """Requirements of `environment.yml` and of notebooks' own install commands."""
    asked = set(draft.asked(survey))
    for fact in survey.of(FactKind.REQUIREMENT, FactKind.UNREADABLE):
        if fact.origin.file.endswith((".yml", ".yaml")):
            if fact.kind is FactKind.UNREADABLE:
                draft.dropped.append(Dropped(text=fact.text, fact=fact, why=fact.why))
            else:
                draft.add("pip", fact.text, fact.origin, fact.why)
    for fact in survey.of(FactKind.INSTALL):
        if name_of(fact.text) not in asked:
            draft.add("pip", fact.text, fact.origin, fact.why)


def _take_imports(survey: Survey, draft: Draft) -> None:
    """Imports that nothing declares: packages where the folder has no list of its own, remarks where it has one."""
    asked = draft.asked(survey)
    lists = [name for role in ("main", "cpu", "gpu") for name in survey.files(role)]
    complete = bool(lists or draft.items("projects") or draft.items("requirements"))
    pins = survey.pins()
    for need in survey.needs:
        if any(choice in asked for choice in need.choices):
            continue
        if complete:
            words = f"`{need.module}` is imported, and no list asks for `{need.choices[0]}`: add it unless another brings it"
            draft.remark(need.fact.origin, words)
            continue
        pin = next((pins[choice] for choice in need.choices if choice in pins), None)
        text = pin.text if pin else need.choices[0]
        draft.add("pip", text, need.fact.origin, _why_needed(need, pin))


def _why_needed(need: Need, pin: Fact | None) -> str:
    why = (
        f"`{need.module}` is imported"
        if need.known
        else f"`{need.module}` is imported; the package's name is guessed, check it"
    )
    return f"{why}; version of {pin.origin}" if pin else why


def _choose_os_packages(survey: Survey, draft: Draft) -> None:
    for fact in survey.of(FactKind.APT):
        if find_apt_name(fact.text):
            draft.add("apt", fact.text, fact.origin, fact.why)
        else:
            draft.remark(fact.origin, f"`{fact.text}` is no name of an OS package")
    for name, asked in draft.asked(survey).items():
        for package in OS_PACKAGES.get(name, ()):
            draft.add(
                "apt",
                package,
                asked.origin if asked else Origin(file=""),
                f"`{name}` needs it, and its wheel does not bring it",
            )


def _choose_path(survey: Survey, draft: Draft) -> None:
    """`PYTHONPATH` for modules of the project's own that are not beside the file that imports them."""
    if not survey.paths or draft.items("projects"):
        return
    folders = ["/work" if place == "" else f"/work/{place}" for place in sorted(survey.paths)]
    first = next(iter(survey.paths.values()))
    why = f"`{first.text.partition('.')[0]}` is imported, and is the project's own"
    draft.put("env", {"PYTHONPATH": ":".join(folders)}, first.origin, why)


def _choose_ignored(folder: Folder, draft: Draft) -> None:
    if not {".dockerignore", ".containerignore"} & set(folder.names):
        draft.document["files"] = {"ignore": list(_IGNORED)}
        draft.comment(
            ("files",), "What stays out of the image; in the container the whole folder is seen all the same."
        )

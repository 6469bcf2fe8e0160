"""Twins for CPUs and GPUs, where the code uses a framework that has both."""

from __future__ import annotations

import re

from shipway.spec.distributions import GPU_EXTRAS
from shipway.spec.draft import Draft
from shipway.spec.facts import Fact, FactKind
from shipway.spec.requirement import Requirement, parse_requirement
from shipway.spec.survey import Survey, name_of

_GPU_WORD = re.compile(r"(?:gpu|cuda|cu)[\d_.-]*(?:local|pip)?\Z")


def choose_targets(survey: Survey, draft: Draft) -> None:
    """Add the targets `cpu` and `gpu` where a framework, an extra or a list of requirements asks for them."""
    extras = {fact.text: fact for fact in survey.of(FactKind.EXTRA)}
    gpu_extras = {name: fact for name, fact in extras.items() if _GPU_WORD.match(name)}
    families = survey.families(draft.asked(survey))
    if not families and not gpu_extras and not survey.files("gpu") and not survey.files("cpu"):
        _remark_extras(extras, draft)
        return
    for name in ("cpu", "gpu"):
        draft.target(name)
    words = ", ".join(f"`{family}` ({fact.origin})" for family, fact in families.items())
    draft.comment(
        ("targets", "cpu"), f"Two targets for {words or 'the two lists'}: they share what stands above."
    )
    draft.comment(("targets", "cpu"), "`shipway run -t gpu` takes the other one; both are locked together.")
    for name, fact in gpu_extras.items():
        draft.add("extras", name, fact.origin, "the project's own extra for GPUs", target="gpu")
    if "cpu" in extras:
        draft.add("extras", "cpu", extras["cpu"].origin, "the project's own extra for CPUs", target="cpu")
    _remark_extras(
        {name: fact for name, fact in extras.items() if name not in gpu_extras and name != "cpu"}, draft
    )
    if not survey.files("gpu") and not gpu_extras:
        for family, fact in families.items():
            _choose_family(family, fact, survey, draft)


def find_gpu_extra(text: str) -> str:
    """The extra of a requirement that asks for CUDA, or empty."""
    extras = parse_requirement(text.split(" --hash", maxsplit=1)[0]).extras
    return next((extra for extra in extras if _GPU_WORD.match(extra) or extra == "and-cuda"), "")


def _remark_extras(extras: dict[str, Fact], draft: Draft) -> None:
    for name, fact in extras.items():
        draft.remark(fact.origin, f'`extras = ["{name}"]` would install it')


def _choose_family(family: str, fact: Fact, survey: Survey, draft: Draft) -> None:
    if family not in GPU_EXTRAS:
        words = f"A plain `{family}` brings CUDA and runs on CPUs as well. For a small CPU target name an index of CPU builds"
        draft.comment(("targets", "gpu"), f"{words} as `[indexes.ALIAS]`.")
        return
    asked = _find_requirement(family, survey, draft)
    specifier = ",".join(asked.specifier) if asked else ""
    items = draft.document.get("pip", [])
    for number, text in enumerate(items):
        if name_of(text) == family and (extra := find_gpu_extra(text)):
            items[number] = re.sub(r"\s*\[[^\]]*\]", "", text, count=1)
            draft.comments.setdefault(("pip", number), []).append(
                f"without `{extra}`, which is the gpu target's"
            )
    why = f"`{family}` with the wheels that bring CUDA"
    draft.add("pip", f"{family}[{GPU_EXTRAS[family]}]{specifier}", fact.origin, why, target="gpu")


def _find_requirement(family: str, survey: Survey, draft: Draft) -> Requirement | None:
    texts = [*draft.items("pip"), *(fact.text for fact in survey.of(FactKind.REQUIREMENT))]
    return next(
        (parse_requirement(text.split(" --hash")[0]) for text in texts if name_of(text) == family), None
    )

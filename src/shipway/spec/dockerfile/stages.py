"""Instructions -> stages, and the chain of those that make up one image."""

from __future__ import annotations

import re

from shipway.core.errors import SpecError
from shipway.core.text import shown
from shipway.spec.dockerfile.model import Dockerfile, Instruction, Stage
from shipway.spec.dockerfile.words import Variables, expand, split_words
from shipway.spec.sheet import nearest

_AS = re.compile(r"(?P<image>\S+)(?:\s+[Aa][Ss]\s+(?P<name>[A-Za-z][A-Za-z0-9._-]*))?\s*\Z")


def split_stages(
    source: Dockerfile, variables: Variables
) -> tuple[tuple[Instruction, ...], tuple[Stage, ...]]:
    """What stands in front of the first FROM, and the stages. `variables`: the ARGs in front, with the caller's values.

    Raises:
        SpecError: a FROM cannot be read.
    """
    starts = [at for at, one in enumerate(source.instructions) if one.name == "FROM"]
    stages = []
    for number, at in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(source.instructions)
        start = source.instructions[at]
        match = _AS.match(" ".join(split_words(start.text, source.escape)))
        if match is None:
            raise SpecError(
                f"{source.file}:{start.line}: FROM cannot be read: `{shown(start.text, 80)}`",
                hints=["write `FROM IMAGE` or `FROM IMAGE AS NAME`"],
            )
        stages.append(
            Stage(
                number=number,
                name=(match["name"] or "").lower(),
                base=expand(match["image"], variables, source.escape).text,
                platform=expand(start.flag("platform"), variables, source.escape).text,
                start=start,
                body=source.instructions[at + 1 : end],
            )
        )
    return source.instructions[: starts[0]], tuple(stages)


def find_stage(stages: tuple[Stage, ...], word: str, before: int | None = None) -> Stage | None:
    """The stage that `word` names or numbers, among those in front of number `before`."""
    known = stages[:before]
    for stage in reversed(known):
        if stage.name and stage.name == word.lower():
            return stage
    return known[int(word)] if word.isascii() and word.isdigit() and int(word) < len(known) else None


def require_stage(stages: tuple[Stage, ...], word: str, file: str) -> Stage:
    """The stage that the caller named, or the last one.

    Raises:
        SpecError: there is none of that name.
    """
    if not word:
        return stages[-1]
    found = find_stage(stages, word)
    if found is None:
        names = [stage.name for stage in stages if stage.name]
        hint = nearest(word, names) or f"stages without a name are numbered: 0 to {len(stages) - 1}"
        raise SpecError(f"`{file}` has no stage `{shown(word)}`", hints=[hint])
    return found


def chain_of(stages: tuple[Stage, ...], last: Stage) -> tuple[Stage, ...]:
    """The stages that `last` stands on, the lowest first, and itself."""
    chain = [last]
    while (below := find_stage(stages, chain[0].base, chain[0].number)) is not None and (
        below.name == chain[0].base.lower()
    ):
        chain.insert(0, below)
    return tuple(chain)


def copied_from(stages: tuple[Stage, ...], chain: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """Stages beside `chain` that something in it is copied from, directly or not, in the order of the file."""
    waiting, found = list(chain), dict.fromkeys((stage.number for stage in chain), None)
    while waiting:
        stage = waiting.pop()
        for one in stage.body:
            word = one.flag("from") if one.name in ("COPY", "ADD") else ""
            other = find_stage(stages, word, stage.number) if word else None
            for each in chain_of(stages, other) if other else ():
                if each.number not in found:
                    found[each.number] = None
                    waiting.append(each)
    return tuple(stage for stage in stages if stage.number in found and stage not in chain)

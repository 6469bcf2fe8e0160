"""`requirements*.txt` and their like: lines that can be used, and lines that cannot, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shipway.spec.facts import PLACES, Fact, FactKind, Source, split_place
from shipway.spec.model import Origin
from shipway.spec.requirement_lines import Reader, split_lines
from shipway.spec.sheet import Findings

_NAME = re.compile(r"(?:.*[-_.])?requirements?(?:[-_.].*)?\.txt\Z", re.IGNORECASE)
_NOT_FOR_RUNNING = re.compile(
    r"dev|test|lint|docs?|ci|typing|type|style|bench|optional|extra|format|constraints", re.IGNORECASE
)


def find_role(name: str) -> str:
    """What the file `name` is for by its name: `main`, `gpu`, `cpu`, or `other`."""
    folder, base = split_place(name)
    words = re.split(r"[-_.]", base.lower().removesuffix(".txt"))
    if any(re.fullmatch(r"gpu|cuda\d*|cu\d+", word) for word in words):
        return "gpu"
    if "cpu" in words:
        return "cpu"
    rest = [
        word
        for word in words
        if word not in ("requirements", "requirement", "base", "main", "common", "prod", "all")
    ]
    if not rest and (folder != "requirements" or words != ["all"]):
        return "main"
    return "other"


def _matches(name: str) -> bool:
    folder, base = split_place(name)
    return folder in PLACES and (
        bool(_NAME.match(base)) or (folder == "requirements" and base.endswith(".txt"))
    )


def _read(name: str, text: str) -> Iterable[Fact]:
    if find_role(name) == "other":
        why = (
            "not needed to run"
            if _NOT_FOR_RUNNING.search(name)
            else "its name does not say that it is the main one"
        )
        remark = f"left out: {why}; `requirements` may name it"
        yield Fact(kind=FactKind.REMARK, text=remark, origin=Origin(file=name))
        return
    for number, line in split_lines(text):
        origin = Origin(file=name, line=number)
        findings = Findings()
        reader = Reader({name: line}, findings)
        reader.read(name, origin)
        for wish in reader.contents.wishes:
            yield Fact(kind=FactKind.REQUIREMENT, text=wish.text, origin=origin, why=f"`{name}` lists it")
        # A file that is not among those handed in is no mistake of this line: the spec names files, and parsing judges them.
        for problem in findings.problems:
            if not line.startswith(("-r", "-c", "--requirement", "--constraint")):
                yield Fact(kind=FactKind.UNREADABLE, text=line, origin=origin, why=problem.text)


SOURCE = Source(matches=_matches, read=_read)

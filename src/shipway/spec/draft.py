"""A spec while it is inferred: plain values in the spec's shape, each with the place and reason that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shipway.core.text import shown
from shipway.spec.facts import Fact, FactKind
from shipway.spec.lines import Path
from shipway.spec.model import Origin
from shipway.spec.prune import Dropped
from shipway.spec.render import render_document
from shipway.spec.survey import Survey, name_of

_ORDER = (
    "name",
    "base",
    "python",
    "apt",
    "projects",
    "requirements",
    "pip",
    "constraints",
    "extras",
    "workdir",
    "env",
    "labels",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """One thing that was inferred."""

    what: str
    """`pip: jax==0.4.30`; empty for a remark that changed nothing."""
    origin: Origin
    why: str

    def __str__(self) -> str:
        place = f", from {self.origin}" if self.origin.file else ""
        return f"{self.what}{place}: {self.why}" if self.what else f"{self.origin}: {self.why}"


@dataclass(slots=True, kw_only=True)
class Draft:
    """What was inferred so far."""

    document: dict[str, Any] = field(default_factory=dict)
    comments: dict[Path, list[str]] = field(default_factory=dict)
    inferences: list[Inference] = field(default_factory=list)
    remarks: list[Inference] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def put(self, key: str, value: Any, origin: Origin, why: str, *, target: str = "") -> None:
        """Set a single value, with its reason above it."""
        path, table = self._table(target)
        table[key] = value
        self.comment((*path, key), _reason(origin, why))
        self._note(key, str(value), origin, why, target)

    def add(self, key: str, item: Any, origin: Origin, why: str, *, target: str = "") -> None:
        """Append to a list what is not in it yet, with its reason behind it."""
        path, table = self._table(target)
        items = table.setdefault(key, [])
        if item in items:
            return
        self.comments[(*path, key, len(items))] = [_reason(origin, why)]
        items.append(item)
        self._note(key, str(item), origin, why, target)

    def remark(self, origin: Origin, why: str) -> None:
        """Say something that changes nothing."""
        self.remarks.append(Inference(what="", origin=origin, why=why))

    def comment(self, path: Path, text: str) -> None:
        """A line of explanation above a key or table."""
        self.comments.setdefault(path, []).append(text)

    def target(self, name: str) -> None:
        """Make sure that there is a target `name`."""
        self._table(name)

    def items(self, key: str, target: str = "") -> list[Any]:
        """The list `key` as it is now."""
        table = self.document.get("targets", {}).get(target, {}) if target else self.document
        return list(table.get(key, []))

    def asked(self, survey: Survey) -> dict[str, Fact | None]:
        """Names that are asked for, by lists that the spec refers to (with the line) or by the draft itself."""
        gone = {(it.fact.origin, it.text) for it in self.dropped}
        names: dict[str, Fact | None] = {}
        for fact in survey.of(FactKind.REQUIREMENT):
            if (fact.origin, fact.text) not in gone:
                names.setdefault(name_of(fact.text), fact)
        for target in ("", *self.document.get("targets", {})):
            for text in self.items("pip", target):
                names.setdefault(name_of(text), None)
        return names

    def render(self) -> str:
        """The text of `shipway.toml`."""
        ordered = {key: self.document[key] for key in _ORDER if key in self.document}
        return render_document({**ordered, **self.document}, self.comments)

    def _table(self, target: str) -> tuple[Path, dict[str, Any]]:
        if not target:
            return (), self.document
        return ("targets", target), self.document.setdefault("targets", {}).setdefault(target, {})

    def _note(self, key: str, value: str, origin: Origin, why: str, target: str) -> None:
        what = f"{key}: `{shown(value)}`" + (f" for target `{target}`" if target else "")
        self.inferences.append(Inference(what=what, origin=origin, why=why))


def _reason(origin: Origin, why: str) -> str:
    return shown(f"{origin}: {why}" if origin.file else why, 300)

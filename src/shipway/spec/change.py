"""Which file and which line a package is asked for in, and the texts with that changed. Pure: texts in, texts out."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from shipway.core.errors import SpecError
from shipway.core.text import shown
from shipway.spec.edit import add_item, drop_item, replace_item
from shipway.spec.edit_requirements import add_line, drop_line, replace_line
from shipway.spec.lines import Path, find_lines
from shipway.spec.parse import PROJECT_FILE
from shipway.spec.requirement import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipway.spec.model import Spec, Target, Wish

Texts = dict[str, str | None]


class Home(NamedTuple):
    """Where new packages of one kind go."""

    file: str
    path: Path = ()
    """Of the list in a TOML file; empty for a requirements file."""

    def __str__(self) -> str:
        return f"{self.file} ({'.'.join(map(str, self.path))})" if self.path else self.file


class Spot(NamedTuple):
    """Where one package is asked for."""

    file: str
    path: Path = ()
    """Of the list item in a TOML file; empty for a requirements file."""
    line: int = 0
    """In a requirements file, from 1."""


def wish_name(kind: str, text: str) -> str:
    """The name in a wish (`pip` or `apt`), as names of its kind are compared."""
    return parse_requirement(text).name if kind == "pip" else text.partition("=")[0].partition("/")[0]


def wishes_of(target: Target, kind: str) -> tuple[Wish, ...]:
    """What `target` asks for of one kind, `pip` or `apt`."""
    return target.pip if kind == "pip" else target.apt


def find_wishes(spec: Spec, kind: str, name: str, *, target: str = "") -> tuple[Wish, ...]:
    """Every wish for the package `name`, each place once; of all targets, or of one."""
    found: dict[tuple[str, str], Wish] = {}
    for one in spec.targets:
        if not target or one.name == target:
            for wish in wishes_of(one, kind):
                if wish_name(kind, wish.text) == name:
                    found.setdefault((str(wish.origin), wish.text), wish)
    return tuple(found.values())


def find_spot(texts: Mapping[str, str | None], kind: str, wish: Wish) -> Spot:
    """Where `wish` stands.

    Raises:
        SpecError: its place cannot be told.
    """
    file, line = wish.origin.file, wish.origin.line
    text = texts.get(file)
    if text is None:
        raise _no_place(wish)
    if not file.endswith(".toml"):
        return Spot(file, (), line)
    document = tomllib.loads(text)
    name = wish_name(kind, wish.text)
    for path, at in find_lines(text).items():
        if at == line and path and isinstance(path[-1], int):
            item = _value(document, path)
            if isinstance(item, str) and _is_named(kind, item, name):
                return Spot(file, path)
    raise _no_place(wish)


def _is_named(kind: str, item: str, name: str) -> bool:
    try:
        return wish_name(kind, item) == name
    except ValueError:
        return False


def _no_place(wish: Wish) -> SpecError:
    return SpecError(
        f"`{shown(wish.text)}` ({wish.origin}) cannot be changed from here",
        hints=["change the line by hand, then run `shipway lock`"],
    )


def _value(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def find_home(spec: Spec, texts: Mapping[str, str | None], kind: str, target: str) -> Home:
    """Where a new package of `kind` goes: to what all targets share, or to `target`.

    A list of that kind in the spec comes first, then a requirements file that the spec names there, then a new list.
    """
    file = spec.file
    top: Path = ("tool", "shipway") if file == PROJECT_FILE else ()
    document = tomllib.loads(texts[file] or "")
    table = _table(document, top)
    base = top
    if target and target in _table(table, ("targets",)):
        base = (*top, "targets", target)
        table = _table(document, base)
    if kind == "pip" and not table.get("pip"):
        for name in table.get("requirements", ()):
            if name.rpartition("/")[2] == PROJECT_FILE:
                return Home(name, ("project", "dependencies"))
            return Home(_clean(name))
    return Home(file, (*base, kind))


def _clean(name: str) -> str:
    from shipway.spec.grammar import find_inside  # noqa: PLC0415 - as `inputs.py` names it in `texts`

    return find_inside(name) or name


def _table(document: Any, path: Path) -> dict[str, Any]:
    for key in path:
        document = document.get(key, {}) if isinstance(document, dict) else {}
    return document if isinstance(document, dict) else {}


def home_items(texts: Mapping[str, str | None], spec: Spec, home: Home) -> tuple[str, ...]:
    """The requirements that stand beside a new one."""
    if not home.path:
        found = {wish.text: None for one in spec.targets for wish in one.pip if wish.origin.file == home.file}
        return tuple(found)
    items = _table(tomllib.loads(texts[home.file] or ""), home.path[:-1]).get(str(home.path[-1]), [])
    return tuple(item for item in items if isinstance(item, str))


def with_added(texts: Texts, home: Home, item: str) -> Texts:
    """`texts` with `item` at the end of `home`.

    Raises:
        SpecError: the file is written in a form that leaves no place for it.
    """
    text = texts[home.file] or ""
    try:
        new = add_item(text, home.path, item) if home.path else add_line(text, item)
    except ValueError as error:
        raise _no_room(home.file, error) from error
    return {**texts, home.file: new}


def with_replaced(texts: Texts, spot: Spot, item: str) -> Texts:
    """`texts` with `item` in place of what stands at `spot`.

    Raises:
        SpecError: the file is written in a form that cannot be changed in place.
    """
    text = texts[spot.file] or ""
    try:
        new = replace_item(text, spot.path, item) if spot.path else replace_line(text, spot.line, item)
    except ValueError as error:
        raise _no_room(spot.file, error) from error
    return {**texts, spot.file: new}


def without(texts: Texts, spots: Sequence[Spot]) -> Texts:
    """`texts` without what stands at `spots`.

    Raises:
        SpecError: a file is written in a form that cannot be changed in place.
    """
    for spot in sorted(
        spots, key=lambda one: (one.file, str(one.path[:-1]), one.path[-1:], one.line), reverse=True
    ):
        text = texts[spot.file] or ""
        try:
            new = drop_item(text, spot.path) if spot.path else drop_line(text, spot.line)
        except ValueError as error:
            raise _no_room(spot.file, error) from error
        texts = {**texts, spot.file: new}
    return texts


def _no_room(file: str, error: ValueError) -> SpecError:
    return SpecError(
        f"`{shown(file)}` cannot be changed from here: {error}",
        hints=["change it by hand, then run `shipway lock`"],
    )


def target_path(spec: Spec, texts: Mapping[str, str | None], target: str) -> Path | None:
    """Where the table of `target` is in the spec's file; None where it has none of its own."""
    top: Path = ("tool", "shipway") if spec.file == PROJECT_FILE else ()
    path = (*top, "targets", target)
    document = tomllib.loads(texts[spec.file] or "")
    return path if target in _table(document, path[:-1]) else None


def with_dropped(texts: Texts, spec: Spec, drop: str) -> Texts:
    """`texts` in which no target leaves out `drop` (`pip:numpy`) any more: there is nothing left to leave out."""
    for target in spec.targets:
        path = target_path(spec, texts, target.name)
        if path is None:
            continue
        items = _table(tomllib.loads(texts[spec.file] or ""), path).get("without", [])
        kind, _, name = drop.partition(":")
        for number in reversed(range(len(items))):
            item_kind, _, item_name = str(items[number]).partition(":")
            if item_kind == kind and _is_named(kind, item_name, name):
                texts = without(texts, [Spot(spec.file, (*path, "without", number))])
    return texts

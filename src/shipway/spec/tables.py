"""TOML tables -> parts: every key known, every value read, nothing combined yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shipway.spec.data import read_data
from shipway.spec.model import BuildCommand, IndexSource, LocalProject
from shipway.spec.readers import read
from shipway.spec.settings import BY_PLACE, SETTINGS, TABLES, Where
from shipway.spec.sheet import Place, nearest
from shipway.spec.single import NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The top of the spec, or one target, as written: dotted key -> value."""

    place: Place
    values: dict[str, Any] = field(default_factory=dict)

    def origin_place(self, key: str) -> Place:
        """Where `key` stands."""
        return self.place.at(*key.split("."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A whole spec as written."""

    top: Part
    targets: dict[str, Part]
    indexes: tuple[IndexSource, ...]


_IN_TOP = {**BY_PLACE[Where.TOP], **BY_PLACE[Where.SHARED]}
_IN_TARGET = {**BY_PLACE[Where.SHARED], **BY_PLACE[Where.TARGET]}
_IN_DATA = BY_PLACE[Where.DATA]
_SHARED_TABLES = ("files", "run", "build", "data")
_TOP_TABLES = ("push", "indexes", "targets")


def read_tables(document: dict[str, Any], place: Place) -> Parts:
    """Read the spec's `document`; mistakes are noted at their places."""
    top = _read_part(document, place, _IN_TOP, (*_SHARED_TABLES, *_TOP_TABLES))
    top.update(_read_table(document, "push", Where.PUSH, place))
    targets: dict[str, Part] = {}
    for name, raw in _named(document, "targets", place):
        spot = place.at("targets", name)
        targets[name] = Part(place=spot, values=_read_part(raw, spot, _IN_TARGET, _SHARED_TABLES))
    indexes = [
        _read_index(name, raw, place.at("indexes", name)) for name, raw in _named(document, "indexes", place)
    ]
    return Parts(top=Part(place=place, values=top), targets=targets, indexes=tuple(indexes))


def _named(document: dict[str, Any], key: str, place: Place) -> list[tuple[str, dict[str, Any]]]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        place.at(key).refuse("must be a table of tables", f"write `[{key}.NAME]`")
        return []
    good = []
    for name, raw in table.items():
        spot = place.at(key, name)
        if not isinstance(raw, dict):
            spot.refuse("must be a table", f"write `[{key}.{name}]`; a target or alias may be empty")
        elif not NAME.match(name):
            spot.refuse("is no name", "names hold lower-case letters, digits, `.`, `_` and `-`")
        else:
            good.append((name, raw))
    return good


def _read_part(
    raw: dict[str, Any], place: Place, known: dict[str, Any], tables: tuple[str, ...]
) -> dict[str, Any]:
    values = _read_keys(raw, place, known, tables)
    if "projects" in values:
        values["projects"] = _read_projects(values["projects"], place.at("projects"))
    for name, where in (("files", Where.FILES), ("run", Where.RUN)):
        values.update(_read_table(raw, name, where, place))
    if "build" in raw:
        values["build"] = _read_builds(raw["build"], place.at("build"))
    if "data" in raw:
        values["data"] = {
            name: found
            for name, inner in _named(raw, "data", place)
            if (
                found := read_data(
                    name, _read_keys(inner, spot := place.at("data", name), _IN_DATA, ()), spot
                )
            )
        }
    return values


def _read_table(raw: dict[str, Any], name: str, where: Where, place: Place) -> dict[str, Any]:
    """The keys of the table `name`, with its name in front."""
    if name not in raw:
        return {}
    if not isinstance(raw[name], dict):
        place.at(name).refuse("must be a table", f"write `[{name}]` on a line of its own")
        return {}
    inside = _read_keys(raw[name], place.at(name), BY_PLACE[where], ())
    return {f"{name}.{key}": value for key, value in inside.items()}


def _read_keys(
    raw: dict[str, Any], place: Place, known: dict[str, Any], tables: tuple[str, ...]
) -> dict[str, Any]:
    values = {}
    for key, value in raw.items():
        spot = place.at(key)
        if key in known:
            result = read(value, spot, known[key])
            if result is not None:
                values[key] = result
        elif key not in tables:
            spot.refuse("is no key of the spec here", _hint_for_unknown(key, known, tables))
    for key, setting in known.items():
        if setting.required and key not in raw:
            place.refuse(f"`{key}` is missing", f"for example `{key} = {setting.example}`")
    return values


def _hint_for_unknown(key: str, known: dict[str, Any], tables: tuple[str, ...]) -> str:
    hint = nearest(key, [*known, *tables])
    if hint.startswith("did you mean"):
        return hint
    homes = [setting.where for setting in SETTINGS if setting.key == key.replace("_", "-")]
    named = {Where.TOP: "the top of the spec", Where.SHARED: "the top of the spec or a target"}
    if homes:
        return f"`{key.replace('_', '-')}` belongs to {named.get(homes[0], f'`[{homes[0].value}]`')}"
    everywhere = nearest(key, [*(setting.key for setting in SETTINGS), *(where.value for where in TABLES)])
    if everywhere.startswith("did you mean"):
        return everywhere
    return hint or "`docs/reference/spec.md` lists every key"


def _read_projects(items: tuple[Any, ...], place: Place) -> tuple[LocalProject, ...]:
    projects = []
    for number, item in enumerate(items):
        spot = place.at(number)
        raw = {"path": item} if isinstance(item, str) else item
        if not isinstance(raw, dict):
            spot.refuse("must be a path or a table", 'for example `projects = [".", { path = "libs/tool" }]`')
            continue
        values = _read_keys(raw, spot, BY_PLACE[Where.PROJECT], ())
        if "path" in values:
            extras, groups = values.get("extras", ()), values.get("groups", ())
            projects.append(
                LocalProject(path=values["path"], extras=extras, groups=groups, origin=spot.origin)
            )
    return tuple(projects)


def _read_builds(raw: Any, place: Place) -> tuple[BuildCommand, ...]:
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        place.refuse("must be a list of tables", "write `[[build]]` with two brackets, and `run` below it")
        return ()
    commands = []
    for number, item in enumerate(raw):
        values = _read_keys(item, place.at(number), BY_PLACE[Where.BUILD], ())
        if "run" in values:
            network = values.get("network", False)
            commands.append(
                BuildCommand(argv=values["run"], inputs=values.get("inputs", ()), network=network)
            )
            if network:
                place.at(number, "network").warn("this command reaches the network, so two builds may differ")
    return tuple(commands)


def _read_index(alias: str, raw: dict[str, Any], place: Place) -> IndexSource:
    values = _read_keys(raw, place, BY_PLACE[Where.INDEX], ())
    if alias == "default":
        hint = "`default` is the host's own index; give yours another alias, such as `house`"
        place.refuse("is taken", hint)
    if "url" in values and "folder" in values:
        place.refuse(
            "`url` and `folder` contradict each other",
            "an index has an address or is a folder; keep one of them",
        )
    return IndexSource(
        alias=alias,
        url=values.get("url", ""),
        folder=values.get("folder", ""),
        packages=tuple(sorted(values.get("packages", ()))),
    )

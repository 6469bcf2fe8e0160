"""Spec -> TOML text that parses back to the same spec, with comments where they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shipway.spec.lines import Path
from shipway.spec.model import DataSource, LocalProject, MountRule, Network, Spec, Target, Wish
from shipway.spec.toml_text import render_key, render_pair, render_value

Comments = Mapping[Path, Sequence[str]]
"""Path of a key -> lines above it; path of a list item -> what stands behind it."""
_TABLES = ("files", "run", "push")
_LATE = ("build", "data", "indexes", "targets", *_TABLES)
"""Keys that open tables of their own, so they come after single lines."""
_WHOLE = ("command", "slim")
"""Lists that a target overrides and does not extend."""


def render_spec(spec: Spec) -> str:
    """The text of `spec`: what all targets share stands at the top, the rest with each target."""
    return render_document(document_of(spec), {})


def render_document(document: Mapping[str, Any], comments: Comments) -> str:
    """TOML text of plain values in the spec's own shape."""
    return "\n".join(_table_lines(document, (), comments)).strip("\n") + "\n"


def _table_lines(table: Mapping[str, Any], path: Path, comments: Comments) -> list[str]:
    lines: list[str] = []
    for key, value in table.items():
        if not _opens_table(key, value):
            lines += [f"# {text}".rstrip() for text in comments.get((*path, key), ())]
            lines += _pair_lines(key, value, (*path, key), comments)
    for key in _TABLES:
        if isinstance(table.get(key), dict):
            lines += ["", *_head((*path, key), comments, "[{}]")]
            lines += _table_lines(table[key], (*path, key), comments)
    for number, command in enumerate(table.get("build", ())):
        lines += ["", *_head((*path, "build"), comments if number == 0 else {}, "[[{}]]")]
        lines += _table_lines(command, (*path, "build", number), comments)
    for key in ("data", "indexes", "targets"):
        for name, inner in table.get(key, {}).items():
            lines += ["", *_head((*path, key, name), comments, "[{}]")]
            lines += _table_lines(inner, (*path, key, name), comments)
    return lines


def _opens_table(key: str, value: Any) -> bool:
    """Whether `key` gets a header of its own; the `run` of a build command is no table."""
    return key in _LATE and (isinstance(value, dict) or key == "build")


def _head(path: Path, comments: Comments, form: str) -> list[str]:
    name = ".".join(render_key(part) for part in path if isinstance(part, str))
    return [*(f"# {text}".rstrip() for text in comments.get(path, ())), form.format(name)]


def _pair_lines(key: str, value: Any, path: Path, comments: Comments) -> list[str]:
    behind = (
        {number: comments[(*path, number)] for number in range(len(value)) if (*path, number) in comments}
        if (isinstance(value, list | tuple))
        else {}
    )
    if not behind:
        return (
            render_pair(key, value).split("\n")
            if "\n" not in render_value(value)
            else [render_pair(key, value)]
        )
    lines = [f"{render_key(key)} = ["]
    for number, item in enumerate(value):
        comment = "  # " + "; ".join(behind[number]) if number in behind else ""
        lines.append(f"    {render_value(item)},{comment}")
    return [*lines, "]"]


def document_of(spec: Spec) -> dict[str, Any]:
    """`spec` as plain values: what all targets begin with at the top, what differs with each target."""
    own = {target.name: _target_values(target) for target in spec.targets}
    shared = _shared(list(own.values()))
    top: dict[str, Any] = {"name": spec.name}
    optional = {
        "platforms": (list(spec.platforms), []),
        "layer-budget": (spec.layer_budget, 64),
        "epoch": (spec.epoch, None),
        "vendor": (spec.vendor, ""),
    }
    top.update({key: value for key, (value, default) in optional.items() if value != default})
    names = list(own)
    if spec.default_target != ("default" if "default" in names else names[0]):
        top["default-target"] = spec.default_target
    document = {**top, **_nested(shared)}
    push = {} if spec.push_allow is None else {"allow": list(spec.push_allow)}
    if spec.push_attach:
        push["attach"] = list(spec.push_attach)
    if push:
        document["push"] = push
    if spec.indexes:
        document["indexes"] = {
            it.alias: {
                key: value
                for key, value in (("url", it.url), ("folder", it.folder), ("packages", list(it.packages)))
                if value
            }
            for it in spec.indexes
        }
    if names != ["default"]:
        document["targets"] = {name: _nested(_beyond(values, shared)) for name, values in own.items()}
    return document


def _target_values(target: Target) -> dict[str, Any]:
    """Dotted key -> value, what has its default left out."""
    run = target.run
    values = {
        "base": str(target.base) if str(target.base) != "debian:bookworm" else "",
        "python": target.python,
        "apt": [wish.text for wish in target.apt],
        "recommends": target.recommends,
        "pip": [_wish_text(wish) for wish in target.pip],
        "constraints": [_wish_text(wish) for wish in target.constraints],
        "projects": [_project_value(project) for project in target.projects],
        "bytecode": target.bytecode,
        "system-site-packages": target.system_site_packages,
        "slim": list(target.slim),
        "workdir": target.workdir if target.workdir != "/work" else "",
        "command": list(target.command),
        "env": dict(target.env),
        "labels": dict(target.labels),
        "files.include": list(target.files.include),
        "files.ignore": list(target.files.ignore),
        "data": {one.name: _data_value(one) for one in target.data},
        "run.mounts": [_mount_text(mount) for mount in run.mounts],
        "run.shm-size": run.shm_size,
        "run.memory": run.memory,
        "run.cpus": run.cpus,
        "run.pids": run.pids,
        "run.engine": run.engine,
        "run.network": str(run.network)
        if run.network is not (Network.BRIDGE if run.ports else Network.HOST)
        else "",
        "run.ports": list(run.ports),
        "run.ulimits": list(run.ulimits),
        "run.tmpfs": list(run.tmpfs),
        "run.cpuset-cpus": run.cpuset,
        "run.cpu-shares": run.cpu_shares,
        "run.memory-swap": run.memory_swap,
        "run.user": run.user,
        "run.ipc": run.ipc,
        "run.restart": run.restart,
        "run.display": run.display,
        "run.env": dict(run.env),
        "run.pass-env": list(run.pass_env),
        "run.secrets": list(run.secrets),
        "build": [
            {"run": list(it.argv), **({"inputs": list(it.inputs)} if it.inputs else {})}
            | ({"network": True} if it.network else {})
            for it in target.build
        ],
    }
    off = {} if run.cache else {"run.cache": False}
    return {key: value for key, value in values.items() if value not in ("", [], {}, None, False)} | off


def _wish_text(wish: Wish) -> str:
    return " ".join((wish.text, *(f"--hash={value}" for value in wish.hashes)))


def _project_value(project: LocalProject) -> Any:
    if not project.extras and not project.groups:
        return project.path
    table: dict[str, Any] = {"path": project.path}
    if project.extras:
        table["extras"] = list(project.extras)
    if project.groups:
        table["groups"] = list(project.groups)
    return table


def _data_value(data: DataSource) -> dict[str, Any]:
    values = {
        "folder": data.folder,
        "volume": data.volume,
        "url": data.url,
        "sha256": data.sha256,
        "unpack": data.unpack,
        "hub": data.hub,
        "revision": data.revision,
        "files": list(data.files),
        "target": data.target,
        "read-only": data.read_only and not data.fetched,
        "how": "copy" if data.copy else "",
    }
    return {key: value for key, value in values.items() if value not in ("", [], False)}


def _mount_text(mount: MountRule) -> str:
    return f"{mount.source}:{mount.target}" + (":ro" if mount.read_only else "")


def _shared(all_values: list[dict[str, Any]]) -> dict[str, Any]:
    """What every target has: equal single values, the common beginning of lists, equal variables."""
    first, rest = all_values[0], all_values[1:]
    shared: dict[str, Any] = {}
    for key, value in first.items():
        others = [values.get(key) for values in rest]
        common: Any = None
        if isinstance(value, list) and key not in _WHOLE:
            common = _common_beginning([value, *(other or [] for other in others)])
        elif isinstance(value, dict):
            common = {
                name: it
                for name, it in value.items()
                if all((other or {}).get(name) == it for other in others)
            }
        elif all(other == value for other in others):
            common = value
        if common not in (None, [], {}):
            shared[key] = common
    return shared


def _common_beginning(lists: list[list[Any]]) -> list[Any]:
    common = []
    for items in zip(*lists, strict=False):
        if any(item != items[0] for item in items):
            break
        common.append(items[0])
    return common


def _beyond(values: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """What a target has beyond what is shared."""
    own: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and key not in _WHOLE:
            rest: Any = value[len(shared.get(key, [])) :]
        elif isinstance(value, dict):
            rest = {name: it for name, it in value.items() if name not in shared.get(key, {})}
        else:
            rest = None if key in shared else value
        if rest not in (None, [], {}):
            own[key] = rest
    return own


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys of `files` and `run` as tables."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        table, dot, name = key.partition(".")
        if dot:
            result.setdefault(table, {})[name] = value
        else:
            result[key] = value
    return result

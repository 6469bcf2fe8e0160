"""`inspect`, `explain`, `build` as text and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipway.cli.console import render_table
from shipway.core.text import shown
from shipway.core.units import render_size

if TYPE_CHECKING:
    from shipway.verbs.build import BuildResult
    from shipway.verbs.explain import ExplainResult, LayerWork
    from shipway.verbs.inspect import InspectResult

_NAMES = 4
"""Packages that a row of a table names."""


def render_inspect(result: InspectResult) -> str:
    """What the image is, and a table of layers from the bottom up."""
    target = f", target {shown(result.target)}" if result.target else ""
    head = [
        ("image", f"{shown(result.name)}{target} on {shown(result.platform)}"),
        ("digest", result.digest or "not built yet; run `shipway build`"),
        ("config", result.config_digest),
        ("base", result.base),
        ("size", render_size(result.size) if result.size is not None else ""),
        ("workdir", shown(result.workdir)),
        ("command", " ".join(map(shown, result.command))),
    ]
    lines = [f"{name.ljust(8)} {value}\n" for name, value in head if value]
    lines += [f"{'stale'.ljust(8)} {shown(sentence)}\n" for sentence in result.stale]
    rows = [
        (
            layer.name,
            render_size(layer.size) if layer.size is not None else "-",
            str(len(layer.packages)) if layer.packages else "-",
            layer.diff_id.removeprefix("sha256:")[:12] or "-",
            layer.reason,
        )
        for layer in result.layers
    ]
    table = render_table(("LAYER", "SIZE", "PACKAGES", "DIFF ID", "WHY"), rows, right=(1, 2))
    return "".join(lines) + "\n" + table


def inspect_document(result: InspectResult) -> dict[str, Any]:
    """The image with every package; digests are null while it is not built."""
    return {
        "name": result.name,
        "target": result.target or None,
        "platform": result.platform,
        "base": result.base or None,
        "digest": result.digest or None,
        "config_digest": result.config_digest or None,
        "size": result.size,
        "env": dict(result.env),
        "workdir": result.workdir,
        "command": list(result.command),
        "stale": list(result.stale),
        "layers": [
            {
                "name": layer.name,
                "diff_id": layer.diff_id or None,
                "size": layer.size,
                "reason": layer.reason,
                "packages": list(layer.packages),
            }
            for layer in result.layers
        ],
    }


def render_explain(result: ExplainResult) -> str:
    """What the spec asks for, how the lock stands, and the work of every layer."""
    lines = [
        f"project  {shown(result.name)} in {shown(result.folder)}",
        f"spec     {shown(result.spec) or 'inferred; `shipway init` writes it'}",
        f"target   {shown(result.target)} on {result.platform}",
        f"lock     {_LOCK[result.lock]}",
        *(f"         - {shown(sentence)}" for sentence in result.drift),
        "asked for",
        *(f"         {shown(wish.replace(' < ', '  <- '))}" for wish in result.wishes),
    ]
    if not result.layers:
        return "\n".join([*lines, "layers   follow from the lock"]) + "\n"
    lines.append(f"to fetch {render_size(result.fetch)}")
    rows = [(layer.name, _work(layer), _packages(layer.packages), layer.reason) for layer in result.layers]
    table = render_table(("LAYER", "WORK", "PACKAGES", "WHY"), rows)
    return "\n".join(lines) + f"\n\n{table}" + (f"\n{_start(result)}" if result.engine else "")


def _start(result: ExplainResult) -> str:
    if result.run:
        return "".join(f"{line}\n" for line in (f"engine     {result.engine}", *result.run))
    waits = result.lock != "fresh" or any(layer.missing and not layer.files for layer in result.layers)
    why = (
        "follows when all of it is built"
        if waits
        else "needs a command; `shipway explain -- COMMAND` says it"
    )
    return f"run with {result.engine}: {why}\n"


_LOCK = {
    "fresh": "matches the spec",
    "stale": "does not match the spec; it would be made anew:",
    "missing": "there is none; it would be made",
}


def _work(layer: LayerWork) -> str:
    if not layer.missing:
        return "none, it is there"
    size = f", fetch {render_size(layer.fetch)}" if layer.fetch else ""
    return f"make {len(layer.missing)} of {layer.trees}{size}"


def _packages(packages: tuple[str, ...]) -> str:
    names = [shown(package.partition(" ")[0], 40) for package in packages[:_NAMES]]
    more = f" and {len(packages) - _NAMES} more" if len(packages) > _NAMES else ""
    return (", ".join(names) + more) or "-"


def explain_document(result: ExplainResult) -> dict[str, Any]:
    """The same with every name."""
    return {
        "folder": result.folder,
        "spec": result.spec or None,
        "name": result.name,
        "target": result.target,
        "platform": result.platform,
        "lock": result.lock,
        "drift": list(result.drift),
        "wishes": list(result.wishes),
        "fetch": result.fetch,
        "engine": result.engine or None,
        "run": list(result.run) or None,
        "layers": [
            {
                "name": layer.name,
                "reason": layer.reason,
                "packages": list(layer.packages),
                "trees": layer.trees,
                "missing": list(layer.missing),
                "fetch": layer.fetch,
            }
            for layer in result.layers
        ],
    }


def render_build(result: BuildResult) -> str:
    """The digest, or of a dry run what would be made."""
    if not result.digest:
        return "".join(f"{shown(name)}\n" for name in result.missing)
    return f"{result.digest}\n"


def describe_build(result: BuildResult) -> str:
    """One sentence about it."""
    what = f"{shown(result.name)}, target {shown(result.target)} on {result.platform}"
    named = f", called {shown(result.tag)}" if result.tag else ""
    if not result.digest:
        return f"{what}: {result.built} of {result.trees} trees would be made{named}"
    return f"{what}: {result.layers} layers of {result.trees} trees, {result.built or 'none'} made now{named}"


def build_document(result: BuildResult) -> dict[str, Any]:
    """Digests and counts."""
    return {
        "name": result.name,
        "target": result.target,
        "platform": result.platform,
        "dry_run": not result.digest,
        "digest": result.digest or None,
        "config_digest": result.config_digest or None,
        "layers": result.layers,
        "trees": result.trees,
        "built": result.built,
        "missing": list(result.missing),
        "tag": result.tag or None,
    }
